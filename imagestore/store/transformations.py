"""The documents of named transformations: what a bucket has under `t_<name>`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import ASCENDING, ReturnDocument

from imagestore.store.mongo import Document, Mongo


@dataclass(frozen=True, slots=True)
class NamedTransformation:
    """`text` is the transformation as it was given; `generation` grows with every change of the name."""

    bucket: str
    name: str
    text: str
    changed: datetime
    generation: int


class Transformations:
    """By bucket and name. A deleted one leaves its generation behind, so that it goes on growing."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._documents = mongo.collection("transformations")

    def put(self, bucket: str, name: str, text: str) -> NamedTransformation:
        """Make it, or change what it stands for."""
        now = datetime.now(UTC).replace(microsecond=0)
        with self._mongo.writing():
            document = self._documents.find_one_and_update(
                {"_id": _id(bucket, name)},
                {"$set": {"text": text, "changed": now, "live": True}, "$inc": {"generation": 1}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
        assert document is not None  # an upsert has something to return
        return _read(document)

    def find(self, bucket: str, name: str) -> NamedTransformation | None:
        with self._mongo.reading():
            document = self._documents.find_one({"_id": _id(bucket, name), "live": True})
        return _read(document) if document else None

    def list(self, bucket: str) -> list[NamedTransformation]:
        """All of a bucket, by name."""
        selection = {"_id": {"$gt": _id(bucket, ""), "$lt": _id(bucket, "\U0010ffff")}, "live": True}
        with self._mongo.reading():
            return [_read(each) for each in self._documents.find(selection).sort("_id", ASCENDING)]

    def generation(self, bucket: str, name: str) -> int:
        """Of the name, be it taken away or not; 0 for one that never was."""
        with self._mongo.reading():
            document = self._documents.find_one({"_id": _id(bucket, name)}, {"generation": 1})
        return int(document["generation"]) if document else 0

    def drop(self, bucket: str, name: str) -> int | None:
        """Take the name away; its generation, None if there was none."""
        with self._mongo.writing():
            document = self._documents.find_one_and_update(
                {"_id": _id(bucket, name), "live": True},
                {"$set": {"live": False}, "$unset": {"text": ""}, "$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return int(document["generation"]) if document else None


def _id(bucket: str, name: str) -> Document:
    return {"bucket": bucket, "name": name}


def _read(document: Document) -> NamedTransformation:
    return NamedTransformation(
        bucket=document["_id"]["bucket"],
        name=document["_id"]["name"],
        text=document["text"],
        changed=document["changed"],
        generation=document["generation"],
    )
