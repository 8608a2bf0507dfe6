"""The door to MongoDB: its indexes, its deadlines, its errors, and the write concern it asks for."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import StoreUnavailable
from imagestore.core.image import Condition, Labels
from imagestore.embedded import Server, start_mongod
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents, Naming
from imagestore.store.drafts import BATCH_BYTES, CHUNK_SIZE
from imagestore.store.mongo import INDEXES, Mongo
from imagestore.store.registry import CredentialRecord, Registry
from tests.store.commands import WRITES, Commands, failing
from tests.store.conftest import OpenMongo
from tests.store.samples import BUCKET, add, blob, facts, put, read

# Indexes


@pytest.fixture
def indexed_database(mongo_database: str) -> str:
    """One in which all indexes are still to be built."""
    return mongo_database


def test_a_fresh_database_lacks_every_index_and_then_none(open_mongo: OpenMongo) -> None:
    opened = open_mongo()
    assert len(opened.missing_indexes()) == sum(map(len, INDEXES.values()))
    opened.ensure_indexes()
    assert opened.missing_indexes() == []
    opened.ensure_indexes()
    assert opened.missing_indexes() == []


@pytest.mark.parametrize("name", INDEXES)
def test_an_index_that_was_dropped_is_named_and_built_again(store: Mongo, name: str) -> None:
    for index in list(store.collection(name).list_indexes()):
        if index["name"] != "_id_":
            store.collection(name).drop_index(index["name"])
            fields = ", ".join(index["key"])
            assert f"{name}: {fields}" in store.missing_indexes()
    store.ensure_indexes()
    assert store.missing_indexes() == []


def test_an_index_that_is_not_unique_does_not_do(store: Mongo) -> None:
    chunks = store.collection("blobs.chunks")
    chunks.drop_index([("files_id", 1), ("n", 1)])
    chunks.create_index([("files_id", 1), ("n", 1)])
    assert store.missing_indexes() == ["blobs.chunks: files_id, n"]
    with pytest.raises(StoreUnavailable, match="indexes cannot be built"):
        store.ensure_indexes()


def test_chunks_that_are_there_twice_keep_the_index_from_being_built(open_mongo: OpenMongo) -> None:
    opened = open_mongo()
    opened.collection("blobs.chunks").insert_many([{"files_id": 1, "n": 0}, {"files_id": 1, "n": 0}])
    with pytest.raises(StoreUnavailable):
        opened.ensure_indexes()
    assert "blobs.chunks: files_id, n" in opened.missing_indexes()


# Errors


def read_of(store: Mongo) -> Any:
    return Documents(store).find_image(BUCKET, "a")


def write_of(store: Mongo) -> Any:
    return Documents(store).publish(Naming(BUCKET, "a"), blob(), facts())


NOBODY = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=500"


@pytest.mark.parametrize("act", [read_of, write_of, Mongo.ping, Mongo.missing_indexes, Mongo.ensure_indexes])
def test_a_mongod_that_is_away_is_an_outage(open_mongo: OpenMongo, act: Any) -> None:
    opened = open_mongo(url=NOBODY, read_timeout=0.3, write_timeout=0.3)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        act(opened)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("act", "command"), [(read_of, "find"), (write_of, "insert"), (Mongo.ping, "ping")])
@pytest.mark.parametrize(
    "fault",
    [{"closeConnection": True}, {"errorCode": 2}, {"errorCode": 11600}],
    ids=["cut", "bad", "shutdown"],
)
def test_whatever_mongod_answers_is_an_outage(
    mongo: Server, open_mongo: OpenMongo, caplog: pytest.LogCaptureFixture, act: Any, command: str, fault: Any
) -> None:
    store = open_mongo(read_timeout=0.5, write_timeout=0.5)
    store.ensure_indexes()
    with failing(mongo, [command], **fault), pytest.raises(StoreUnavailable):
        act(store)
    assert [each.levelno for each in caplog.records if each.name == "imagestore.store.mongo"] == [
        logging.WARNING
    ]
    store = open_mongo()
    act(store)


@pytest.mark.parametrize(
    ("act", "command"), [(read_of, "find"), (write_of, "insert"), (write_of, "findAndModify")]
)
def test_a_mongod_that_hangs_is_an_outage_in_time(
    mongo: Server, open_mongo: OpenMongo, act: Any, command: str
) -> None:
    opened = open_mongo(read_timeout=0.5, write_timeout=0.5)
    opened.ensure_indexes()
    with (
        failing(mongo, [command], blockConnection=True, blockTimeMS=4000),
        pytest.raises(StoreUnavailable),  # waited out, it would have worked
    ):
        act(opened)


def test_expected_errors_and_bugs_pass_as_they_are(store: Mongo) -> None:
    store.collection("claims").insert_one({"_id": 1})
    with pytest.raises(DuplicateKeyError), store.writing(DuplicateKeyError):
        store.collection("claims").insert_one({"_id": 1})
    with pytest.raises(StoreUnavailable), store.writing():
        store.collection("claims").insert_one({"_id": 1})
    with pytest.raises(ZeroDivisionError), store.reading():
        1 / 0  # noqa: B018


# Write concern


def write_everything(store: Mongo) -> None:
    """Every write that the store knows."""
    blobs, documents, registry = Blobs(store), Documents(store), Registry(store)
    for size in (10, 10, CHUNK_SIZE + 1, BATCH_BYTES + 1):
        put(blobs, bytes(size))
    first, second, third = (add(documents, "a", number).version for number in (1, 2, 3))
    documents.set_labels(BUCKET, "a", Labels(("t",)), Condition())
    documents.withdraw(second)
    documents.withdraw(third)
    documents.bury(BUCKET, "a", Condition())
    registry.add_bucket("shop", "private")
    registry.change_bucket("shop", visibility="public-read")
    registry.set_live("shop", False)
    registry.add_credential(CredentialRecord("A", ("read",), None, "", first.created))
    registry.drop_credential("A")


def test_every_write_is_confirmed_by_a_majority(store: Mongo, commands: Commands) -> None:
    commands.clear()
    write_everything(store)
    kinds, in_transactions, chunks = set(), set(), []
    for command in commands.sent:
        kind = next(iter(command))
        if kind in WRITES and command.get("autocommit") is not False:
            kinds.add((kind, command[kind]))
            if command[kind] == "blobs.chunks":
                chunks.append(command["writeConcern"]["w"])
            else:
                assert command["writeConcern"]["w"] == "majority", command
        elif kind in WRITES:
            in_transactions.add((kind, command[kind]))
        elif kind == "commitTransaction":
            kinds.add((kind, None))
            assert command["writeConcern"]["w"] == "majority", command
    # Those of a small file are confirmed by the commit of the file, which counts them first.
    assert chunks == [1, *["majority"] * 3]
    assert in_transactions >= {
        ("insert", "blobs.files"),
        ("insert", "versions"),
        ("findAndModify", "images"),
        ("update", "claims"),
        ("delete", "versions"),
    }
    assert kinds >= {
        ("commitTransaction", None),
        ("insert", "blobs.chunks"),
        ("insert", "credentials"),
        ("findAndModify", "images"),
        ("findAndModify", "buckets"),
        ("delete", "credentials"),
    }


def test_what_is_read_has_reached_a_majority(store: Mongo, commands: Commands) -> None:
    blobs, documents = Blobs(store), Documents(store)
    ref = put(blobs, b"bytes")
    version = add(documents, "a").version
    commands.clear()
    read(blobs, ref)
    documents.find_image(BUCKET, "a")
    documents.find_version(BUCKET, "a", version.number)
    documents.list_images(BUCKET)
    Registry(store).find_bucket("shop")
    assert len(commands.sent) == 6
    assert all(command["readConcern"] == {"level": "majority"} for command in commands.sent)


def test_the_url_has_the_last_word(mongo: Server, open_mongo: OpenMongo) -> None:
    given = open_mongo(url=f"{mongo.url}{'&' if '?' in mongo.url else '?'}w=1&APPNAME=mine")
    assert given.client.write_concern.document["w"] == 1
    assert given.client.options.pool_options.metadata["application"]["name"] == "mine"
    plain = open_mongo()
    assert plain.client.write_concern.document["w"] == "majority"


def test_a_close_does_not_wait_for_a_database_that_is_gone(tmp_path: Path) -> None:
    """Or this test does not end in its time: there are sessions to end, and hours to find a server in."""
    with start_mongod(tmp_path) as server:
        url = f"{server.url}&serverSelectionTimeoutMS=7200000"
        opened = Mongo(url, "gone", write_timeout=60, read_timeout=60)
        opened.ensure_indexes()
        server.stop()
        opened.close()
