"""The documents of names, all of one moment, in the order of names; and the lines of text they become."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from bson import json_util
from pymongo import ASCENDING, DESCENDING
from pymongo.errors import OperationFailure

from imagestore.core.errors import StoreUnavailable
from imagestore.core.image import VISIBILITIES, Facts
from imagestore.store.mongo import Document, Mongo
from imagestore.store.shapes import read_attributes

Collection = Literal["buckets", "credentials", "transformations", "images", "versions"]
COLLECTIONS: tuple[Collection, ...] = ("buckets", "credentials", "transformations", "images", "versions")
NEWER: frozenset[Collection] = frozenset({"transformations"})
"""Backups of imagestore 0.1 do not have these."""

PAGE = 1000
READ_TRIES = 4

_ORDERS: dict[Collection, tuple[tuple[str, int], ...]] = {
    "buckets": (("_id", ASCENDING),),
    "credentials": (("_id", ASCENDING),),
    "transformations": (("_id", ASCENDING),),
    "images": (("bucket", ASCENDING), ("key", ASCENDING)),
    "versions": (("bucket", ASCENDING), ("key", ASCENDING), ("number", DESCENDING)),
}
"""Each is the order of a unique index, so that a page begins where the one before it ended."""

_OF_THIS_STORE: dict[Collection, tuple[str, ...]] = {
    "images": ("_id", "file_id", "chunk_size"),
    "versions": ("file_id", "chunk_size"),
}
"""What says where bytes lie here and means nothing elsewhere: the digest names them everywhere."""

_SNAPSHOT_TOO_OLD = 239
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FACTS = {each.name for each in fields(Facts)}


class Snapshot:
    """All documents of names at the moment of the first read. A context manager.

    The moment is a snapshot session's (MongoDB manual, "Read Concern snapshot"): no version is there
    without the bucket, and none that was deleted and one that was added meanwhile are mixed. The database
    keeps a moment for `minSnapshotHistoryWindowInSeconds`, 300 unless set otherwise.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._session = mongo.client.start_session(snapshot=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.end_session()

    def count(self, collection: Collection) -> int:
        """About how many documents there are now."""
        with self._mongo.reading():
            return self._mongo.collection(collection).estimated_document_count()

    def read(self, collection: Collection) -> Iterator[Document]:
        """Every document in the order of names, less what means nothing outside this store.

        Raises StoreUnavailable, also when the moment is too long ago.
        """
        hidden = dict.fromkeys(_OF_THIS_STORE.get(collection, ()), 0)
        beyond: Document = {}
        while True:
            page = self._page(collection, beyond, hidden)
            yield from page
            if len(page) < PAGE:
                return
            beyond = _beyond(_ORDERS[collection], page[-1])

    def _page(self, collection: Collection, beyond: Document, hidden: Document) -> list[Document]:
        order = list(_ORDERS[collection])
        for attempt in range(1, READ_TRIES + 1):
            try:
                with self._mongo.reading():
                    found = self._mongo.collection(collection).find(
                        beyond, hidden or None, session=self._session
                    )
                    return list(found.sort(order).limit(PAGE))
            except StoreUnavailable as error:
                cause = error.__cause__
                if isinstance(cause, OperationFailure) and cause.code == _SNAPSHOT_TOO_OLD:
                    raise StoreUnavailable(
                        "Reading the documents took longer than MongoDB keeps a moment: set its parameter "
                        "minSnapshotHistoryWindowInSeconds higher, and try again."
                    ) from cause
                if attempt == READ_TRIES:
                    raise
        raise AssertionError("the last attempt returns or raises")


def _beyond(order: tuple[tuple[str, int], ...], last: Document) -> Document:
    """What comes behind a document in an order of several fields."""
    clauses: list[Document] = []
    same: Document = {}
    for field, direction in order:
        operator = "$gt" if direction == ASCENDING else "$lt"
        clauses.append(same | {field: {operator: last[field]}})
        same = same | {field: last[field]}
    return clauses[0] if len(clauses) == 1 else {"$or": clauses}


_encode = partial(json_util.default, json_options=json_util.RELAXED_JSON_OPTIONS)
_decode = partial(json_util.object_hook, json_options=json_util.JSONOptions(tz_aware=True))


def line_of(document: Document) -> bytes:
    """A document as one line of MongoDB Extended JSON 2.0, relaxed: what `mongoexport` writes."""
    text = json.dumps(document, default=_encode, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def document_of(collection: Collection, line: bytes) -> Document:
    """The document that a line is of. Raises ValueError for one that the service could not work with."""
    document = json.loads(line, object_hook=_decode)
    shape = _SHAPES[collection]
    if not isinstance(document, dict) or not all(name.isidentifier() for name in document):
        raise ValueError(f"no document of {collection}")
    if collection == "images" and (document.get("live") is True or document.get("marker") is True):
        shape = shape | _POINTER
    if collection == "versions" and document.get("marker") is not True:
        shape = shape | _BYTES
    wrong = [name for name, fits in shape.items() if not fits(document.get(name))]
    if wrong:
        raise ValueError(f"a document of {collection} whose {wrong[0]} cannot be used")
    return document


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: type(value) in kinds


def _maybe(kind: type) -> Callable[[Any], bool]:
    return lambda value: value is None or type(value) is kind


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_digest(value: Any) -> bool:
    return type(value) is str and _DIGEST.fullmatch(value) is not None


def _is_facts(value: Any) -> bool:
    return type(value) is dict and set(value) <= _FACTS and _is_count(value.get("bytes"))


def _is_object(value: Any) -> bool:
    """Whether it can be read back as the attributes of a version, if it is there."""
    if value is None:
        return True
    try:
        attributes = read_attributes(value)
    except (AttributeError, TypeError, ValueError):
        return False
    texts = [attributes.media_type, attributes.etag, attributes.md5, attributes.acl, attributes.owner]
    tables = [attributes.headers, attributes.metadata, attributes.checksums, attributes.tags]
    entries = [text for table in tables for text in (*table, *table.values())]
    return all(each is None or type(each) is str for each in texts) and _is_texts(entries)


def _is_texts(value: Any) -> bool:
    return type(value) is list and all(type(each) is str for each in value)


def _is_context(value: Any) -> bool:
    return type(value) is list and all(_is_texts(each) and len(each) == 2 for each in value)


_SHAPES: dict[Collection, dict[str, Callable[[Any], bool]]] = {
    "buckets": {
        "_id": _is(str),
        "live": _is(bool),
        "visibility": lambda value: value in VISIBILITIES,
        "strict": _maybe(bool),
        "generation": _is_count,
        "created": _is(datetime),
        "accept": lambda value: value in (None, "images", "any"),
        "versioning": lambda value: value in (None, "off", "enabled", "suspended"),
        "owner": _maybe(str),
        "region": _maybe(str),
        "documents": lambda value: value is None or (type(value) is dict and _is_texts([*value.values()])),
    },
    "credentials": {
        "_id": _is(str),
        "scopes": _is_texts,
        "buckets": lambda value: value is None or _is_texts(value),
        "description": _is(str),
        "created": _is(datetime),
        "owner": _maybe(str),
    },
    "transformations": {
        "_id": lambda value: type(value) is dict and _is_texts([*value, *value.values()]) and len(value) == 2,
        "live": _is(bool),
        "text": lambda value: value is None or type(value) is str,
        "changed": _is(datetime),
        "generation": _is_count,
    },
    "images": {
        "bucket": _is(str),
        "key": _is(str),
        "live": _is(bool),
        "marker": _maybe(bool),
        "object": _is_object,
        "generation": _is_count,
        "last_number": _is_count,
        "tags": lambda value: value is None or _is_texts(value),
        "context": lambda value: value is None or _is_context(value),
    },
    "versions": {
        "_id": _is(str),
        "bucket": _is(str),
        "key": _is(str),
        "number": _is_count,
        "created": _is(datetime),
        "marker": _maybe(bool),
        "unversioned": _maybe(bool),
        "changes": lambda value: value is None or _is_count(value),
        "owner": _maybe(str),
    },
}
_BYTES: dict[str, Callable[[Any], bool]] = {
    "digest": _is_digest,
    "length": _is_count,
    "facts": _is_facts,
    "object": _is_object,
}
"""Of a version that is no delete marker."""

_POINTER: dict[str, Callable[[Any], bool]] = {"number": _is_count, "version_id": _is(str)}
