"""One database after the other for the contract of the documents: a real mongod, and mongomock."""

from __future__ import annotations

from collections.abc import Iterator

import mongomock
import pytest

from imagestore.store import mongo as driver
from imagestore.store.documents import Documents
from imagestore.store.mongo import Mongo
from imagestore.store.registry import Registry


@pytest.fixture(params=["mongod", pytest.param("mongomock", marks=pytest.mark.quick)])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mongo]:
    """A database of the service that is empty but for its indexes."""
    url, name = "mongodb://mongomock", "imagestore"
    if request.param == "mongomock":
        monkeypatch.setattr(driver, "MongoClient", mongomock.MongoClient)
    else:
        url, name = request.getfixturevalue("mongo").url, request.getfixturevalue("mongo_database")
    opened = Mongo(url, name, write_timeout=60, read_timeout=60)
    opened.ensure_indexes()
    yield opened
    opened.close()


@pytest.fixture
def documents(database: Mongo) -> Documents:
    return Documents(database)


@pytest.fixture
def registry(database: Mongo) -> Registry:
    return Registry(database)
