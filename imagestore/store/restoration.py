"""What a restore puts back into the documents of names: only what is missing, and nothing is taken away."""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import WriteContention
from imagestore.core.image import BlobRef, Digest
from imagestore.store.blobs import renewal
from imagestore.store.mongo import Document, Mongo
from imagestore.store.shapes import is_pointing, pointing, read_entry

TRIES = 20
_OF_A_POINTER = ("digest", "length", "facts", "object", "version_id", "unversioned", "marker")
_LABELS = ("tags", "context")


_OF_BYTES = ("digest", "file_id", "length", "chunk_size", "facts", "object")

Brought = tuple[Document, BlobRef | None]
"""A version, and where its bytes lie; a delete marker has none."""


class Change(StrEnum):
    """What became of a document in the store."""

    ADDED = "added"
    CHANGED = "changed"
    KEPT = "kept"


@dataclass(slots=True)
class PutBack:
    """What became of an image and some versions of it, which are named by their ids.

    Not put back are those whose number is `taken` by another version, or whose bytes were `swept`. When
    that is so of all, the image is not `pointed` at any, and a name without an image gets a tombstone.
    """

    pointed: bool = False
    change: Change = Change.KEPT
    generation: int = 0
    added: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    swept: set[str] = field(default_factory=set)


class Restoration:
    """Puts documents back as `Snapshot` gave them.

    Every change is one transaction, or one write that holds only for the state that was seen, so uploads,
    deletions, sweeps and other restores may run at once. All raise StoreUnavailable. With `dry_run` nothing
    is written, and the answers are what a restore would do.
    """

    def __init__(self, mongo: Mongo, *, dry_run: bool = False) -> None:
        self._mongo = mongo
        self._dry_run = dry_run
        self._credentials = mongo.collection("credentials")
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")
        self._claims = mongo.collection("claims")

    def add_named(
        self, collection: Literal["buckets", "transformations"], row: Document
    ) -> tuple[Change, int]:
        """A bucket, or a name, that the store has stays as it is; one that was deleted comes back.

        With the generation that it has afterwards.
        """
        for _ in range(TRIES):
            with self._mongo.reading():
                current = self._mongo.collection(collection).find_one({"_id": row["_id"]})
            if current is None:
                if self._insert(collection, row):
                    return Change.ADDED, row["generation"]
                continue
            if current["live"] or not row["live"]:
                return Change.KEPT, current["generation"]
            generation = max(current["generation"], row["generation"]) + 1
            seen = {"_id": row["_id"], "live": False, "generation": current["generation"]}
            fields = {name: value for name, value in row.items() if name != "_id"}
            if self._update(collection, seen, {"$set": fields | {"generation": generation}}):
                return Change.ADDED, generation
        raise _contention()

    def add_credential(self, row: Document) -> Change:
        with self._mongo.reading():
            found = self._credentials.find_one({"_id": row["_id"]}, {"_id": 1})
        return Change.ADDED if found is None and self._insert("credentials", row) else Change.KEPT

    def is_named(self, digest: Digest) -> bool:
        """Whether any version is of these bytes."""
        with self._mongo.reading():
            return self._versions.find_one({"digest": digest}, {"_id": 1}) is not None

    def move_blob(self, ref: BlobRef) -> None:
        """Lead every version and image of these bytes, which were lost, to where they lie now."""
        astray = {"digest": ref.digest, "file_id": {"$ne": ref.file_id}}
        if self._dry_run:
            return
        for collection in (self._versions, self._images):
            with self._mongo.writing():
                collection.update_many(
                    astray, {"$set": {"file_id": ref.file_id, "chunk_size": ref.chunk_size}}
                )

    def put_back(self, row: Document, versions: Sequence[Brought]) -> PutBack:
        """Put versions of an image back, with number, id and time, and the image, in one transaction.

        `versions` come newest first, each with where its bytes lie, if it has any; none makes a tombstone. An
        image that points at the newest of them or beyond stays as it is; one that points before it, or was
        deleted, becomes what the row says. The last number that was given out only ever grows. The claims of
        the bytes are renewed in the same transaction, as an upload does, so that no sweep comes in between.
        """

        def write(session: ClientSession) -> PutBack:
            done = PutBack()
            good = self._sorted_out(row, versions, done, session)
            fresh = [_whole(version, ref) for version, ref in good if version["_id"] in done.added]
            if fresh and not self._dry_run:
                self._versions.insert_many(fresh, session=session)
            done.pointed = bool(good)
            newest = good[0] if good else None
            done.change, done.generation = self._point(row, newest, session, renew=bool(done.added))
            return done

        if self._has_all(row, versions):
            return PutBack(pointed=bool(versions))
        for _ in range(TRIES):
            try:
                return self._mongo.transact(write, DuplicateKeyError)
            except DuplicateKeyError:
                continue  # another took a number or made the name first
        raise _contention()

    def _has_all(self, row: Document, versions: Sequence[Brought]) -> bool:
        """Whether there is nothing to put back: known by a look, where a transaction takes far longer."""
        name = {"bucket": row["bucket"], "key": row["key"]}
        wanted = {version["_id"]: version["number"] for version, _ in versions}
        with self._mongo.reading():
            image = self._images.find_one(name)
            if image is None or image["last_number"] < row["last_number"]:
                return False
            if wanted and not (is_pointing(image) and image["number"] >= max(wanted.values())):
                return False
            return self._versions.count_documents({"_id": {"$in": list(wanted)}}) == len(wanted)

    def _sorted_out(
        self,
        row: Document,
        versions: Sequence[Brought],
        done: PutBack,
        session: ClientSession,
    ) -> list[Brought]:
        """The versions that are there or can be: their number is theirs, so is the place of the unversioned
        one, and their bytes are still there."""
        name = {"bucket": row["bucket"], "key": row["key"]}
        numbers = {"number": {"$in": [version["number"] for version, _ in versions]}}
        found = self._versions.find(name | numbers, {"number": 1}, session=session)
        there = {each["number"]: each["_id"] for each in found}
        plain = self._versions.find_one(name | {"unversioned": True}, {"_id": 1}, session=session)
        good, held = [], dict[BlobRef | None, bool]({None: True})
        for version, ref in versions:
            holder = there.get(version["number"])
            if holder is None and version.get("unversioned") and plain is not None:
                holder = plain["_id"]
            if holder is None:
                if ref is not None and ref not in held:
                    held[ref] = self._hold(ref, session)
                (done.added if held[ref] else done.swept).add(version["_id"])
            elif holder != version["_id"]:
                done.taken.add(version["_id"])
            if holder == version["_id"] or version["_id"] in done.added:
                good.append((version, ref))
        return good

    def _hold(self, ref: BlobRef, session: ClientSession) -> bool:
        """Renew the claim of bytes; False if a sweep took them."""
        if self._dry_run:
            return True
        claim = {"_id": ref.digest, "file_id": ObjectId(ref.file_id)}
        return self._claims.update_one(claim, renewal(), session=session).matched_count == 1

    def _point(
        self, row: Document, newest: Brought | None, session: ClientSession, *, renew: bool
    ) -> tuple[Change, int]:
        """`renew`: an image that is kept gets a new generation, since more is found under its name now."""
        name = {"bucket": row["bucket"], "key": row["key"]}
        current = self._images.find_one(name, session=session)
        fields = _fields(row, newest)
        if current is None:
            change, generation = Change.ADDED, row["generation"]
            update: Document = fields | {"generation": generation}
            gone: Document = {}
        elif newest is None or (is_pointing(current) and current["number"] >= newest[0]["number"]):
            change, generation = Change.KEPT, current["generation"] + renew
            last = max(current["last_number"], row["last_number"])
            update, gone = {"generation": generation, "last_number": last}, {}
            if not renew and last == current["last_number"]:
                return change, generation
        else:
            change = Change.CHANGED if current["live"] else Change.ADDED
            generation = max(current["generation"], row["generation"]) + 1
            last = max(current["last_number"], row["last_number"])
            update = fields | {"generation": generation, "last_number": last}
            gone = {field: "" for field in ("buried", *_OF_BYTES, *_LABELS, "marker") if field not in fields}
        if not self._dry_run:
            whole = {"$set": update} | ({"$unset": gone} if gone else {})
            self._images.update_one(name, whole, upsert=True, session=session)
        return change, generation

    def _insert(self, collection: str, document: Document) -> bool:
        """False when one of that name is there."""
        if self._dry_run:
            return True
        try:
            with self._mongo.writing(DuplicateKeyError):
                self._mongo.collection(collection).insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    def _update(self, collection: str, seen: Document, update: Document) -> bool:
        """False when it is not any more as it was seen."""
        if self._dry_run:
            return True
        with self._mongo.writing():
            return self._mongo.collection(collection).update_one(seen, update).matched_count == 1


def _fields(row: Document, newest: Brought | None) -> Document:
    """An image's document but for its name and generation."""
    kept: Document = _without(row, ("bucket", "key", "generation", *_OF_A_POINTER))
    if newest is None:
        tombstone = {"live": False, "number": row.get("number", 0), "buried": row.get("buried", _now())}
        return _without(kept, _LABELS) | tombstone
    pointer: Document = pointing(read_entry(_whole(*newest)))["$set"]
    return _without(kept, ("buried",)) | pointer


def _whole(version: Document, ref: BlobRef | None) -> Document:
    return version | (asdict(ref) if ref is not None else {})


def _now() -> datetime:
    return datetime.now(UTC)


def _without(document: Document, names: Several[str]) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _contention() -> WriteContention:
    return WriteContention("Too many writers on one name at once: run the restore again.")
