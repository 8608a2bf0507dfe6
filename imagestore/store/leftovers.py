"""Uploads in parts as upkeep sees them, page by page: what is open, and parts that belong to nothing open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from pymongo import ASCENDING

from imagestore.store.chunks import LEAST_FILE_ID, Chunks, object_ids
from imagestore.store.mongo import Document, Mongo

PAGE = 200


@dataclass(frozen=True, slots=True)
class UploadRecord:
    """An upload in parts, or one that has ended and is remembered."""

    upload_id: str
    bucket: str
    key: str
    begun: datetime


@dataclass(frozen=True, slots=True)
class PartRecord:
    """A part that was uploaded, of `size` bytes."""

    file_id: str
    upload_id: str
    number: int
    size: int


class Leftovers:
    """Nothing stays open between two pages. All raise StoreUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self.chunks = Chunks(mongo, "parts.chunks")
        self._mongo = mongo
        self._uploads = mongo.collection("uploads")
        self._files = mongo.collection("parts.files")

    def expired(self, before: datetime) -> Iterator[list[UploadRecord]]:
        """What was begun before then."""
        last = ""
        while True:
            wanted = {"_id": {"$gt": last}, "begun": {"$lt": before}}
            with self._mongo.reading():
                found = list(self._uploads.find(wanted).sort("_id", ASCENDING).limit(PAGE))
            if not found:
                return
            yield [_upload(each) for each in found]
            last = found[-1]["_id"]

    def parts(self) -> Iterator[list[PartRecord]]:
        last: Document = {"$gte": LEAST_FILE_ID}
        while True:
            with self._mongo.reading():
                found = list(self._files.find({"_id": last}).sort("_id", ASCENDING).limit(PAGE))
            if not found:
                return
            yield [_part(each) for each in found]
            last = {"$gt": found[-1]["_id"]}

    def find_parts(self, file_ids: Iterable[str]) -> list[PartRecord]:
        wanted = object_ids(file_ids)
        with self._mongo.reading():
            return [_part(each) for each in self._files.find({"_id": {"$in": wanted}})]

    def of_nothing(self, parts: Sequence[PartRecord]) -> list[PartRecord]:
        """Those whose upload was given up or has ended: it never is open again."""
        ids = list({part.upload_id for part in parts})
        with self._mongo.reading():
            found = self._uploads.find({"_id": {"$in": ids}, "done": None}, {"_id": 1})
            still_open = {each["_id"] for each in found}
        return [part for part in parts if part.upload_id not in still_open]

    def drop_upload(self, upload: UploadRecord) -> bool:
        """Give an upload up, or forget that it has ended; its parts are of nothing then."""
        with self._mongo.writing():
            return self._uploads.delete_one({"_id": upload.upload_id}).deleted_count > 0

    def drop_part(self, part: PartRecord) -> bool:
        if not self.of_nothing([part]):
            return False
        with self._mongo.writing():
            gone = self._files.delete_one({"_id": ObjectId(part.file_id)}).deleted_count
        self.chunks.drop(part.file_id)
        return gone > 0

    def drop_chunks(self, file_id: str) -> bool:
        """Remove the chunks of a part that is not there. A part is made when all its chunks are written, so
        none comes to chunks that are old."""
        if self.find_parts([file_id]):
            return False
        return self.chunks.drop(file_id)


def _upload(document: Document) -> UploadRecord:
    return UploadRecord(document["_id"], document["bucket"], document["key"], document["begun"])


def _part(document: Document) -> PartRecord:
    told = document["metadata"]
    return PartRecord(str(document["_id"]), told["upload"], told["number"], document["length"])
