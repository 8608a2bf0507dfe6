"""The one door to the MongoDB driver: the connection, its deadlines, the indexes, driver errors made ours."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import pymongo
from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient
from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import ConfigurationError, PyMongoError
from pymongo.read_preferences import Secondary

from imagestore.core.errors import StoreUnavailable
from imagestore.settings.variables import InvalidSetting
from imagestore.store.members import Members
from imagestore.store.turns import Turns

log = logging.getLogger(__name__)

Document = dict[str, Any]
T = TypeVar("T")

CONNECTION_OPTIONS: dict[str, Any] = {
    "w": "majority",
    "wTimeoutMS": 5000,
    "readConcernLevel": "majority",
    "readPreference": "primary",
    "retryWrites": True,
    "retryReads": True,
    "connectTimeoutMS": 1000,
    "heartbeatFrequencyMS": 1000,
    "serverSelectionTimeoutMS": 5000,
    "appName": "imagestore",
}
"""What the service asks of the driver unless the URL says otherwise.

An acknowledged write has reached a majority, so a failover does not lose it; a dead or stopped primary is
noticed within seconds.
"""

SECONDARY_SECONDS = 1.0
"""Longest that a secondary is asked, after the primary."""

CLOSE_SECONDS = 0.5
"""Longest that the end of our sessions is told to a database, which may be away."""

MAX_STALENESS = 90
"""Seconds that a secondary may be behind to be asked for what changes: the least that the driver can tell."""

INDEXES: dict[str, list[IndexModel]] = {
    "images": [
        IndexModel([("bucket", ASCENDING), ("key", ASCENDING)], unique=True, name="name"),
        IndexModel([("bucket", ASCENDING), ("live", ASCENDING), ("key", ASCENDING)], name="live"),
        IndexModel([("bucket", ASCENDING), ("tags", ASCENDING), ("key", ASCENDING)], name="tag"),
        IndexModel([("file_id", ASCENDING)], name="file"),
    ],
    "versions": [
        IndexModel(
            [("bucket", ASCENDING), ("key", ASCENDING), ("number", DESCENDING)], unique=True, name="number"
        ),
        IndexModel([("digest", ASCENDING)], name="digest"),
        IndexModel([("file_id", ASCENDING)], name="file"),
    ],
    "claims": [IndexModel([("file_id", ASCENDING)], name="file")],
    "blobs.files": [IndexModel([("filename", ASCENDING), ("uploadDate", ASCENDING)])],
    "blobs.chunks": [IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)],
    "uploads": [
        IndexModel([("bucket", ASCENDING), ("key", ASCENDING), ("_id", ASCENDING)], name="name"),
        IndexModel([("begun", ASCENDING)], name="begun"),
    ],
    "parts.files": [
        IndexModel(
            [("metadata.upload", ASCENDING), ("metadata.number", ASCENDING)], unique=True, name="number"
        ),
    ],
    "parts.chunks": [IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)],
    "renditions.files": [
        IndexModel([("filename", ASCENDING)], unique=True, name="name"),
        IndexModel([("metadata.digests", ASCENDING)], name="digests"),
        IndexModel([("metadata.used", ASCENDING)], name="used"),
    ],
    "renditions.chunks": [IndexModel([("files_id", ASCENDING), ("n", ASCENDING)], unique=True)],
}
"""The indexes that the service relies on. GridFS' own have the names and shape that its drivers make."""


