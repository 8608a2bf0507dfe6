"""The histories of a bucket's keys, walked from one end to the other for who decides what of them ends."""

from __future__ import annotations

from collections.abc import Iterator

from pymongo import ASCENDING, DESCENDING

from imagestore.core.image import Version
from imagestore.core.objects import Marker
from imagestore.store.listings import Place, selections
from imagestore.store.mongo import Document, Mongo
from imagestore.store.shapes import read_entry

PAGE = 500

_NOT_READ: Document = {"object.acl": 0, "object.metadata": 0, "context": 0, "tags": 0}


class Histories:
    """Raises StoreUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._versions = mongo.collection("versions")

    def walk(self, bucket: str, prefix: str) -> Iterator[list[Version | Marker]]:
        """Page by page, in the order of keys, of one key the newest first. What is written meanwhile may be
        among it; no query lasts longer than its page."""
        place: Place = Place()
        while True:
            found: list[Version | Marker] = []
            for wanted in selections(bucket, prefix, place, {"number": {"$lt": place.mark}}):
                if len(found) < PAGE:
                    found += self._read(wanted, PAGE - len(found))
            if not found:
                return
            yield found
            place = Place(found[-1].key, mark=found[-1].number)

    def _read(self, wanted: Document, size: int) -> list[Version | Marker]:
        order = [("key", ASCENDING), ("number", DESCENDING)]
        with self._mongo.reading():
            rows = self._versions.find(wanted, _NOT_READ).sort(order).hint("number").limit(size)
            return [read_entry(each) for each in rows]
