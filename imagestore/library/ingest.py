"""Bytes in: spool, prove, keep, name. Nothing is acknowledged that a majority does not have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imagestore.core.errors import (
    BucketNotFound,
    ImagestoreError,
    PreconditionFailed,
    StoreUnavailable,
    Unavailable,
    VersionNotFound,
    WriteContention,
)
from imagestore.core.image import Condition, Image, Labels, Version, check_key, make_key
from imagestore.core.metrics import SILENT, UPLOAD_BYTES, UPLOADS, Metrics
from imagestore.core.streams import Readable, Spool, spool
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.formats import sniff
from imagestore.library.aliases import Aliases
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.registry import Registry

KEEP_TRIES = 5


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload as it was asked for. `expected` is the size that was announced, in bytes, if any was."""

    bucket: str
    source: Readable
    key: str | None = None
    expected: int | None = None
    labels: Labels = field(default_factory=Labels)
    condition: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class Room:
    """How many bytes an upload may have, and where larger ones are spooled (None: the system's place)."""

    limit: int
    directory: Path | None


class Ingest:
    """The way into the house."""

    def __init__(
        self,
        documents: Documents,
        registry: Registry,
        blobs: Blobs,
        decoders: DecoderPool,
        aliases: Aliases,
        *,
        room: Room,
        metrics: Metrics = SILENT,
    ) -> None:
        self._documents = documents
        self._registry = registry
        self._blobs = blobs
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
        key = make_key() if upload.key is None else check_key(upload.key)
        self._check_bucket(upload.bucket)
        before = self._documents.find_image(upload.bucket, key)
        upload.condition.check(before)
        with spool(
            upload.source, limit=self._room.limit, expected=upload.expected, directory=self._room.directory
        ) as spooled:
            self._metrics.count(UPLOAD_BYTES, by=spooled.size)
            if before is not None and before.version.digest == spooled.digest:
                return self._relabel(before, upload), True
            version = self._keep(upload.bucket, key, spooled)
        return self._name(version, upload.labels, upload.condition), False

    def restore(self, version: Version, condition: Condition) -> Image:
        """Make an older version the newest again, as a new version of the same bytes.

        Raises PreconditionFailed, BucketNotFound, and VersionNotFound when its bytes were swept meanwhile.
        """
        fresh = self._documents.add_version(version.bucket, version.key, version.blob, version.facts)
        if not self._blobs.confirm(fresh.blob):
            self._withdraw(fresh)
            raise VersionNotFound(f"Version {version.number} of image {version.key!r} was just deleted.")
        return self._name(fresh, Labels(), condition)

    def _keep(self, bucket: str, key: str, spooled: Spool) -> Version:
        """Prove the picture, then write its blob and its version."""
        shape = sniff(spooled.head)
        with spooled.open() as source:
            facts = self._decoders.verify(spooled.path or source.read(), digest=spooled.digest)
        for _ in range(KEEP_TRIES):
            blob = self._blobs.put(spooled, shape.media_type)
            version = self._documents.add_version(bucket, key, blob, facts)
            if self._blobs.confirm(blob):
                return version
            self._withdraw(version)  # a sweep took the blob before it could see the version
        raise StoreUnavailable("Sweeps of the same bytes got in the way: try again.")

    def _name(self, version: Version, labels: Labels, condition: Condition) -> Image:
        """Point the name at the version, and drop what the caches know of the name."""
        try:
            image = self._documents.point(version, labels, condition)
        except (PreconditionFailed, WriteContention):
            self._withdraw(version)
            raise
        self._aliases.forget_image(version.bucket, version.key, image.generation)
        if self._registry.find_bucket(version.bucket) is None:
            # The bucket was deleted meanwhile, or is being tried to: only what this upload added goes.
            self._withdraw(version)
            raise _no_bucket(version.bucket)
        return image

    def _withdraw(self, version: Version) -> None:
        generation = self._documents.withdraw(version)
        if generation is not None:
            self._aliases.forget_image(version.bucket, version.key, generation)
        self._aliases.forget_version(version.bucket, version.key, version.number)

    def _relabel(self, image: Image, upload: Upload) -> Image:
        if upload.labels == Labels():
            return image
        changed = self._documents.set_labels(image.bucket, image.key, upload.labels, upload.condition)
        if changed is None:
            return image  # deleted meanwhile: after this upload, as far as anybody can tell
        self._aliases.forget_image(image.bucket, image.key, changed.generation)
        return changed

    def _check_bucket(self, name: str) -> None:
        if self._registry.find_bucket(name) is None:
            raise _no_bucket(name)


def _no_bucket(name: str) -> BucketNotFound:
    return BucketNotFound(f"There is no bucket {name!r}: make it first, or check the name.")
