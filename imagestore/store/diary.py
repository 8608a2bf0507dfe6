"""What upkeep writes down for later and for other nodes: a few small documents, and a sample each hour."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING

from imagestore.store.mongo import Document, Mongo

SAMPLES_KEPT = timedelta(days=35)


class Diary:
    """Pages by name in the collection `upkeep`, samples by hour in the collection `capacity`.

    Nothing of what is stored depends on it: without it, upkeep begins anew. All raise StoreUnavailable.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._pages = mongo.collection("upkeep")
        self._samples = mongo.collection("capacity")

    def read(self, seconds: float | None = None) -> dict[str, Document]:
        """Every page, without the lists that `read_page` gives; waits for `seconds` at most."""
        with self._mongo.reading(seconds):
            found = list(self._pages.find({}, {"found.listed": 0}))
        return {each.pop("_id"): each for each in found}

    def read_page(self, name: str) -> Document | None:
        with self._mongo.reading():
            found = self._pages.find_one({"_id": name})
        if found is not None:
            del found["_id"]
        return found

    def write(self, name: str, page: Mapping[str, Any]) -> None:
        with self._mongo.writing():
            self._pages.replace_one({"_id": name}, page, upsert=True)

    def count(self, name: str, number: int) -> None:
        """Add to the page's `count`, and note the time as `at`."""
        with self._mongo.writing():
            change = {"$inc": {"count": number}, "$set": {"at": datetime.now(UTC)}}
            self._pages.update_one({"_id": name}, change, upsert=True)

    def add_sample(self, sample: Mapping[str, Any], at: datetime) -> None:
        """Keep one sample for each hour, the last of it; those older than SAMPLES_KEPT go."""
        hour = at.replace(minute=0, second=0, microsecond=0)
        with self._mongo.writing():
            self._samples.replace_one({"_id": hour}, sample, upsert=True)
            self._samples.delete_many({"_id": {"$lt": hour - SAMPLES_KEPT}})

    def samples(self) -> list[Document]:
        """In the order of time, which is their `at`."""
        with self._mongo.reading():
            return list(self._samples.find({}, {"_id": 0}).sort("_id", ASCENDING))
