"""The store on a real mongod, with an eye on what it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import pytest
from pymongo import MongoClient

from imagestore.embedded import Server
from imagestore.store import mongo as driver
from imagestore.store.blobs import Blobs
from imagestore.store.mongo import Mongo
from tests.store.commands import Commands

OpenMongo = Callable[..., Mongo]


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def open_mongo(
    mongo: Server, indexed_database: str, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenMongo]:
    """Opens the test's database. Deadlines are long, so that a busy machine makes no difference."""
    monkeypatch.setattr(driver, "MongoClient", partial(MongoClient, event_listeners=[commands]))
    with ExitStack() as closing:

        def make(*, url: str = mongo.url, write_timeout: float = 60, read_timeout: float = 60) -> Mongo:
            opened = Mongo(url, indexed_database, write_timeout=write_timeout, read_timeout=read_timeout)
            closing.callback(opened.close)
            return opened

        yield make
        # What a client that was cut off had begun would hold up the end of the database for its lifetime.
        with MongoClient(mongo.url) as client:
            client.admin.command("killAllSessions", [])


@pytest.fixture
def store(open_mongo: OpenMongo) -> Mongo:
    opened = open_mongo()
    opened.ensure_indexes()
    return opened


@pytest.fixture
def blobs(store: Mongo) -> Blobs:
    return Blobs(store)
