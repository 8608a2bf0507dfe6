"""Checks of Redis: is it there, new enough, and set up as the cache that the service makes of it."""

from __future__ import annotations

from collections.abc import Iterator

from imagestore.cache.checkup import RECOMMENDED, CacheState, CacheUnreached, look_at_cache
from imagestore.cli.checks.report import Finding, Place, Subject, Unseen, ok, problem, warning
from imagestore.cli.terminal import size_text

OLDEST = (6, 2)
SLOW_SHARE = 0.5
"""Of the time that the service gives a call: what takes longer will often be too late."""


def look(place: Place) -> tuple[CacheState, float]:
    """With the time that the service gives a call, in seconds."""
    settings = place.settings
    if settings.redis_url == "none":
        raise Unseen(ok("None is wanted: every image is read from MongoDB."))
    url = settings.redis_url or place.notes.redis_url()
    if not url:
        raise Unseen(ok("Embedded, and not started yet: `imagestore serve` starts it."))
    try:
        return look_at_cache(url), settings.redis_timeout
    except CacheUnreached as error:
        if not settings.redis_url:
            raise Unseen(ok("Embedded, and not running: `imagestore serve` starts it.")) from error
        advice = (
            "See that it runs and that IMAGESTORE_REDIS_URL is right. Until then the service works without."
        )
        raise Unseen(problem(f"It is not reached: {error}", advice)) from error


def version(seen: tuple[CacheState, float]) -> Iterator[Finding]:
    state, _ = seen
    told = f"{state.product} {'.'.join(map(str, state.version))}, {size_text(state.memory_bytes)} in use."
    old = state.product == "Redis" and state.version < OLDEST
    yield problem(told, "Use Redis 6.2 or later, or Valkey.") if old else ok(told)


def role(seen: tuple[CacheState, float]) -> Iterator[Finding]:
    if seen[0].replica:
        yield problem("It is a replica, which takes no writes.", "Name the primary in IMAGESTORE_REDIS_URL.")


def recommendations(seen: tuple[CacheState, float]) -> Iterator[Finding]:
    found = seen[0].settings
    if found is None:
        yield ok("CONFIG is forbidden here: see that its settings are those of docs/operations.md.")
        return
    others = [each for each in RECOMMENDED if each.name in found and not each.fits(found[each.name])]
    for each in others:
        told = f"{each.name} is {found[each.name] or 'empty'}: {each.why}."
        yield warning(told, f"Set `{each.name} {each.wanted}` in redis.conf.")
    if not others:
        yield ok("Its settings are as recommended.")


def other_keys(seen: tuple[CacheState, float]) -> Iterator[Finding]:
    if seen[0].unexpiring:
        advice = (
            "Keep it for the service alone: under volatile-ttl they are never evicted, and images go instead."
        )
        yield warning(f"{seen[0].unexpiring} keys without expiry are of somebody else.", advice)


def speed(seen: tuple[CacheState, float]) -> Iterator[Finding]:
    state, patience = seen
    if state.seconds > patience * SLOW_SHARE:
        took, waits = state.seconds * 1000, patience * 1000
        told = f"A PING took {took:.0f} ms; the service waits {waits:.0f} ms for a call."
        yield warning(told, "Bring Redis nearer, or raise IMAGESTORE_REDIS_TIMEOUT.")


REDIS = Subject("Redis", look, (version, role, recommendations, other_keys, speed))
