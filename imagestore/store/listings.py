"""What a bucket has, in the order of keys: walked along an index from any place on, without a sort."""

from __future__ import annotations

from dataclasses import dataclass

from pymongo import ASCENDING, DESCENDING
from pymongo.collection import Collection

from imagestore.core.image import Image, Version
from imagestore.core.objects import NULL_ID, Marker, number_of
from imagestore.store.mongo import Document, Mongo
from imagestore.store.names import successor
from imagestore.store.shapes import read_entry, read_image

_NOT_SHOWN: Document = {"object.acl": 0, "object.metadata": 0, "object.tags": 0, "context": 0, "tags": 0}


@dataclass(frozen=True, slots=True)
class Place:
    """From where a walk goes on: behind a key, or at it if `inclusive`; or at the key, but behind the `mark`,
    which is what orders the entries of one key."""

    key: str = ""
    inclusive: bool = False
    mark: int | str | None = None


class Listings:
    """At most `size` of what there is at a place and behind it, of keys that begin with `prefix`.

    Keys come in the order of their UTF-8 bytes. What a listing does not show (metadata, tags, access control
    lists) is not read. All raise StoreUnavailable.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")

    def images(self, bucket: str, prefix: str, place: Place, size: int) -> list[Image]:
        keys = key_range(prefix, place)
        if keys is None:
            return []
        with self._mongo.reading():
            found = self._images.find({"bucket": bucket, "live": True, "key": keys}, _NOT_SHOWN)
            return [read_image(each) for each in found.sort("key", ASCENDING).hint("live").limit(size)]

    def versions(self, bucket: str, prefix: str, place: Place, size: int) -> list[Version | Marker]:
        """Those of one key newest first; a place's mark is a number."""
        order = [("key", ASCENDING), ("number", DESCENDING)]
        found: list[Version | Marker] = []
        for wanted in selections(bucket, prefix, place, {"number": {"$lt": place.mark}}):
            found += [
                read_entry(each)
                for each in page(self._mongo, self._versions, wanted, order, size - len(found), "number")
            ]
        return found

    def number(self, bucket: str, key: str, version_id: str) -> int | None:
        """The number of the version that S3 shows under the id; None if that cannot be told any more."""
        number = number_of(version_id)
        if number is not None:
            return number
        shown = {"unversioned": True} if version_id == NULL_ID else {"_id": version_id}
        with self._mongo.reading():
            found = self._versions.find_one({"bucket": bucket, "key": key} | shown, {"number": 1})
        return int(found["number"]) if found else None


def key_range(prefix: str, place: Place) -> Document | None:
    """What a key must be to begin with `prefix` and to come behind the place; None if there is no such."""
    beyond = successor(prefix)
    if beyond is not None and place.key >= beyond:
        return None
    if place.key < prefix:
        keys: Document = {"$gte": prefix}
    else:
        keys = {"$gte" if place.inclusive else "$gt": place.key}
    return keys if beyond is None else keys | {"$lt": beyond}


def selections(bucket: str, prefix: str, place: Place, behind: Document) -> list[Document]:
    """The rest of the place's key, if it is in the midst of one; then the keys behind it."""
    wanted: list[Document] = []
    if place.mark is not None and place.key.startswith(prefix):
        wanted.append({"bucket": bucket, "key": place.key} | behind)
    keys = key_range(prefix, place)
    return wanted if keys is None else [*wanted, {"bucket": bucket, "key": keys}]


def page(
    mongo: Mongo,
    collection: Collection[Document],
    wanted: Document,
    order: list[tuple[str, int]],
    size: int,
    index: str,
) -> list[Document]:
    if size <= 0:
        return []
    with mongo.reading():
        return list(collection.find(wanted, _NOT_SHOWN).sort(order).hint(index).limit(size))
