"""The documents of names: images, which point at their newest version, and versions, which never change."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import WriteContention
from imagestore.core.image import BlobRef, Condition, Digest, Facts, Image, Labels, Version
from imagestore.store.mongo import Document, Mongo

NUMBER_TRIES = 200
POINT_TRIES = 20


class Documents:
    """Images and versions.

    A deleted image leaves a tombstone, so that its generation goes on growing and no version number is
    given out twice: a versioned URL is cached for a year.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")

    def find_image(self, bucket: str, key: str) -> Image | None:
        with self._mongo.reading():
            document = self._images.find_one({"bucket": bucket, "key": key, "live": True})
        return _image(document) if document else None

    def find_version(self, bucket: str, key: str, number: int) -> Version | None:
        with self._mongo.reading():
            document = self._versions.find_one({"bucket": bucket, "key": key, "number": number})
        return _version(document) if document else None

    def list_images(
        self, bucket: str, *, prefix: str = "", tag: str | None = None, after: str = "", limit: int = 100
    ) -> list[Image]:
        """At most `limit` images in the byte order of their keys, from behind the key `after` on."""
        key: Document = {"$gt": after}
        if prefix:
            key["$regex"] = f"^{re.escape(prefix)}"
        selection: Document = {"bucket": bucket, "key": key, "live": True}
        if tag is not None:
            selection["tags"] = tag
        with self._mongo.reading():
            found = list(self._images.find(selection).sort("key", ASCENDING).limit(limit))
        return [_image(document) for document in found]

    def list_versions(
        self, bucket: str, key: str, *, before: int | None = None, limit: int = 100
    ) -> list[Version]:
        """At most `limit` versions, newest first, from below the number `before` on."""
        selection: Document = {"bucket": bucket, "key": key}
        if before is not None:
            selection["number"] = {"$lt": before}
        with self._mongo.reading():
            found = list(self._versions.find(selection).sort("number", DESCENDING).limit(limit))
        return [_version(document) for document in found]

    def has_images(self, bucket: str) -> bool:
        with self._mongo.reading():
            return self._images.find_one({"bucket": bucket, "live": True}, {"_id": 1}) is not None

    def add_version(self, bucket: str, key: str, blob: BlobRef, facts: Facts) -> Version:
        """Insert a new version under the next free number. It is not the image's newest until `point`."""
        now = datetime.now(UTC).replace(microsecond=0)
        number = max(int(now.timestamp()), self._last_number(bucket, key) + 1)
        for _ in range(NUMBER_TRIES):
            version = Version(bucket, key, number, secrets.token_hex(16), blob, facts, now)
            try:
                with self._mongo.writing(DuplicateKeyError):
                    self._versions.insert_one(_version_document(version))
            except DuplicateKeyError:
                number = max(number, self._last_number(bucket, key)) + 1
            else:
                return version
        raise WriteContention("Too many uploads to one key at once: try again.")

    def _last_number(self, bucket: str, key: str) -> int:
        name = {"bucket": bucket, "key": key}
        with self._mongo.reading():
            image = self._images.find_one(name, {"last_number": 1})
            newest = self._versions.find_one(name, {"number": 1}, sort=[("number", DESCENDING)])
        return max(image["last_number"] if image else 0, newest["number"] if newest else 0)

    def point(self, version: Version, labels: Labels, condition: Condition) -> Image:
        """Make `version` its image's newest, in one atomic update; return the image it became.

        When a newer version got there first, the image stays as that one left it. Raises PreconditionFailed
        when the condition does not hold at that moment.
        """
        name = {"bucket": version.bucket, "key": version.key}
        update = {
            "$set": _pointer(version) | _label_fields(labels),
            "$max": {"last_number": version.number},
            "$inc": {"generation": 1},
        }
        for _ in range(POINT_TRIES):
            try:
                with self._mongo.writing(DuplicateKeyError):
                    after = self._images.find_one_and_update(
                        name | {"number": {"$lt": version.number}} | _filter(condition),
                        update,
                        upsert=not condition.wants_image,
                        return_document=ReturnDocument.AFTER,
                    )
            except DuplicateKeyError:
                after = None  # the name is there: newer than ours, against the condition, or just made
            if after is not None:
                return _image(after)
            with self._mongo.reading():
                current = self._images.find_one(name)
            condition.check(_image(current) if current and current["live"] else None)
            if current is not None and current["number"] >= version.number:
                return Image(version, current["generation"], labels.tags or (), labels.context or {})
        raise WriteContention("Too many uploads to one key at once: try again.")

    def drop_version(self, version: Version) -> None:
        """Remove a version that no image points at."""
        with self._mongo.writing():
            self._versions.delete_one({"_id": version.version_id})

    def set_labels(self, bucket: str, key: str, labels: Labels, condition: Condition) -> Image | None:
        """Set tags and context; None when there is no such image. Raises PreconditionFailed."""
        name = {"bucket": bucket, "key": key}
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                name | _filter(condition) | {"live": True},
                {"$set": _label_fields(labels), "$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        if after is None:
            condition.check(self.find_image(bucket, key))
            return None
        return _image(after)

    def move_back(self, version: Version, previous: Version) -> int | None:
        """Point the image from `version` back to `previous`; None when it points elsewhere by now."""
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": version.bucket, "key": version.key, "live": True, "number": version.number},
                {"$set": _pointer(previous), "$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return int(after["generation"]) if after else None

    def bury(self, bucket: str, key: str, condition: Condition) -> tuple[int, int] | None:
        """Take the name away; return the last number it had and its generation, None if there was none.

        The versions up to that number are then without a name and go with `drop_versions`.
        Raises PreconditionFailed.
        """
        gone = ("digest", "file_id", "length", "chunk_size", "facts", "version_id", "tags", "context")
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": bucket, "key": key} | _filter(condition) | {"live": True},
                {
                    "$set": {"live": False, "buried": datetime.now(UTC)},
                    "$unset": dict.fromkeys(gone, ""),
                    "$inc": {"generation": 1},
                },
                return_document=ReturnDocument.AFTER,
            )
        if after is None:
            condition.check(self.find_image(bucket, key))
            return None
        return int(after["last_number"]), int(after["generation"])

    def drop_versions(self, bucket: str, key: str, up_to: int) -> list[int]:
        """Remove all versions up to a number; return the numbers of those that were there."""
        selection = {"bucket": bucket, "key": key, "number": {"$lte": up_to}}
        with self._mongo.writing():
            numbers = [document["number"] for document in self._versions.find(selection, {"number": 1})]
            self._versions.delete_many(selection)
        return numbers


def _filter(condition: Condition) -> Document:
    """The condition as a part of an update's filter, so that it holds at the moment of the write."""
    wanted: Document = {}
    if condition.exists is not None:
        wanted["live"] = condition.exists
    if condition.digests is not None:
        wanted |= {"live": True, "digest": {"$in": list(condition.digests)}}
    return wanted


def _label_fields(labels: Labels) -> Document:
    wanted: Document = {}
    if labels.tags is not None:
        wanted["tags"] = list(labels.tags)
    if labels.context is not None:
        wanted["context"] = [list(entry) for entry in labels.context.items()]
    return wanted


def _version_document(version: Version) -> Document:
    return {
        "_id": version.version_id,
        "bucket": version.bucket,
        "key": version.key,
        "number": version.number,
        "created": version.created,
        **_blob_fields(version.blob),
        "facts": asdict(version.facts),
    }


def _pointer(version: Version) -> Document:
    """What the image's document repeats of its newest version, so that one read answers for both."""
    fields = _version_document(version)
    names = ("number", "created", "digest", "file_id", "length", "chunk_size", "facts")
    return {name: fields[name] for name in names} | {"version_id": version.version_id, "live": True}


def _blob_fields(blob: BlobRef) -> Document:
    return {
        "digest": blob.digest,
        "file_id": blob.file_id,
        "length": blob.length,
        "chunk_size": blob.chunk_size,
    }


def _version(document: Mapping[str, Any], version_id: str | None = None) -> Version:
    return Version(
        bucket=document["bucket"],
        key=document["key"],
        number=document["number"],
        version_id=version_id or document["_id"],
        blob=BlobRef(
            Digest(document["digest"]), document["file_id"], document["length"], document["chunk_size"]
        ),
        facts=Facts(**document["facts"]),
        created=_aware(document["created"]),
    )


def _image(document: Mapping[str, Any]) -> Image:
    return Image(
        version=_version(document, document["version_id"]),
        generation=document["generation"],
        tags=tuple(document.get("tags", ())),
        context=dict(_pairs(document.get("context", ()))),
    )


def _pairs(entries: Iterable[Sequence[str]]) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in entries)


def _aware(moment: datetime) -> datetime:
    """mongomock gives times back without a zone whatever the client asked for; all stored ones are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
