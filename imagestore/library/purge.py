"""Purge: all that was kept of an image's answers and of what was made of it, dropped at one word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from imagestore.cache.variants import Variants
from imagestore.core.errors import StoreUnavailable
from imagestore.core.image import Digest, Version
from imagestore.library.aliases import Aliases
from imagestore.library.fetch import original_name
from imagestore.store.documents import Documents
from imagestore.store.renditions import Renditions

PAGE = 100
"""Images of one look into the database, and the versions of an image."""

MOST_IMAGES = 500
"""Of one call: so it takes a bounded time, and who wants more calls again."""


@dataclass(slots=True)
class Purged:
    """What a purge dropped: of how many images, and how many renditions, in Redis and MongoDB. `next`: it
    is not done, and goes on behind this key."""

    images: int = 0
    renditions: int = 0
    next: str | None = None


class Purge:
    """Drops aliases, and with them the answers in the memories of all workers of all nodes; originals and
    renditions in Redis; renditions in MongoDB. What is stored of an image stays: the next one who asks has it
    read, or made, anew. When it returns, no worker of this node sends what was kept before, also where that
    was made of another state of the database than there is, of which nobody was told: the image's name gets
    a new generation, as it would from a write."""

    def __init__(self, documents: Documents, aliases: Aliases, kept: Renditions, variants: Variants) -> None:
        self._documents = documents
        self._aliases = aliases
        self._kept = kept
        self._variants = variants

    def purge_keys(self, bucket: str, keys: Sequence[str]) -> Purged:
        """The images of these keys, also if there are none any more: then what is remembered of the key."""
        report = Purged()
        for key in keys:
            report.renditions += self._purge(bucket, key)
            report.images += 1
        return report

    def purge_all(self, bucket: str, *, prefix: str = "", tag: str | None = None, after: str = "") -> Purged:
        """The images of a bucket, or those of them whose key begins with `prefix` or that have a tag, in the
        order of their keys from behind `after` on: MOST_IMAGES of them at most."""
        report = Purged()
        while report.images < MOST_IMAGES:
            page = self._documents.list_images(bucket, prefix=prefix, tag=tag, after=after, limit=PAGE)
            for image in page:
                report.renditions += self._purge(bucket, image.key)
                report.images += 1
            if len(page) < PAGE:
                return report
            after = report.next = page[-1].key
        return report

    def drop_made(self, digests: Iterable[Digest]) -> int:
        """What was made of bytes, and the bytes in Redis. What another image has too is made again for that
        one; what is left in MongoDB since it did not answer, a sweep takes."""
        known = list(digests)
        gone = self._variants.drop(known, [original_name(digest) for digest in known])
        with suppress(StoreUnavailable):
            gone += self._kept.forget(known)
        return gone

    def _purge(self, bucket: str, key: str) -> int:
        versions, before = list[Version](), None
        while page := self._documents.list_versions(bucket, key, before=before, limit=PAGE):
            versions += page
            before = page[-1].number
        gone = self.drop_made({each.digest for each in versions})
        # Only then, so that no answer that is good from now on was made of what has been dropped.
        place = self._documents.renew(bucket, key)
        generation = place.image.generation if place.image is not None else place.absence
        self._aliases.forget_image(bucket, key, generation or 0)
        self._aliases.renew_versions(versions)
        return gone
