"""Large objects and long lists: what they cost in memory, and that nothing is lost or twice on the way."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.s3.transfer import TransferConfig

from tests.figures import Figures
from tests.s3.clients import s3_client
from tests.s3.conftest import MiB
from tests.s3.many_keys import multiply
from tests.service import Service, running_service
from tests.web.watch import peak_memory, workers

PART = 8 * MiB
ADDED = 48 * MiB
"""What a large object may add to all workers together."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose memory nobody else uses."""
    with running_service(tmp_path_factory.mktemp("sizes"), s3_bind="127.0.0.1:0", workers=2) as running:
        yield running


@pytest.fixture(scope="module")
def s3(fresh: Service) -> Iterator[Any]:
    client = s3_client(fresh.s3_url, fresh.access_key, fresh.secret, max_pool_connections=20)
    yield client
    client.close()


class Content:
    """So many bytes, each 8 MiB of them another, that are made as they are read."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.hash = hashlib.sha256()
        self._source = random.Random(size)
        self._ready = bytearray()

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        while len(self._ready) < size:
            self._ready += self._source.randbytes(MiB)
        data = bytes(self._ready[:size])
        del self._ready[:size]
        self.left -= size
        self.hash.update(data)
        return data


@pytest.mark.parametrize(
    "size",
    [100 * MiB, pytest.param(2048 * MiB, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
    ids=["100 MiB", "2 GiB"],
)
def test_a_large_object_takes_little_memory(fresh: Service, s3: Any, figures: Figures, size: int) -> None:
    s3.create_bucket(Bucket="large")
    carry(s3, 3 * PART)  # whatever is loaded once, and the threads of both workers
    before = sum(map(peak_from_now, workers(fresh)))
    assert carry(s3, size)
    added = sum(map(peak_memory, workers(fresh))) - before
    figures(MiB_more_in_all_workers=added // MiB, of=size // MiB)
    assert added < ADDED
    s3.delete_bucket(Bucket="large")


def carry(s3: Any, size: int) -> bool:
    """There and back, ten parts at once, as boto3 does it of its own; whether it is the same then."""
    sent = Content(size)
    at_once = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
    s3.upload_fileobj(sent, "large", "file", Config=at_once)
    back = hashlib.sha256()
    with contextlib.closing(s3.get_object(Bucket="large", Key="file")["Body"]) as body:
        for data in body.iter_chunks(MiB):
            back.update(data)
    s3.delete_object(Bucket="large", Key="file")
    return back.digest() == sent.hash.digest()


def peak_from_now(pid: int) -> int:
    """What a process has resident; its peak begins there anew (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak_memory(pid)


KEYS = [f"k/{number:05}" for number in range(3_500)]
WRITES = 50
"""Each list has four pages, between and during which others write."""


def test_lists_are_whole_while_others_write(fresh: Service, s3: Any, figures: Figures) -> None:
    """Some write over the keys that are listed, others make and delete keys between them."""
    s3.create_bucket(Bucket="many")
    s3.put_object(Bucket="many", Key=KEYS[0], Body=b"x")
    multiply(fresh.mongo_url, "many", KEYS[1:])
    written, passes = 0, 0

    def over(number: int) -> None:
        s3.put_object(Bucket="many", Key=random.choice(KEYS), Body=str(number).encode())

    def between(number: int) -> None:
        key = f"{random.choice(KEYS)}+{number}"
        s3.put_object(Bucket="many", Key=key, Body=b"y")
        s3.delete_object(Bucket="many", Key=key)

    with writing(over, between) as count:
        while written < WRITES:
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket="many")
            listed = [each["Key"] for page in pages for each in page["Contents"]]
            assert [key for key in listed if "+" not in key] == KEYS
            assert listed == sorted(set(listed))
            written, passes = count(), passes + 1
        pages = s3.get_paginator("list_objects").paginate(Bucket="many", PaginationConfig={"PageSize": 700})
        older = [each["Key"] for page in pages for each in page["Contents"] if "+" not in each["Key"]]
        assert older == KEYS
    figures(writes=written, lists=passes)


@contextlib.contextmanager
def writing(*writers: Callable[[int], None]) -> Iterator[Callable[[], int]]:
    """Each of them runs over and over in a thread of its own; yields how often they did in all."""
    ends, done, failed = threading.Event(), [0] * len(writers), []

    def run(place: int) -> None:
        try:
            while not ends.is_set():
                writers[place](done[place])
                done[place] += 1
        except Exception as error:
            failed.append(error)
            ends.set()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(writers))]
    for each in threads:
        each.start()
    try:
        yield lambda: sum(done) if not failed else pytest.fail(f"a writer failed: {failed}")
    finally:
        ends.set()
        for each in threads:
            each.join()
