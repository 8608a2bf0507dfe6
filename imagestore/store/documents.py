"""The documents of names: images, which point at their newest version, and versions, which never change."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
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
        key: Document = {"$gt": after, "$gte": prefix}
        beyond = _successor(prefix)
        if beyond is not None:
            key["$lt"] = beyond
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
        when the condition does not hold at that moment, WriteContention when the number was given out before.
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
                        name | {"last_number": {"$lt": version.number}} | _filter(condition),
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
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": bucket, "key": key} | _filter(condition, living=True),
                {"$set": _label_fields(labels), "$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        if after is None:
            condition.check(self.find_image(bucket, key))
            return None
        return _image(after)

    def withdraw(self, version: Version) -> int | None:
        """Remove one version. If it is its image's newest, the one below becomes that, and the image goes
        with its last one: the image's generation is returned then, None if the image stays as it was.

        The image is looked at again afterwards: of two that withdraw neighbours at once, one sees the other.
        """
        moved = self._step_back(version)
        self.drop_version(version)
        again = self._step_back(version)
        return moved if again is None else again

    def _step_back(self, version: Version) -> int | None:
        generation: int | None = None
        leaving: Version | None = version
        while leaving is not None:
            below = self.list_versions(version.bucket, version.key, before=leaving.number, limit=1)
            moved = self._move(leaving, below[0] if below else None)
            if moved is None:
                return generation
            generation = moved
            gone = below and self.find_version(version.bucket, version.key, below[0].number) is None
            leaving = below[0] if gone else None
        return generation

    def _move(self, version: Version, previous: Version | None) -> int | None:
        """Point the image from `version` to `previous` or to nothing; None when it points elsewhere."""
        change = {"$set": _pointer(previous)} if previous is not None else _burial()
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": version.bucket, "key": version.key, "live": True, "number": version.number},
                change | {"$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return int(after["generation"]) if after else None

    def bury(self, bucket: str, key: str, condition: Condition) -> tuple[int, int] | None:
        """Take the name away; return the last number it had and its generation, None if there was none.

        The versions up to that number are then without a name and go with `drop_versions`.
        Raises PreconditionFailed.
        """
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": bucket, "key": key} | _filter(condition, living=True),
                _burial() | {"$inc": {"generation": 1}},
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

    def drop_leftovers(self, bucket: str, key: str) -> list[int]:
        """As `drop_versions`, for what a deletion that was cut short left behind."""
        with self._mongo.reading():
            tombstone = self._images.find_one({"bucket": bucket, "key": key, "live": False})
        return self.drop_versions(bucket, key, tombstone["last_number"]) if tombstone else []


def _filter(condition: Condition, *, living: bool = False) -> Document:
    """The condition as a part of an update's filter, so that it holds at the moment of the write.

    `living`: only what is there is to be changed. Conditions that no image can meet match none.
    """
    states = {True} if living or condition.digests is not None else {False, True}
    if condition.exists is not None:
        states &= {condition.exists}
    wanted: Document = {"live": {"$in": sorted(states)}}
    if condition.digests is not None:
        wanted["digest"] = {"$in": list(condition.digests)}
    return wanted


def _burial() -> Document:
    """What makes a tombstone of an image: the numbers stay, the facts and labels go."""
    gone = ("digest", "file_id", "length", "chunk_size", "facts", "version_id", "tags", "context")
    return {"$set": {"live": False, "buried": datetime.now(UTC)}, "$unset": dict.fromkeys(gone, "")}


def _successor(prefix: str) -> str | None:
    """The least text behind all that begin with `prefix`, in the order of code points; None if none is."""
    for at in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[at]) + 1
        if code <= 0x10FFFF:
            return prefix[:at] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return None


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
        **asdict(version.blob),
        "facts": asdict(version.facts),
    }


def _pointer(version: Version) -> Document:
    """What the image's document repeats of its newest version, so that one read answers for both."""
    fields = _version_document(version)
    names = ("number", "created", "digest", "file_id", "length", "chunk_size", "facts")
    return {name: fields[name] for name in names} | {"version_id": version.version_id, "live": True}


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
        context=dict(document.get("context", ())),
    )


def _aware(moment: datetime) -> datetime:
    """mongomock gives times back without a zone whatever the client asked for; all stored ones are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
