"""A blob whose bytes come one after the other, so that its digest is known at their end."""

from __future__ import annotations

import hashlib
from typing import Any

from bson import ObjectId

from imagestore.core.image import BlobRef, Digest
from imagestore.store.drafts import CHUNK_SIZE, Draft, chunk_document
from imagestore.store.mongo import Mongo

WRITE_BATCH = 8


class Streamed(Draft):
    """A draft: `add` all bytes, `close`, then `claim` and `write` in one transaction, or `discard`.

    The first chunk is held back until all others are written, as that of any draft.
    """

    def __init__(self, mongo: Mongo, media_type: str) -> None:
        self._mongo = mongo
        self._media_type = media_type
        self._id = ObjectId()
        self._chunks = mongo.collection("blobs.chunks")
        self._hash = hashlib.sha256()
        self._held = bytearray()
        self._only = None
        self._first: dict[str, Any] | None = None
        self._batch: list[dict[str, Any]] = []
        self._count = 0
        self.size = 0

    def add(self, data: bytes) -> None:
        """Raises StoreUnavailable."""
        self._hash.update(data)
        self.size += len(data)
        self._held += data
        while len(self._held) >= CHUNK_SIZE:
            self._cut(CHUNK_SIZE)

    def close(self) -> None:
        """Write what is held back; from here on `ref` says what the blob will be."""
        if self._held:
            self._cut(len(self._held))
        self._flush()
        if self._first is not None:
            self._batch = [self._first]
            self._flush()
        self.ref = BlobRef(Digest(self._hash.hexdigest()), str(self._id), self.size, CHUNK_SIZE)

    def _cut(self, size: int) -> None:
        data = bytes(self._held[:size])
        del self._held[:size]
        chunk = chunk_document(self._id, self._count, data)
        if self._first is None:
            self._first = chunk
        else:
            self._batch.append(chunk)
        self._count += 1
        if len(self._batch) >= WRITE_BATCH:
            self._flush()

    def _flush(self) -> None:
        batch, self._batch = self._batch, []
        if batch:
            with self._mongo.writing():
                self._chunks.insert_many(batch)
