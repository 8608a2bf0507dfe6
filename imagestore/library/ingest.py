"""Bytes in: spool, prove, keep, name. Nothing is acknowledged that a majority does not have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from imagestore.core.checksums import NO_CHECKS, Checks
from imagestore.core.errors import (
    BucketNotFound,
    ImagestoreError,
    PreconditionFailed,
    RejectedImage,
    Unavailable,
    UnsupportedFormat,
    UploadTooLarge,
    VersionNotFound,
)
from imagestore.core.image import Bucket, Condition, Facts, Image, Labels, Version, check_key, make_key
from imagestore.core.metrics import SILENT, UPLOAD_BYTES, UPLOADS, Metrics
from imagestore.core.objects import OCTETS, Attributes, ChecksumType, check_object_key
from imagestore.core.streams import Readable, Spool, spool
from imagestore.core.telemetry import Timings
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.formats import Format, sniff
from imagestore.library.aliases import Aliases
from imagestore.store.documents import Documents
from imagestore.store.naming import Also, Naming
from imagestore.store.registry import Registry
from imagestore.store.uploads import Prove, Uploads


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload as it was asked for. `expected` is the size that was announced, in bytes, if any was.

    By S3 it is `whole`: keys are taken as S3 has them, no byte is enough, and the bytes that the key has
    already make a version too, with these `attributes`. `also` is what becomes true with the image. `opened`
    is the bucket as it was when the upload was let in, which says how large a body it takes.
    """

    bucket: str
    source: Readable
    key: str | None = None
    expected: int | None = None
    labels: Labels = field(default_factory=Labels)
    condition: Condition = field(default_factory=Condition)
    timings: Timings = field(default_factory=Timings)
    attributes: Attributes = field(default_factory=Attributes)
    checks: Checks = NO_CHECKS
    whole: bool = False
    also: Also | None = None
    opened: Bucket | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes a picture may have, and where larger ones are spooled (None: the system's place).

    `object_limit` is for what is kept as it is, where buckets take anything.
    """

    limit: int
    directory: Path | None
    object_limit: int = 0


class Ingest:
    """The way into the house."""

    def __init__(
        self,
        documents: Documents,
        registry: Registry,
        uploads: Uploads,
        decoders: DecoderPool,
        aliases: Aliases,
        *,
        room: Room,
        metrics: Metrics = SILENT,
    ) -> None:
        self._documents = documents
        self._registry = registry
        self._uploads = uploads
        self._decoders = decoders
        self._aliases = aliases
        self._room = room
        self._metrics = metrics

    def store(self, upload: Upload) -> Image:
        """Take one picture in and return the image it became.

        The bytes that the key has already change nothing but the labels, so that an upload may safely be
        sent again. Raises what the checks find: InvalidKey, BucketNotFound, UploadTooLarge, EmptyUpload,
        LengthMismatch, any RejectedImage, PreconditionFailed, and Unavailable for what may work later.
        """
        result = "failed"
        try:
            image, known = self._store(upload)
            result = "known" if known else "stored"
            return image
        except ImagestoreError as error:
            if not isinstance(error, Unavailable):
                result = "refused"
            raise
        finally:
            self._metrics.count(UPLOADS, result)

    def _store(self, upload: Upload) -> tuple[Image, bool]:
        """The image, and whether its key had these bytes already."""
        check = check_object_key if upload.whole else check_key
        key = make_key() if upload.key is None else check(upload.key)
        with self._spool(upload) as spooled:
            self._metrics.count(UPLOAD_BYTES, by=spooled.size)
            shape, flaw = self._sniff(spooled)
            survey = self._documents.survey(upload.bucket, key, spooled.digest)
            bucket, before = survey.bucket, survey.present.image
            if bucket is None:
                raise BucketNotFound.named(upload.bucket)
            if flaw is not None and bucket.accept == "images":
                raise flaw
            upload.condition.check(before)
            with self._proof_of(spooled, survey.facts, shape, upload.timings) as prove:
                if before is not None and before.version.digest == spooled.digest and not upload.whole:
                    known = self._relabel(before, upload)
                    if known is not None:
                        return known, True
                naming = _naming(upload, bucket, key, spooled)
                media_type = shape.media_type if shape else upload.attributes.media_type or OCTETS
                with upload.timings.measure("mongo"):
                    image = self._uploads.store(
                        naming, spooled, media_type, _fitting(prove, bucket, spooled.size), survey
                    )
        return self.announce(image), False

    def _spool(self, upload: Upload) -> Spool:
        """The body, up to the size that its bucket takes."""
        limit = self._room.limit
        if upload.whole:
            bucket = upload.opened or self._registry.find_bucket(upload.bucket)
            if bucket is None:
                raise BucketNotFound.named(upload.bucket)
            limit = limit if bucket.accept == "images" else max(limit, self._room.object_limit)
        return spool(
            upload.source,
            limit=limit,
            expected=upload.expected,
            directory=self._room.directory,
            checks=upload.checks,
            empty=upload.whole,
        )

    def _sniff(self, spooled: Spool) -> tuple[Format | None, ImagestoreError | None]:
        """The format of what may be a picture; else why it is none."""
        if spooled.size > self._room.limit:
            return None, UploadTooLarge(f"A picture has at most {self._room.limit} bytes.")
        try:
            return sniff(spooled.head), None
        except UnsupportedFormat as error:
            return None, error

    @contextmanager
    def _proof_of(
        self, spooled: Spool, known: Facts | None, shape: Format | None, timings: Timings
    ) -> Iterator[Prove]:
        """A decoder begins at once with bytes that are new; what is kept already was proven when it came."""
        if shape is None:
            yield lambda _: Facts.of_no_image(spooled.size)
            return
        if known is not None:
            yield lambda _: known
            return
        with self._decoders.prove(spooled.path or spooled.content(), digest=spooled.digest) as proof:

            def prove(seconds: float | None) -> Facts | None:
                with timings.measure("decode"):
                    return proof.facts(seconds)

            yield prove

    def restore(self, version: Version, condition: Condition) -> Image:
        """Make an older version the newest again, as a new version of the same bytes.

        Raises PreconditionFailed, BucketNotFound, and VersionNotFound when its bytes were swept meanwhile.
        """
        bucket = self._registry.find_bucket(version.bucket)
        if bucket is None:
            raise BucketNotFound.named(version.bucket)
        naming = Naming(
            version.bucket,
            version.key,
            condition=condition,
            attributes=version.object,
            unversioned=not bucket.keeps_versions,
        )
        restored = self._documents.publish(naming, version.blob, version.facts)
        if restored is None:
            raise VersionNotFound(f"Version {version.number} of image {version.key!r} was just deleted.")
        return self.announce(restored)

    def announce(self, image: Image) -> Image:
        """Drop what the caches know of the name; take the image back if its bucket is gone."""
        self._aliases.forget_image(image.bucket, image.key, image.generation)
        if image.replaced:
            self._aliases.forget_versions(image.bucket, image.key, image.replaced)
        if self._registry.find_bucket(image.bucket) is not None:
            return image
        # The bucket was deleted meanwhile, or is being tried to: only what this upload added goes.
        generation = self._documents.withdraw(image.version)
        if generation is not None:
            self._aliases.forget_image(image.bucket, image.key, generation)
        self._aliases.forget_version(image.bucket, image.key, image.version.number)
        raise BucketNotFound.named(image.bucket)

    def _relabel(self, image: Image, upload: Upload) -> Image | None:
        """The image with the upload's labels, if it still has these bytes: a majority says so, since an
        upload is acknowledged by that alone. None when it has others by now, or is gone.
        """
        unchanged = Condition(digests=(image.version.digest,))
        try:
            changed = self._documents.set_labels(image.bucket, image.key, upload.labels, unchanged)
        except PreconditionFailed:
            return None
        if changed is not None:  # also with the labels that it had: see Repeats
            self._aliases.forget_image(image.bucket, image.key, changed.generation)
        return changed


def _naming(upload: Upload, bucket: Bucket, key: str, spooled: Spool) -> Naming:
    attributes = whole_attributes(upload.attributes, spooled.md5, spooled.checksums)
    return Naming(
        bucket.name,
        key,
        upload.labels,
        upload.condition,
        attributes,
        unversioned=not bucket.keeps_versions,
        renewed=upload.whole,
        also=upload.also,
    )


def whole_attributes(given: Attributes, md5: str, checksums: Mapping[str, str]) -> Attributes:
    """With what is known of the bytes; an upload in parts has an ETag, and perhaps checksums, of its own."""
    own = given.checksum_type == "COMPOSITE"
    kind: ChecksumType | None = "FULL_OBJECT" if checksums else None
    return replace(
        given,
        etag=given.etag or md5,
        md5=md5 if given.etag else None,
        checksums=given.checksums if own else checksums,
        checksum_type="COMPOSITE" if own else kind,
    )


def _fitting(prove: Prove, bucket: Bucket, size: int) -> Prove:
    """Where a bucket takes anything, what is no picture after all is kept as it is."""
    if bucket.accept == "images":
        return prove

    def fit(seconds: float | None) -> Facts | None:
        try:
            return prove(seconds)
        except RejectedImage:
            return Facts.of_no_image(size)

    return fit
