"""What is measured: each case beside a bare GridFS that does the same work, in the same run."""

from __future__ import annotations

import base64
import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from gridfs import GridFSBucket
from pymongo import MongoClient

from tests import pictures
from tests.bench.load import Connection, Pace, pace
from tests.service import Service

CLIENTS = 16
ROUNDS = 3
MiB = 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One line of the result. `better` says in which direction; `bare` is None where nothing compares."""

    what: str
    unit: str
    ours: float
    bare: float | None
    better: str

    @property
    def ratio(self) -> float | None:
        return self.ours / self.bare if self.bare else None


class Target:
    """One service that runs, and the credential to use."""

    def __init__(self, running: Service) -> None:
        self.url = running.url
        self.pid = running.process.pid
        user = f"{running.access_key}:{running.secret}"
        self._authorization = f"Authorization: Basic {base64.b64encode(user.encode()).decode()}\r\n"

    def put(self, connection: Connection, key: str, data: bytes) -> None:
        path = f"/v1/buckets/default/images/{key}"
        connection.request("PUT", path, data, self._authorization, expect=201)


def measure_all(hot: Target, cold: Target, mongo_url: str, seconds: float) -> Iterator[Row]:
    """`hot` has Redis, `cold` has none, both use the MongoDB at `mongo_url`."""
    with MongoClient[dict[str, object]](mongo_url) as mongo:
        bare = GridFSBucket(mongo["bench"], "bare")
        yield from measure_reads(hot, cold, bare, seconds)
        yield from measure_uploads(hot, bare)
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
            yield Row(f"{label}, {name}", "/s", found.per_second, gridfs.per_second, "more")
            if clients == 1:
                yield Row(f"{label}, {name}", "ms", found.milliseconds, gridfs.milliseconds, "less")


def measure_uploads(hot: Target, bare: GridFSBucket) -> Iterator[Row]:
    made = [pictures.jpeg(1500, 1200, noise=True, quality=80, seed=seed) for seed in range(20)]
    with connected(hot, 1) as (connection,):
        numbered = iter(enumerate(made))
        again = iter(enumerate(made))

        def upload() -> None:
            number, data = next(numbered)
            hot.put(connection, f"up/{number}.jpg", data)

        def store() -> None:
            number, data = next(again)
            bare.upload_from_stream(f"up/{number}.jpg", io.BytesIO(data))

        ours, theirs = [], []
        for _ in made:
            ours.append(timed(upload))
            theirs.append(timed(store))
    label = f"upload of {median(map(len, made)) / MiB:.1f} MiB, checked and decoded"
    yield Row(label, "ms", median(ours) * 1000, median(theirs) * 1000, "less")


def measure_large(hot: Target, bare: GridFSBucket) -> Iterator[Row]:
    picture = pictures.bmp(4500, 4500)
    label = f"{len(picture) / MiB:.0f} MiB"
    path = "/default/image/upload/large.bmp"
    with connected(hot, 1) as (connection,):
        with added_memory(hot.pid) as added:
            hot.put(connection, "large.bmp", picture)
        yield Row(f"memory that an upload of {label} adds, decoder included", "MiB", added[0], None, "less")
        with added_memory(hot.pid) as added:
            connection.request("GET", path)
        yield Row(f"memory that a download of {label} adds", "MiB", added[0], None, "less")
        with added_memory(os.getpid()) as added:
            kept = bare.upload_from_stream("large.bmp", io.BytesIO(picture))
        yield Row(f"the same: a bare GridFS upload of {label}", "MiB", added[0], None, "less")

        def seek() -> None:
            stream = bare.open_download_stream(kept)
            stream.seek(len(picture) - 1000)
            stream.read(1)

        for where, asked in (("end", "-1000"), ("beginning", "0-999")):
            header = f"Range: bytes={asked}\r\n"
            firsts = [connection.request("GET", path, b"", header, expect=206) for _ in range(50)]
            theirs = [timed(seek) for _ in range(50)] if where == "end" else []
            yield Row(
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


def middle(found: list[Pace]) -> Pace:
    return Pace(median(each.per_second for each in found), median(each.milliseconds for each in found))


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


@contextmanager
def added_memory(pid: int) -> Iterator[list[float]]:
    """In MiB, when the block has ended: the most that the service's processes held beyond what they had."""
    added: list[float] = []
    ended = threading.Event()
    before = peak = anonymous_memory(pid)

    def watch() -> None:
        nonlocal peak
        while not ended.wait(0.005):
            peak = max(peak, anonymous_memory(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield added
    finally:
        ended.set()
        watcher.join()
        added.append((peak - before) / MiB)


def anonymous_memory(pid: int) -> int:
    """Bytes of anonymous memory of a process and all below it, but for the database servers."""
    total = 0
    for each in family(pid):
        try:
            if Path(f"/proc/{each}/comm").read_text().strip() in ("mongod", "redis-server", "valkey-server"):
                continue
            status = Path(f"/proc/{each}/status").read_text()
        except OSError:  # it has ended meanwhile
            continue
        found = status.partition("RssAnon:")[2].split()
        total += int(found[0]) * 1024 if found else 0
    return total


def family(pid: int) -> Iterator[int]:
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family(int(child))
    except OSError:
        return
