"""Who decides what stays: looked at on real servers with this policy and that, with CONFIG and without."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from imagestore.cache.admission import MAX_SECONDS
from imagestore.cache.checkup import look_at_cache
from imagestore.cache.eviction import Choice, Eviction, Wanted, choose
from imagestore.cache.names import redis_key
from imagestore.cache.tier import Tier
from imagestore.embedded import Server, start_redis
from tests.cache.conftest import MakeTier

MIB = 1024 * 1024
KEY = redis_key("blob", "blob")


@pytest.fixture(scope="module")
def lfu_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lfu")
    with start_redis(folder, max_bytes=16 * MIB, extra=("--maxmemory-policy", "allkeys-lfu")) as server:
        yield server


def until(holds: Callable[[], bool]) -> bool:
    for _ in range(500):
        if holds():
            return True
        time.sleep(0.01)
    return False


def decided(make_tier: MakeTier, url: str, wanted: Wanted) -> Tier:
    tier = make_tier(url)
    tier.eviction.want(wanted)
    return tier


def commands(redis: Redis) -> set[str]:
    return {name.removeprefix("cmdstat_") for name in redis.info("commandstats")}


def test_auto_leaves_it_to_a_server_with_another_policy(make_tier: MakeTier, lfu_server: Server) -> None:
    tier = decided(make_tier, lfu_server.url, "auto")
    tier.write_blob("blob", b"x" * 32 * 1024, 1)  # the server is looked at beside this
    assert until(lambda: tier.eviction.reading(KEY, 9, 4)[0] == "GET")
    assert tier.write_blob("blob", b"data", 9)
    with Redis.from_url(lfu_server.url) as redis:
        assert redis.pttl(KEY) == pytest.approx(MAX_SECONDS * 1000, rel=0.01)
        redis.config_resetstat()
        assert tier.read_blob("blob", 9) == b"data"
        assert "get" in commands(redis) and "getex" not in commands(redis)


def test_auto_decides_itself_where_the_policy_is_volatile_ttl(
    make_tier: MakeTier, own_server: Server, own_redis: Redis
) -> None:
    eviction = Eviction(own_server.url, "auto")
    eviction.look()
    own_redis.config_set("maxmemory-policy", "allkeys-lru")
    eviction.look()  # a second time is no look
    assert eviction.mode == "expiry"
    tier = decided(make_tier, own_server.url, "expiry")
    assert tier.write_blob("blob", b"data", 2)
    assert tier.read_blob("blob", 2) == b"data"
    assert "getex" in commands(own_redis)


def test_a_setting_is_obeyed_and_nobody_asked(
    make_tier: MakeTier, own_server: Server, own_redis: Redis
) -> None:
    tier = decided(make_tier, own_server.url, "server")
    assert tier.write_blob("blob", b"data", 1)
    assert tier.eviction.reading(KEY, 1, 4) == ("GET", KEY)
    assert not {"config", "ping"} & commands(own_redis)


def test_a_user_who_may_not_configure(make_tier: MakeTier, own_server: Server, own_redis: Redis) -> None:
    """INFO tells the policy; where that is forbidden too, nothing is known and expiries are set."""
    own_redis.config_set("maxmemory-policy", "allkeys-lfu")
    rules = ("on", ">word", "~imagestore:*", "+@all", "-config", "-@dangerous")
    own_redis.execute_command("ACL", "SETUSER", "told", *rules, "+info")
    own_redis.execute_command("ACL", "SETUSER", "blind", *rules)
    [told] = look_at_cache(own_server.url.replace("//", "//told:word@"))
    assert (told.settings, told.policy) == (None, "allkeys-lfu")
    assert choose("auto", [told]) == Choice("server", "Its maxmemory-policy is allkeys-lfu.")
    blind = own_server.url.replace("//", "//blind:word@")
    eviction = Eviction(blind, "auto")
    eviction.look()
    assert eviction.mode == "expiry"
    tier = decided(make_tier, blind, "auto")
    assert tier.write_blob("blob", b"data", 1)
    assert tier.read_blob("blob", 1) == b"data"


def test_a_server_that_is_not_there_yet_is_looked_at_later(tmp_path: Path) -> None:
    with start_redis(tmp_path, extra=("--maxmemory-policy", "allkeys-lru")) as server:
        url = server.url
    eviction = Eviction(url, "auto")
    eviction.look()
    assert eviction.mode == "expiry"
    port = int(url.rpartition(":")[2].partition("/")[0])
    with start_redis(tmp_path, port=port, extra=("--maxmemory-policy", "allkeys-lru")):
        eviction.look()
        assert eviction.mode == "server"
