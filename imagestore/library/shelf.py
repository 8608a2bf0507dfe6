"""Where renditions are kept: in Redis by what they cost, and in GridFS where they were dear."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from imagestore.cache.admission import Sketch
from imagestore.cache.tier import Tier
from imagestore.cache.variants import Variants
from imagestore.core.errors import StoreUnavailable
from imagestore.core.image import Digest
from imagestore.store.renditions import Kept, Renditions

log = logging.getLogger(__name__)

DEAR_SECONDS = 0.05
"""What took longer to make is kept in GridFS too: to read it there takes a few milliseconds."""

COST_SECONDS = 0.02
"""What took so long to make counts in Redis as much as an original, which is only read."""

BEHIND = 64
"""Copies to GridFS that may wait; more are not kept."""


class Shelf:
    """`kept` None keeps nothing in GridFS. Safe to use from many threads; nothing here raises for the sake
    of a store that is away: what cannot be found is made anew."""

    def __init__(self, tier: Tier, kept: Renditions | None) -> None:
        self._tier = tier
        self._kept = kept
        self._variants = Variants(tier)
        self._sketch = Sketch()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self._behind = threading.BoundedSemaphore(BEHIND)

    def glance(self, name: str) -> bytes | None:
        """From Redis."""
        return self._tier.read_blob(name, self._sketch.touch(name))

    def fetch(self, name: str, digests: tuple[Digest, ...]) -> bytes | None:
        """From GridFS, and into Redis. `digests` are those of the originals that it was made of."""
        if self._kept is None:
            return None
        try:
            data = self._kept.read(name)
        except StoreUnavailable:
            return None
        if data is not None:
            self._variants.note(digests, name)
            self._tier.write_blob(name, data, self._sketch.touch(name), cost=DEAR_SECONDS / COST_SECONDS)
        return data

    def find(self, name: str, digests: tuple[Digest, ...]) -> bytes | None:
        """From either."""
        return self._tier.read_blob(name, 1) or self.fetch(name, digests)

    def is_kept(self, name: str) -> bool:
        """Whether GridFS has it, as far as that can be told."""
        with suppress(StoreUnavailable):
            return self._kept is not None and name in self._kept.find([name])
        return False

    def missing(self, names: Iterable[str]) -> list[str]:
        """Which of the names GridFS does not have, in their order; none where that cannot be told."""
        wanted = list(names)
        try:
            known = self._kept.find(wanted) if self._kept is not None else set(wanted)
        except StoreUnavailable:
            return []
        return [name for name in wanted if name not in known]

    def put(self, name: str, data: bytes, digests: tuple[Digest, ...], seconds: float) -> None:
        """Keep what took so many `seconds` to make: in GridFS behind the caller's back, if it was dear; but
        at once if Redis does not take it, since other workers wait to find it somewhere."""
        taken = self._tier.write_blob(name, data, 1, cost=seconds / COST_SECONDS)
        if taken:
            self._variants.note(digests, name)
        if (
            (taken and seconds < DEAR_SECONDS)
            or self._kept is None
            or not self._behind.acquire(blocking=False)
        ):
            return
        kept = Kept(name, data, digests, seconds)
        if not taken and self._tier.enabled:
            self._write(self._kept, kept)
            return
        with suppress(RuntimeError):  # the service is closing
            self._writer.submit(self._write, self._kept, kept)

    def close(self) -> None:
        self._writer.shutdown(wait=False, cancel_futures=True)

    def _write(self, store: Renditions, kept: Kept) -> None:
        try:
            store.write(kept)
        except StoreUnavailable as error:
            log.info("a rendition was not kept: %s", error)
        finally:
            self._behind.release()
