"""Where the bytes of a digest lie, and bytes written anew where they lie damaged."""

from __future__ import annotations

from datetime import UTC, datetime

from bson import ObjectId

from imagestore.core.image import BlobRef, Digest
from imagestore.core.streams import Spool
from imagestore.store.drafts import chunk_document
from imagestore.store.mongo import Mongo
from imagestore.store.shapes import read_claim


class Holdings:
    """All raise StoreUnavailable."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._claims = mongo.collection("claims")
        self._files = mongo.collection("blobs.files")
        self._chunks = mongo.collection("blobs.chunks")

    def find(self, digest: Digest) -> BlobRef | None:
        """Where the bytes lie, by their claim; None where no claim holds them."""
        with self._mongo.reading():
            claim = self._claims.find_one({"_id": digest})
        return read_claim(claim) if claim is not None else None

    def mend(self, ref: BlobRef, spool: Spool, media_type: str) -> None:
        """Write the bytes of `ref`, which are those of the spool, where they lie, chunk by chunk.

        The same digest is the same bytes in the same chunks, so whoever reads meanwhile gets a right chunk
        or the damaged one that was there, which its sum tells.
        """
        file_id, number = ObjectId(ref.file_id), 0
        with spool.open() as source:
            while data := source.read(ref.chunk_size):
                name = {"files_id": file_id, "n": number}
                chunk = chunk_document(file_id, number, data)
                with self._mongo.writing():
                    self._chunks.replace_one(name, chunk, upsert=True)
                number += 1
        file = {
            "length": ref.length,
            "chunkSize": ref.chunk_size,
            "filename": ref.digest,
            "metadata": {"sha256": ref.digest, "contentType": media_type},
        }
        with self._mongo.writing():
            fresh = {"$setOnInsert": {"uploadDate": datetime.now(UTC)}}
            self._files.update_one({"_id": file_id}, {"$set": file} | fresh, upsert=True)
