"""Bytes out: from a name to a version, and from a version to its bytes, by way of Redis where that pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum

from imagestore.cache.admission import Sketch
from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.core.errors import BucketNotFound, ImageNotFound, StoreUnavailable
from imagestore.core.image import BlobRef, Bucket, Digest
from imagestore.core.metrics import FETCHES, SILENT, STALE_NAMES, Metrics
from imagestore.core.streams import Blob
from imagestore.core.telemetry import Timings
from imagestore.library.aliases import Aliases, Known, bucket_ground, image_ground, version_ground
from imagestore.library.readings import Found, Reading, readings_of, remembered
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.registry import Registry
from imagestore.store.shapes import Place

RENDERING_REVISION = 1
FIRST_VERSION_NUMBER = 1_000_000_000
"""Version numbers are Unix times: a smaller one in a URL is not looked for."""

MOST_EXTENDED = 10_000
"""Keys that are remembered to have meant an image with an extension behind its key."""


class Outcome(StrEnum):
    """How a blob was come by: the states of a fetch, named as the methods that reach them."""

    HIT = "hit"
    WAIT = "wait"
    MAKE = "make"
    BYPASS = "bypass"


class Fetch:
    """The way out of the house: `resolve` a name, then `open` its bytes.

    For an image whose alias and bytes Redis has, that is two round trips to Redis and none to MongoDB.
    """

    def __init__(
        self,
        documents: Documents,
        registry: Registry,
        blobs: Blobs,
        tier: Tier,
        aliases: Aliases,
        metrics: Metrics = SILENT,
    ) -> None:
        self._documents = documents
        self._registry = registry
        self._blobs = blobs
        self._tier = tier
        self._aliases = aliases
        self._metrics = metrics
        self._flights = Flights(tier)
        self._sketch = Sketch()
        self._extended: set[tuple[str, str]] = set()

    def resolve(
        self,
        bucket: str,
        key: str,
        number: int | None,
        allow: Callable[[Bucket], None],
        timings: Timings,
    ) -> Found:
        """The version that a URL names. `allow` is asked, and may raise, before the image is looked at.

        A `number` that is no version of the image is passed over. Raises BucketNotFound and ImageNotFound,
        and StoreUnavailable where MongoDB cannot be asked and Redis has nothing that is younger than stale
        answers may be.
        """
        wanted = number if number is not None and number >= FIRST_VERSION_NUMBER else None
        try:
            return self._resolve(bucket, key, wanted, allow, timings)
        except StoreUnavailable:
            with timings.measure("alias"):
                found = self.stale(bucket, key, wanted, allow)
            if found is None:
                raise
            self._metrics.count(STALE_NAMES)
            return found

    def _resolve(
        self,
        bucket: str,
        key: str,
        wanted: int | None,
        allow: Callable[[Bucket], None],
        timings: Timings,
    ) -> Found:
        readings = readings_of(key)
        with timings.measure("alias"):
            known_bucket, known = self._recall(bucket, readings, wanted)
        if known_bucket is None and known[0] == Known() and wanted is None:
            return self._find_both(bucket, key, allow, timings)
        found_bucket = known_bucket or self.bucket(bucket)
        allow(found_bucket)
        if all(each.absent for each in known):
            raise ImageNotFound.named(bucket, key)
        if wanted is not None:
            found = remembered(found_bucket, readings, known, wanted)
            found = found or self._find_version(found_bucket, readings, wanted, timings)
            if found is not None:
                return found
        found = remembered(found_bucket, readings, known, None)
        return found or self._find_newest(found_bucket, readings, timings)

    def _recall(
        self, bucket: str, readings: Sequence[Reading], wanted: int | None
    ) -> tuple[Bucket | None, list[Known]]:
        """What Redis knows of each reading: of the key as it stands alone, where that will do, and of both at
        once where the other one was meant lately."""
        keys = [each.key for each in readings]
        if len(keys) == 1 or (bucket, keys[0]) in self._extended:
            return self._aliases.read(bucket, keys, wanted)
        known_bucket, known = self._aliases.read(bucket, keys[:1], wanted)
        if not known[0].absent:
            return known_bucket, [*known, Known()]
        self._note_extended(bucket, keys[0])
        return self._aliases.read(bucket, keys, wanted)

    def _note_extended(self, bucket: str, key: str) -> None:
        if len(self._extended) >= MOST_EXTENDED:
            self._extended.clear()
        self._extended.add((bucket, key))

    def _find_both(self, bucket: str, key: str, allow: Callable[[Bucket], None], timings: Timings) -> Found:
        """Where Redis knows neither the bucket nor the image."""
        with timings.measure("mongo"):
            found_bucket, place = self._documents.find_with_bucket(bucket, key)
        if found_bucket is None:
            raise BucketNotFound.named(bucket)
        self._aliases.write_bucket(found_bucket)
        allow(found_bucket)
        image = place.image
        if image is None:
            return self._find_newest(found_bucket, readings_of(key), timings, place)
        self._aliases.write_image(image)
        grounds = (bucket_ground(found_bucket), image_ground(bucket, key, image.generation))
        return Found(found_bucket, image.version, immutable=False, remembered=False, grounds=grounds)

    def stale(
        self, bucket: str, key: str, wanted: int | None, allow: Callable[[Bucket], None]
    ) -> Found | None:
        """What a secondary has under a name, else what Redis knew last, beyond the time that it is believed.

        A secondary is asked of the key as it stands only: that it does not know it does not mean that it is
        not there. And neither of a name that was just changed: they may be of the time before.
        """
        readings = readings_of(key)
        keys = [each.key for each in readings]
        if self._aliases.changed_lately(bucket, keys, wanted):
            return None
        behind = self._documents.find_behind(bucket, key, wanted)
        if behind is not None:
            allow(behind[0])
            return Found(*behind, behind[1].number == wanted, remembered=False, stale=True)
        known_bucket, known = self._aliases.read(bucket, keys, wanted, stale=True)
        found = remembered(known_bucket, readings, known, wanted) if known_bucket else None
        if found is not None:
            allow(found.bucket)
            return replace(found, stale=True)
        return None

    def bucket(self, name: str) -> Bucket:
        """The bucket as MongoDB has it, and remembered. Raises BucketNotFound."""
        bucket = self._registry.find_bucket(name)
        if bucket is None:
            raise BucketNotFound.named(name)
        self._aliases.write_bucket(bucket)
        return bucket

    def _find_version(
        self, bucket: Bucket, readings: Sequence[Reading], number: int, timings: Timings
    ) -> Found | None:
        grounds = [bucket_ground(bucket)]
        with timings.measure("mongo"):
            for each in readings:
                version = self._documents.find_version(bucket.name, each.key, number)
                if version is None:
                    grounds.append(image_ground(bucket.name, each.key))
                    continue
                self._aliases.write_version(version)
                grounds.append(version_ground(version))
                return Found(bucket, version, True, False, extension=each.extension, grounds=tuple(grounds))
        return None

    def _find_newest(
        self, bucket: Bucket, readings: Sequence[Reading], timings: Timings, first: Place | None = None
    ) -> Found:
        """`first` is what is known to lie under the first reading."""
        places = list[Place]()
        for each in readings:
            if first is None or places:
                with timings.measure("mongo"):
                    first = self._documents.find_place(bucket.name, each.key)
            places.append(first)
            if first.image is not None:
                return self._note_newest(bucket, readings, places)
        for each, place in zip(readings, places, strict=True):
            if place.absence is not None:
                self._aliases.write_missing(bucket.name, each.key, place.absence)
        raise ImageNotFound.named(bucket.name, readings[0].key)

    def _note_newest(self, bucket: Bucket, readings: Sequence[Reading], places: Sequence[Place]) -> Found:
        """Of what was found under the last of these places, and under none before it."""
        *passed, (image, _) = places
        assert image is not None
        self._aliases.write_image(image)
        grounds = [bucket_ground(bucket)]
        for each, place in zip(readings, passed, strict=False):
            lasting = place.absence == 0
            if lasting:
                self._aliases.write_absence(bucket.name, each.key)
                self._note_extended(bucket.name, each.key)
            grounds.append(image_ground(bucket.name, each.key, 0 if lasting else None))
        grounds.append(image_ground(bucket.name, image.key, image.generation))
        extension = readings[len(passed)].extension
        return Found(bucket, image.version, False, False, extension=extension, grounds=tuple(grounds))

    def kept_as(self, ref: BlobRef) -> str | None:
        """The name that a blob has in Redis, None for one that is too large to be there."""
        return original_name(ref.digest) if ref.length <= self._tier.value_bytes else None

    def open(self, ref: BlobRef, *, partial: bool, timings: Timings) -> tuple[Blob, Outcome]:
        """The bytes of a blob and how they were come by. `partial`: only a range of them is wanted.

        The caller closes the blob. Raises StoreUnavailable or BlobDamaged, here or while it is read.
        """
        blob, outcome = self._open(ref, partial, timings)
        self._metrics.count(FETCHES, outcome)
        return blob, outcome

    def _open(self, ref: BlobRef, partial: bool, timings: Timings) -> tuple[Blob, Outcome]:
        if ref.length > self._tier.value_bytes:
            return self.bypass(ref)
        name = original_name(ref.digest)
        frequency = self._sketch.touch(name)
        with timings.measure("redis"):
            data = self.hit(name, frequency)
        if data is not None:
            return Blob.of(data), Outcome.HIT
        if partial:
            return self.bypass(ref)
        with timings.measure("gridfs"):
            data, outcome = self.make(ref, name, frequency)
        return Blob.of(data), outcome

    def hit(self, name: str, frequency: int) -> bytes | None:
        return self._tier.read_blob(name, frequency)

    def make(self, ref: BlobRef, name: str, frequency: int) -> tuple[bytes, Outcome]:
        """Read the blob whole and keep it in Redis: one caller does, the others wait for it."""

        def load() -> bytes:
            with self._blobs.open(ref) as blob:
                data = b"".join(blob.open())
            self._tier.write_blob(name, data, frequency)
            return data

        data, role = self._flights.once(name, load, find=lambda: self._tier.read_blob(name, frequency))
        return data, Outcome(role)

    def bypass(self, ref: BlobRef) -> tuple[Blob, Outcome]:
        """Straight from GridFS, chunk by chunk: what is too large for Redis, and ranges of what it lacks."""
        return self._blobs.open(ref), Outcome.BYPASS

    def warm(self, ref: BlobRef) -> bool:
        """Put a blob into Redis if it is not there; whether it was loaded for that."""
        name = original_name(ref.digest)
        frequency = self._sketch.touch(name)
        if self._tier.read_blob(name, frequency) is not None:
            return False
        self.make(ref, name, frequency)
        return True


def original_name(digest: Digest) -> str:
    """The name of an original's bytes: digest / transformation (none) / format (its own) / revision."""
    return f"{digest}/-/-/{RENDERING_REVISION}"
