"""Blobs when mongod or the source fails midway: nothing claimed by halves, and the next try is good."""

from __future__ import annotations

import io
import random
from typing import IO, Any

import gridfs
import pytest
from bson import ObjectId

from imagestore.core.errors import BlobDamaged, StoreUnavailable
from imagestore.core.streams import Spool
from imagestore.embedded import Server
from imagestore.store.blobs import READ_BATCH, READ_TRIES, Blobs
from imagestore.store.drafts import BATCH_BYTES, CHUNK_SIZE
from imagestore.store.mongo import Mongo
from tests.store.commands import Commands, failing
from tests.store.conftest import OpenMongo
from tests.store.samples import put, read

SMALL = random.Random(1).randbytes(3 * CHUNK_SIZE)
LARGE = random.Random(2).randbytes(BATCH_BYTES + CHUNK_SIZE)
REFUSED = {"errorCode": 2}
"""BadValue: an error that no driver tries again."""


def leftover(store: Mongo) -> dict[str, int]:
    return {name: store.collection(name).count_documents({}) for name in ("blobs.files", "blobs.chunks")}


class Breaking(io.BytesIO):
    """A source that fails after some reads."""

    def __init__(self, data: bytes, reads: int) -> None:
        super().__init__(data)
        self.reads = reads

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads -= 1
        if self.reads < 0:
            raise OSError("the disk went away")
        return super().read(size)


class BreakingSpool(Spool):
    """A spool whose bytes can be read for a while only."""

    def __init__(self, data: bytes, reads: int) -> None:
        super().__init__()
        self.write(data)
        self.source = Breaking(data, reads)

    def open(self) -> IO[bytes]:
        return self.source


@pytest.mark.parametrize(
    ("data", "command", "mode"),
    [
        (SMALL, "insert", "alwaysOn"),
        (SMALL, "insert", {"skip": 1}),
        (SMALL, "insert", {"skip": 2}),
        (LARGE, "insert", "alwaysOn"),
        (LARGE, "insert", {"skip": 2}),
    ],
)
def test_a_put_that_is_refused_midway_claims_nothing(
    mongo: Server, blobs: Blobs, store: Mongo, data: bytes, command: str, mode: Any
) -> None:
    with failing(mongo, [command], mode=mode, **REFUSED), pytest.raises(StoreUnavailable):
        put(blobs, data)
    assert store.collection("claims").count_documents({}) == 0
    assert leftover(store)["blobs.files"] == 0  # but chunks, perhaps, which a sweep finds
    assert read(blobs, put(blobs, data)) == data


@pytest.mark.parametrize(("data", "reads"), [(SMALL, 0), (SMALL, 2), (LARGE, 0), (LARGE, 16)])
def test_a_source_that_breaks_claims_nothing(blobs: Blobs, store: Mongo, data: bytes, reads: int) -> None:
    with BreakingSpool(data, reads) as broken, pytest.raises(OSError, match="went away"):
        blobs.put(broken, "image/png")
    assert broken.source.closed
    assert store.collection("claims").count_documents({}) == 0
    assert leftover(store)["blobs.files"] == 0
    assert read(blobs, put(blobs, data)) == data


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("command", ["insert", "commitTransaction", "findAndModify"])
def test_a_connection_that_is_cut_once_is_not_noticed(
    mongo: Server, blobs: Blobs, store: Mongo, command: str, data: bytes
) -> None:
    with failing(mongo, [command], mode={"times": 1}, closeConnection=True):
        ref = put(blobs, data)
    assert read(blobs, ref) == data
    assert leftover(store) == {"blobs.files": 1, "blobs.chunks": -(-len(data) // CHUNK_SIZE)}


def test_a_commit_that_no_majority_confirmed_is_found_by_the_next_try(
    mongo: Server, open_mongo: OpenMongo, blobs: Blobs, store: Mongo
) -> None:
    late = {"code": 64, "codeName": "WriteConcernFailed", "errmsg": "waiting for replication timed out"}
    hurried = Blobs(open_mongo(write_timeout=2))
    with failing(mongo, ["commitTransaction"], writeConcernError=late), pytest.raises(StoreUnavailable):
        put(hurried, SMALL)
    ref = put(blobs, SMALL)
    assert read(blobs, ref) == SMALL
    assert leftover(store) == {"blobs.files": 1, "blobs.chunks": 3}


@pytest.mark.parametrize(
    ("times", "fault"),
    [(1, {"closeConnection": True}), (3, {"closeConnection": True}), (READ_TRIES - 1, REFUSED)],
    ids=["cut once", "cut often", "refused"],
)
def test_a_read_goes_on_where_it_was_when_mongod_is_back(
    mongo: Server, blobs: Blobs, commands: Commands, times: int, fault: dict[str, Any]
) -> None:
    ref = put(blobs, LARGE)
    with blobs.open(ref) as opened:
        stream = opened.open()
        given = next(stream)
        commands.clear()
        with failing(mongo, ["find"], mode={"times": times}, **fault):
            given += b"".join(stream)
    assert given == LARGE
    asked = commands.chunks_read()
    assert asked[: (times + 1) * READ_BATCH] == [*range(1, 1 + READ_BATCH)] * (times + 1)


def test_a_read_ends_when_mongod_stays_away(mongo: Server, blobs: Blobs, commands: Commands) -> None:
    ref = put(blobs, LARGE)
    with blobs.open(ref) as opened:
        stream = opened.open()
        given = next(stream)
        commands.clear()
        with failing(mongo, ["find"], **REFUSED), pytest.raises(StoreUnavailable):
            given += b"".join(stream)
    assert len(commands.on("blobs.chunks")) == READ_TRIES
    assert given == LARGE[: len(given)]
    assert read(blobs, ref) == LARGE


def test_a_file_that_is_gone_is_never_an_empty_answer(blobs: Blobs, store: Mongo) -> None:
    ref = put(blobs, SMALL)
    # A reader with write access may do that, as any GridFS tool would.
    gridfs.GridFSBucket(store.database, "blobs").delete(ObjectId(ref.file_id))
    with pytest.raises(BlobDamaged):
        read(blobs, ref)
