"""What is stored, page by page, for those who go through all of it: upkeep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import ASCENDING, DESCENDING

from imagestore.core.image import BlobRef, Digest
from imagestore.store.blobs import chunk_sum
from imagestore.store.mongo import Document, Mongo

PAGE = 200
CHUNK_PAGE = 2000
SIZE_PAGE = 256
DATA_PAGE = 16
"""Documents in one query: of any kind, of chunks' names, of chunks to be measured, of chunks to be read."""

LEAST_FILE_ID = "0" * 24
LEAST_NUMBER = float("-inf")


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
class ChunkRecord:
    """A chunk: its size in bytes, -1 for no bytes at all; `data` and whether they fit their sum, if read."""

    number: float
    size: int
    data: bytes = b""
    intact: bool = True


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version, or what an image's document says of the one that it points to."""

    version_id: str
    bucket: str
    key: str
    number: int
    blob: BlobRef
    created: datetime

    @property
    def name(self) -> tuple[str, str]:
        return self.bucket, self.key


@dataclass(frozen=True, slots=True)
class NameRecord:
    """An image's document. `pointed` is the version it points to, None for a tombstone."""

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
        self._mongo = mongo
        self._files = mongo.collection("blobs.files")
        self._chunks = mongo.collection("blobs.chunks")
        self._claims = mongo.collection("claims")
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")

    def count(self) -> dict[str, int]:
        """About how many documents each collection has."""
        found = {}
        with self._mongo.reading():
            for name in ("claims", "versions", "images", "blobs.files", "blobs.chunks"):
                found[name] = self._mongo.collection(name).estimated_document_count()
        return found

    def missing_indexes(self) -> list[str]:
        return self._mongo.missing_indexes()

    def claims(self) -> Iterator[list[ClaimRecord]]:
        for page in self._pages("claims", ""):
            yield [_claim(each) for each in page]

    def files(self) -> Iterator[list[FileRecord]]:
        for page in self._pages("blobs.files", ObjectId(LEAST_FILE_ID)):
            yield [_file(each) for each in page]

    def versions(self) -> Iterator[list[VersionRecord]]:
        for page in self._pages("versions", ""):
            yield [_version(each, each["_id"]) for each in page]

    def names(self) -> Iterator[list[NameRecord]]:
        for page in self._pages("images", ObjectId(LEAST_FILE_ID)):
            yield [_name(each) for each in page]

    def chunk_numbers(self) -> Iterator[dict[str, list[float]]]:
        """The numbers of all chunks by file id, from the index alone. A file may go on in the next page."""
        page = self._chunk_numbers({"files_id": {"$gte": ObjectId(LEAST_FILE_ID)}})
        while page:
            by_file: dict[str, list[float]] = {}
            for each in page:
                if isinstance(each["n"], int | float):
                    by_file.setdefault(str(each["files_id"]), []).append(each["n"])
            yield by_file
            last = page[-1]
            page = self._chunk_numbers({"files_id": last["files_id"], "n": {"$gt": last["n"]}})
            page = page or self._chunk_numbers({"files_id": {"$gt": last["files_id"]}})

    def _chunk_numbers(self, selection: Document) -> list[Document]:
        with self._mongo.reading():
            found = self._chunks.find(selection, {"_id": 0, "files_id": 1, "n": 1})
            return list(found.sort([("files_id", ASCENDING), ("n", ASCENDING)]).limit(CHUNK_PAGE))

    def chunks(self, file_id: str, *, read: bool) -> Iterator[ChunkRecord]:
        """The chunks of a file in their order: measured by the database, or `read` and held to their sums."""
        after, size = LEAST_NUMBER, DATA_PAGE if read else SIZE_PAGE
        fields = {"n": 1, "data": 1, "sum": 1} if read else {"n": 1, "size": _SIZE}
        while True:
            steps: list[Mapping[str, Any]] = [
                {"$match": {"files_id": ObjectId(file_id), "n": {"$gt": after}}},
                {"$sort": {"n": ASCENDING}},
                {"$limit": size},
                {"$project": fields},
            ]
            with self._mongo.reading():
                page = list(self._chunks.aggregate(steps))
            yield from (_read_chunk(each) if read else ChunkRecord(each["n"], each["size"]) for each in page)
            if len(page) < size:
                return
            after = page[-1]["n"]

    def last_written(self, file_id: str) -> datetime:
        """When the newest chunk of a file was written, to the second."""
        with self._mongo.reading():
            newest = self._chunks.find_one(
                {"files_id": ObjectId(file_id)}, {"_id": 1}, sort=[("n", DESCENDING)]
            )
        made = newest["_id"] if newest and isinstance(newest["_id"], ObjectId) else ObjectId(file_id)
        return made.generation_time

    def find_claims(self, digests: Iterable[Digest]) -> list[ClaimRecord]:
        return [_claim(each) for each in self._find("claims", "_id", list(digests))]

    def find_files(self, file_ids: Iterable[str]) -> list[FileRecord]:
        return [_file(each) for each in self._find("blobs.files", "_id", _object_ids(file_ids))]

    def find_versions(self, version_ids: Iterable[str]) -> list[VersionRecord]:
        return [_version(each, each["_id"]) for each in self._find("versions", "_id", list(version_ids))]

    def find_names(self, names: Iterable[tuple[str, str]]) -> list[NameRecord]:
        keys: dict[str, list[str]] = {}
        for bucket, key in dict.fromkeys(names):
            keys.setdefault(bucket, []).append(key)
        found: list[NameRecord] = []
        for bucket, some in keys.items():
            with self._mongo.reading():
                found += map(_name, self._images.find({"bucket": bucket, "key": {"$in": some}}))
        return found

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
        found = self._find("claims", "file_id", _object_ids(file_ids))
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

    def _pages(self, collection: str, least: Any) -> Iterator[list[Document]]:
        """Documents by `_id`, from `least` on; a range of ids takes only those of the same type along."""
        bound = {"$gte": least}
        while True:
            with self._mongo.reading():
                found = self._mongo.collection(collection).find({"_id": bound}).sort("_id", ASCENDING)
                page = list(found.limit(PAGE))
            if not page:
                return
            yield page
            bound = {"$gt": page[-1]["_id"]}


_SIZE = {"$cond": [{"$eq": [{"$type": "$data"}, "binData"]}, {"$binarySize": "$data"}, -1]}


def _read_chunk(document: Document) -> ChunkRecord:
    data = document.get("data")
    if not isinstance(data, bytes):
        return ChunkRecord(document["n"], -1)
    intact = "sum" not in document or document["sum"] == chunk_sum(data)
    return ChunkRecord(document["n"], len(data), bytes(data), intact)


def _object_ids(texts: Iterable[str]) -> list[ObjectId]:
    """Ids as GridFS has them; a text that is none names no file."""
    found = []
    for text in texts:
        try:
            found.append(ObjectId(text))
        except InvalidId:
            continue
    return found


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
        blob=BlobRef(document["digest"], document["file_id"], document["length"], document["chunk_size"]),
        created=document["created"],
    )


def _name(document: Document) -> NameRecord:
    return NameRecord(
        bucket=document["bucket"],
        key=document["key"],
        pointed=_version(document, document["version_id"]) if document["live"] else None,
        last_number=document["last_number"],
        generation=document["generation"],
        buried=document.get("buried", datetime.fromtimestamp(0, UTC)),
    )
