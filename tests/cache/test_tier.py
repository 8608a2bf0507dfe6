"""The tier on a real Redis: round trips, generations, corruption, expiry, room.

This file is longer than 300 lines because it goes through every call of one class, on one server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from redis import Redis

from imagestore.cache.freshness import STALE_SECONDS
from imagestore.cache.names import redis_key
from imagestore.cache.tier import FORGET_BATCH, Tier
from imagestore.cache.values import Alias
from imagestore.embedded import Server
from tests.cache.conftest import MakeTier
from tests.cache.redis_proxy import RedisProxy

DEADLINE = 30.0
KIB = 1024


def until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


# Round trips


def test_a_request_takes_two_round_trips(make_tier: MakeTier, redis_server: Server) -> None:
    with RedisProxy(redis_server.port) as proxy:
        tier = make_tier(proxy.url)
        tier.write_alias("bucket", 1, b"policy", 60)
        tier.write_alias("image", 1, b"facts", 60)
        tier.write_blob("blob", b"x" * 500 * KIB, 1)
        before = proxy.round_trips
        assert tier.read_aliases(["bucket", "image"]) == [Alias(1, b"policy"), Alias(1, b"facts")]
        assert tier.read_blob("blob", 2) == b"x" * 500 * KIB
        assert proxy.round_trips - before == 2


@pytest.mark.parametrize(
    "call",
    [
        lambda tier: tier.write_alias("image", 2, b"facts", 60),
        lambda tier: tier.forget("image", 2),
        lambda tier: tier.write_blob("blob", b"data", 1),
        lambda tier: tier.has_blobs(["blob", "other", "third"]),
        lambda tier: tier.forget_many([("image", 2), ("other", 1), ("third", 1)]),
        lambda tier: tier.try_lease("blob", 1),
    ],
)
def test_every_other_call_takes_one(
    make_tier: MakeTier, redis_server: Server, call: Callable[[Tier], object]
) -> None:
    with RedisProxy(redis_server.port) as proxy:
        tier = make_tier(proxy.url)
        tier.forget("image", 1)  # connects, and teaches the server the script
        before = proxy.round_trips
        call(tier)
        assert proxy.round_trips - before == 1


# Aliases and generations


def test_an_alias_comes_back(tier: Tier) -> None:
    assert tier.read_aliases(["a", "b"]) == [None, None]
    assert tier.write_alias("b", 2**53 + 1, b"\x00payload\xff", 60)
    assert tier.read_aliases(["a", "b"]) == [None, Alias(2**53 + 1, b"\x00payload\xff")]
    assert tier.read_aliases([]) == []


@pytest.mark.parametrize(
    "name", ["bucket\0key", "{a}b{c}", "ключ \U0001f5bc", "\ud800", "x" * 5000, "%s\r\n*1"]
)
def test_any_name_will_do(tier: Tier, name: str) -> None:
    assert tier.write_alias(name, 1, b"payload", 60)
    assert tier.write_blob(name, b"data", 1)
    assert tier.read_aliases([name, name + "x"]) == [Alias(1, b"payload"), None]
    assert tier.read_blob(name, 1) == b"data"


def test_a_slow_reader_cannot_put_an_old_alias_back(make_tier: MakeTier) -> None:
    reader, writer = make_tier(), make_tier()
    reader.write_alias("image", 5, b"old", 60)
    assert writer.forget("image", 6)
    assert reader.read_aliases(["image"]) == [None]
    assert not reader.write_alias("image", 5, b"old", 60)
    assert reader.stats().skipped == 1
    assert reader.write_alias("image", 6, b"new", 60)
    assert writer.read_aliases(["image"]) == [Alias(6, b"new")]


@pytest.mark.parametrize(("older", "newer"), [(9, 10), (2**53, 2**53 + 1), (99, 10**19)])
def test_generations_are_compared_as_numbers(tier: Tier, older: int, newer: int) -> None:
    assert tier.write_alias("image", newer, b"new", 60)
    assert not tier.write_alias("image", older, b"old", 60)
    assert tier.read_aliases(["image"]) == [Alias(newer, b"new")]


def test_an_older_write_does_not_lower_a_fence(tier: Tier) -> None:
    assert tier.forget("image", 8)
    assert tier.forget("image", 7)
    assert not tier.write_alias("image", 7, b"old", 60)
    assert tier.write_alias("image", 8, b"new", 60)


def test_an_older_write_does_not_drop_a_newer_alias(tier: Tier) -> None:
    tier.write_alias("image", 8, b"new", 60)
    assert tier.forget("image", 7)
    assert tier.read_aliases(["image"]) == [Alias(8, b"new")]
    assert tier.forget("image", 8)
    assert tier.read_aliases(["image"]) == [None]


def test_a_fence_ends(make_tier: MakeTier) -> None:
    tier = make_tier(fence_seconds=0.05)
    tier.forget("image", 8)
    assert until(lambda: tier.write_alias("image", 7, b"old", 60))


def test_an_alias_past_its_time_is_a_miss(tier: Tier, redis: Redis) -> None:
    tier.write_alias("image", 1, b"facts", 0.2)
    assert until(lambda: tier.read_aliases(["image"]) == [None])
    assert redis.exists(redis_key("alias", "image"))


def test_many_are_forgotten_as_one_is(tier: Tier, redis: Redis) -> None:
    names = [f"version {number}" for number in range(2 * FORGET_BATCH + 1)]
    for name in (names[0], names[FORGET_BATCH], names[-1]):
        assert tier.write_alias(name, 0, b"old", 60)
    tier.write_alias("newer", 9, b"new", 60)
    redis.script_flush()
    assert tier.forget_many([("newer", 8), *((name, 1) for name in names)])
    assert not any(tier.read_aliases(names))
    assert not any(tier.write_alias(name, 0, b"old", 60) for name in (names[0], names[1], names[-1]))
    assert tier.read_aliases(["newer"]) == [Alias(9, b"new")]
    assert tier.forget_many([])


def test_racing_writers_and_readers_end_with_the_newest(make_tier: MakeTier) -> None:
    tiers = [make_tier() for _ in range(4)]
    newest = 200

    def write(tier: Tier, start: int) -> None:
        for generation in range(start, newest + 1, 2):
            tier.forget("image", generation)

    def read(tier: Tier) -> None:
        for generation in range(newest):
            tier.write_alias("image", generation, b"%d" % generation, 60)

    threads = [threading.Thread(target=write, args=(tier, at)) for at, tier in enumerate(tiers[:2], 1)]
    threads += [threading.Thread(target=read, args=(tier,)) for tier in tiers[2:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tiers[0].read_aliases(["image"]) == [None]


def test_a_server_that_lost_its_scripts_is_taught_again(tier: Tier, redis: Redis) -> None:
    tier.forget("image", 1)
    redis.script_flush()
    assert tier.forget("image", 2)
    assert not tier.write_alias("image", 1, b"old", 60)


# Corruption

KINDS = {
    "alias": (
        lambda tier, name: tier.write_alias(name, 1, b"facts", 60),
        lambda tier, name: tier.read_aliases([name])[0],
    ),
    "blob": (
        lambda tier, name: tier.write_blob(name, b"picture", 1),
        lambda tier, name: tier.read_blob(name, 1),
    ),
}


def flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda redis, key, other: redis.set(key, redis.get(key)[:-1], ex=60),
        lambda redis, key, other: redis.set(key, redis.get(key)[:10], ex=60),
        lambda redis, key, other: redis.set(key, b"", ex=60),
        lambda redis, key, other: redis.append(key, b"more"),
        lambda redis, key, other: redis.set(key, flip(redis.get(key)), ex=60),
        lambda redis, key, other: redis.set(key, redis.get(other), ex=60),
        lambda redis, key, other: redis.set(key, b"somebody else's", ex=60),
        lambda redis, key, other: redis.delete(key) and redis.rpush(key, "a list"),
    ],
    ids=["cut", "cut in the header", "empty", "longer", "flipped", "swapped", "foreign", "of another type"],
)
def test_a_bad_value_is_a_miss_and_deleted_and_counted(
    tier: Tier, redis: Redis, kind: str, spoil: Callable[[Redis, bytes, bytes], object]
) -> None:
    write, read = KINDS[kind]
    write(tier, "name")
    write(tier, "other")
    key, other = redis_key(kind, "name"), redis_key(kind, "other")
    spoil(redis, key, other)
    before = tier.stats()
    assert read(tier, "name") is None
    after = tier.stats()
    assert (after.corrupt - before.corrupt, after.misses - before.misses) == (1, 1)
    assert not redis.exists(key)
    assert read(tier, "other") is not None
    assert write(tier, "name")
    assert read(tier, "name") is not None


def test_values_of_another_key_are_misses(make_tier: MakeTier) -> None:
    make_tier(integrity_key=b"other").write_blob("blob", b"data", 1)
    tier = make_tier()
    assert tier.read_blob("blob", 1) is None
    assert tier.stats().corrupt == 1


def test_garbage_does_not_keep_an_alias_out(tier: Tier, redis: Redis) -> None:
    for garbage in (b"garbage", b"imgs\x01a" + b"z" * 60, b""):
        redis.set(redis_key("alias", "image"), garbage)
        assert tier.write_alias("image", 1, b"facts", 60)
        redis.set(redis_key("alias", "image"), garbage)
        assert tier.forget("image", 1)
    redis.delete(redis_key("alias", "image"))
    redis.rpush(redis_key("alias", "image"), "a list")
    assert tier.write_alias("image", 1, b"facts", 60)


# Blobs, expiry and room


def test_blobs_come_back_whole(tier: Tier) -> None:
    data = bytes(range(256)) * 4096
    assert tier.read_blob("blob", 1) is None
    assert tier.write_blob("blob", data, 1)
    assert tier.read_blob("blob", 1) == data
    assert tier.write_blob("empty", b"", 1)
    assert tier.read_blob("empty", 1) == b""
    assert tier.has_blobs(["none", "blob", "empty"]) == [False, True, True]


def test_a_blob_over_the_limit_is_skipped(make_tier: MakeTier) -> None:
    tier = make_tier(value_bytes=1000)
    assert tier.write_blob("fits", b"x" * 1000, 1)
    assert not tier.write_blob("large", b"x" * 1001, 15)
    assert tier.has_blobs(["fits", "large"]) == [True, False]
    assert (tier.stats().stored, tier.stats().skipped) == (1, 1)


def test_the_expiry_is_the_priority_and_a_hit_renews_it(make_tier: MakeTier, redis: Redis) -> None:
    tier = make_tier()
    tier.write_blob("blob", b"x" * 32 * KIB, 1)
    assert redis.pttl(redis_key("blob", "blob")) == pytest.approx(3_600_000, rel=0.02)
    tier.read_blob("blob", 10)
    assert redis.pttl(redis_key("blob", "blob")) == pytest.approx(36_000_000, rel=0.1)
    # Another process does not know the size yet: it leaves the expiry alone, then renews it.
    stranger = make_tier()
    stranger.read_blob("blob", 2)
    assert redis.pttl(redis_key("blob", "blob")) == pytest.approx(36_000_000, rel=0.1)
    stranger.read_blob("blob", 2)
    assert redis.pttl(redis_key("blob", "blob")) == pytest.approx(7_200_000, rel=0.1)


def test_every_key_is_ours_and_expires(tier: Tier, redis: Redis) -> None:
    tier.write_alias("image", 1, b"facts", 60)
    tier.forget("other", 1)
    tier.write_blob("blob", b"data", 15)
    tier.read_blob("blob", 15)
    tier.try_lease("blob", 10)
    keys = redis.keys()
    assert len(keys) == 4
    assert all(key.startswith(b"imagestore:2:") for key in keys)
    assert all(0 < redis.pttl(key) <= 7 * 86_400_000 for key in keys)
    assert redis.pttl(redis_key("alias", "image")) > STALE_SECONDS * 1000


def test_small_hot_blobs_and_aliases_survive_a_scan_of_large_cold_ones(
    make_tier: MakeTier, own_server: Server, own_redis: Redis
) -> None:
    tier = make_tier(own_server.url)
    hot = [f"hot {number}" for number in range(50)]
    for name in hot:
        assert tier.write_blob(name, b"h" * 16 * KIB, 3)
        assert tier.write_alias(name, 1, b"facts" * 50, 60)
    cold = [f"cold {number}" for number in range(150)]
    for name in cold:  # two and a half times what the server has room for
        assert tier.write_blob(name, b"c" * 256 * KIB, 1)
    assert own_redis.info("stats")["evicted_keys"] > 50
    assert all(tier.has_blobs(hot))
    assert all(tier.read_aliases(hot))
    assert sum(tier.has_blobs(cold)) < 75


def test_a_full_server_skips_writes_and_still_forgets(
    make_tier: MakeTier, own_server: Server, own_redis: Redis
) -> None:
    tier = make_tier(own_server.url)
    tier.write_alias("image", 1, b"old", 60)
    tier.write_blob("blob", b"data", 1)
    own_redis.config_set("maxmemory-policy", "noeviction")
    own_redis.config_set("maxmemory", 1)
    for number in range(20):
        assert not tier.write_blob(f"blob {number}", b"x" * 1000, 1)
    assert not tier.write_alias("other", 1, b"facts", 60)
    assert tier.try_lease("blob", 60).state == "unavailable"
    assert tier.stats().skipped == 21
    assert tier.stats().errors == 1  # the others were not even offered
    assert tier.stats().breaker == "closed"
    assert tier.read_blob("blob", 1) == b"data"
    assert tier.read_aliases(["image"]) == [Alias(1, b"old")]
    assert tier.forget("image", 2)
    assert tier.read_aliases(["image"]) == [None]
    own_redis.config_set("maxmemory", 0)
    assert until(lambda: tier.write_blob("blob 1", b"x", 1))


# Leases, counts, threads


def test_a_lease_is_one_holders(make_tier: MakeTier) -> None:
    one, other = make_tier(), make_tier()
    held = one.try_lease("blob", 60)
    assert held.state == "held"
    refused = other.try_lease("blob", 60)
    assert refused.state == "busy"
    other.release_lease(refused)
    assert other.try_lease("blob", 60).state == "busy"
    one.release_lease(held)
    assert other.try_lease("blob", 60).state == "held"


def test_a_lease_ends_and_is_then_not_given_back_for_another(make_tier: MakeTier) -> None:
    one, other = make_tier(), make_tier()
    late = one.try_lease("blob", 0.05)
    assert until(lambda: other.try_lease("blob", 60).state == "held")
    one.release_lease(late)
    assert one.try_lease("blob", 60).state == "busy"


def test_what_is_counted(tier: Tier) -> None:
    tier.write_blob("blob", b"data", 1)
    tier.read_blob("blob", 1)
    tier.read_blob("none", 1)
    tier.read_aliases(["none", "neither"])
    stats = tier.stats()
    assert (stats.enabled, stats.breaker) == (True, "closed")
    assert (stats.hits, stats.misses, stats.stored) == (1, 3, 1)
    assert (stats.errors, stats.corrupt, stats.skipped, stats.shunned) == (0, 0, 0, 0)


def test_threads_share_a_tier(tier: Tier) -> None:
    wrong: list[object] = []

    def work(thread: int) -> None:
        for number in range(50):
            name = f"{thread} {number % 5}"
            data = f"{name} of {number}".encode() * 200
            tier.write_blob(name, data, 1)
            if tier.read_blob(name, 1) != data:
                wrong.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert tier.stats().hits == 800


def test_a_url_that_is_none_of_redis_is_refused() -> None:
    with pytest.raises(ValueError, match="redis://"):
        Tier("http://localhost", timeout=1, value_bytes=1, integrity_key=b"k")


def test_a_brief_alias_is_believed_as_long_as_it_is_there_and_gives_way(tier: Tier, redis: Redis) -> None:
    assert tier.write_brief_alias("image", 0, b"absent", 60)
    assert tier.read_aliases(["image"]) == [Alias(0, b"absent")]
    assert not tier.are_fenced(["image"])
    assert 0 < redis.pttl(redis_key("alias", "image")) <= 60_000
    assert not tier.write_brief_alias("image", 0, b"again", 60)
    assert tier.forget("image", 1)
    assert tier.read_aliases(["image"]) == [None]
    assert not tier.write_brief_alias("image", 5, b"absent", 60), "a fence stays"
    assert tier.write_alias("image", 2, b"facts", 60)
    assert not tier.write_brief_alias("image", 5, b"absent", 60), "and what lasts longer"
    assert tier.read_aliases(["image"]) == [Alias(2, b"facts")]
