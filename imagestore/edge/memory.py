"""Answers that a worker keeps in its memory: what stays when its bytes are used up, and what is valid."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple
from weakref import ref

from imagestore.cache.admission import Sketch
from imagestore.cache.generations import Generations
from imagestore.core.metrics import EDGE_EVICTIONS, EDGE_MEMORY_BYTES, EDGE_MEMORY_ENTRIES, Metrics
from imagestore.edge.filed import LEAST_BYTES, Filed, most_files

Field = tuple[bytes, bytes]

MOST_BODY_BYTES = 256 * 1024
"""Larger answers are for Redis and GridFS: one would push out what makes many requests quick."""

ENTRY_BYTES = 2048
"""What an entry takes beside its body: its fields, the heads made of them, its places in the tables."""

MOST_VARIANTS = 16
"""Of one target, by Accept."""

_SIZE_POWER = 0.7
_SPARE_TICKETS = 1000


class Depends(NamedTuple):
    """The names that an answer was made of, as slots of Generations, and when its making began."""

    slots: tuple[int, ...]
    begun: int


@dataclass(slots=True, eq=False, weakref_slot=True)
class Entry:
    """A complete 200 answer to a GET, for all who ask or, with a `variant`, for a class of Accept.

    `fields` are the answer's own, with lower-case names, but for those that each sending has anew. `born`,
    `fresh_until` and `stale_until` are seconds of the event loop's clock: until the last of them it may be
    sent where no other can be had. From `renew_from` on one request should fetch the next one, while all
    others have this. Of one that is not `dated` the Last-Modified does not tell it from others. One that is
    `queryless`, with a target that has no query, is the answer with any.
    """

    target: bytes
    variant: str
    fields: tuple[Field, ...]
    body: bytes | Filed
    etag: bytes
    depends: Depends
    born: float
    fresh_until: float
    stale_until: float
    dated: bool = True
    queryless: bool = False
    renew_from: float = math.inf
    hits: int = 0
    kept: bool = False
    frequency: int = 1
    heads: dict[str, bytes] = field(default_factory=dict)
    tail: tuple[int, bytes] = (-1, b"")

    def has(self, name: bytes) -> bool:
        """Whether it has a field of that name."""
        return any(each == name for each, _ in self.fields)

    @property
    def varies(self) -> bool:
        return bool(self.variant)

    @property
    def size(self) -> int:
        return len(self.body) + ENTRY_BYTES


class Memory:
    """At most `limit` bytes of answers, of which those stay that are worth it.

    That is Greedy-Dual-Size with Frequency (Cherkasova, HP Labs 98-69, 1998): H = L + frequency / size^0.7,
    where L is the H of what was evicted last. How often an entry was met counts when its turn to go has come,
    so that a hit costs nothing. For the event loop's thread alone.
    """

    def __init__(self, limit: int, generations: Generations) -> None:
        self.limit = limit
        self.generations = generations
        self.used = 0
        self.evictions = 0
        self._pages: dict[bytes, Entry | dict[str, Entry]] = {}
        self._queue: list[tuple[float, int, ref[Entry]]] = []
        self._tickets = count()
        self._sketch = Sketch()
        self._entries = 0
        self._floor = 0.0
        self._files, self._most_files = 0, most_files()

    def page(self, target: bytes) -> Entry | dict[str, Entry] | None:
        """What is kept for a target: one answer for all, or one for each class of Accept."""
        return self._pages.get(target)

    def find(self, target: bytes, accept_class: str) -> Entry | None:
        """What is kept of a target for that class, out of date or not."""
        page = self._pages.get(target)
        return page.get(accept_class) if isinstance(page, dict) else page

    def is_valid(self, entry: Entry) -> bool:
        """Whether nothing that it was made of has changed."""
        return self.generations.unchanged(*entry.depends)

    def is_refuted(self, entry: Entry) -> bool:
        """Whether something that it was made of is known to have changed."""
        return not self.generations.unrefuted(*entry.depends)

    def put(self, entry: Entry) -> bool:
        """Keep it instead of what was there; False if it is too large, or what it was made of has changed."""
        if len(entry.body) > MOST_BODY_BYTES or entry.size > self.limit or not self.is_valid(entry):
            return False
        known = self._pages.get(entry.target)
        if entry.varies:
            variants = known if isinstance(known, dict) else {}
            if isinstance(known, Entry):
                self._forget(known)
            if entry.variant in variants:
                self._forget(variants[entry.variant])
            elif len(variants) >= MOST_VARIANTS:
                self.drop(entry.target)
                variants = {}
            variants[entry.variant] = entry
            self._pages[entry.target] = variants
        else:
            self.drop(entry.target)
            self._pages[entry.target] = entry
        self._file(entry)
        entry.kept = True
        entry.frequency = self._sketch.touch(entry.target.decode("latin-1"))
        self.used += entry.size
        self._entries += 1
        self._enqueue(entry)
        while self.used > self.limit:
            self._evict()
        return True

    def drop(self, target: bytes) -> None:
        """Forget all answers for a target."""
        for each in _entries(self._pages.pop(target, None)):
            self._forget(each)

    def clear(self) -> None:
        for target in tuple(self._pages):
            self.drop(target)

    def tell(self, metrics: Metrics) -> None:
        metrics.put(EDGE_MEMORY_BYTES, self.used)
        metrics.put(EDGE_MEMORY_ENTRIES, self._entries)
        if self.evictions:
            metrics.count(EDGE_EVICTIONS, by=self.evictions)
            self.evictions = 0

    def _file(self, entry: Entry) -> None:
        """Let the kernel have a large body, which then sends it without a copy."""
        body = entry.body
        if isinstance(body, bytes) and len(body) >= LEAST_BYTES and self._files < self._most_files:
            with suppress(OSError):  # no descriptor is left, or no memory: it stays where it is
                entry.body = Filed(body)
                self._files += 1

    def _forget(self, entry: Entry) -> None:
        entry.kept = False
        self._files -= isinstance(entry.body, Filed)
        self.used -= entry.size
        self._entries -= 1

    def _enqueue(self, entry: Entry) -> None:
        worth = self._floor + (entry.frequency + entry.hits) / entry.size**_SIZE_POWER
        heapq.heappush(self._queue, (worth, next(self._tickets), ref(entry)))
        if len(self._queue) > 2 * self._entries + _SPARE_TICKETS:
            self._queue = [each for each in self._queue if (known := each[2]()) and known.kept]
            heapq.heapify(self._queue)

    def _evict(self) -> None:
        """Let the one go that is worth least, unless it was met since that was weighed."""
        worth, _, reference = heapq.heappop(self._queue)
        entry = reference()
        if entry is None or not entry.kept:
            return
        self._floor = worth
        if entry.hits:
            entry.frequency, entry.hits = min(entry.frequency // 2 + entry.hits, 1000), 0
            self._enqueue(entry)
            return
        self._forget(entry)
        self.evictions += 1
        page = self._pages.get(entry.target)
        if isinstance(page, dict):
            page.pop(entry.variant, None)
        if not isinstance(page, dict) or not page:
            self._pages.pop(entry.target, None)


def _entries(page: Entry | dict[str, Entry] | None) -> Iterator[Entry]:
    if isinstance(page, Entry):
        yield page
    elif page is not None:
        yield from page.values()
