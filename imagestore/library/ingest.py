"""Bytes in: spool, prove, keep, name. Nothing is acknowledged that a majority does not have."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from imagestore.core.errors import (
    BucketNotFound,
    ImagestoreError,
    StoreUnavailable,
    Unavailable,
    VersionNotFound,
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
            return self._keep(upload, key, spooled), False

    def restore(self, version: Version, condition: Condition) -> Image:
        """Make an older version the newest again, as a new version of the same bytes.

        Raises PreconditionFailed, BucketNotFound, and VersionNotFound when its bytes were swept meanwhile.
        """
        restored = self._documents.publish(
            version.bucket, version.key, version.blob, version.facts, Labels(), condition
        )
        if restored is None:
            raise VersionNotFound(f"Version {version.number} of image {version.key!r} was just deleted.")
        return self._announce(restored)

    def _keep(self, upload: Upload, key: str, spooled: Spool) -> Image:
        """Prove the picture, write its blob, then its version and its name."""
        shape = sniff(spooled.head)
        with spooled.open() as source:
            facts = self._decoders.verify(spooled.path or source.read(), digest=spooled.digest)
        for _ in range(KEEP_TRIES):
            blob = self._blobs.put(spooled, shape.media_type)
            image = self._documents.publish(upload.bucket, key, blob, facts, upload.labels, upload.condition)
            if image is not None:
                return self._announce(image)
            # A sweep took the blob before the version could name it: put the bytes again.
        raise StoreUnavailable("Sweeps of the same bytes got in the way: try again.")

    def _announce(self, image: Image) -> Image:
        """Drop what the caches know of the name; take the image back if its bucket is gone."""
        self._aliases.forget_image(image.bucket, image.key, image.generation)
        if self._registry.find_bucket(image.bucket) is not None:
            return image
        # The bucket was deleted meanwhile, or is being tried to: only what this upload added goes.
        generation = self._documents.withdraw(image.version)
        if generation is not None:
            self._aliases.forget_image(image.bucket, image.key, generation)
        self._aliases.forget_version(image.bucket, image.key, image.version.number)
        raise BucketNotFound.named(image.bucket)

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
            raise BucketNotFound.named(name)
