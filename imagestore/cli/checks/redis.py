"""Checks of Redis: is it there, new enough, and set up as the cache that the service makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from imagestore.cache.checkup import RECOMMENDED, CacheState, CacheUnreached, look_at_cache
from imagestore.cache.eviction import FITTING_POLICY, Wanted, choose
from imagestore.cli.checks.report import Finding, Place, Subject, Unseen, ok, problem, warning
from imagestore.cli.terminal import size_text

OLDEST = (6, 2)
SLOW_SHARE = 0.5
"""Of the time that the service gives a call: what takes longer will often be too late."""


@dataclass(frozen=True, slots=True)
class Caches:
    """The servers of the cache. `patience` is how many seconds the service gives a call, `eviction` who is
    to decide what stays."""

    servers: tuple[CacheState, ...]
    patience: float
    eviction: Wanted = "auto"

    def named(self, state: CacheState) -> str:
        """In front of what is found about one of several servers."""
        return f"{state.server}: " if len(self.servers) > 1 else ""


def look(place: Place) -> Caches:
    settings = place.settings
    if settings.redis_url == "none":
        raise Unseen(ok("None is wanted: every image is read from MongoDB."))
    url = settings.redis_url or place.notes.redis_url()
    if not url:
        raise Unseen(ok("Embedded, and not started yet: `imagestore serve` starts it."))
    try:
        return Caches(look_at_cache(url), settings.redis_timeout, settings.redis_eviction)
    except CacheUnreached as error:
        if not settings.redis_url:
            raise Unseen(ok("Embedded, and not running: `imagestore serve` starts it.")) from error
        advice = (
            "See that it runs and that IMAGESTORE_REDIS_URL is right. Until then the service works without."
        )
        raise Unseen(problem(f"It is not reached: {error}", advice)) from error


def version(seen: Caches) -> Iterator[Finding]:
    for state in seen.servers:
        number = ".".join(map(str, state.version))
        told = f"{seen.named(state)}{state.product} {number}, {size_text(state.memory_bytes)} in use."
        old = state.product == "Redis" and state.version < OLDEST
        yield problem(told, "Use Redis 6.2 or later, or Valkey.") if old else ok(told)


def role(seen: Caches) -> Iterator[Finding]:
    for state in seen.servers:
        if state.replica:
            told = f"{seen.named(state)}It is a replica, which takes no writes."
            advice = "Name the primary in IMAGESTORE_REDIS_URL."
            yield problem(told, "See why the sentinels name it." if state.sentinels else advice)


def clustering(seen: Caches) -> Iterator[Finding]:
    if seen.servers[0].clustered and len(seen.servers) == 1:
        told = "It is one server of a cluster, and only what it has itself is found."
        yield problem(
            told, "Begin IMAGESTORE_REDIS_URL with redis+cluster:// and name several of its servers."
        )


def sentinels(seen: Caches) -> Iterator[Finding]:
    look = seen.servers[0].sentinels
    if look is None:
        return
    told = f"{look.told} {look.answered} of {look.answered + len(look.silent)} answer."
    if look.silent:
        yield warning(
            " ".join((told, *look.silent)), "See that they run and that IMAGESTORE_REDIS_URL is right."
        )
    else:
        yield ok(told)


def eviction(seen: Caches) -> Iterator[Finding]:
    choice = choose(seen.eviction, seen.servers)
    if choice.mode == "server":
        yield ok(f"What stays in it, it decides itself (eviction: server). {choice.why}")
        return
    told = f"What stays in it, expiries by frequency, cost and size decide (eviction: expiry). {choice.why}"
    others = sorted({state.policy for state in seen.servers} - {"", FITTING_POLICY})
    if others:
        advice = f"Set `maxmemory-policy {FITTING_POLICY}` in redis.conf, or IMAGESTORE_REDIS_EVICTION=auto."
        yield warning(f"{told} But its maxmemory-policy, {' and '.join(others)}, ignores them.", advice)
    else:
        yield ok(told)


def recommendations(seen: Caches) -> Iterator[Finding]:
    for state in seen.servers:
        found = state.settings
        if found is not None and seen.eviction == "server" and found.get("maxmemory-policy") != "noeviction":
            # The policy, and how it samples, are the operator's choice then.
            found = {name: value for name, value in found.items() if not name.startswith("maxmemory-")}
        yield from _compare(found, seen.named(state))


def _compare(found: Mapping[str, str] | None, name: str) -> Iterator[Finding]:
    if found is None:
        yield ok(f"{name}CONFIG is forbidden: see that its settings are those of docs/operations.md.")
        return
    others = [each for each in RECOMMENDED if each.name in found and not each.fits(found[each.name])]
    for each in others:
        told = f"{name}{each.name} is {found[each.name] or 'empty'}: {each.why}."
        yield warning(told, f"Set `{each.name} {each.wanted}` in redis.conf.")
    if not others:
        yield ok(f"{name}Its settings are as recommended.")


def other_keys(seen: Caches) -> Iterator[Finding]:
    for state in seen.servers:
        if state.unexpiring:
            told = f"{seen.named(state)}{state.unexpiring} keys without expiry are of somebody else."
            advice = "Keep it for the service alone: they are never evicted, and images go instead."
            yield warning(told, advice)


def speed(seen: Caches) -> Iterator[Finding]:
    for state in seen.servers:
        if state.seconds > seen.patience * SLOW_SHARE:
            took, waits = state.seconds * 1000, seen.patience * 1000
            told = (
                f"{seen.named(state)}A PING took {took:.0f} ms; the service waits {waits:.0f} ms for a call."
            )
            yield warning(told, "Bring Redis nearer, or raise IMAGESTORE_REDIS_TIMEOUT.")


REDIS = Subject(
    "Redis", look, (version, role, clustering, sentinels, eviction, recommendations, other_keys, speed)
)
