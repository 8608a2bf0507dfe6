"""Blobs in GridFS: one file for each digest, written and claimed once, read by range, chunk by chunk."""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import xxhash
from bson import Binary, ObjectId
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import BlobDamaged, StoreUnavailable
from imagestore.core.image import BlobRef, Digest
from imagestore.core.metrics import BLOB_DAMAGE, GRIDFS_BYTES, GRIDFS_READS, SILENT, Metrics
from imagestore.core.streams import Blob, Spool
from imagestore.store.mongo import Document, Mongo

log = logging.getLogger(__name__)

CHUNK_SIZE = 255 * 1024
WRITE_BATCH = 16
BATCH_BYTES = WRITE_BATCH * CHUNK_SIZE
"""Up to here a file is small: its chunks are written at once."""

READ_BATCH = 4
READ_TRIES = 4
READ_PATIENCE = 1.5
"""Seconds that the primary has for some chunks before a secondary is asked."""

CLAIM_TRIES = 5

SUM = "xxh3"
"""The field of a chunk that holds its sum."""


class Blobs:
    """The GridFS bucket `blobs` and the collection `claims`, which maps each digest to its one file.

    Files have random ids, never the digest: a writer that loses the race for a claim deletes its own copy
    and cannot touch the winner's.
    """

    def __init__(self, mongo: Mongo, metrics: Metrics = SILENT) -> None:
        self._mongo = mongo
        self._metrics = metrics
        self._claims = mongo.collection("claims")

    def put(self, spool: Spool, media_type: str) -> BlobRef:
        """Keep the spooled bytes, unless they are kept already, and return where they lie.

        When this returns, a majority of the members has the bytes. Raises StoreUnavailable; what a failed
        write leaves behind has no claim, so the sweep finds it.
        """
        for _ in range(CLAIM_TRIES):
            found = self._touch(spool.digest)
            if found is not None:
                return found
            try:
                return self._write(spool, media_type)
            except DuplicateKeyError:
                continue  # another writer claimed this digest first: use its file
            except Swept:
                continue  # the sweep took the chunks for leftovers: write them again
        raise StoreUnavailable("Other uploads of the same bytes got in the way: try again.")

    def _touch(self, digest: Digest) -> BlobRef | None:
        """Renew the claim on a digest, so that a sweep under way leaves its blob alone."""
        with self._mongo.writing():
            claim = self._claims.find_one_and_update({"_id": digest}, renewal(), return_document=True)
        return _ref_of(claim) if claim is not None else None

    def _write(self, spool: Spool, media_type: str) -> BlobRef:
        """Write file, chunks and claim. Raises DuplicateKeyError when the digest was claimed meanwhile, and
        Swept when the chunks were removed before file and claim made them a blob.
        """
        draft = self.draft(spool, media_type)

        def keep(session: ClientSession) -> None:
            draft.claim(session)  # first, since it tells soonest that another writer won
            draft.write(session)

        draft.write_ahead()
        try:
            self._mongo.transact(keep, DuplicateKeyError)
        except (DuplicateKeyError, Swept):
            draft.discard()
            raise
        return draft.ref

    def find(self, digest: Digest) -> BlobRef | None:
        """Where the bytes of a digest lie, if there are any: whoever names them has to renew their claim."""
        with self._mongo.reading():
            claim = self._claims.find_one({"_id": digest})
        return _ref_of(claim) if claim is not None else None

    def draft(self, spool: Spool, media_type: str) -> Draft:
        """The spooled bytes as a file that is yet to be written."""
        return Draft(self._mongo, spool, media_type)

    def open(self, ref: BlobRef) -> Blob:
        """The blob's bytes, unread. A range opens only its own chunks.

        While it is read: each chunk is checked against the sum written with it, and a blob read from end to
        end against its digest before the last bytes are given out. Raises BlobDamaged for what does not fit.
        """
        return Blob(ref.length, lambda start, stop: self._read(ref, start, stop))

    def _read(self, ref: BlobRef, start: int, stop: int) -> Iterator[bytes]:
        if stop == start:
            return
        whole = hashlib.sha256() if (start, stop) == (0, ref.length) else None
        self._metrics.count(GRIDFS_READS)
        first, last = start // ref.chunk_size, (stop - 1) // ref.chunk_size
        for number, data in self._read_chunks(ref, first, last):
            self._metrics.count(GRIDFS_BYTES, by=len(data))
            if whole is not None:
                whole.update(data)
                if number == last and whole.hexdigest() != ref.digest:
                    raise self._damaged(ref, "the bytes do not match the digest")
            base = number * ref.chunk_size
            yield data[max(start - base, 0) : stop - base]

    def _read_chunks(self, ref: BlobRef, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Chunks `first` to `last`, a few a query: no cursor stays open between them."""
        at, batch = first, 1
        while at <= last:
            wanted = min(batch, last - at + 1)
            for document in self._query(ref, at, wanted):
                yield at, self._checked(ref, at, document)
                at += 1
            batch = READ_BATCH

    def _query(self, ref: BlobRef, at: int, count: int) -> list[Document]:
        """`count` chunks from `at` on; tries again when the member that was asked dies under it.

        They never change, so any member may tell them that has them all.
        """
        selection = {"files_id": ObjectId(ref.file_id), "n": {"$gte": at, "$lt": at + count}}

        def look(database: Database[Document]) -> list[Document] | None:
            found = list(database["blobs.chunks"].find(selection).sort("n", 1))
            return found if [each["n"] for each in found] == list(range(at, at + count)) else None

        for attempt in range(1, READ_TRIES + 1):
            try:
                found = self._mongo.find_unchanging(look, READ_PATIENCE)
                break
            except StoreUnavailable:
                if attempt == READ_TRIES:
                    raise
        if found is None:
            raise self._damaged(ref, f"chunks {at} to {at + count - 1} are not all there")
        return found

    def _checked(self, ref: BlobRef, number: int, document: Document) -> bytes:
        data = bytes(document["data"])
        expected = min(ref.chunk_size, ref.length - number * ref.chunk_size)
        if len(data) != expected or (SUM in document and document[SUM] != chunk_sum(data)):
            raise self._damaged(ref, f"chunk {number} was changed")
        return data

    def _damaged(self, ref: BlobRef, what: str) -> BlobDamaged:
        self._metrics.count(BLOB_DAMAGE)
        log.error("blob %s (file %s) is damaged: %s", ref.digest, ref.file_id, what)
        return BlobDamaged(
            "The stored bytes are damaged and were not served: the operator must restore them."
        )


class Draft:
    """A file of spooled bytes under a fresh id: `write_ahead`, then `claim` and `write` in one transaction.

    The chunks come ahead, since their way to the other members takes longest; the commit waits for them.
    Nothing reads them before. The transaction changes the first chunk. It is the last to be written, and what
    a lost primary takes with it is the end of what was written: so where it is, all are. And it is the first
    that a sweep removes, so the two cannot both succeed.
    """

    def __init__(self, mongo: Mongo, spool: Spool, media_type: str) -> None:
        self._mongo = mongo
        self._spool = spool
        self._media_type = media_type
        self._id = ObjectId()
        self._chunks = mongo.collection("blobs.chunks")
        self._is_large = spool.size > BATCH_BYTES
        self.ref = BlobRef(spool.digest, str(self._id), spool.size, CHUNK_SIZE)

    def write_ahead(self) -> None:
        """Write the chunks. Raises StoreUnavailable.

        Those of a large file one batch after the other, each confirmed by a majority: no member is to fall
        behind by a whole upload. A small file's are one batch, which the commit confirms.
        """
        chunks = (
            self._chunks if self._is_large else self._chunks.with_options(write_concern=WriteConcern(w=1))
        )
        for batch in _batches(_chunk_documents(self._id, self._spool), WRITE_BATCH):
            with self._mongo.writing():
                chunks.insert_many(batch)

    def write(self, session: ClientSession) -> None:
        """The file. Raises Swept when not all chunks are there any more."""
        first = {"files_id": self._id, "n": 0}
        kept = {"$set": {"kept": True}}
        if self.ref.length and not self._chunks.update_one(first, kept, session=session).matched_count:
            raise Swept
        file = {
            "_id": self._id,
            "length": self.ref.length,
            "chunkSize": self.ref.chunk_size,
            "uploadDate": datetime.now(UTC),
            "filename": self.ref.digest,
            "metadata": {"sha256": self.ref.digest, "contentType": self._media_type},
        }
        self._mongo.collection("blobs.files").insert_one(file, session=session)

    def claim(self, session: ClientSession) -> None:
        """Say that the digest lies here. DuplicateKeyError, here or at the commit: it lies elsewhere."""
        claim = {"file_id": self._id, "length": self.ref.length, "chunk_size": self.ref.chunk_size}
        document = {"_id": self.ref.digest, **claim, "claimed": datetime.now(UTC)}
        self._mongo.collection("claims").insert_one(document, session=session)

    def discard(self) -> None:
        """Remove what was written ahead, unless it is a blob after all. What stays, a sweep finds.

        Never raises: what is being answered is why the transaction failed.
        """
        claims = self._mongo.collection("claims")
        with suppress(StoreUnavailable), self._mongo.writing():
            if claims.find_one({"file_id": self._id}, {"_id": 1}) is None:
                self._chunks.delete_many({"files_id": self._id})


class Swept(Exception):
    """The blob that a version was to name, or the chunks of an upload in progress, are gone."""


def _ref_of(claim: Document) -> BlobRef:
    return BlobRef(Digest(claim["_id"]), str(claim["file_id"]), claim["length"], claim["chunk_size"])


def renewal() -> Document:
    """What an upload does to a claim that is there already."""
    return {"$set": {"claimed": datetime.now(UTC)}, "$unset": {"unnamed": ""}}


def chunk_sum(data: bytes) -> bytes:
    """The sum that is kept with each chunk: 8 bytes of XXH3, which costs a fiftieth of what a digest does."""
    return xxhash.xxh3_64_digest(data)


def _chunk_documents(file_id: ObjectId, spool: Spool) -> Iterator[Document]:
    """The chunks as GridFS keeps them, the first one last, each with a sum that GridFS readers pass over."""

    def document(number: int, data: bytes) -> Document:
        whole = Binary(data)
        return {
            "_id": ObjectId(),
            "files_id": file_id,
            "n": number,
            "data": whole,
            SUM: Binary(chunk_sum(data)),
        }

    with spool.open() as source:
        first = source.read(CHUNK_SIZE)
        for number in itertools.count(1):
            data = source.read(CHUNK_SIZE)
            if not data:
                break
            yield document(number, data)
    if first:  # a file of no bytes has no chunks
        yield document(0, first)


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
