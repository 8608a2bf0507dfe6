"""Leases in MongoDB: what only one node at a time is to do is done by the one that holds the lease for it."""

from __future__ import annotations

import time

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from imagestore.store.mongo import Document, Mongo


class Lease:
    """The lease for `name`, as `owner` sees it: a page of the diary, so that everybody can read who has it.

    The server's clock alone says when a lease ends. The owner counts from before it asked, so, as long as
    clocks go at the same speed, it lets go no later than another can get it. Who is paused for longer finds
    out at its next look: what is done under a lease must be harmless when done twice.
    """

    def __init__(self, mongo: Mongo, name: str, *, owner: str, seconds: float) -> None:
        self._mongo = mongo
        self._leases = mongo.collection("upkeep")
        self._name = name
        self._owner = owner
        self._seconds = seconds
        self._until = 0.0

    def take(self) -> bool:
        """Get the lease, or make it last from now on; whether that was granted. Raises StoreUnavailable."""
        asked = time.monotonic()
        free = {"$lte": [{"$ifNull": ["$expires", "$$NOW"]}, "$$NOW"]}
        granted = {"$or": [free, {"$eq": ["$owner", self._owner]}]}
        end = {"$add": ["$$NOW", int(self._seconds * 1000)]}
        change: list[Document] = [
            {"$set": {"owner": {"$cond": [granted, self._owner, "$owner"]}}},
            {"$set": {"expires": {"$cond": [{"$eq": ["$owner", self._owner]}, end, "$expires"]}}},
        ]
        try:
            with self._mongo.writing(DuplicateKeyError):
                after = self._leases.find_one_and_update(
                    {"_id": self._name}, change, upsert=True, return_document=ReturnDocument.AFTER
                )
        except DuplicateKeyError:  # another made it first
            return False
        if after is None or after["owner"] != self._owner:
            self._until = 0.0
            return False
        self._until = asked + self._seconds
        return True

    def held(self) -> bool:
        return time.monotonic() < self._until

    def give_up(self) -> None:
        """Let another have it at once. Raises StoreUnavailable; then it ends by itself."""
        self._until = 0.0
        with self._mongo.writing():
            self._leases.delete_one({"_id": self._name, "owner": self._owner})
