"""Reads, uploads and ranges, beside a bare GridFS that does the same work, in the same run."""

from __future__ import annotations

import base64
import io
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from gridfs import GridFSBucket
from pymongo import MongoClient

from imagestore.embedded.replica_set import start_replica_set
from tests import pictures
from tests.bench.load import Connection, Pace, pace
from tests.bench.processes import memory_of, workers_of
from tests.bench.results import Better, Row, Wishes
from tests.service import Service, running_service

CLIENTS = 16
UPLOADERS = 4
ROUNDS = 3
MiB = 1024 * 1024


class Target:
    """One service that runs, and the credential to use."""

    def __init__(self, running: Service, mongo_url: str) -> None:
        self.url = running.url
        self.mongo_url = mongo_url
        self.workers = workers_of(running.process.pid)
        user = f"{running.access_key}:{running.secret}"
        self._authorization = f"Authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n"

    def put(self, connection: Connection, key: str, data: bytes) -> None:
        path = f"/v1/buckets/default/images/{key}"
        connection.request("PUT", path, data, self._authorization, expect=201)


def measure(folder: Path, wishes: Wishes) -> Iterator[Row | str]:
    folders = [folder / each for each in ("hot", "cold", "three", "members")]
    for each in folders:
        each.mkdir()
    with (
        running_service(folders[0]) as hot,
        running_service(folders[1], mongo_url=hot.mongo_url, redis_url="none", edge="off") as cold,
        start_replica_set(folders[3]) as members,
        running_service(folders[2], mongo_url=members.url) as three,
    ):
        with three.client() as client:
            client.create_bucket("default", "public-read")
        targets = Target(hot, hot.mongo_url), Target(cold, hot.mongo_url), Target(three, members.url)
        yield from measure_all(*targets, wishes.seconds)
    yield "GridFS is pymongo's GridFSBucket in the process that measures, a thread for each client, no HTTP."


def measure_all(hot: Target, cold: Target, three: Target, seconds: float) -> Iterator[Row]:
    """`hot` has Redis, `cold` has none, and both use one MongoDB of one member; `three` one of three."""
    with MongoClient[dict[str, object]](hot.mongo_url) as one, MongoClient(three.mongo_url) as set_of_three:
        bare = GridFSBucket(one["bench"], "bare")
        yield from measure_reads(hot, cold, bare, seconds)
        for target, client, where in ((three, set_of_three, "3 members"), (hot, one, "1 member")):
            yield from measure_uploads(target, GridFSBucket(client["bench"], "bare"), where, seconds)
        yield from measure_large(hot, bare)


def measure_reads(hot: Target, cold: Target, bare: GridFSBucket, seconds: float) -> Iterator[Row]:
    picture = pictures.jpeg(260, 200, noise=True)
    size = f"{len(picture) / 1024:.0f} KiB"
    with connected(hot, 1) as (connection,):
        hot.put(connection, "hot.jpg", picture)
    kept = bare.upload_from_stream("hot.jpg", picture)
    path = "/default/image/upload/hot.jpg"
    for clients in (1, CLIENTS):
        with connected(hot, clients) as warm, connected(cold, clients) as plain:
            ways: list[list[Callable[[], object]]] = [
                [lambda each=each: each.request("GET", path) for each in warm],  # type: ignore[misc]
                [lambda each=each: each.request("GET", path) for each in plain],  # type: ignore[misc]
                [lambda: bare.open_download_stream(kept).read()] * clients,
            ]
            with_redis, without, gridfs = (middle(found) for found in in_turns(ways, seconds))
        label = f"GET {size}, {clients} client{'s' * (clients > 1)}"
        for name, found in (("from Redis", with_redis), ("no cache", without)):
            yield beside(f"{label}, {name}", "/s", found.per_second, gridfs.per_second, "more")
            if clients == 1:
                yield beside(f"{label}, {name}", "ms", found.milliseconds, gridfs.milliseconds, "less")


