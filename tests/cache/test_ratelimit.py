"""Rate limits on a real Redis: windows that end, shared by many, refused from memory; open without Redis."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from redis import Redis

from imagestore.cache import ratelimit
from imagestore.cache.names import redis_key
from imagestore.cache.ratelimit import RateLimiter
from imagestore.core.rates import Rate
from imagestore.embedded import Server
from tests.cache.conftest import MakeTier
from tests.cache.redis_proxy import RedisProxy
from tests.cache.test_tier import until

FIVE = Rate(5, "minute")


def test_so_many_come_in_and_no_more(make_tier: MakeTier) -> None:
    limiter = RateLimiter(make_tier())
    assert [limiter.count("one", FIVE) for _ in range(5)] == [0.0] * 5
    assert 0 < limiter.count("one", FIVE) <= 60
    assert limiter.count("another", FIVE) == 0.0
    assert limiter.count("one", Rate()) == 0.0


def test_the_window_ends(make_tier: MakeTier) -> None:
    limiter = RateLimiter(make_tier())
    rate = Rate(2, "second")
    counts = [limiter.count("one", rate) for _ in range(3)]
    assert counts[:2] == [0.0, 0.0]
    assert 0 < counts[2] <= 1
    assert until(lambda: limiter.count("one", rate) == 0.0)


def test_all_processes_count_together(make_tier: MakeTier) -> None:
    limiters = [RateLimiter(make_tier()) for _ in range(4)]
    passed: list[bool] = []

    def come(limiter: RateLimiter) -> None:
        passed.extend(limiter.count("one", Rate(100, "minute")) == 0.0 for _ in range(50))

    threads = [threading.Thread(target=come, args=(limiter,)) for limiter in limiters]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(passed), sum(passed)) == (200, 100)


def test_who_is_refused_does_not_get_to_redis_again(make_tier: MakeTier, redis_server: Server) -> None:
    with RedisProxy(redis_server.port) as proxy:
        limiter = RateLimiter(make_tier(proxy.url))
        assert limiter.wait("one") == 0.0
        for _ in range(6):
            limiter.count("one", FIVE)
        before = proxy.round_trips
        assert all(limiter.count("one", FIVE) > 0 for _ in range(100))
        assert limiter.wait("one") > 0
        assert proxy.round_trips == before


def test_memory_is_bounded_and_forgets_in_time(make_tier: MakeTier, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "MOST_SHUT_OUT", 3)
    now = [0.0]
    limiter = RateLimiter(make_tier(), clock=lambda: now[0])
    once = Rate(1, "minute")
    for name in "abcde":
        limiter.count(name, once)
        assert limiter.count(name, once) > 0
    assert [limiter.wait(name) > 0 for name in "abcde"] == [False, False, True, True, True]
    now[0] += 61
    assert [limiter.wait(name) for name in "cde"] == [0.0] * 3


@pytest.mark.parametrize("foreign", [b"text", b"", b"9" * 30, "list", "lasting", "long"])
def test_a_foreign_value_is_no_count(make_tier: MakeTier, redis: Redis, foreign: bytes | str) -> None:
    key = redis_key("rate", "one")
    if foreign == "list":
        redis.rpush(key, "x")
    elif foreign == "lasting":
        redis.set(key, 1000)
    elif foreign == "long":
        redis.set(key, 1000, ex=86_400)
    else:
        redis.set(key, foreign)
    tier = make_tier()
    assert tier.count_within("one", 60) == (1, 60.0)
    counted = tier.count_within("one", 60)
    assert counted is not None
    assert counted[0] == 2
    assert 0 < redis.pttl(key) <= 60_000


def test_a_full_redis_lets_everybody_in(make_tier: MakeTier, own_server: Server, own_redis: Redis) -> None:
    own_redis.config_set("maxmemory-policy", "noeviction")
    own_redis.config_set("maxmemory", "1")
    limiter = RateLimiter(make_tier(own_server.url))
    assert [limiter.count("one", FIVE) for _ in range(10)] == [0.0] * 10


def test_a_hung_redis_lets_everybody_in_after_a_few_timeouts(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url, timeout=0.05)
    limiter = RateLimiter(tier)
    assert until(lambda: tier.count_within("warm", 60) is not None)
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert [limiter.count("one", FIVE) for _ in range(200)] == [0.0] * 200
        taken = time.monotonic() - began
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    assert tier.stats().breaker == "open"
    assert taken < 200 * 0.05  # what it would take without a breaker
