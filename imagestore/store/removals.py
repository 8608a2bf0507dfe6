"""What a sweep takes out of the store, each only while it is still waste."""

from __future__ import annotations

from datetime import UTC, datetime

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.image import Version
from imagestore.store.chunks import Chunks
from imagestore.store.inventory import ClaimRecord, NameRecord
from imagestore.store.mongo import Document, Mongo


class Removals:
    """Each method looks again at the moment of the change, and tells whether it changed anything.

    Two sweeps, or a sweep and any number of uploads, deletions and restorations, may run at once. All
    raise StoreUnavailable; what was cut short then is waste that the next sweep finds.
    """

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._files = mongo.collection("blobs.files")
        self._chunks = mongo.collection("blobs.chunks")
        self._claims = mongo.collection("claims")
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")

    def mark_unnamed(self, claim: ClaimRecord) -> ClaimRecord | None:
        """Note on a claim that nothing names its blob from now on; None if that is not so.

        The look for names comes after the mark: a version that is published later takes the mark off.
        """
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as BSON keeps it
        marked = ClaimRecord(claim.digest, claim.file_id, claim.claimed, now)
        with self._mongo.writing():
            found = self._claims.update_one(_exactly(claim), {"$set": {"unnamed": now}})
        if not found.matched_count:
            return None
        if self._is_named(claim.file_id):
            self.unmark(marked)
            return None
        return marked

    def unmark(self, claim: ClaimRecord) -> bool:
        with self._mongo.writing():
            return bool(self._claims.update_one(_exactly(claim), {"$unset": {"unnamed": ""}}).modified_count)

    def drop_blob(self, claim: ClaimRecord) -> bool:
        """Remove a blob whose claim is as it was seen, mark included, and which nothing names.

        Claim and file go in one transaction: an upload that renews the claim at the same moment makes it
        fail, or finds no claim and writes the bytes anew under another file id.
        """
        assert (
            claim.unnamed is not None
        )  # an upload tells by the mark that its version may not have been seen
        file_id = ObjectId(claim.file_id)

        def remove(session: ClientSession) -> bool:
            gone = self._claims.delete_one(_exactly(claim), session=session).deleted_count
            if not gone or self._names(claim.file_id, session):
                session.abort_transaction()
                return False
            self._files.delete_one({"_id": file_id}, session=session)
            return True

        removed = self._mongo.transact(remove)
        if removed:
            self._drop_all_chunks(file_id)
        return removed

    def drop_file(self, file_id: str) -> bool:
        """Remove a file that no claim holds and nothing names. Nothing can come to hold it again: claims
        are made together with their files.
        """
        if self._is_claimed(file_id) or self._is_named(file_id):
            return False
        with self._mongo.writing():
            gone = self._files.delete_one({"_id": ObjectId(file_id)}).deleted_count
        self._drop_all_chunks(ObjectId(file_id))
        return bool(gone)

    def drop_chunks(self, file_id: str) -> bool:
        """Remove the chunks of a file that is not there, and that no claim or name asks for.

        The first chunk goes first, in one transaction with the look for the file: an upload in progress
        that makes the file at the same moment changes that chunk too, so only one of the two succeeds.
        """
        if self._is_claimed(file_id) or self._is_named(file_id):
            return False

        def remove_first(session: ClientSession) -> bool:
            first = {"files_id": ObjectId(file_id), "n": 0}
            self._chunks.delete_one(first, session=session)
            if self._files.find_one({"_id": ObjectId(file_id)}, {"_id": 1}, session=session) is not None:
                session.abort_transaction()
                return False
            return True

        removed = self._mongo.transact(remove_first)
        if removed:
            self._drop_all_chunks(ObjectId(file_id))
        return removed

    def drop_extra_chunks(self, file_id: str, count: int) -> bool:
        """Remove the chunks that a whole file of `count` chunks has no place for."""
        beyond = {"files_id": ObjectId(file_id), "$or": [{"n": {"$lt": 0}}, {"n": {"$gte": count}}]}
        with self._mongo.writing():
            return self._chunks.delete_many(beyond).deleted_count > 0

    def spend_number(self, version: Version) -> bool:
        """Count a version's number as given out for good; False if its image points there or beyond.

        So the number does not come back when the version is gone. A name without a document gets a
        tombstone for that.
        """
        name = {"bucket": version.bucket, "key": version.key}
        tombstone = {"live": False, "number": 0, "generation": 1, "buried": datetime.now(UTC)}
        try:
            with self._mongo.writing(DuplicateKeyError):
                self._images.update_one(
                    name | {"$or": [{"live": False}, {"number": {"$lt": version.number}}]},
                    {"$max": {"last_number": version.number}, "$setOnInsert": tombstone},
                    upsert=True,
                )
        except DuplicateKeyError:
            return False  # it lives, and points there or beyond
        return True

    def drop_tombstone(self, name: NameRecord) -> bool:
        """Remove a tombstone that is as it was seen, and has no version left."""
        with self._mongo.reading():
            version = self._versions.find_one({"bucket": name.bucket, "key": name.key}, {"_id": 1})
        if version is not None:
            return False
        seen = {
            "bucket": name.bucket,
            "key": name.key,
            "live": False,
            "last_number": name.last_number,
            "generation": name.generation,
        }
        with self._mongo.writing():
            return bool(self._images.delete_one(seen).deleted_count)

    def _is_named(self, file_id: str) -> bool:
        with self._mongo.reading():
            return self._names(file_id)

    def _names(self, file_id: str, session: ClientSession | None = None) -> bool:
        named = {"file_id": file_id}
        return any(
            each.find_one(named, {"_id": 1}, session=session) is not None
            for each in (self._versions, self._images)
        )

    def _is_claimed(self, file_id: str) -> bool:
        with self._mongo.reading():
            return self._claims.find_one({"file_id": ObjectId(file_id)}, {"_id": 1}) is not None

    def _drop_all_chunks(self, file_id: ObjectId) -> None:
        Chunks(self._mongo).drop(str(file_id))


def _exactly(claim: ClaimRecord) -> Document:
    """A claim that nobody has renewed or marked since it was seen."""
    return {
        "_id": claim.digest,
        "file_id": ObjectId(claim.file_id),
        "claimed": claim.claimed,
        "unnamed": claim.unnamed,
    }
