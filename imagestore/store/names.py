"""A bucket and what it has under a key, looked up in one round trip; and where a range of keys ends."""

from __future__ import annotations

from pymongo.client_session import ClientSession
from pymongo.collection import Collection
from pymongo.database import Database

from imagestore.core.image import Bucket, Digest, Facts, Version
from imagestore.core.objects import NULL_ID, Marker
from imagestore.store.mongo import Document
from imagestore.store.naming import Survey
from imagestore.store.registry import read_bucket
from imagestore.store.shapes import (
    Place,
    read_claim,
    read_entry,
    read_newest,
    read_place,
    read_present,
    read_version,
)


def look_up(database: Database[Document], bucket: str, key: str) -> tuple[Bucket | None, Place]:
    """The bucket, if there is one, and what it has under the key."""
    found, document = _look_up(database, bucket, "images", {"bucket": bucket, "key": key})
    return found, read_place(document)


def survey(database: Database[Document], bucket: str, key: str, digest: Digest) -> Survey:
    """What an upload of these bytes under this name has to know, in one round trip."""
    # Of bytes that are kept as they are there can be any number of versions: only one is looked at.
    parts: dict[str, list[Document]] = {
        "images": [{"$match": {"bucket": bucket, "key": key}}],
        "claims": [{"$match": {"_id": digest}}],
        "versions": [{"$match": {"digest": digest}}, {"$limit": 1}, {"$project": {"facts": 1}}],
    }
    pipeline: list[Document] = [
        {"$match": {"_id": bucket, "live": True}},
        {"$replaceWith": {"buckets": "$$ROOT"}},
    ]
    for name, stages in parts.items():
        labelled: list[Document] = [*stages, {"$replaceWith": {name: "$$ROOT"}}]
        pipeline.append({"$unionWith": {"coll": name, "pipeline": labelled}})
    found: Document = {}
    for each in database["buckets"].aggregate(pipeline):
        found |= each
    claim, proven = found.get("claims"), found.get("versions")
    return Survey(
        read_bucket(found["buckets"]) if "buckets" in found else None,
        read_present(found.get("images")),
        read_claim(claim) if claim else None,
        Facts(**proven["facts"]) if claim and proven and proven["facts"]["format"] else None,
    )


def look_up_version(
    database: Database[Document], bucket: str, key: str, number: int | None
) -> tuple[Bucket, Version] | None:
    """The bucket and the newest version, or that with the number; None unless both are there."""
    if number is None:
        found, place = look_up(database, bucket, key)
        version = place.image.version if place.image else None
    else:
        wanted: Document = {"bucket": bucket, "key": key, "number": number}
        found, document = _look_up(database, bucket, "versions", wanted | {"marker": None})
        hidden = document is None or is_hidden(database, bucket, key)
        version = None if document is None or hidden else read_version(document)
    return (found, version) if found and version else None


def look_up_entry(
    database: Database[Document], bucket: str, key: str, version_id: str | None
) -> tuple[Bucket | None, Version | Marker | None]:
    """The bucket and the newest of what the key names, or that which S3 shows under an id; delete markers
    included."""
    name: Document = {"bucket": bucket, "key": key}
    if version_id is None:
        found, document = _look_up(database, bucket, "images", name)
        return found, read_newest(document) if document else None
    wanted = {"unversioned": True} if version_id == NULL_ID else {"_id": version_id, "unversioned": None}
    found, document = _look_up(database, bucket, "versions", name | wanted)
    return found, read_entry(document) if document else None


def is_hidden(database: Database[Document], bucket: str, key: str) -> bool:
    """Whether a delete marker is the newest of what the key names."""
    marked = {"bucket": bucket, "key": key, "marker": True}
    return database["images"].find_one(marked, {"_id": 1}) is not None


def take_unversioned(
    versions: Collection[Document], bucket: str, key: str, session: ClientSession
) -> Version | Marker | None:
    """Take away, for another one, what the key has for as long as its bucket keeps no versions."""
    gone = versions.find_one_and_delete({"bucket": bucket, "key": key, "unversioned": True}, session=session)
    return read_entry(gone) if gone is not None else None


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


def successor(prefix: str) -> str | None:
    """The least text behind all that begin with `prefix`, in the order of code points; None if none is."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at]) + 1
        if code <= 0x10FFFF:
            return prefix[:at] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return None
