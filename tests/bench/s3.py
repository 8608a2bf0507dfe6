"""The S3 door by boto3, beside moto's server in the same run, and what a page of a very long list costs."""

from __future__ import annotations

import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench.peers import free_port, running
from tests.bench.results import Row, Wishes
from tests.bench.store import in_turns, middle
from tests.s3.clients import s3_client
from tests.s3.many_keys import multiply
from tests.service import running_service

KiB = 1024
MiB = 1024 * KiB
SIZES = {"64 KB": 64 * KiB, "8 MB": 8 * MiB}
CLIENTS = 4
KEPT = 8
"""Objects of a size that are read in turn, and keys that are written over in turn."""

KEYS = 1_000_000
PAGE = 1000
PAGES = (1, 900)
LOOKS = 30
WANTED = {"moto": 1.0}


def measure(folder: Path, wishes: Wishes) -> Iterator[Row | str]:
    with running_service(folder, s3_bind="127.0.0.1:0", workers=2) as service:
        port = free_port()
        moto = [str(Path(sys.executable).parent / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        with (
            running(moto, port),
            closing(connect(service.s3_url, service.access_key, service.secret)) as ours,
            closing(connect(f"http://127.0.0.1:{port}", "any", "any")) as theirs,
        ):
            yield from measure_objects(ours, theirs, wishes.seconds)
        with closing(connect(service.s3_url, service.access_key, service.secret)) as ours:
            yield from measure_lists(ours, service.mongo_url)
    yield "A client is a thread with boto3, which itself takes most of the time of small objects."
    yield "moto keeps objects in its memory; here they are in MongoDB, and on disk, when a put is answered."
    yield f"The list is of {KEYS:,} keys, made directly in the database; medians of {LOOKS} calls."


def connect(url: str, access_key: str, secret: str) -> Any:
    path = {"addressing_style": "path"}
    return s3_client(url, access_key, secret, max_pool_connections=2 * CLIENTS, s3=path)


def measure_objects(ours: Any, theirs: Any, seconds: float) -> Iterator[Row]:
    for each in (ours, theirs):
        each.create_bucket(Bucket="bench")
    source = random.Random("s3")
    for name, size in SIZES.items():
        content = source.randbytes(size)
        puts = [put(each, name, content) for each in (ours, theirs)]
        for write in puts:
            for _ in range(KEPT):
                write()
        gets = [get(each, name) for each in (ours, theirs)]
        for verb, calls in (("put", puts), ("get", gets)):
            for clients in (1, CLIENTS):
                found = in_turns([[call] * clients for call in calls], seconds)
                paces = [middle(each).per_second for each in found]
                figures = dict(zip(("imagestore", "moto"), paces, strict=True))
                what = f"{verb} {name}, {clients} client{'s' * (clients > 1)}"
                yield Row(what, "/s", "more", figures, WANTED)


def put(s3: Any, name: str, content: bytes) -> Callable[[], object]:
    """Writes other bytes each time, over a few keys in turn."""
    numbers = itertools.count()

    def write() -> None:
        number = next(numbers)
        s3.put_object(
            Bucket="bench", Key=f"{name}/{number % KEPT}", Body=number.to_bytes(8, "big") + content[8:]
        )

    return write


def get(s3: Any, name: str) -> Callable[[], object]:
    numbers = itertools.count()

    def read() -> None:
        with closing(s3.get_object(Bucket="bench", Key=f"{name}/{next(numbers) % KEPT}")["Body"]) as body:
            body.read()

    return read


def measure_lists(s3: Any, mongo_url: str) -> Iterator[Row]:
    s3.create_bucket(Bucket="long")
    s3.put_object(Bucket="long", Key=key_of(0), Body=b"x")
    multiply(mongo_url, "long", map(key_of, range(1, KEYS)))
    for page in PAGES:  # the first look finds nothing of the index in memory
        look(s3, page)
    taken: dict[int, list[float]] = {page: [] for page in PAGES}
    for _ in range(LOOKS):
        for page in PAGES:
            taken[page].append(look(s3, page))
    figures = {f"page {page}": median(taken[page]) * 1000 for page in reversed(PAGES)}
    yield Row(f"a page of {PAGE:,} keys of {KEYS:,}", "ms", "less", figures)


def key_of(number: int) -> str:
    return f"folder/{number:07}.jpg"


def look(s3: Any, page: int) -> float:
    """Seconds that a page takes; who asks for it has its token from the page before, which says as much."""
    after = {} if page == 1 else {"StartAfter": key_of((page - 1) * PAGE - 1)}
    began = time.perf_counter()
    answer = s3.list_objects_v2(Bucket="long", MaxKeys=PAGE, **after)
    taken = time.perf_counter() - began
    if answer["Contents"][0]["Key"] != key_of((page - 1) * PAGE) or answer["KeyCount"] != PAGE:
        raise RuntimeError(f"that is not page {page}: {answer['Contents'][0]}")
    return taken
