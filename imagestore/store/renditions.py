"""Renditions in GridFS: what was dear to make, kept beyond Redis, within a bound, as long as its image."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId
from pymongo import ASCENDING, WriteConcern
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

from imagestore.core.image import Digest
from imagestore.store.drafts import CHUNK_SIZE, chunk_sum
from imagestore.store.mongo import Document, Mongo

log = logging.getLogger(__name__)

READ_SECONDS = 1.5
"""Nobody is to wait for a copy longer than for a new one."""

TOUCH_AFTER = timedelta(hours=6)
"""What is read is noted as used again, when it last was longer ago than that."""

GRACE = timedelta(hours=1)
"""Chunks younger than this may belong to a rendition that is being written."""

PAGE = 500


@dataclass(frozen=True, slots=True)
class Kept:
    """A rendition to keep: its name, its bytes, the digests of all images in it, the seconds that it took."""

    name: str
    data: bytes
    digests: tuple[Digest, ...]
    cost: float


class Renditions:
    """The GridFS bucket `renditions`: a cache that lasts. All raise StoreUnavailable.

    Nothing waits for a majority: what is lost is made again. The file is written after its chunks and is
    removed before them, so a file that is there is whole; chunks without one are waste.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._files = _of_one(mongo.collection("renditions.files"))
        self._chunks = _of_one(mongo.collection("renditions.chunks"))
        self._claims = mongo.collection("claims")

    def read(self, name: str) -> bytes | None:
        """The bytes kept under a name; None where there are none, or not as they were written."""
        with self._mongo.reading(READ_SECONDS):
            file = self._files.find_one({"filename": name})
            if file is None:
                return None
            chunks = self._chunks.find({"files_id": file["_id"]}).sort("n", ASCENDING)
            data = b"".join(bytes(each["data"]) for each in chunks)
        if len(data) != file["length"] or chunk_sum(data) != bytes(file["metadata"]["sum"]):
            log.warning("rendition %s was damaged, and is dropped", name)
            self._drop([file["_id"]])
            return None
        if file["metadata"]["used"] < datetime.now(UTC) - TOUCH_AFTER:
            with self._mongo.writing():
                self._files.update_one({"_id": file["_id"]}, {"$set": {"metadata.used": datetime.now(UTC)}})
        return data

    def find(self, names: Sequence[str]) -> set[str]:
        """Which of the names are kept."""
        with self._mongo.reading(READ_SECONDS):
            return {
                each["filename"]
                for each in self._files.find({"filename": {"$in": list(names)}}, {"filename": 1})
            }

    def write(self, kept: Kept) -> None:
        """Keep a rendition, unless its name has one."""
        file_id, now = ObjectId(), datetime.now(UTC)
        chunks = [
            {"files_id": file_id, "n": number, "data": kept.data[at : at + CHUNK_SIZE]}
            for number, at in enumerate(range(0, len(kept.data), CHUNK_SIZE))
        ]
        file = {
            "_id": file_id,
            "filename": kept.name,
            "length": len(kept.data),
            "chunkSize": CHUNK_SIZE,
            "uploadDate": now,
            "metadata": {
                "digests": list(kept.digests),
                "cost": round(kept.cost, 4),
                "sum": chunk_sum(kept.data),
                "used": now,
            },
        }
        try:
            with self._mongo.writing(DuplicateKeyError):
                if chunks:
                    self._chunks.insert_many(chunks)
                self._files.insert_one(file)
        except DuplicateKeyError:  # another node was quicker
            with self._mongo.writing():
                self._chunks.delete_many({"files_id": file_id})

    def forget(self, digests: Iterable[Digest]) -> int:
        """Drop every rendition in which one of these images is; how many that were."""
        selection = {"metadata.digests": {"$in": list(digests)}}
        gone = 0
        while ids := self._ids(selection, PAGE):
            self._drop(ids)
            gone += len(ids)
        return gone

    def volume(self) -> tuple[int, int]:
        """How many renditions there are, and their bytes."""
        group: list[Document] = [
            {"$group": {"_id": None, "count": {"$sum": 1}, "bytes": {"$sum": "$length"}}}
        ]
        with self._mongo.reading():
            found = next(iter(self._files.aggregate(group)), None)
        return (int(found["count"]), int(found["bytes"])) if found else (0, 0)

    def sweep(self, limit: int) -> Iterator[int]:
        """Drop what has no image any more, then what is over `limit` bytes, the longest unused first.

        Yields the documents of each page that it looked at or removed, for whoever keeps a pace.
        """
        yield from self._sweep_unnamed()
        yield from self._sweep_chunks()
        _, size = self.volume()
        while size > limit:
            with self._mongo.reading():
                page = list(self._files.find({}, {"length": 1}).sort("metadata.used", ASCENDING).limit(PAGE))
            ids = []
            for each in page:
                if size <= limit:
                    break
                ids.append(each["_id"])
                size -= each["length"]
            if not ids:
                return
            self._drop(ids)
            yield len(ids)

    def _sweep_unnamed(self) -> Iterator[int]:
        """Those of an image whose bytes were swept."""
        last = ObjectId("0" * 24)
        while True:
            with self._mongo.reading():
                page = list(
                    self._files.find({"_id": {"$gt": last}}, {"metadata.digests": 1})
                    .sort("_id", ASCENDING)
                    .limit(PAGE)
                )
                if not page:
                    return
                wanted = list({digest for each in page for digest in each["metadata"]["digests"]})
                known = {each["_id"] for each in self._claims.find({"_id": {"$in": wanted}}, {"_id": 1})}
            self._drop([each["_id"] for each in page if not known.issuperset(each["metadata"]["digests"])])
            last = page[-1]["_id"]
            yield len(page)

    def _sweep_chunks(self) -> Iterator[int]:
        """Those without a file that are older than a writer may take."""
        last = ObjectId("0" * 24)
        young = ObjectId.from_datetime(datetime.now(UTC) - GRACE)
        while True:
            with self._mongo.reading():
                page = [
                    each["_id"]
                    for each in self._chunks.aggregate(
                        [
                            {"$match": {"files_id": {"$gt": last, "$lt": young}, "n": 0}},
                            {"$sort": {"files_id": 1}},
                            {"$limit": PAGE},
                            {"$group": {"_id": "$files_id"}},
                        ]
                    )
                ]
                if not page:
                    return
                whole = {each["_id"] for each in self._files.find({"_id": {"$in": page}}, {"_id": 1})}
            if waste := [each for each in page if each not in whole]:
                with self._mongo.writing():
                    self._chunks.delete_many({"files_id": {"$in": waste}})
            last = max(page)
            yield len(page)

    def _ids(self, selection: Document, limit: int) -> list[ObjectId]:
        with self._mongo.reading():
            return [each["_id"] for each in self._files.find(selection, {"_id": 1}).limit(limit)]

    def _drop(self, ids: Sequence[ObjectId]) -> None:
        if ids:
            with self._mongo.writing():
                self._files.delete_many({"_id": {"$in": list(ids)}})
                self._chunks.delete_many({"files_id": {"$in": list(ids)}})


def _of_one(collection: Collection[Document]) -> Collection[Document]:
    """As the primary alone has it: what is written is seen at once, and may be lost with it."""
    return collection.with_options(write_concern=WriteConcern(w=1), read_concern=ReadConcern("local"))
