"""Blobs in GridFS: one file for each digest, written and claimed once, read by range, chunk by chunk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from bson import ObjectId
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import BlobDamaged, StoreUnavailable
from imagestore.core.image import BlobRef, Digest
from imagestore.core.metrics import BLOB_DAMAGE, GRIDFS_BYTES, GRIDFS_READS, SILENT, Metrics
from imagestore.core.streams import Blob, Spool
from imagestore.store.drafts import SUM, Draft, Swept, chunk_sum
from imagestore.store.mongo import Document, Mongo
from imagestore.store.shapes import read_claim

log = logging.getLogger(__name__)

READ_BATCH = 2
THREADS = 8
"""For queries that are made before their chunks are asked for, and for batches of chunks that are written."""

READ_TRIES = 4
READ_PATIENCE = 1.5
"""Seconds that the primary has for some chunks before a secondary is asked."""

CLAIM_TRIES = 5

T = TypeVar("T")


class Blobs:
    """The GridFS bucket `blobs` and the collection `claims`, which maps each digest to its one file.

    Files have random ids, never the digest: a writer that loses the race for a claim deletes its own copy
    and cannot touch the winner's.
    """

    def __init__(self, mongo: Mongo, metrics: Metrics = SILENT) -> None:
        self._mongo = mongo
        self._metrics = metrics
        self._claims = mongo.collection("claims")
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="blobs")

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
        return read_claim(claim) if claim is not None else None

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
        return read_claim(claim) if claim is not None else None

    def draft(self, spool: Spool, media_type: str) -> Draft:
        """The spooled bytes as a file that is yet to be written."""
        return Draft(self._mongo, self._threads, spool, media_type)

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
        yield first, self._checked(ref, first, self._query(ref, first, 1)[0])
        at = first + 1
        queries = (
            partial(self._query, ref, start, min(READ_BATCH, last - start + 1))
            for start in range(at, last + 1, READ_BATCH)
        )
        for found in self._one_ahead(queries):
            for document in found:
                yield at, self._checked(ref, at, document)
                at += 1

    def _one_ahead(self, queries: Iterator[Callable[[], T]]) -> Iterator[T]:
        """What they find, one after the other; the next is under way in a thread while that is used."""
        query = next(queries, None)
        coming = self._threads.submit(copy_context().run, query) if query else None
        while coming is not None:
            found = coming.result()
            query = next(queries, None)
            coming = self._threads.submit(copy_context().run, query) if query else None
            yield found

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


def renewal() -> Document:
    """What an upload does to a claim that is there already."""
    return {"$set": {"claimed": datetime.now(UTC)}, "$unset": {"unnamed": ""}}
