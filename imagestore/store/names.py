"""A bucket and what it has under a key, looked up in one round trip."""

from __future__ import annotations

from pymongo.database import Database

from imagestore.core.image import Bucket, Version
from imagestore.store.mongo import Document
from imagestore.store.registry import read_bucket
from imagestore.store.shapes import Place, read_place, read_version


def look_up(database: Database[Document], bucket: str, key: str) -> tuple[Bucket | None, Place]:
    """The bucket, if there is one, and what it has under the key."""
    found, document = _look_up(database, bucket, "images", {"bucket": bucket, "key": key})
    return found, read_place(document)


def look_up_version(
    database: Database[Document], bucket: str, key: str, number: int | None
) -> tuple[Bucket, Version] | None:
    """The bucket and the newest version, or that with the number; None unless both are there."""
    if number is None:
        found, place = look_up(database, bucket, key)
        version = place.image.version if place.image else None
    else:
        wanted: Document = {"bucket": bucket, "key": key, "number": number}
        found, document = _look_up(database, bucket, "versions", wanted)
        version = read_version(document) if document else None
    return (found, version) if found and version else None


def _look_up(
    database: Database[Document], bucket: str, collection: str, wanted: Document
) -> tuple[Bucket | None, Document | None]:
    pipeline: list[Document] = [
        {"$match": {"_id": bucket, "live": True}},
        {"$unionWith": {"coll": collection, "pipeline": [{"$match": wanted}]}},
    ]
    found = list(database["buckets"].aggregate(pipeline))
    buckets = [each for each in found if "key" not in each]
    others = [each for each in found if "key" in each]
    return (read_bucket(buckets[0]) if buckets else None), (others[0] if others else None)
