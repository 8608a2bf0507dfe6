"""Objects: the verbs of S3 on what keys name; the same versions, bytes and caches as those of every door."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from imagestore.core.checksums import NO_CHECKS, Checks, Sums, make
from imagestore.core.errors import (
    BucketNotFound,
    ImageNotFound,
    ImagestoreError,
    UnsupportedFormat,
    VersionNotFound,
)
from imagestore.core.image import Bucket, Condition, Image, Version
from imagestore.core.objects import (
    OCTETS,
    Attributes,
    Marker,
    check_acl,
    check_attributes,
    check_object_key,
    check_object_tags,
)
from imagestore.core.streams import Readable
from imagestore.core.telemetry import Timings
from imagestore.imaging.formats import media_type
from imagestore.library.aliases import Aliases
from imagestore.library.deletions import Deletions
from imagestore.library.ingest import Ingest, Upload
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.naming import Naming
from imagestore.store.objects import Objects as Stored

ANYHOW = Condition()

OF_THE_BYTES: dict[str, Any] = {
    "etag": None,
    "md5": None,
    "checksums": {},
    "checksum_type": None,
    "sizes": (),
}
"""What nobody tells of an object, since its bytes do."""


@dataclass(frozen=True, slots=True)
class Put:
    """An object to be kept. `expected` is the size that was announced, in bytes, if any was; `opened` the
    bucket as it was when the sender was let in, if it was looked at."""

    bucket: str
    key: str
    source: Readable
    expected: int | None = None
    attributes: Attributes = field(default_factory=Attributes)
    checks: Checks = NO_CHECKS
    condition: Condition = field(default_factory=Condition)
    timings: Timings = field(default_factory=Timings)
    opened: Bucket | None = None


@dataclass(frozen=True, slots=True)
class Copy:
    """What a copy is to be: `attributes` whole, but for ETag and checksums, which are those of the bytes.

    With an `algorithm` it gets that checksum, for which its bytes are read where it is not known.
    """

    bucket: str
    key: str
    attributes: Attributes
    condition: Condition = field(default_factory=Condition)
    algorithm: str | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What became of a deletion: the id that S3 shows, None where there is none to show, and whether it is of
    a delete marker, made or taken away."""

    version_id: str | None
    marker: bool


