"""What Redis tells of itself: its version, its memory, and whether it is set up as a cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from imagestore.cache.cluster import owners_from
from imagestore.cache.node import open_client
from imagestore.cache.sentinels import Look, Sentinels
from imagestore.core.clusters import Address, ClusterUrl, SentinelUrl, is_cluster, is_sentinel

_LOOK_SECONDS = 2.0


class CacheUnreached(Exception):
    """Redis does not answer, or does not let us in. The message says which."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A setting of redis.conf: what it should be, whether a value is, and what it is good for."""

    name: str
    wanted: str
    fits: Callable[[str], bool]
    why: str


RECOMMENDED = (
    Recommendation(
        "maxmemory", "1gb", lambda value: value != "0", "unbounded, Redis takes all memory there is"
    ),
    Recommendation(
        "maxmemory-policy",
        "volatile-ttl",
        lambda value: value == "volatile-ttl",
        "the expiry of a value is its priority, which other policies do not look at",
    ),
    Recommendation(
        "maxmemory-samples",
        "32",
        lambda value: int(value) >= 32,
        "with fewer, what is worth keeping is evicted more often",
    ),
    Recommendation(
        "lazyfree-lazy-eviction",
        "yes",
        lambda value: value == "yes",
        "else evictions hold up what is asked for meanwhile",
    ),
    Recommendation(
        "save", '""', lambda value: value == "", "a cache needs no snapshots, which cost memory and disk"
    ),
    Recommendation("appendonly", "no", lambda value: value == "no", "a cache needs no log of its writes"),
    Recommendation(
        "client-query-buffer-limit",
        "4mb",
        lambda value: int(value) <= 64 * 1024 * 1024,
        "what one client may make Redis hold of a command",
    ),
    Recommendation(
        "proto-max-bulk-len",
        "2mb",
        lambda value: int(value) <= 64 * 1024 * 1024,
        "the largest value that Redis takes: nothing of ours is over 1 MiB",
    ),
    Recommendation(
        "cluster-require-full-coverage",
        "no",
        lambda value: value == "no",
        "when one server of a cluster is lost, the others refuse everything",
    ),
)
"""What docs/operations.md recommends. `fits` gets the value as CONFIG GET tells it; what is much larger than
recommended does not fit, what is somewhat larger does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheState:
    """One server. `settings` are those of RECOMMENDED, None where CONFIG is forbidden, as with hosted ones.

    `unexpiring` counts keys that have no expiry: none of ours. `seconds` is how long the fastest of three
    PINGs took. `replica`: it takes no writes. `clustered`: it is a server of a cluster. `policy` is its
    maxmemory-policy, which INFO tells where CONFIG is forbidden too; empty if it does not. `sentinels`: what
    they said that named it.
    """

    server: str
    product: str
    version: tuple[int, ...]
    replica: bool
    memory_bytes: int
    most_bytes: int
    settings: Mapping[str, str] | None
    unexpiring: int
    seconds: float
    clustered: bool = False
    policy: str = ""
    sentinels: Look | None = None


def look_at_cache(url: str) -> tuple[CacheState, ...]:
    """Ask the servers that the URL leads to, of a cluster those with slots, of watched ones the primary, more
    patiently than a request does. Raises CacheUnreached, also if any of them cannot be asked."""
    if is_sentinel(url):
        return (_look_at_watched(SentinelUrl.parse(url)),)
    if not is_cluster(url):
        return (_look_at_server(url),)
    cluster = ClusterUrl.parse(url)
    return tuple(_look_at_server(cluster.of(server)) for server in _primaries(cluster))


def _primaries(cluster: ClusterUrl) -> list[Address]:
    """As the first server tells that answers."""
    failed = CacheUnreached("No server of the cluster has slots.")
    for seed in cluster.seeds:
        try:
            with _connected(cluster.of(seed), decode_responses=False) as redis:
                ask: Callable[[str], Any] = redis.execute_command
                owners = owners_from(ask("CLUSTER SLOTS"), seed)
        except CacheUnreached as error:
            failed = error
            continue
        if found := {server for server in owners or () if server is not None}:
            return sorted(found)
    raise failed


def _look_at_watched(url: SentinelUrl) -> CacheState:
    try:
        sentinels = Sentinels(url, _LOOK_SECONDS)
    except ValueError as error:
        raise CacheUnreached(f"The URL cannot be used: {error}.") from None
    look = sentinels.look()
    sentinels.close()
    if look.primary is None:
        raise CacheUnreached(" ".join((look.told, *look.silent)))
    return replace(_look_at_server(url.of(look.primary)), sentinels=look)


def _look_at_server(url: str) -> CacheState:
    with _connected(url) as redis:
        info: dict[str, Any] = redis.info()
        clustered = info.get("cluster_enabled") == 1
        keyspace = [each for name, each in info.items() if name.startswith("db") and isinstance(each, dict)]
        return CacheState(
            server=url.rpartition("@")[2].rpartition("//")[2],
            product="Valkey" if "valkey_version" in info else "Redis",
            version=_numbers(info.get("valkey_version", info["redis_version"])),
            replica=info.get("role") in ("slave", "replica"),
            memory_bytes=info["used_memory"],
            most_bytes=info.get("maxmemory", 0),
            settings=_settings(redis, clustered),
            unexpiring=sum(each["keys"] - each["expires"] for each in keyspace),
            seconds=min(_time(redis) for _ in range(3)),
            clustered=clustered,
            policy=str(info.get("maxmemory_policy", "")),
        )


@contextmanager
def _connected(url: str, *, decode_responses: bool = True) -> Iterator[Redis]:
    try:
        redis = open_client(url, _LOOK_SECONDS, decode_responses=decode_responses)
    except ValueError as error:
        raise CacheUnreached(f"The URL cannot be used: {error}.") from None
    try:
        with redis:
            yield redis
    except (RedisError, OSError) as error:
        raise CacheUnreached(f"{type(error).__name__}: {error}") from error


def _settings(redis: Redis, clustered: bool) -> dict[str, str] | None:
    try:
        found: dict[str, str] = redis.config_get("*")  # type: ignore[assignment]  # before 7.0, one pattern
    except ResponseError:
        return None
    names = [each.name for each in RECOMMENDED if clustered or not each.name.startswith("cluster-")]
    return {name: found[name] for name in names if name in found}


def _time(redis: Redis) -> float:
    began = time.perf_counter()
    redis.ping()
    return time.perf_counter() - began


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
