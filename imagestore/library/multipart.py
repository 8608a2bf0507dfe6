"""Uploads in parts: begun, filled in any order, listed, given up, or made one object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from imagestore.core.checksums import NO_CHECKS, Checks
from imagestore.core.errors import (
    BucketNotFound,
    InvalidPart,
    InvalidPartOrder,
    LengthMismatch,
    PartTooSmall,
    UploadNotFound,
    UploadTooLarge,
)
from imagestore.core.image import Image, Version
from imagestore.core.multipart import LEAST_PART, Finish, Open, Part, Told, make_upload_id
from imagestore.core.objects import Attributes, ChecksumType, check_attributes, check_object_key
from imagestore.core.streams import READ_SIZE, Readable
from imagestore.library.completion import Completion, Stock, Task
from imagestore.library.listing import Page, Row, Wanted, walk
from imagestore.store.listings import Place


class Multipart:
    """All raise StoreUnavailable."""

    def __init__(self, stock: Stock) -> None:
        self._stock = stock

    def begin(
        self,
        bucket: str,
        key: str,
        attributes: Attributes,
        *,
        algorithm: str | None = None,
        checksum_type: ChecksumType | None = None,
        initiator: str | None = None,
    ) -> Open:
        """Raises InvalidKey, InvalidParameter and BucketNotFound."""
        found, _ = self._stock.documents.find_with_bucket(bucket, check_object_key(key))
        if found is None:
            raise BucketNotFound.named(bucket)
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as BSON keeps it
        told = check_attributes(attributes)
        upload = Open(make_upload_id(), bucket, key, now, told, algorithm, checksum_type, initiator)
        self._stock.partwise.begin(upload)
        return upload

    def find(self, bucket: str, key: str, upload_id: str) -> Open:
        """An upload that is open. Raises UploadNotFound."""
        found = self._stock.partwise.find(bucket, key, upload_id)
        if found is None or found[1] is not None:
            raise UploadNotFound(f"There is no open upload {upload_id[:80]!r} of {key[:80]!r}.")
        return found[0]

    def seek(self, bucket: str, key: str, upload_id: str) -> Open | None:
        """An upload, be it open or ended."""
        found = self._stock.partwise.find(bucket, key, upload_id)
        return found[0] if found is not None else None

    def part(
        self,
        upload: Open,
        number: int,
        source: Readable,
        *,
        expected: int | None = None,
        checks: Checks = NO_CHECKS,
    ) -> Part:
        """Keep a part, in place of one that had its number.

        Raises what reading raises, UploadTooLarge, LengthMismatch, BadDigest, and UploadNotFound.
        """
        pieces = self._bounded(iter(lambda: source.read(READ_SIZE), b""), expected)
        return self._stock.partwise.write(upload, number, pieces, _with(checks, upload.algorithm))

    def copy_part(self, upload: Open, number: int, source: Version, start: int, stop: int) -> Part:
        """Keep some bytes of a version as a part. Raises BlobDamaged, UploadTooLarge and UploadNotFound."""
        checks = _with(NO_CHECKS, upload.algorithm)
        with self._stock.blobs.open(source.blob) as blob:
            pieces = self._bounded(blob.open(start, stop), stop - start)
            return self._stock.partwise.write(upload, number, pieces, checks)

    def _bounded(self, pieces: Iterator[bytes], expected: int | None) -> Iterator[bytes]:
        size, limit = 0, max(self._stock.room.limit, self._stock.room.object_limit)
        for piece in pieces:
            size += len(piece)
            if size > limit:
                raise UploadTooLarge(f"A part has at most {limit} bytes (IMAGESTORE_OBJECT_BYTES).")
            yield piece
        if expected is not None and size != expected:
            raise LengthMismatch(f"The part has {size} bytes where {expected} were announced: send it again.")

    def parts(self, upload: Open, *, after: int = 0, limit: int = 1000) -> tuple[list[Part], bool]:
        """Those behind the number `after`, and whether there are more."""
        found = self._stock.partwise.parts(upload, after=after, limit=limit + 1)
        return found[:limit], len(found) > limit

    def uploads(self, bucket: str, wanted: Wanted) -> Page[Open]:
        """Those that are open; `after_id` is the id of one, of the key `after`."""

        def read(place: Place, size: int) -> list[Row[Open]]:
            found = self._stock.partwise.uploads(bucket, wanted.prefix, place, size)
            return [Row(each.key, each, each.upload_id, each.upload_id) for each in found]

        return walk(read, wanted, Place(wanted.after, mark=wanted.after_id or None))

    def give_up(self, upload: Open) -> None:
        """Raises UploadNotFound when it was ended or given up meanwhile."""
        if not self._stock.partwise.give_up(upload):
            raise UploadNotFound("The upload was ended or given up meanwhile.")

    def completion(self, finish: Finish) -> Completion:
        """All that is checked before any byte is moved: what is left are its steps.

        What has ended already leads to the version that it became, without steps. Raises UploadNotFound,
        InvalidPart, InvalidPartOrder, PartTooSmall, BadDigest, LengthMismatch, PreconditionFailed,
        BucketNotFound, and UnsupportedFormat or UploadTooLarge where only images are taken.
        """
        found = self._stock.partwise.find(finish.bucket, finish.key, finish.upload_id)
        if found is None:
            raise UploadNotFound(f"There is no upload {finish.upload_id[:80]!r} of {finish.key[:80]!r}.")
        upload, done = found
        if done is not None:
            return Completion(self._stock, None, self._outcome(done))
        parts = self._pick(upload, finish)
        bucket, (image, _) = self._stock.documents.find_with_bucket(finish.bucket, finish.key)
        if bucket is None:
            raise BucketNotFound.named(finish.bucket)
        finish.condition.check(image)
        return Completion(self._stock, Task(upload, finish, bucket, tuple(parts)))

    def _outcome(self, version_id: str) -> Image:
        version = self._stock.partwise.outcome(version_id)
        if version is None:
            raise UploadNotFound("What the upload became is gone.")
        self._stock.repeats.tell(version.bucket, version.key)
        return Image(version, 0)

    def _pick(self, upload: Open, finish: Finish) -> list[Part]:
        """The parts that are told, as they are here."""
        there = {each.number: each for each in self._stock.partwise.parts(upload, limit=0)}
        numbers = [each.number for each in finish.parts]
        if sorted(set(numbers)) != numbers:
            raise InvalidPartOrder("The parts must be in the order of their numbers, each once.")
        parts = [_fitting(there.get(told.number), told) for told in finish.parts]
        if not parts:
            raise InvalidPart("An upload consists of one part at least.")
        if any(each.size < LEAST_PART for each in parts[:-1]):
            raise PartTooSmall(f"A part that is not the last has {LEAST_PART} bytes at least.")
        size = sum(each.size for each in parts)
        if finish.size is not None and finish.size != size:
            raise LengthMismatch(f"The parts have {size} bytes where {finish.size} were announced.")
        return parts


def _fitting(part: Part | None, told: Told) -> Part:
    if part is None or part.etag != told.etag:
        raise InvalidPart(f"Part {told.number} was not uploaded, or is another by now: list the parts.")
    if any(part.checksums.get(name) != value for name, value in told.checksums.items()):
        raise InvalidPart(f"Part {told.number} has another checksum: list the parts.")
    return part


def _with(checks: Checks, algorithm: str | None) -> Checks:
    if algorithm is None or algorithm in checks.algorithms:
        return checks
    return replace(checks, algorithms=(*checks.algorithms, algorithm))