class Objects:
    """What is read here is read from MongoDB, and so is what was written last, whoever wrote it."""

    def __init__(
        self,
        stored: Stored,
        documents: Documents,
        ingest: Ingest,
        blobs: Blobs,
        aliases: Aliases,
        deletions: Deletions,
    ) -> None:
        self._stored = stored
        self._documents = documents
        self._ingest = ingest
        self._blobs = blobs
        self._aliases = aliases
        self._deletions = deletions

    def put(self, put: Put) -> Image:
        """Keep an object and return what its key names now: a new version, also of the bytes that it had.

        Raises InvalidKey, InvalidParameter, BucketNotFound, UploadTooLarge, LengthMismatch, BadDigest,
        PreconditionFailed, ImageNotFound for conditions on what is not there, any RejectedImage where the
        bucket takes images only, and Unavailable.
        """
        return self._ingest.store(
            Upload(
                put.bucket,
                put.source,
                put.key,
                put.expected,
                condition=put.condition,
                timings=put.timings,
                attributes=replace(check_attributes(put.attributes), **OF_THE_BYTES),
                checks=put.checks,
                whole=True,
                opened=put.opened,
            )
        )

    def find(self, bucket: str, key: str, version_id: str | None = None) -> tuple[Bucket, Version | Marker]:
        """The bucket and the newest version, or what S3 shows under the id, which may be a delete marker.

        Raises BucketNotFound, ImageNotFound, and VersionNotFound.
        """
        found, entry = self._stored.find(bucket, key, version_id)
        if found is None:
            raise BucketNotFound.named(bucket)
        if version_id is not None:
            if entry is None:
                raise _no_version(key, version_id)
            return found, entry
        if isinstance(entry, Version):
            return found, entry
        raise _no_object(bucket, key, entry)

    def delete(
        self,
        bucket: Bucket,
        key: str,
        version_id: str | None = None,
        *,
        condition: Condition = ANYHOW,
        owner: str | None = None,
    ) -> Deleted:
        """Delete what a key names, or for good what S3 shows under an id. What is not there is no error.

        Raises PreconditionFailed and WriteContention.
        """
        check_object_key(key)
        if version_id is not None:
            removal = self._deletions.delete_version(bucket, key, version_id, condition)
            return Deleted(version_id, bool(removal and isinstance(removal.gone[0], Marker)))
        removal = self._deletions.delete(bucket, key, condition, owner)
        if removal is None or removal.marker is None:
            return Deleted(None, marker=False)
        return Deleted(removal.marker.shown_id, marker=True)

    def delete_many(
        self, bucket: Bucket, wanted: Iterable[tuple[str, str | None, Condition]], *, owner: str | None = None
    ) -> Iterator[Deleted | ImagestoreError]:
        """One after the other: what became of each, errors as values."""
        for key, version_id, condition in wanted:
            try:
                yield self.delete(bucket, key, version_id, condition=condition, owner=owner)
            except ImagestoreError as error:
                yield error

    def copy(self, source: Version, copy: Copy) -> Image:
        """A new version of the same bytes, of which none moves.

        Raises InvalidKey, InvalidParameter, BucketNotFound, UnsupportedFormat, PreconditionFailed,
        WriteContention, and VersionNotFound when the source was just deleted for good.
        """
        bucket, _ = self._documents.find_with_bucket(copy.bucket, check_object_key(copy.key))
        if bucket is None:
            raise BucketNotFound.named(copy.bucket)
        if bucket.accept == "images" and not source.is_image:
            raise UnsupportedFormat(f"Bucket {bucket.name!r} takes images only.")
        sums = self._sums(source, copy.algorithm)
        attributes = replace(
            check_attributes(copy.attributes),
            etag=source.object.md5 or source.etag,
            md5=None,
            checksums=sums,
            checksum_type="FULL_OBJECT" if sums else None,
            sizes=(),
        )
        naming = Naming(
            copy.bucket,
            copy.key,
            condition=copy.condition,
            attributes=attributes,
            unversioned=not bucket.keeps_versions,
            renewed=True,
        )
        image = self._documents.publish(naming, source.blob, source.facts)
        if image is None:
            raise _no_version(source.key, source.shown_id)
        return self._ingest.announce(image)

    def part_checksums(self, version: Version) -> list[dict[str, str]]:
        """The checksums of the parts of a version whose own is made of them, in their order."""
        if version.object.checksum_type != "COMPOSITE":
            return []
        [algorithm] = version.object.checksums
        sums, width = self._stored.part_sums(version.version_id), make(algorithm).digest_size
        return [{algorithm: b64encode(sums[at : at + width]).decode()} for at in range(0, len(sums), width)]

    def set_tags(self, bucket: str, key: str, version_id: str | None, tags: Mapping[str, str]) -> Version:
        """Give a version these tags alone. Raises InvalidParameter, ImageNotFound or VersionNotFound."""
        pairs = [list(entry) for entry in check_object_tags(tags).items()]
        return self._set(bucket, key, version_id, {"tags": pairs})

    def set_acl(self, bucket: str, key: str, version_id: str | None, text: str | None) -> Version:
        """Raises InvalidParameter, ImageNotFound and VersionNotFound."""
        return self._set(bucket, key, version_id, {"acl": check_acl(text)})

    def _set(self, bucket: str, key: str, version_id: str | None, fields: dict[str, object]) -> Version:
        changed = self._stored.set_fields(bucket, key, version_id, fields)
        if changed is None:
            if version_id is not None:
                raise _no_version(key, version_id)
            raise _no_object(bucket, key)
        version, generation = changed
        self._aliases.forget_image(bucket, key, generation)
        self._aliases.renew_versions([version])
        return version

    def _sums(self, source: Version, algorithm: str | None) -> dict[str, str]:
        """The checksums of all the bytes, as they are known, or that of the algorithm."""
        known = dict(source.object.checksums) if source.object.checksum_type == "FULL_OBJECT" else {}
        if algorithm is None or algorithm in known:
            return known
        sums = Sums([algorithm])
        with self._blobs.open(source.blob) as blob:
            for data in blob.open():
                sums.update(data)
        return sums.all()


def _no_version(key: str, version_id: str) -> VersionNotFound:
    return VersionNotFound(f"Object {key[:80]!r} has no version {version_id[:80]!r}.")


def _no_object(bucket: str, key: str, marker: Marker | None = None) -> ImageNotFound:
    shown = marker.shown_id if marker else None
    return ImageNotFound(f"There is no object {key[:80]!r} in bucket {bucket!r}.", shown)


def shown_type(version: Version) -> str:
    """The media type of its bytes: by what they were proven to be, else as it was told with them."""
    return media_type(version.facts.format) if version.is_image else version.object.media_type or OCTETS
