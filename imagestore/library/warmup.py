"""Warm-up: filling Redis before the traffic comes, and saying what that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from imagestore.cache.tier import Tier
from imagestore.core.errors import BlobDamaged
from imagestore.core.image import Image
from imagestore.library.aliases import Aliases
from imagestore.library.fetch import Fetch, original_name
from imagestore.store.documents import Documents


@dataclass(slots=True)
class Warmed:
    """What a warm-up did. `before` and `after` count the images whose bytes Redis had.

    `refused` tells what cannot be made, and why; `left` was not, for want of time or room.
    """

    asked: int = 0
    before: int = 0
    after: int = 0
    loaded: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)
    too_large: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


class Warmup:
    def __init__(self, documents: Documents, fetch: Fetch, tier: Tier, aliases: Aliases) -> None:
        self._documents = documents
        self._fetch = fetch
        self._tier = tier
        self._aliases = aliases

    def warm(self, bucket: str, keys: Sequence[str]) -> Warmed:
        """Load the originals that these keys name, aliases included, so that the next GET is a hit.

        Takes a batch of keys at a time: the caller goes through a longer list, at the rate it wants.
        Raises BucketNotFound.
        """
        self._fetch.bucket(bucket)
        report = Warmed(asked=len(keys))
        images = []
        for key in keys:
            image = self._documents.find_image(bucket, key)
            if image is None:
                report.missing.append(key)
            elif image.version.blob.length > self._tier.value_bytes:
                report.too_large.append(key)
            else:
                images.append(image)
        names = [original_name(image.version.digest) for image in images]
        report.before = sum(self._tier.has_blobs(names))
        for image in images:
            self._load(image, report)
        report.after = sum(self._tier.has_blobs(names))
        return report

    def _load(self, image: Image, report: Warmed) -> None:
        self._aliases.write_image(image)
        try:
            if self._fetch.warm(image.version.blob):
                report.loaded += 1
                report.bytes += image.version.blob.length
        except BlobDamaged:
            report.damaged.append(image.key)
