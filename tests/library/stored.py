"""A store with a few images in it, made directly, and the ways to damage it by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from bson import ObjectId
from pymongo.collection import Collection

from imagestore.core.image import BlobRef, Condition, Image, Version
from imagestore.library.fsck import Fsck
from imagestore.library.sweep import Sweep, Swept
from imagestore.library.upkeep import Depth, Finding, Kind, Tally
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents, Naming
from imagestore.store.inventory import Inventory
from imagestore.store.mongo import Document, Mongo
from imagestore.store.removals import Removals
from imagestore.store.uploads import TRIES
from tests.store.samples import BUCKET, add_unpointed, facts, put

NONE = timedelta(0)


@dataclass
class Stored:
    """The parts of a store, all on one database. The grace period is none unless a test says otherwise."""

    mongo: Mongo

    def __post_init__(self) -> None:
        self.blobs, self.documents = Blobs(self.mongo), Documents(self.mongo)
        self.inventory, self.removals = Inventory(self.mongo), Removals(self.mongo)

    def put(self, key: str, data: bytes) -> Image:
        """What an upload does: bytes that a sweep takes before they have their name are put again."""
        for _ in range(TRIES):
            image = self.documents.publish(Naming(BUCKET, key), put(self.blobs, data), facts())
            if image is not None:
                return image
        raise AssertionError(f"{key} was swept again and again")

    def add(self, key: str, data: bytes) -> Version:
        """A version that no image points at or beyond, and its bytes."""
        return add_unpointed(self.documents, key, put(self.blobs, data))

    def delete(self, key: str) -> None:
        assert self.documents.bury(BUCKET, key, Condition()) is not None

    def fsck(self, depth: Depth = Depth.BYTES, *, grace: timedelta = NONE) -> Tally[Finding]:
        return Fsck(self.inventory, grace=grace).check(depth)

    def kinds(self, depth: Depth = Depth.BYTES, *, grace: timedelta = NONE) -> dict[Kind, int]:
        return {Kind(kind): count for kind, count in self.fsck(depth, grace=grace).counts.items()}

    def sweep(self, *, grace: timedelta = NONE) -> Sweep:
        return Sweep(self.inventory, self.removals, self.documents, grace=grace)

    def gc(self, *, grace: timedelta = NONE, dry_run: bool = False) -> Swept:
        return self.sweep(grace=grace).run(dry_run=dry_run)

    def collection(self, name: str) -> Collection[Document]:
        return self.mongo.collection(name)

    def chunk(self, ref: BlobRef, number: int) -> Document:
        return {"files_id": ObjectId(ref.file_id), "n": number}

    def everything(self) -> dict[str, list[Document]]:
        names = ("claims", "images", "versions", "blobs.files", "blobs.chunks")
        return {name: list(self.collection(name).find().sort("_id", 1)) for name in names}


@contextmanager
def opened_store(url: str, database: str) -> Iterator[Stored]:
    """A database of the service with its indexes; its deadlines are long, for a busy machine."""
    opened = Mongo(url, database, write_timeout=60, read_timeout=60)
    opened.ensure_indexes()
    try:
        yield Stored(opened)
    finally:
        opened.close()
