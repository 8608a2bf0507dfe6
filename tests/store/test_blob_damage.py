"""Stored bytes that are not what was written: never a whole blob with a wrong digest, and the log says so."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import xxhash
from bson import Binary, ObjectId

from imagestore.core.errors import BlobDamaged
from imagestore.core.image import BlobRef
from imagestore.store.blobs import Blobs
from imagestore.store.drafts import CHUNK_SIZE, SUM
from imagestore.store.mongo import Mongo
from tests.store.samples import put, read

CHUNKS = 7
DATA = random.Random(1).randbytes((CHUNKS - 1) * CHUNK_SIZE + 1000)


class Chunk:
    """One stored chunk, to be tampered with."""

    def __init__(self, store: Mongo, ref: BlobRef, number: int) -> None:
        self.chunks = store.collection("blobs.chunks")
        self.name = {"files_id": ObjectId(ref.file_id), "n": number}
        self.data = bytes(self.chunks.find_one(self.name)["data"])

    def remove(self) -> None:
        self.chunks.delete_one(self.name)

    def replace(self, data: bytes) -> None:
        self.chunks.update_one(self.name, {"$set": {"data": Binary(data)}})

    def replace_with_sum(self, data: bytes) -> None:
        self.replace(data)
        self.chunks.update_one(self.name, {"$set": {SUM: Binary(xxhash.xxh3_64_digest(data))}})

    def replace_without_sum(self, data: bytes) -> None:
        self.replace(data)
        self.chunks.update_one(self.name, {"$unset": {SUM: ""}})

    def renumber(self) -> None:
        self.chunks.update_one(self.name, {"$set": {"n": 1000}})


def flipped(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


SEEN_AT_ONCE = {
    "removed": lambda chunk: chunk.remove(),
    "renumbered": lambda chunk: chunk.renumber(),
    "truncated": lambda chunk: chunk.replace(chunk.data[:-1]),
    "truncated, with its sum": lambda chunk: chunk.replace_with_sum(chunk.data[:-1]),
    "emptied": lambda chunk: chunk.replace_with_sum(b""),
    "grown": lambda chunk: chunk.replace_with_sum(chunk.data + b"\0"),
    "flipped": lambda chunk: chunk.replace(flipped(chunk.data)),
}
SEEN_AT_THE_END = {
    "flipped, with its sum": lambda chunk: chunk.replace_with_sum(flipped(chunk.data)),
    "flipped, without a sum": lambda chunk: chunk.replace_without_sum(flipped(chunk.data)),
}
Tamper = Callable[[Chunk], None]


def read_while_good(blobs: Blobs, ref: BlobRef) -> bytes:
    """What a reader of the whole blob is given before it is told of the damage."""
    given = b""
    with blobs.open(ref) as opened, pytest.raises(BlobDamaged):
        for data in opened.open():
            given += data
    return given


@pytest.mark.parametrize("number", [0, 1, 3, CHUNKS - 1])
@pytest.mark.parametrize("tamper", SEEN_AT_ONCE.values(), ids=SEEN_AT_ONCE)
def test_a_bad_chunk_is_not_given_out(blobs: Blobs, store: Mongo, tamper: Tamper, number: int) -> None:
    ref = put(blobs, DATA)
    tamper(Chunk(store, ref, number))
    given = read_while_good(blobs, ref)
    assert given == DATA[: len(given)]
    assert len(given) <= number * CHUNK_SIZE


@pytest.mark.parametrize("number", [0, 3, CHUNKS - 1])
@pytest.mark.parametrize("tamper", SEEN_AT_THE_END.values(), ids=SEEN_AT_THE_END)
def test_a_whole_blob_is_not_given_out_against_its_digest(
    blobs: Blobs, store: Mongo, tamper: Tamper, number: int
) -> None:
    ref = put(blobs, DATA)
    tamper(Chunk(store, ref, number))
    assert len(read_while_good(blobs, ref)) == (CHUNKS - 1) * CHUNK_SIZE


@pytest.mark.parametrize("tamper", [*SEEN_AT_ONCE.values(), *SEEN_AT_THE_END.values()])
def test_a_blob_of_one_chunk_gives_nothing_out(blobs: Blobs, store: Mongo, tamper: Tamper) -> None:
    ref = put(blobs, b"one chunk")
    tamper(Chunk(store, ref, 0))
    assert read_while_good(blobs, ref) == b""


@pytest.mark.parametrize("tamper", SEEN_AT_ONCE.values(), ids=SEEN_AT_ONCE)
def test_a_range_of_a_bad_chunk_is_refused_and_others_are_served(
    blobs: Blobs, store: Mongo, tamper: Tamper
) -> None:
    ref = put(blobs, DATA)
    tamper(Chunk(store, ref, 2))
    with pytest.raises(BlobDamaged):
        read(blobs, ref, 2 * CHUNK_SIZE + 10, 2 * CHUNK_SIZE + 20)
    assert read(blobs, ref, 0, 2 * CHUNK_SIZE) == DATA[: 2 * CHUNK_SIZE]
    assert read(blobs, ref, 3 * CHUNK_SIZE, 4 * CHUNK_SIZE) == DATA[3 * CHUNK_SIZE : 4 * CHUNK_SIZE]


def test_another_file_in_the_place_of_ours_is_found_out(blobs: Blobs) -> None:
    ours, other = put(blobs, DATA), put(blobs, flipped(DATA))
    assert len(read_while_good(blobs, replace(ours, file_id=other.file_id))) < len(DATA)
    assert read_while_good(blobs, replace(ours, file_id=str(ObjectId()))) == b""


def test_the_log_names_the_blob(blobs: Blobs, store: Mongo, caplog: pytest.LogCaptureFixture) -> None:
    ref = put(blobs, DATA)
    Chunk(store, ref, 1).remove()
    read_while_good(blobs, ref)
    (record,) = (each for each in caplog.records if each.levelname == "ERROR")
    assert ref.digest in record.getMessage()
    assert ref.file_id in record.getMessage()


def test_a_blob_without_sums_is_read_like_any_other(blobs: Blobs, store: Mongo) -> None:
    ref = put(blobs, DATA)
    store.collection("blobs.chunks").update_many({}, {"$unset": {SUM: ""}})
    assert read(blobs, ref) == DATA
