"""Chunks as they lie in GridFS: their numbers, their sizes, their bytes, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from bson.errors import InvalidId
from pymongo import ASCENDING, DESCENDING

from imagestore.store.drafts import SUM, chunk_sum
from imagestore.store.mongo import Document, Mongo

NUMBER_PAGE = 2000
SIZE_PAGE = 256
DATA_PAGE = 16
"""Chunks in one query: to be named, to be measured, to be read."""

LEAST_FILE_ID = ObjectId("0" * 24)
LEAST_NUMBER = float("-inf")


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A chunk: its size in bytes, -1 for no bytes at all; `data` and whether they fit their sum, if read."""

    number: float
    size: int
    data: bytes = b""
    intact: bool = True


class Chunks:
    """Nothing stays open between two pages. All raise StoreUnavailable."""

    def __init__(self, mongo: Mongo, collection: str = "blobs.chunks") -> None:
        self._mongo = mongo
        self._chunks = mongo.collection(collection)

    def numbers(self) -> Iterator[dict[str, list[float]]]:
        """The numbers of all chunks by file id, from the index alone. A file may go on in the next page."""
        page = self._numbers({"files_id": {"$gte": LEAST_FILE_ID}})
        while page:
            by_file: dict[str, list[float]] = {}
            for each in page:
                if isinstance(each["n"], int | float):
                    by_file.setdefault(str(each["files_id"]), []).append(each["n"])
            yield by_file
            last = page[-1]
            page = self._numbers({"files_id": last["files_id"], "n": {"$gt": last["n"]}})
            page = page or self._numbers({"files_id": {"$gt": last["files_id"]}})

    def _numbers(self, selection: Document) -> list[Document]:
        with self._mongo.reading():
            found = self._chunks.find(selection, {"_id": 0, "files_id": 1, "n": 1})
            return list(found.sort([("files_id", ASCENDING), ("n", ASCENDING)]).limit(NUMBER_PAGE))

    def spans(self, file_ids: Iterable[str]) -> dict[str, tuple[int, float, float]]:
        """How many chunks each file has, their least and their greatest number, from the index alone."""
        wanted = object_ids(file_ids)
        counted = {"count": {"$sum": 1}, "least": {"$min": "$n"}, "most": {"$max": "$n"}}
        steps: list[Mapping[str, Any]] = [
            {"$match": {"files_id": {"$in": wanted}}},
            {"$group": {"_id": "$files_id"} | counted},
        ]
        if not wanted:
            return {}
        with self._mongo.reading():
            found = self._chunks.aggregate(steps)
            return {str(each["_id"]): (each["count"], each["least"], each["most"]) for each in found}

    def of(self, file_id: str, *, read: bool) -> Iterator[ChunkRecord]:
        """The chunks of a file in their order: measured by the database, or `read` and held to their sums."""
        after, size = LEAST_NUMBER, DATA_PAGE if read else SIZE_PAGE
        fields = {"n": 1, "data": 1, SUM: 1} if read else {"n": 1, "size": _SIZE}
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

    def drop(self, file_id: str) -> bool:
        """Remove all chunks of a file, a batch at a time, so that none outlasts its deadline."""
        dropped = False
        while True:
            with self._mongo.reading():
                found = self._chunks.find({"files_id": ObjectId(file_id)}, {"_id": 1}).sort("n", ASCENDING)
                batch = [each["_id"] for each in found.limit(SIZE_PAGE)]
            if not batch:
                return dropped
            with self._mongo.writing():
                self._chunks.delete_many({"_id": {"$in": batch}})
            dropped = True


_SIZE = {"$cond": [{"$eq": [{"$type": "$data"}, "binData"]}, {"$binarySize": "$data"}, -1]}


def object_ids(texts: Iterable[str]) -> list[ObjectId]:
    """Ids as GridFS has them; a text that is none names no file."""
    found = []
    for text in texts:
        try:
            found.append(ObjectId(text))
        except InvalidId:
            continue
    return found


def _read_chunk(document: Document) -> ChunkRecord:
    data = document.get("data")
    if not isinstance(data, bytes):
        return ChunkRecord(document["n"], -1)
    intact = SUM not in document or document[SUM] == chunk_sum(data)
    return ChunkRecord(document["n"], len(data), bytes(data), intact)