class Mongo:
    """One client for the whole worker. Made in each worker after the fork, never before it."""

    def __init__(self, url: str, database: str, *, write_timeout: float, read_timeout: float) -> None:
        given = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
        options = {name: value for name, value in CONNECTION_OPTIONS.items() if name.lower() not in given}
        try:
            self.client: MongoClient[Document] = MongoClient(url, tz_aware=True, **options)
        except (ConfigurationError, ValueError) as error:
            # The driver's own words may hold the URL, and so the password.
            raise InvalidSetting(
                f"IMAGESTORE_MONGO_URL is not a URL that MongoDB's driver can use ({type(error).__name__})."
            ) from None
        self.database: Database[Document] = self.client[database]
        self._members = Members(self.client)
        self._turns = Turns()
        self._write_timeout = write_timeout
        self._read_timeout = read_timeout

    def collection(self, name: str) -> Collection[Document]:
        return self.database[name]

    @contextmanager
    def reading(self, seconds: float | None = None) -> Iterator[None]:
        """Bound what is read inside, by the read deadline if `seconds` is not given. Raises StoreUnavailable
        for any failure."""
        with self._bounded(self._read_timeout if seconds is None else seconds):
            yield

    def find_unchanging(self, look: Callable[[Database[Document]], T | None], patience: float) -> T | None:
        """What `look` finds of what never changes, in the primary, or in a secondary where none answers.

        The primary gets `patience` seconds, the time in which one is elected included. What a secondary does
        not have is not known to be missing. Raises StoreUnavailable when neither tells, within LOST_SECONDS
        when no member answers at all.
        """
        try:
            with self._bounded(min(patience, self._read_timeout)):
                return look(self.database)
        except StoreUnavailable:
            found = self.find_behind(look, max_staleness=-1)
            if found is None:
                raise
            return found

    def find_behind(
        self, look: Callable[[Database[Document]], T | None], *, max_staleness: int = MAX_STALENESS
    ) -> T | None:
        """What `look` finds in a secondary, which may be `max_staleness` seconds behind (-1: any time).

        None where there is no such secondary, or it does not answer: it never says that something is missing.
        """
        if not self._members.has_secondary():
            return None
        preference = Secondary(max_staleness=max_staleness)
        secondary = self.client.get_database(self.database.name, read_preference=preference)
        try:
            with self._limited(min(SECONDARY_SECONDS, self._read_timeout)):
                return look(secondary)
        except StoreUnavailable:
            return None

    @contextmanager
    def writing(self, *expected: type[PyMongoError]) -> Iterator[None]:
        """Bound what is written inside by the write deadline. Raises StoreUnavailable for any failure
        but the `expected` ones, which pass as they are.

        A failed write has an unknown outcome: it may have reached the database. Whoever tries again must
        find what is there rather than write it twice.
        """
        with self._bounded(self._write_timeout, expected):
            yield

    def transact(
        self,
        work: Callable[[ClientSession], T],
        *expected: type[PyMongoError],
        turns: Sequence[Hashable] = (),
    ) -> T:
        """Run `work` in one transaction, again from its beginning when others were in its way.

        Those that share one of `turns` go one after the other: fifty at once that change one document would
        undo each other again and again, until their deadlines. Among processes that is left to the database.

        What `work` returns or raises is what the call does; what it raises undoes the transaction. Deadline
        and errors are those of `writing`, the wait for turns included; WriteContention where that took all.
        """
        ends = time.monotonic() + self._write_timeout
        with self._turns.take(turns, self._write_timeout):
            left = max(0.001, ends - time.monotonic())
            with self._bounded(left, expected), self.client.start_session() as session:
                return session.with_transaction(work)

    @contextmanager
    def _bounded(self, seconds: float, expected: tuple[type[PyMongoError], ...] = ()) -> Iterator[None]:
        """Wait for a primary, then for what is done inside; `seconds` for both together."""
        began = time.monotonic()
        if not self._members.await_primary(seconds):
            log.warning("MongoDB: no primary answers")
            raise _unavailable()
        with self._limited(max(0.001, began + seconds - time.monotonic()), expected):
            yield

    @contextmanager
    def _limited(self, seconds: float, expected: tuple[type[PyMongoError], ...] = ()) -> Iterator[None]:
        try:
            with pymongo.timeout(seconds):
                yield
        except expected:
            raise
        except PyMongoError as error:
            log.warning("MongoDB: %s: %s", type(error).__name__, error)
            raise _unavailable() from error

    def ensure_indexes(self) -> None:
        """Build what is missing. On large collections that takes long, so it has no deadline of its own."""
        try:
            for name, indexes in INDEXES.items():
                self.collection(name).create_indexes(indexes)
        except PyMongoError as error:
            raise StoreUnavailable(f"The database's indexes cannot be built: {error}") from error

    def missing_indexes(self, seconds: float | None = None) -> list[str]:
        """The indexes that the service relies on and the database lacks, as `collection: fields`.

        Waits for `seconds` at most, by default for those of any read. Raises StoreUnavailable.
        """
        missing = []
        with self._bounded(seconds or self._read_timeout):
            for name, wanted in INDEXES.items():
                present = {
                    (tuple(index["key"].items()), bool(index.get("unique")))
                    for index in self.collection(name).list_indexes()
                }
                for model in wanted:
                    shape = (tuple(model.document["key"].items()), bool(model.document.get("unique")))
                    if shape not in present:
                        missing.append(f"{name}: {', '.join(field for field, _ in shape[0])}")
        return missing

    def ping(self) -> None:
        """Raises StoreUnavailable unless a primary answers."""
        with self.reading():
            self.database.command("ping")

    def close(self) -> None:
        with pymongo.timeout(CLOSE_SECONDS):
            self.client.close()


def _unavailable() -> StoreUnavailable:
    return StoreUnavailable(
        "The database cannot be reached or did not confirm in time: try again in a few seconds."
    )