def measure_uploads(target: Target, bare: GridFSBucket, where: str, seconds: float) -> Iterator[Row]:
    """Uploads in a row, so that each way bears what it leaves to the other members to catch up with."""
    made = distinct(pictures.jpeg(1500, 1200, noise=True, quality=70))

    def upload(connection: Connection) -> None:
        number, data = next(made)
        target.put(connection, f"up/{number}.jpg", data)

    def store() -> None:
        number, data = next(made)
        bare.upload_from_stream(f"up/{number}.jpg", io.BytesIO(data))

    for clients in (1, UPLOADERS):
        with connected(target, clients) as connections:
            ways: list[list[Callable[[], object]]] = [
                [lambda each=each: upload(each) for each in connections],  # type: ignore[misc]
                [store] * clients,
            ]
            ours, theirs = (middle(found) for found in in_turns(ways, seconds))
        label = f"upload of 1 MB, {where}, {clients} client{'s' * (clients > 1)}"
        yield beside(label, "/s", ours.per_second, theirs.per_second, "more")
        yield beside(label, "ms", ours.milliseconds, theirs.milliseconds, "less")


def distinct(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """The picture again and again, each time with other bytes: a comment behind its first marker. Threads may
    share it."""

    def numbered(number: int) -> tuple[int, bytes]:
        return number, jpeg[:2] + b"\xff\xfe\0\x12" + f"{number:016}".encode() + jpeg[2:]

    return map(numbered, itertools.count())


def measure_large(hot: Target, bare: GridFSBucket) -> Iterator[Row]:
    picture = pictures.bmp(4500, 4500)
    label = f"{len(picture) / 1e6:.0f} MB"
    path = "/default/image/upload/large.bmp"
    with added_memory([os.getpid()]) as by_bare:
        kept = bare.upload_from_stream("large.bmp", io.BytesIO(picture))
    with connected(hot, 1) as (connection,), added_memory(hot.workers) as added:
        hot.put(connection, "large.bmp", picture)
    yield beside(f"memory that an upload of {label} adds to a worker", "MiB", added[0], by_bare[0], "less")
    with added_memory([os.getpid()]) as by_bare:
        for _ in bare.open_download_stream(kept):
            pass
    with connected(hot, 1) as (connection,), added_memory(hot.workers) as added:
        connection.request("GET", path)
    yield beside(f"memory that a download of {label} adds to a worker", "MiB", added[0], by_bare[0], "less")

    def seek() -> None:
        stream = bare.open_download_stream(kept)
        stream.seek(len(picture) - 1000)
        stream.read(1)

    for where, asked in (("end", "-1000"), ("beginning", "0-999")):
        header = f"Range: bytes={asked}\r\n"
        theirs = [timed(seek) for _ in range(50)] if where == "end" else []
        with connected(hot, 1) as (connection,):
            firsts = [connection.request("GET", path, b"", header, expect=206) for _ in range(50)]
        yield beside(
            f"first byte of a range at the {where} of {label}",
            "ms",
            median(firsts) * 1000,
            median(theirs) * 1000 if theirs else None,
            "less",
        )


@contextmanager
def connected(target: Target, count: int) -> Iterator[list[Connection]]:
    connections = [Connection(target.url) for _ in range(count)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


def in_turns(ways: list[list[Callable[[], object]]], seconds: float) -> list[list[Pace]]:
    """Each way once to warm up, then all of them in turns, so that the machine's moods meet all alike."""
    for way in ways:
        pace(way, min(seconds, 0.5))
    found: list[list[Pace]] = [[] for _ in ways]
    for _ in range(ROUNDS):
        for each, way in zip(found, ways, strict=True):
            each.append(pace(way, seconds))
    return found


def beside(what: str, unit: str, ours: float, bare: float | None, better: Better) -> Row:
    figures = {"imagestore": ours} if bare is None else {"imagestore": ours, "GridFS": bare}
    return Row(what, unit, better, figures)


def middle(found: list[Pace]) -> Pace:
    names = ("per_second", "milliseconds", "slow")
    return Pace(*(median(getattr(each, name) for each in found) for name in names))


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def added_memory(pids: list[int]) -> Iterator[list[float]]:
    """In MiB, when the block has ended: how far the resident memory of one of the processes rose at most."""
    added: list[float] = []
    before = {pid: memory_of(pid, "VmRSS") for pid in pids}
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # proc(5): the peak begins anew
    try:
        yield added
    finally:
        added.append(max(memory_of(pid, "VmHWM") - before[pid] for pid in pids) / 1024)
