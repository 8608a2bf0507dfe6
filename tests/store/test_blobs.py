"""Blobs on a real mongod: what is put comes back by range, is kept once, and any GridFS reader reads it."""

from __future__ import annotations

import random
import tracemalloc

import gridfs
import pytest
from bson import ObjectId

from imagestore.core.image import BlobRef
from imagestore.store.blobs import READ_BATCH, Blobs
from imagestore.store.drafts import BATCH_BYTES, CHUNK_SIZE
from imagestore.store.mongo import Mongo
from tests.service import await_that
from tests.store.commands import Commands
from tests.store.samples import all_at_once, digest_of, put, read

MB = 1024 * 1024
SIZES = [
    1, CHUNK_SIZE - 1, CHUNK_SIZE, CHUNK_SIZE + 1, 2 * CHUNK_SIZE, MB,
    BATCH_BYTES, BATCH_BYTES + 1, 12 * MB,
]  # fmt: skip


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def counts(store: Mongo) -> dict[str, int]:
    return {
        name: store.collection(name).count_documents({}) for name in ("claims", "blobs.files", "blobs.chunks")
    }


@pytest.mark.parametrize("size", SIZES)
def test_what_is_put_comes_back(blobs: Blobs, store: Mongo, size: int) -> None:
    data = noise(size)
    ref = put(blobs, data)
    assert ref == BlobRef(digest_of(data), ref.file_id, size, CHUNK_SIZE)
    assert read(blobs, ref) == data
    assert counts(store) == {"claims": 1, "blobs.files": 1, "blobs.chunks": -(-size // CHUNK_SIZE)}


@pytest.mark.parametrize("size", SIZES)
def test_any_gridfs_reader_reads_it(blobs: Blobs, store: Mongo, size: int) -> None:
    data = noise(size)
    file_id = ObjectId(put(blobs, data).file_id)
    with gridfs.GridFSBucket(store.database, "blobs").open_download_stream(file_id) as stream:
        assert stream.read() == data
        assert stream.metadata == {"sha256": digest_of(data), "contentType": "image/png"}
    with gridfs.GridFS(store.database, "blobs").get(file_id) as stream:
        assert stream.read() == data
        assert (stream.length, stream.chunk_size, stream.filename) == (size, CHUNK_SIZE, digest_of(data))


def test_a_blob_has_an_id_that_is_not_its_digest(blobs: Blobs, store: Mongo) -> None:
    first = put(blobs, b"same")
    store.collection("claims").delete_one({"_id": first.digest})
    assert put(blobs, b"same").file_id != first.file_id


C = CHUNK_SIZE
RANGES = [
    # start, stop, the chunks that this takes
    (0, 1, [0]),
    (0, C, [0]),
    (0, C + 1, [0, 1]),
    (C - 1, C, [0]),
    (C - 1, C + 1, [0, 1]),
    (C, C + 1, [1]),
    (C, 2 * C, [1]),
    (C + 5, 2 * C - 5, [1]),
    (2 * C - 1, 4 * C + 1, [1, 2, 3, 4]),
    (4 * C, 4 * C + 10, [4]),
    (4 * C + 9, 4 * C + 10, [4]),
    (3, 4 * C + 10, [0, 1, 2, 3, 4]),
    (0, 4 * C + 10, [0, 1, 2, 3, 4]),
    (7, 7, []),
    (0, 0, []),
]


@pytest.mark.parametrize(("start", "stop", "chunks"), RANGES)
def test_a_range_is_exact_and_reads_its_own_chunks_only(
    blobs: Blobs, commands: Commands, start: int, stop: int, chunks: list[int]
) -> None:
    data = noise(4 * C + 10)
    ref = put(blobs, data)
    commands.clear()
    assert read(blobs, ref, start, stop) == data[start:stop]
    assert commands.chunks_read() == chunks
    assert all(next(iter(command)) == "find" for command in commands.sent)
    assert {command["find"] for command in commands.sent} <= {"blobs.chunks"}


def test_little_is_read_ahead_of_a_slow_reader(blobs: Blobs, commands: Commands) -> None:
    ref = put(blobs, noise(12 * MB))
    commands.clear()
    with blobs.open(ref) as opened:
        assert commands.sent == []
        stream = opened.open()
        next(stream)
        assert commands.chunks_read() == [0]
        for taken in range(2 * READ_BATCH):
            next(stream)
            most = 1 + (2 + taken // READ_BATCH) * READ_BATCH
            await_that(lambda most=most: commands.chunks_read() == list(range(most)))


def test_bytes_that_are_kept_are_not_written_again(blobs: Blobs, commands: Commands, store: Mongo) -> None:
    first = put(blobs, noise(MB))
    claimed = store.collection("claims").find_one()["claimed"]
    commands.clear()
    assert put(blobs, noise(MB)) == first
    assert commands.on("blobs.chunks", "insert") == commands.on("blobs.files", "insert") == []
    assert store.collection("claims").find_one()["claimed"] > claimed


@pytest.mark.parametrize("size", [CHUNK_SIZE * 3, BATCH_BYTES + CHUNK_SIZE])
def test_the_first_chunk_is_the_last_to_be_written(blobs: Blobs, store: Mongo, size: int) -> None:
    ref = put(blobs, noise(size))
    chunks = store.collection("blobs.chunks").find({"files_id": ObjectId(ref.file_id)}, {"n": 1})
    written = [each["n"] for each in chunks.sort("$natural", 1)]
    assert written[-1] == 0
    assert sorted(written) == [*range(-(-size // CHUNK_SIZE))]  # large ones go two batches at once


@pytest.mark.parametrize(("size", "writers"), [(300_000, 50), (BATCH_BYTES + 1, 6)])
def test_the_same_bytes_at_once_are_kept_once(blobs: Blobs, store: Mongo, size: int, writers: int) -> None:
    data = noise(size)
    refs = all_at_once(lambda _: put(blobs, data), writers)
    assert refs == [refs[0]] * writers
    assert counts(store) == {"claims": 1, "blobs.files": 1, "blobs.chunks": -(-size // CHUNK_SIZE)}
    assert read(blobs, refs[0]) == data


def test_different_bytes_at_once_are_all_kept(blobs: Blobs, store: Mongo) -> None:
    refs = all_at_once(lambda each: put(blobs, noise(300_000, each)), 20)
    assert counts(store) == {"claims": 20, "blobs.files": 20, "blobs.chunks": 40}
    assert [read(blobs, ref) for ref in refs] == [noise(300_000, each) for each in range(20)]


def test_memory_stays_small_however_large_the_blob(blobs: Blobs) -> None:
    size = 60 * MB
    block = noise(MB)
    data = b"".join(block[:-1] + bytes((number,)) for number in range(60))
    tracemalloc.start()
    try:
        ref = put(blobs, data)
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with blobs.open(ref) as opened:
            assert sum(map(len, opened.open())) == size
        red = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert written < 30 * MB
    assert red < 15 * MB
