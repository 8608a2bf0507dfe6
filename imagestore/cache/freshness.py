"""How aliases lie in Redis, and how long one is believed."""

from __future__ import annotations

from imagestore.cache.scripts import GENERATION_DIGITS
from imagestore.cache.values import Alias

STALE_SECONDS = 86400.0
"""How long Redis keeps an alias beyond its freshness, when nobody reads it any more. Were the short time of
freshness the expiry in Redis, aliases would be the first to go whenever the memory is full."""


def is_believed(left: object, stale: float = 0.0) -> bool:
    """Whether an alias of which Redis says that so many milliseconds are `left` (PTTL) is fresh, or out of
    date by `stale` seconds at most."""
    return isinstance(left, int) and left > (STALE_SECONDS - stale) * 1000


def milliseconds(seconds: float) -> int:
    """As Redis wants an expiry."""
    return max(1, round(seconds * 1000))


def unpack_alias(body: bytes) -> Alias:
    """From what was in the envelope: the generation's digits, and the payload."""
    return Alias(int(body[:GENERATION_DIGITS]), body[GENERATION_DIGITS:])
