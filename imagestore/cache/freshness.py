"""How aliases lie in Redis, and how long one is believed."""

from __future__ import annotations

import random
from collections.abc import Sequence

from imagestore.cache.scripts import GENERATION_DIGITS
from imagestore.cache.values import Alias

STALE_SECONDS = 86400.0
"""How long Redis keeps an alias beyond its freshness, when nobody reads it any more. Were the short time of
freshness the expiry in Redis, aliases would be the first to go whenever the memory is full."""

EARLY_SECONDS = 0.1
"""More than a look into MongoDB takes when much is going on: else of a few who ask nobody would be early."""

_EARLIEST_SECONDS = 20 * EARLY_SECONDS
"""Nobody is earlier: it would be one of half a billion."""

MOST_DUE = 1000


def is_believed(left: object, stale: float = 0.0) -> bool:
    """Whether an alias of which Redis says that so many milliseconds are `left` (PTTL) is fresh, or out of
    date by `stale` seconds at most."""
    return isinstance(left, int) and left > (STALE_SECONDS - stale) * 1000


class Due:
    """Which aliases are to be looked up anew, although they are still believed, by whoever asks next: rather
    the nearer their end is, so that of many who ask one or two do so before it, and not all behind it.

    That is XFetch (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention",
    VLDB 8(8), 2015), with EARLY_SECONDS for the time that a look takes. By the keys of Redis. Safe to use
    from many threads.
    """

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def note(self, keys: Sequence[bytes], left: Sequence[object]) -> bool:
        """Whether one of these is due, of which Redis says that so many milliseconds are left. Then it is for
        whoever takes it next."""
        due = [key for key, each in zip(keys, left, strict=True) if _is_due(each)]
        if len(self._keys) < MOST_DUE:
            self._keys.update(due)
        return bool(due)

    def take(self, key: bytes, left: object) -> bool:
        """Whether this one is due, or was noted as that."""
        if key in self._keys:
            self._keys.discard(key)
            return True
        return _is_due(left)


def _is_due(left: object) -> bool:
    if not isinstance(left, int) or left > (STALE_SECONDS + _EARLIEST_SECONDS) * 1000:
        return False
    early = random.expovariate(1 / EARLY_SECONDS)
    return left <= (STALE_SECONDS + early) * 1000


def milliseconds(seconds: float) -> int:
    """As Redis wants an expiry."""
    return max(1, round(seconds * 1000))


def unpack_alias(body: bytes) -> Alias:
    """From what was in the envelope: the generation's digits, and the payload."""
    return Alias(int(body[:GENERATION_DIGITS]), body[GENERATION_DIGITS:])
