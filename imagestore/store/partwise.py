"""Uploads in parts: what is open, and each part as a file in a GridFS bucket of its own until the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId
from pymongo import ASCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.checksums import Checks, Sums
from imagestore.core.errors import BlobDamaged, UploadNotFound, WriteContention
from imagestore.core.image import Image, Version
from imagestore.core.multipart import Open, Part
from imagestore.store.drafts import CHUNK_SIZE, SUM, chunk_document, chunk_sum
from imagestore.store.listings import Place, page, selections
from imagestore.store.mongo import Document, Mongo
from imagestore.store.naming import Also
from imagestore.store.shapes import object_fields, read_attributes, read_version

WRITE_BATCH = 2
"""Chunks of a write. Clients send ten parts at once, and the driver holds what it writes twice."""

READ_BATCH = 4
"""Chunks in one query: what a part takes of memory while it comes or goes."""

TRIES = 20
PAGE = 200


class Partwise:
    """The collection `uploads` and the GridFS bucket `parts`. All raise StoreUnavailable.

    A part is there once its file is: chunks without one, and files without an open upload, are waste.
    """

    def __init__(self, mongo: Mongo) -> None:
        self.mongo = self._mongo = mongo
        self._uploads = mongo.collection("uploads")
        self._files = mongo.collection("parts.files")
        self._chunks = mongo.collection("parts.chunks")
        self._versions = mongo.collection("versions")

    def begin(self, upload: Open) -> None:
        with self._mongo.writing():
            self._uploads.insert_one(
                {
                    "_id": upload.upload_id,
                    "bucket": upload.bucket,
                    "key": upload.key,
                    "begun": upload.begun,
                    "object": object_fields(upload.attributes),
                    "algorithm": upload.algorithm,
                    "checksum_type": upload.checksum_type,
                    "initiator": upload.initiator,
                }
            )

    def find(self, bucket: str, key: str, upload_id: str) -> tuple[Open, str | None] | None:
        """The upload, and the id of the version that it became if it has ended; None if there is none."""
        with self._mongo.reading():
            found = self._uploads.find_one({"_id": upload_id, "bucket": bucket, "key": key})
        return (_read_open(found), found.get("done")) if found else None

    def uploads(self, bucket: str, prefix: str, place: Place, size: int) -> list[Open]:
        """Those that are open, in the order of keys, of one key the oldest first; a place's mark is an id."""
        order, found = [("key", ASCENDING), ("_id", ASCENDING)], list[Open]()
        for wanted in selections(bucket, prefix, place, {"_id": {"$gt": place.mark}}):
            rest = size - len(found)
            rows = page(self._mongo, self._uploads, wanted | {"done": None}, order, rest, "name")
            found += [_read_open(each) for each in rows]
        return found

    def write(self, upload: Open, number: int, pieces: Iterable[bytes], checks: Checks) -> Part:
        """Keep a part, in place of one with the same number. Raises what `pieces` does, BadDigest,
        UploadNotFound, and WriteContention.
        """
        file_id, sums = ObjectId(), Sums(checks.algorithms)
        try:
            size = self._write_chunks(file_id, pieces, sums)
            checksums = checks.hold(sums)
            told = {"upload": upload.upload_id, "number": number, "md5": sums.md5.hex()}
            file: Document = {
                "_id": file_id,
                "filename": f"{upload.upload_id}/{number}",
                "length": size,
                "chunkSize": CHUNK_SIZE,
                "uploadDate": datetime.now(UTC).replace(microsecond=0),
                "metadata": told | {"checksums": [list(each) for each in checksums.items()]},
            }
            replaced = self._replace(upload, file)
        except BaseException:
            self._drop_chunks([file_id])  # nothing names them
            raise
        self._drop_chunks(replaced)
        return _read_part(file)

    def _write_chunks(self, file_id: ObjectId, pieces: Iterable[bytes], sums: Sums) -> int:
        size, batch = 0, list[Document]()
        for number, data in enumerate(_cut(pieces)):
            sums.update(data)
            size += len(data)
            batch.append(chunk_document(file_id, number, data))
            if len(batch) == WRITE_BATCH:
                with self._mongo.writing():
                    self._chunks.insert_many(batch)
                batch = []
        if batch:
            with self._mongo.writing():
                self._chunks.insert_many(batch)
        return size

    def _replace(self, upload: Open, file: Document) -> list[ObjectId]:
        told = file["metadata"]
        place = {"metadata.upload": told["upload"], "metadata.number": told["number"]}

        def put(session: ClientSession) -> list[ObjectId]:
            if self._uploads.find_one({"_id": upload.upload_id, "done": None}, session=session) is None:
                raise UploadNotFound("The upload was ended or given up meanwhile.")
            gone = [each["_id"] for each in self._files.find(place, {"_id": 1}, session=session)]
            self._files.delete_many({"_id": {"$in": gone}}, session=session)
            self._files.insert_one(file, session=session)
            return gone

        for _ in range(TRIES):
            try:
                return self._mongo.transact(put, DuplicateKeyError)
            except DuplicateKeyError:
                continue  # the same part comes twice at once
        raise WriteContention("The same part is uploaded too many times at once: try again.")

    def parts(self, upload: Open, *, after: int = 0, limit: int) -> list[Part]:
        """In the order of their numbers, from behind `after` on."""
        wanted = {"metadata.upload": upload.upload_id, "metadata.number": {"$gt": after}}
        with self._mongo.reading():
            found = self._files.find(wanted).sort("metadata.number", ASCENDING).limit(limit)
            return [_read_part(each) for each in found]

    def read(self, part: Part) -> Iterator[bytes]:
        """The bytes of a part, chunk by chunk, each held to its sum. Raises BlobDamaged."""
        count = -(-part.size // part.chunk_size)
        for at in range(0, count, READ_BATCH):
            numbers = {"$gte": at, "$lt": at + READ_BATCH}
            with self._mongo.reading():
                found = self._chunks.find({"files_id": ObjectId(part.file_id), "n": numbers})
                rows = list(found.sort("n", ASCENDING))
            if len(rows) != min(READ_BATCH, count - at):
                raise BlobDamaged("A part of the upload is not whole: upload it again.")
            for each in rows:
                if each[SUM] != chunk_sum(each["data"]):
                    raise BlobDamaged("A part of the upload is damaged: upload it again.")
                yield bytes(each["data"])

    def ending(self, upload: Open, sums: bytes) -> Also:
        """What ends the upload with the image that it becomes, in one transaction; `sums` are its parts'.

        Raises UploadNotFound there if it was ended or given up meanwhile.
        """

        def end(session: ClientSession, image: Image) -> None:
            done = {"$set": {"done": image.version.version_id}}
            if not self._uploads.update_one(
                {"_id": upload.upload_id, "done": None}, done, session=session
            ).matched_count:
                raise UploadNotFound("The upload was ended or given up meanwhile.")
            if sums:
                made = {"_id": image.version.version_id}
                self._versions.update_one(made, {"$set": {"part_sums": sums}}, session=session)

        return end

    def outcome(self, version_id: str) -> Version | None:
        """The version that an upload became, while it is there."""
        with self._mongo.reading():
            found = self._versions.find_one({"_id": version_id})
        return read_version(found) if found else None

    def give_up(self, upload: Open) -> bool:
        """Give the upload up, unless it has ended."""
        with self._mongo.writing():
            gone = self._uploads.delete_one({"_id": upload.upload_id, "done": None}).deleted_count
        if gone:
            self.drop_parts(upload.upload_id)
        return bool(gone)

    def drop_parts(self, upload_id: str) -> None:
        while True:
            with self._mongo.reading():
                found = self._files.find({"metadata.upload": upload_id}, {"_id": 1}).limit(PAGE)
                ids = [each["_id"] for each in found]
            if not ids:
                return
            with self._mongo.writing():
                self._files.delete_many({"_id": {"$in": ids}})
            self._drop_chunks(ids)

    def _drop_chunks(self, file_ids: Iterable[ObjectId]) -> None:
        for each in file_ids:
            with self._mongo.writing():
                self._chunks.delete_many({"files_id": each})


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of the size of chunks."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK_SIZE:
            yield bytes(held[:CHUNK_SIZE])
            del held[:CHUNK_SIZE]
    if held:
        yield bytes(held)


def _read_open(document: Document) -> Open:
    return Open(
        upload_id=document["_id"],
        bucket=document["bucket"],
        key=document["key"],
        begun=document["begun"],
        attributes=read_attributes(document["object"]),
        algorithm=document["algorithm"],
        checksum_type=document["checksum_type"],
        initiator=document.get("initiator"),
    )


def _read_part(document: Document) -> Part:
    told: dict[str, Any] = document["metadata"]
    return Part(
        number=told["number"],
        size=document["length"],
        etag=told["md5"],
        checksums=dict(told["checksums"]),
        modified=document["uploadDate"],
        file_id=str(document["_id"]),
        chunk_size=document["chunkSize"],
    )
