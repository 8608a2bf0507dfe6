"""Files of GridFS that are being written: their chunks ahead, then file and claim in one transaction."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any

import xxhash
from bson import ObjectId
from pymongo import WriteConcern
from pymongo.client_session import ClientSession
from pymongo.collection import Collection

from imagestore.core.errors import StoreUnavailable
from imagestore.core.image import BlobRef
from imagestore.core.streams import Spool
from imagestore.store.mongo import Document, Mongo

CHUNK_SIZE = 255 * 1024
BATCH_BYTES = 16 * CHUNK_SIZE
"""Up to here a file is small: its chunks are written at once."""

LARGE_BATCH = 8
ABREAST = 2
"""Chunks of a large file in one command, and how many of these are under way at once."""

SUM = "xxh3"
"""The field of a chunk that holds its sum."""


class Draft:
    """A file of spooled bytes under a fresh id: `write_ahead`, then `claim` and `write` in one transaction.

    The chunks come ahead, since their way to the other members takes longest; the commit waits for them.
    Nothing reads them before. The transaction changes the first chunk. It is the last to be written, and what
    a lost primary takes with it is the end of what was written: so where it is, all are. And it is the first
    that a sweep removes, so the two cannot both succeed. A chunk that is the only one is written there.
    """

    def __init__(self, mongo: Mongo, threads: Executor, spool: Spool, media_type: str) -> None:
        self._mongo = mongo
        self._threads = threads
        self._spool = spool
        self._media_type = media_type
        self._id = ObjectId()
        self._chunks = mongo.collection("blobs.chunks")
        self._is_large = spool.size > BATCH_BYTES
        self._only = next(_chunk_documents(self._id, spool)) if 0 < spool.size <= CHUNK_SIZE else None
        self.ref = BlobRef(spool.digest, str(self._id), spool.size, CHUNK_SIZE)

    def write_ahead(self) -> None:
        """Write the chunks. Raises StoreUnavailable.

        Those of a large file go in batches, each confirmed by a majority: no member is to fall behind by a
        whole upload. A small file's are one batch, which the commit confirms.
        """
        if self._only is None:
            documents = _chunk_documents(self._id, self._spool)
            if self._is_large:
                self._write_batches(_batches(documents, LARGE_BATCH))
            elif self.ref.length:
                at_once = self._chunks.with_options(write_concern=WriteConcern(w=1))
                self._insert(at_once, list(documents))

    def _write_batches(self, batches: Iterator[list[Document]]) -> None:
        """The first chunk, which makes the file one that a sweep must leave, goes in when all others are."""
        running = deque[Future[None]]()
        try:
            for batch in batches:
                while len(running) >= (1 if batch[-1]["n"] == 0 else ABREAST):
                    running.popleft().result()
                running.append(self._threads.submit(copy_context().run, self._insert, self._chunks, batch))
            while running:
                running.popleft().result()
        finally:
            wait(running)

    def _insert(self, chunks: Collection[Document], batch: list[Document]) -> None:
        with self._mongo.writing():
            chunks.insert_many(batch)

    def write(self, session: ClientSession) -> None:
        """The file. Raises Swept when not all chunks are there any more."""
        first = {"files_id": self._id, "n": 0}
        kept = {"$set": {"kept": True}}
        if self._only is not None:
            self._chunks.insert_one(self._only, session=session)
        elif self.ref.length and not self._chunks.update_one(first, kept, session=session).matched_count:
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


def chunk_sum(data: bytes) -> bytes:
    """The sum that is kept with each chunk: 8 bytes of XXH3, which costs a fiftieth of what a digest does."""
    return xxhash.xxh3_64_digest(data)


def chunk_document(file_id: ObjectId, number: int, data: bytes) -> Document:
    """A chunk as GridFS keeps it, with a sum that GridFS readers pass over."""
    return {"files_id": file_id, "n": number, "data": data, SUM: chunk_sum(data)}


def _chunk_documents(file_id: ObjectId, spool: Spool) -> Iterator[Document]:
    """The chunks of the spooled bytes, the first one last."""
    with spool.open() as source:
        first = source.read(CHUNK_SIZE)
        for number in itertools.count(1):
            data = source.read(CHUNK_SIZE)
            if not data:
                break
            yield chunk_document(file_id, number, data)
    if first:  # a file of no bytes has no chunks
        yield chunk_document(file_id, 0, first)


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
