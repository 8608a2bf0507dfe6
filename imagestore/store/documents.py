"""The documents of names: images, which point at their newest version, and versions, which never change."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bson import ObjectId
from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import WriteContention
from imagestore.core.image import BlobRef, Bucket, Condition, Digest, Facts, Image, Labels, Version
from imagestore.core.objects import Marker, make_version_id
from imagestore.store.blobs import renewal
from imagestore.store.drafts import Swept
from imagestore.store.mongo import Document, Mongo
from imagestore.store.names import is_hidden, look_up, look_up_version, successor, survey, take_unversioned
from imagestore.store.naming import Naming, Outdated, Present, Survey
from imagestore.store.shapes import (
    Place,
    condition_filter,
    is_pointing,
    label_fields,
    pointing,
    read_entry,
    read_image,
    read_place,
    read_present,
    read_version,
    version_document,
)

PUBLISH_TRIES = 20


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

    def renew(self, bucket: str, key: str) -> Place:
        """The same, of a new generation: whatever was made of it, or read, before this is out of date."""
        with self._mongo.writing():
            document = self._images.find_one_and_update(
                {"bucket": bucket, "key": key},
                {"$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return read_place(document)

    def find_with_bucket(self, bucket: str, key: str) -> tuple[Bucket | None, Place]:
        """The bucket, if there is one, and what it has under `key`, in one round trip."""
        with self._mongo.reading():
            return look_up(self._mongo.database, bucket, key)

    def survey(self, bucket: str, key: str, digest: Digest) -> Survey:
        """What an upload of these bytes under this name has to know, in one round trip."""
        with self._mongo.reading():
            return survey(self._mongo.database, bucket, key, digest)

    def find_behind(self, bucket: str, key: str, number: int | None) -> tuple[Bucket, Version] | None:
        """The bucket and the newest version, or that with the number, as a secondary has them.

        For when no primary answers: this may be out of date (see `Mongo.find_behind`), and None says nothing.
        """
        return self._mongo.find_behind(lambda database: look_up_version(database, bucket, key, number))

    def find_version(self, bucket: str, key: str, number: int) -> Version | None:
        """None also while a delete marker is the newest of its name."""
        with self._mongo.reading():
            document = self._versions.find_one({"bucket": bucket, "key": key, "number": number})
            if document is None or document.get("marker") or is_hidden(self._mongo.database, bucket, key):
                return None
        return read_version(document)

    def list_images(
        self, bucket: str, *, prefix: str = "", tag: str | None = None, after: str = "", limit: int = 100
    ) -> list[Image]:
        """At most `limit` images in the byte order of their keys, from behind the key `after` on."""
        key: Document = {"$gt": after, "$gte": prefix}
        beyond = successor(prefix)
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
        """At most `limit` versions, newest first, from below the number `before` on; no delete markers."""
        selection: Document = {"bucket": bucket, "key": key, "marker": None}
        if before is not None:
            selection["number"] = {"$lt": before}
        with self._mongo.reading():
            found = list(self._versions.find(selection).sort("number", DESCENDING).limit(limit))
        return [read_version(document) for document in found]

    def has_images(self, bucket: str) -> bool:
        """Whether there is anything in the bucket, older versions and delete markers included."""
        with self._mongo.reading():
            return (
                self._images.find_one({"bucket": bucket, "live": True}, {"_id": 1}) is not None
                or self._versions.find_one({"bucket": bucket}, {"_id": 1}) is not None
            )

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
        present = read_present(self._images.find_one(name, session=session))
        naming.condition.check(present.image)
        newest = self._versions.find_one(name, {"number": 1}, sort=[("number", DESCENDING)], session=session)
        last = max(present.last_number, newest["number"] if newest else 0)
        return replace(present, last_number=last, vacant=newest is None, generation=None)

    def point(
        self, naming: Naming, present: Present, blob: BlobRef, facts: Facts, session: ClientSession
    ) -> Image:
        """Insert the version and point its image there; return the image that it becomes by the commit.

        A blob that is the newest already makes no version, unless renewed; only the labels change. Raises
        DuplicateKeyError, here or at the commit, when another was first; and Outdated, if what was read
        before the transaction is `present` no more.
        """
        try:
            return self._point(naming, present, blob, facts, session)
        except DuplicateKeyError as error:
            if present.generation is None:
                raise
            raise Outdated from error

    def _point(
        self, naming: Naming, present: Present, blob: BlobRef, facts: Facts, session: ClientSession
    ) -> Image:
        image, replaced, labels = present.image, None, label_fields(naming.labels)
        change: Document = {"$inc": {"generation": 1}}
        if naming.renewed or image is None or image.version.digest != blob.digest:
            if naming.unversioned and not present.vacant:
                replaced = take_unversioned(self._versions, naming.bucket, naming.key, session)
            now = datetime.now(UTC).replace(microsecond=0)
            number = max(int(now.timestamp()), present.last_number + 1)
            version = Version(
                naming.bucket,
                naming.key,
                number,
                make_version_id(number),
                blob,
                facts,
                now,
                naming.attributes,
                naming.unversioned,
            )
            self._versions.insert_one(version_document(version), session=session)
            change |= pointing(version) | {"$max": {"last_number": number}}
            if present.hidden:  # what was deleted does not lend its labels to what comes after
                change["$unset"] |= {name: "" for name in ("tags", "context") if name not in labels}
        change["$set"] = change.get("$set", {}) | labels
        name: Document = {"bucket": naming.bucket, "key": naming.key}
        after = self._images.find_one_and_update(
            name if present.generation is None else name | {"generation": present.generation},
            change,
            upsert=True,  # of another generation by now: then that is a duplicate
            return_document=ReturnDocument.AFTER,
            session=session,
        )
        assert after is not None  # an upsert has something to return
        return naming.complete(session, read_image(after), replaced)

    def _hold(self, blob: BlobRef, session: ClientSession) -> None:
        claim = {"_id": blob.digest, "file_id": ObjectId(blob.file_id)}
        if not self._claims.update_one(claim, renewal(), session=session).matched_count:
            raise Swept

    def set_labels(self, bucket: str, key: str, labels: Labels, condition: Condition) -> Image | None:
        """Set tags and context; None when there is no such image. Raises PreconditionFailed."""
        fields = label_fields(labels)
        with self._mongo.writing():
            after = self._images.find_one_and_update(
                {"bucket": bucket, "key": key} | condition_filter(condition, living=True),
                # With nothing to set, a majority still says whether the image is as the condition has it.
                {"$set": fields, "$inc": {"generation": 1}} if fields else {"$set": {"live": True}},
                return_document=ReturnDocument.AFTER,
            )
        if after is None:
            condition.check(self.find_image(bucket, key))
            return None
        return read_image(after)

    def withdraw(self, version: Version | Marker) -> int | None:
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
            if is_pointing(image) and image["number"] == version.number:
                below = self._versions.find_one(
                    name | {"number": {"$lt": version.number}},
                    sort=[("number", DESCENDING)],
                    session=session,
                )
                change |= pointing(read_entry(below) if below is not None else None)
            self._images.update_one(name, change, session=session)
            return int(image["generation"]) + 1

        return self._mongo.transact(remove)

    def bury(self, bucket: str, key: str, condition: Condition) -> tuple[list[int], int] | None:
        """Take a name away with all its versions, in one transaction; also what a delete marker hides.

        Returns the versions' numbers and the name's generation, None if there was no such image. Raises
        PreconditionFailed.
        """
        name = {"bucket": bucket, "key": key}
        there = condition_filter(condition, living=True)
        if condition == Condition():
            there = {"$or": [there, {"marker": True}]}

        def remove(session: ClientSession) -> tuple[list[int], int] | None:
            after = self._images.find_one_and_update(
                name | there,
                pointing(None) | {"$inc": {"generation": 1}},
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
