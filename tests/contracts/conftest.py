"""One database after the other for the contract of the documents: a real mongod, and mongomock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

import mongomock
import pytest

from imagestore.store import mongo as driver
from imagestore.store.documents import Documents
from imagestore.store.mongo import Mongo
from imagestore.store.registry import Registry

T = TypeVar("T")


class MockedClient(mongomock.MongoClient):
    """mongomock with transactions, which it has none of: one after the other, and undone when they fail."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.in_transaction = threading.Lock()

    @property
    def topology_description(self) -> MockedTopology:
        return MockedTopology()

    def start_session(self) -> MockedSession:
        return MockedSession(self)


class MockedTopology:
    """A primary that is always there."""

    def has_writable_server(self) -> bool:
        return True


class MockedSession:
    def __init__(self, client: MockedClient) -> None:
        self._client = client

    def __enter__(self) -> MockedSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def with_transaction(self, work: Callable[[None], T]) -> T:
        """mongomock's methods take no session but None, so that is what `work` gets."""
        with self._client.in_transaction:
            before = {each.full_name: (each, list(each.find())) for each in self._collections()}
            try:
                return work(None)
            except BaseException:
                for each in self._collections():
                    each.delete_many({})
                for each, documents in before.values():
                    if documents:
                        each.insert_many(documents)
                raise

    def _collections(self) -> list[mongomock.Collection]:
        databases = map(self._client.get_database, self._client.list_database_names())
        return [each[name] for each in databases for name in each.list_collection_names()]


@pytest.fixture(params=["mongod", pytest.param("mongomock", marks=pytest.mark.quick)])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mongo]:
    """A database of the service that is empty but for its indexes."""
    url, name = "mongodb://mongomock", "imagestore"
    if request.param == "mongomock":
        monkeypatch.setattr(driver, "MongoClient", MockedClient)
    else:
        url, name = request.getfixturevalue("mongo").url, request.getfixturevalue("indexed_database")
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
