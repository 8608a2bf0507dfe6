"""What is stored, page by page, for those who go through all of it: upkeep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING

from imagestore.core.image import BlobRef, Digest
from imagestore.store.chunks import LEAST_FILE_ID, Chunks, object_ids
from imagestore.store.leftovers import Leftovers
from imagestore.store.mongo import Document, Mongo
from imagestore.store.shapes import is_pointing, read_blob

PAGE = 200
"""Documents in one query."""


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim. `unnamed` is when a sweep first found that nothing names its blob, None if none did."""

    digest: Digest
    file_id: str
    claimed: datetime
    unnamed: datetime | None


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A GridFS file document. `begun` is when its writer began with it, to the second."""

    file_id: str
    digest: Digest
    length: int
    chunk_size: int

    @property
    def begun(self) -> datetime:
        return ObjectId(self.file_id).generation_time

    @property
    def chunks(self) -> int:
        return -(-self.length // self.chunk_size)


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version, or what an image's document says of the one that it points to. A delete marker has no
    `blob`."""

    version_id: str
    bucket: str
    key: str
    number: int
    blob: BlobRef | None
    created: datetime

    @property
    def name(self) -> tuple[str, str]:
        return self.bucket, self.key


@dataclass(frozen=True, slots=True)
class NameRecord:
    """An image's document. `pointed` is the version or delete marker it points to, None for a tombstone."""

    bucket: str
    key: str
    pointed: VersionRecord | None
    last_number: int
    generation: int
    buried: datetime | None

    @property
    def name(self) -> tuple[str, str]:
        return self.bucket, self.key


class Inventory:
    """Pages of everything, in the order of ids, and the looks from one collection into another.

    Nothing stays open between two pages, so the caller may take its time. Documents whose ids are not of
    the service's kind are passed over. All raise StoreUnavailable.
    """

    def __init__(self, mongo: Mongo) -> None:
        self.chunks = Chunks(mongo)
        self.leftovers = Leftovers(mongo)
        self._mongo = mongo
        self._files = mongo.collection("blobs.files")
        self._claims = mongo.collection("claims")
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")

    def count(self) -> dict[str, int]:
        """About how many documents each collection has."""
        found = {}
        with self._mongo.reading():
            for name in ("claims", "versions", "images", "parts.files", "blobs.files", "blobs.chunks"):
                found[name] = self._mongo.collection(name).estimated_document_count()
        return found

    def missing_indexes(self) -> list[str]:
        return self._mongo.missing_indexes()

    def claims(self) -> Iterator[list[ClaimRecord]]:
        for page in self._pages("claims", {"$gte": ""}):
            yield [_claim(each) for each in page]

    def files(self, after: str = "") -> Iterator[list[FileRecord]]:
        """From behind the id `after` on."""
        bound = {"$gt": ObjectId(after)} if after else {"$gte": LEAST_FILE_ID}
        for page in self._pages("blobs.files", bound):
            yield [_file(each) for each in page]

    def versions(self) -> Iterator[list[VersionRecord]]:
        for page in self._pages("versions", {"$gte": ""}):
            yield [_version(each, each["_id"]) for each in page]

    def names(self) -> Iterator[list[NameRecord]]:
        for page in self._pages("images", {"$gte": LEAST_FILE_ID}):
            yield [_name(each) for each in page]

    def find_claims(self, digests: Iterable[Digest]) -> list[ClaimRecord]:
        return [_claim(each) for each in self._find("claims", "_id", list(digests))]

    def find_files(self, file_ids: Iterable[str]) -> list[FileRecord]:
        return [_file(each) for each in self._find("blobs.files", "_id", object_ids(file_ids))]

    def find_versions(self, version_ids: Iterable[str]) -> list[VersionRecord]:
        return [_version(each, each["_id"]) for each in self._find("versions", "_id", list(version_ids))]

    def find_names(self, names: Iterable[tuple[str, str]]) -> list[NameRecord]:
        keys: dict[str, list[str]] = {}
        for bucket, key in dict.fromkeys(names):
            keys.setdefault(bucket, []).append(key)
        if not keys:
            return []
        wanted = [{"bucket": bucket, "key": {"$in": some}} for bucket, some in keys.items()]
        with self._mongo.reading():
            return [_name(each) for each in self._images.find({"$or": wanted})]

    def have_versions(self, names: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of the names that have any version at all."""
        found = set()
        for bucket, key in names:
            with self._mongo.reading():
                if self._versions.find_one({"bucket": bucket, "key": key}, {"_id": 1}) is not None:
                    found.add((bucket, key))
        return found

    def claimed(self, file_ids: Iterable[str]) -> set[str]:
        """Those of the files that a claim holds."""
        found = self._find("claims", "file_id", object_ids(file_ids))
        return {str(each["file_id"]) for each in found}

    def named(self, file_ids: Iterable[str]) -> set[str]:
        """Those of the files that a version names, or an image that has lost its version."""
        wanted = list(file_ids)
        with self._mongo.reading():
            return {
                *self._versions.distinct("file_id", {"file_id": {"$in": wanted}}),
                *self._images.distinct("file_id", {"file_id": {"$in": wanted}}),
            }

    def _find(self, collection: str, field: str, values: Sequence[Any]) -> list[Document]:
        if not values:
            return []
        with self._mongo.reading():
            return list(self._mongo.collection(collection).find({field: {"$in": values}}))

    def _pages(self, collection: str, bound: Document) -> Iterator[list[Document]]:
        """Documents by `_id` within `bound`; a range of ids takes only those of the same type along."""
        while True:
            with self._mongo.reading():
                found = self._mongo.collection(collection).find({"_id": bound}).sort("_id", ASCENDING)
                page = list(found.limit(PAGE))
            if not page:
                return
            yield page
            bound = {"$gt": page[-1]["_id"]}


def _claim(document: Document) -> ClaimRecord:
    return ClaimRecord(
        document["_id"], str(document["file_id"]), document["claimed"], document.get("unnamed")
    )


def _file(document: Document) -> FileRecord:
    return FileRecord(
        str(document["_id"]), document.get("filename", ""), document["length"], document["chunkSize"]
    )


def _version(document: Document, version_id: str) -> VersionRecord:
    return VersionRecord(
        version_id=version_id,
        bucket=document["bucket"],
        key=document["key"],
        number=document["number"],
        blob=None if document.get("marker") else read_blob(document),
        created=document["created"],
    )


def _name(document: Document) -> NameRecord:
    return NameRecord(
        bucket=document["bucket"],
        key=document["key"],
        pointed=_version(document, document["version_id"]) if is_pointing(document) else None,
        last_number=document["last_number"],
        generation=document["generation"],
        buried=document.get("buried", datetime.fromtimestamp(0, UTC)),
    )
