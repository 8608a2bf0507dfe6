"""Bytes in: spool, prove, keep, name. Nothing is acknowledged that a majority does not have."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from imagestore.core.errors import (
    BucketNotFound,
    ImagestoreError,
    PreconditionFailed,
    Unavailable,
    VersionNotFound,
)
from imagestore.core.image import Condition, Facts, Image, Labels, Version, check_key, make_key
from imagestore.core.metrics import SILENT, UPLOAD_BYTES, UPLOADS, Metrics
from imagestore.core.streams import Readable, Spool, spool
from imagestore.core.telemetry import Timings
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.formats import sniff
from imagestore.library.aliases import Aliases
from imagestore.store.documents import Documents, Naming
from imagestore.store.registry import Registry
from imagestore.store.uploads import Prove, Uploads


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload as it was asked for. `expected` is the size that was announced, in bytes, if any was."""

    bucket: str
    source: Readable
    key: str | None = None
    expected: int | None = None
    labels: Labels = field(default_factory=Labels)
    condition: Condition = field(default_factory=Condition)
    timings: Timings = field(default_factory=Timings)


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
        key = make_key() if upload.key is None else check_key(upload.key)
        with spool(
            upload.source, limit=self._room.limit, expected=upload.expected, directory=self._room.directory
        ) as spooled:
            self._metrics.count(UPLOAD_BYTES, by=spooled.size)
            shape = sniff(spooled.head)
            kept = self._uploads.look(spooled.digest)
            with self._proof_of(spooled, kept.facts, upload.timings) as prove:
                bucket, (before, _) = self._documents.find_with_bucket(upload.bucket, key)
                if bucket is None:
                    raise BucketNotFound.named(upload.bucket)
                upload.condition.check(before)
                if before is not None and before.version.digest == spooled.digest:
                    known = self._relabel(before, upload)
                    if known is not None:
                        return known, True
                naming = Naming(upload.bucket, key, upload.labels, upload.condition)
                with upload.timings.measure("mongo"):
                    image = self._uploads.store(naming, spooled, shape.media_type, prove, kept)
        return self._announce(image), False

    @contextmanager
    def _proof_of(self, spooled: Spool, known: Facts | None, timings: Timings) -> Iterator[Prove]:
        """A decoder begins at once with bytes that are new; what is kept already was proven when it came."""
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
        naming = Naming(version.bucket, version.key, condition=condition)
        restored = self._documents.publish(naming, version.blob, version.facts)
        if restored is None:
            raise VersionNotFound(f"Version {version.number} of image {version.key!r} was just deleted.")
        return self._announce(restored)

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

    def _relabel(self, image: Image, upload: Upload) -> Image | None:
        """The image with the upload's labels, if it still has these bytes: a majority says so, since an
        upload is acknowledged by that alone. None when it has others by now, or is gone.
        """
        unchanged = Condition(digests=(image.version.digest,))
        try:
            changed = self._documents.set_labels(image.bucket, image.key, upload.labels, unchanged)
        except PreconditionFailed:
            return None
        if changed is not None and changed.generation != image.generation:
            self._aliases.forget_image(image.bucket, image.key, changed.generation)
        return changed
