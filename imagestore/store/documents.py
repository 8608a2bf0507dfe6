"""The documents of names: images, which point at their newest version, and versions, which never change."""

from __future__ import annotations

import secrets
from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import WriteContention
from imagestore.core.image import BlobRef, Bucket, Condition, Digest, Facts, Image, Labels, Version
from imagestore.store.blobs import Swept, renewal
from imagestore.store.mongo import Document, Mongo
from imagestore.store.names import look_up, look_up_version
from imagestore.store.shapes import (
    Place,
    label_fields,
    pointer_fields,
    read_image,
    read_place,
    read_version,
    version_document,
)

PUBLISH_TRIES = 20


@dataclass(frozen=True, slots=True)
class Naming:
    """The name that a version is to have, and what else an upload asks for."""

    bucket: str
    key: str
    labels: Labels = field(default_factory=Labels)
    condition: Condition = field(default_factory=Condition)

    def turns(self, digest: Digest) -> tuple[Hashable, Hashable]:
        """What a transaction changes that gives bytes of this digest the name: the name, then the claim."""
        return (self.bucket, self.key), digest


@dataclass(frozen=True, slots=True)
class Present:
    """What there is under a name: the image, if it lives, and the last number that was given out."""

    image: Image | None
    last_number: int


class Documents:
    """Images and versions.

    A deleted image leaves a tombstone, so that its generation goes on growing and no version number is
    given out twice: a versioned URL is cached for a year.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")
        self._claims = mongo.collection("claims")

    def find_image(self, bucket: str, key: str) -> Image | None:
        with self._mongo.reading():
            document = self._images.find_one({"bucket": bucket, "key": key, "live": True})
        return read_image(document) if document else None

    def find_place(self, bucket: str, key: str) -> Place:
        """The image, or since when there is none."""
        with self._mongo.reading():
            return read_place(self._images.find_one({"bucket": bucket, "key": key}))

    def find_with_bucket(self, bucket: str, key: str) -> tuple[Bucket | None, Place]:
        """The bucket, if there is one, and what it has under `key`, in one round trip."""
        with self._mongo.reading():
            return look_up(self._mongo.database, bucket, key)

    def find_behind(self, bucket: str, key: str, number: int | None) -> tuple[Bucket, Version] | None:
        """The bucket and the newest version, or that with the number, as a secondary has them.

        For when no primary answers: this may be out of date (see `Mongo.find_behind`), and None says nothing.
        """
        return self._mongo.find_behind(lambda database: look_up_version(database, bucket, key, number))

    def find_version(self, bucket: str, key: str, number: int) -> Version | None:
        with self._mongo.reading():
            document = self._versions.find_one({"bucket": bucket, "key": key, "number": number})
        return read_version(document) if document else None

    def find_facts(self, digest: Digest) -> Facts | None:
        """The facts of the bytes with this digest, as any version of them has it."""
        with self._mongo.reading():
            document = self._versions.find_one({"digest": digest}, {"facts": 1})
        return Facts(**document["facts"]) if document else None

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
        return [read_image(document) for document in found]

    def list_versions(
        self, bucket: str, key: str, *, before: int | None = None, limit: int = 100
    ) -> list[Version]:
        """At most `limit` versions, newest first, from below the number `before` on."""
        selection: Document = {"bucket": bucket, "key": key}
        if before is not None:
            selection["number"] = {"$lt": before}
        with self._mongo.reading():
            found = list(self._versions.find(selection).sort("number", DESCENDING).limit(limit))
        return [read_version(document) for document in found]

    def has_images(self, bucket: str) -> bool:
        with self._mongo.reading():
            return self._images.find_one({"bucket": bucket, "live": True}, {"_id": 1}) is not None

    def publish(self, naming: Naming, blob: BlobRef, facts: Facts) -> Image | None:
        """Make a version of `blob` and its image's newest, in one transaction; return the image it became.

        So nobody ever sees a version that was not acknowledged, or acknowledges one that is not seen. The
        blob's claim is renewed in the same transaction: None when there is none any more, so the bytes must
        be put again. Raises PreconditionFailed, and WriteContention when others keep getting in the way.
        """

        def write(session: ClientSession) -> Image | None:
            image = self.point(naming, self.look(naming, session), blob, facts, session)
            self._hold(blob, session)  # last, since uploads of the same bytes to other keys wait for it
            return image

        for _ in range(PUBLISH_TRIES):
            try:
                return self._mongo.transact(write, DuplicateKeyError, turns=naming.turns(blob.digest))
            except DuplicateKeyError:
                continue  # another made the name or took the number first
            except Swept:
                return None
        raise WriteContention("Too many uploads to one key at once: try again.")

    def look(self, naming: Naming, session: ClientSession) -> Present:
        """What there is under the name, for `point` in the same transaction. Raises PreconditionFailed."""
        name = {"bucket": naming.bucket, "key": naming.key}
        document = self._images.find_one(name, session=session)
        image = read_image(document) if document is not None and document["live"] else None
        naming.condition.check(image)
        newest = self._versions.find_one(name, {"number": 1}, sort=[("number", DESCENDING)], session=session)
        last = max(document["last_number"] if document else 0, newest["number"] if newest else 0)
        return Present(image, last)

    def point(
        self, naming: Naming, present: Present, blob: BlobRef, facts: Facts, session: ClientSession
    ) -> Image:
        """Insert the version and point its image there; return the image that it becomes by the commit.

        A blob that is the newest already makes no version; only the labels change. DuplicateKeyError, here or
        at the commit: another made the name or took the number first.
        """
        bucket, key, image = naming.bucket, naming.key, present.image
        change: Document = {"$set": label_fields(naming.labels), "$inc": {"generation": 1}}
        if image is None or image.version.digest != blob.digest:
            now = datetime.now(UTC).replace(microsecond=0)
            number = max(int(now.timestamp()), present.last_number + 1)
            version = Version(bucket, key, number, secrets.token_hex(16), blob, facts, now)
            self._versions.insert_one(version_document(version), session=session)
            change["$set"] |= pointer_fields(version)
            change["$max"] = {"last_number": number}
        after = self._images.find_one_and_update(
            {"bucket": bucket, "key": key},
            change,
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert after is not None  # an upsert has something to return
        return read_image(after)

    def _hold(self, blob: BlobRef, session: ClientSession) -> None:
        claim = {"_id": blob.digest, "file_id": ObjectId(blob.file_id)}
        if not self._claims.update_one(claim, renewal(), session=session).matched_count:
            raise Swept

    def set_labels(self, bucket: str, key: str, labels: Labels, condition: Condition) -> Image | None:
        """Set tags and context; None when there is no such image. Raises PreconditionFailed."""
        fields = label_fields(labels)
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": bucket, "key": key} | _filter(condition, living=True),
                # With nothing to set, a majority still says whether the image is as the condition has it.
                {"$set": fields, "$inc": {"generation": 1}} if fields else {"$set": {"live": True}},
                return_document=ReturnDocument.AFTER,
            )
        if after is None:
            condition.check(self.find_image(bucket, key))
            return None
        return read_image(after)

    def withdraw(self, version: Version) -> int | None:
        """Remove one version, in one transaction; return its image's generation, None without an image.

        If it is its image's newest, the one below becomes that, and the image goes with its last one. The
        image is changed in any case, so that of two that withdraw neighbours at once one has to look again.
        """
        name = {"bucket": version.bucket, "key": version.key}

        def remove(session: ClientSession) -> int | None:
            self._versions.delete_one({"_id": version.version_id}, session=session)
            image = self._images.find_one(name, session=session)
            if image is None:
                return None
            change: Document = {"$inc": {"generation": 1}}
            if image["live"] and image["number"] == version.number:
                below = self._versions.find_one(
                    name | {"number": {"$lt": version.number}},
                    sort=[("number", DESCENDING)],
                    session=session,
                )
                change |= _burial() if below is None else {"$set": pointer_fields(read_version(below))}
            self._images.update_one(name, change, session=session)
            return int(image["generation"]) + 1

        return self._mongo.transact(remove)

    def bury(self, bucket: str, key: str, condition: Condition) -> tuple[list[int], int] | None:
        """Take a name away with all its versions, in one transaction.

        Returns the versions' numbers and the name's generation, None if there was no such image. Raises
        PreconditionFailed.
        """
        name = {"bucket": bucket, "key": key}

        def remove(session: ClientSession) -> tuple[list[int], int] | None:
            after = self._images.find_one_and_update(
                name | _filter(condition, living=True),
                _burial() | {"$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
                session=session,
            )
            if after is None:
                return None
            numbers = [each["number"] for each in self._versions.find(name, {"number": 1}, session=session)]
            self._versions.delete_many(name, session=session)
            return numbers, int(after["generation"])

        buried = self._mongo.transact(remove)
        if buried is None:
            condition.check(self.find_image(bucket, key))
        return buried


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
