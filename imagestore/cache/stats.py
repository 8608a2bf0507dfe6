"""What the Redis tier counts of itself."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Literal

from imagestore.cache.breaker import State
from imagestore.core.metrics import REDIS_BREAKER, REDIS_EVENTS, SILENT, Metrics

Count = Literal["hits", "misses", "errors", "shunned", "corrupt", "stored", "skipped"]


@dataclass(frozen=True, slots=True)
class TierStats:
    """Counts since the tier was made, in this process."""

    enabled: bool
    """False for a tier without a Redis, and for one that was closed."""
    breaker: State
    hits: int = 0
    """Aliases and blobs that were found, fresh and whole."""
    misses: int = 0
    """Aliases and blobs that were not, for whatever reason."""
    errors: int = 0
    """Calls that failed: no answer in time, no connection free, or an error as the answer."""
    shunned: int = 0
    """Calls that were not made because the breaker was open."""
    corrupt: int = 0
    """Values that were not what had been stored under their name. They are deleted."""
    stored: int = 0
    """Aliases and blobs that Redis took."""
    skipped: int = 0
    """Aliases and blobs that were not kept: too large, older than what is there, or not taken by Redis."""


class Tally:
    """Counters that many threads add to, in this process and in its metrics."""

    def __init__(self, metrics: Metrics = SILENT) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._shut: set[int] = set()

    def add(self, count: Count, by: int = 1) -> None:
        with self._lock:
            self._counts[count] += by
        self._metrics.count(REDIS_EVENTS, count, by=by)

    def note_breaker(self, server: int, is_open: bool) -> None:
        """`server` tells the servers of a cluster apart."""
        with self._lock:
            (self._shut.add if is_open else self._shut.discard)(server)
            self._metrics.put(REDIS_BREAKER, bool(self._shut))

    def snapshot(self, *, enabled: bool, breaker: State) -> TierStats:
        with self._lock:
            return TierStats(enabled=enabled, breaker=breaker, **self._counts)
