"""How much is stored: counted in the database, in slices that each take it a fraction of a second."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING, ReadPreference
from pymongo.collection import Collection

from imagestore.store.mongo import Document, Mongo

SLICE = 10_000
"""About how many documents one query counts."""

_PREFIXES = 16**4
"""Of digests, which are spread evenly: the slices lie between some of them."""

Slice = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of one bucket with their bytes, and the bytes of all different blobs among them."""

    bucket: str
    count: int
    size: int
    distinct_size: int


@dataclass(frozen=True, slots=True)
class Blobs:
    """How many blobs there are with how many bytes, and how much of that a sweep has marked as unnamed."""

    count: int
    size: int
    unnamed: int
    unnamed_size: int


class Census:
    """Counts that add up, slice by slice, from a secondary where there is one. All raise StoreUnavailable.

    What changes meanwhile may be counted or not: the sums are of no one moment.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._claims = self._aside("claims")
        self._images = self._aside("images")
        self._versions = self._aside("versions")

    def _aside(self, name: str) -> Collection[Document]:
        return self._mongo.collection(name).with_options(read_preference=ReadPreference.SECONDARY_PREFERRED)

    def buckets(self) -> int:
        with self._mongo.reading():
            return self._mongo.collection("buckets").count_documents({"live": True})

    def _slices(self, collection: Collection[Document]) -> list[Slice]:
        with self._mongo.reading():
            count = min(_PREFIXES, 1 + collection.estimated_document_count() // SLICE)
        bounds = [f"{number * _PREFIXES // count:04x}" for number in range(count)]
        return list(zip(bounds, [*bounds[1:], "g"], strict=True))

    def versions(self) -> Iterator[list[Versions]]:
        """By bucket, slice by slice of the digests. A digest lies in one slice, so the sums add up."""
        each_digest = {
            "_id": {"bucket": "$bucket", "digest": "$digest"},
            "count": {"$sum": 1},
            "length": {"$first": "$length"},
        }
        each_bucket = {
            "_id": "$_id.bucket",
            "count": {"$sum": "$count"},
            "size": {"$sum": {"$multiply": ["$count", "$length"]}},
            "distinct": {"$sum": "$length"},
        }
        for part in self._slices(self._versions):
            steps: list[Document] = [
                {"$match": _within("digest", part)},
                {"$group": each_digest},
                {"$group": each_bucket},
            ]
            found = self._ask(self._versions, steps)
            yield [Versions(each["_id"], each["count"], each["size"], each["distinct"]) for each in found]

    def blobs(self) -> Iterator[Blobs]:
        unnamed = {"$gt": ["$unnamed", None]}
        sums = {
            "_id": None,
            "count": {"$sum": 1},
            "size": {"$sum": "$length"},
            "unnamed": {"$sum": {"$cond": [unnamed, 1, 0]}},
            "unnamed_size": {"$sum": {"$cond": [unnamed, "$length", 0]}},
        }
        for part in self._slices(self._claims):
            for each in self._ask(self._claims, [{"$match": _within("_id", part)}, {"$group": sums}]):
                yield Blobs(each["count"], each["size"], each["unnamed"], each["unnamed_size"])

    def images(self) -> Iterator[dict[str, int]]:
        """By bucket, slice by slice, those that are no tombstones."""
        sums = {"_id": "$bucket", "count": {"$sum": {"$cond": ["$live", 1, 0]}}, "last": {"$max": "$_id"}}
        bound: Document = {"$gte": ObjectId("0" * 24)}
        while True:
            page: list[Document] = [
                {"$match": {"_id": bound}},
                {"$sort": {"_id": ASCENDING}},
                {"$limit": SLICE},
            ]
            found = self._ask(self._images, [*page, {"$group": sums}])
            if not found:
                return
            yield {each["_id"]: each["count"] for each in found}
            bound = {"$gt": max(each["last"] for each in found)}

    def _ask(self, collection: Collection[Document], steps: Sequence[Mapping[str, Any]]) -> list[Document]:
        with self._mongo.reading():
            return list(collection.aggregate(steps))


def _within(field: str, part: Slice) -> Document:
    return {field: {"$gte": part[0], "$lt": part[1]}}
