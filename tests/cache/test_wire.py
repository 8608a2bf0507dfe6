"""The tier while Redis is hung, killed, slow, crowded or lying: misses, an end, and it comes back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from imagestore.cache.tier import FORGET_BATCH, Tier
from imagestore.embedded import Server, start_redis
from tests.cache.conftest import MakeTier
from tests.cache.redis_proxy import RedisProxy
from tests.cache.test_tier import until

CALLS = 50
TIMEOUT = 0.05


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def comes_back(tier: Tier) -> bool:
    return until(lambda: tier.write_blob("again", b"data", 1) and tier.read_blob("again", 1) == b"data")


def test_a_hung_server_costs_a_few_timeouts(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url, timeout=TIMEOUT)
    assert comes_back(tier)
    with stopped(own_server):
        began = time.monotonic()
        assert [tier.read_blob("again", 1) for _ in range(CALLS)] == [None] * CALLS
        taken = time.monotonic() - began
        stats = tier.stats()
        assert not tier.ping()
    assert stats.breaker == "open"
    assert stats.shunned > stats.errors
    assert taken < CALLS * TIMEOUT  # what it would take without a breaker
    assert until(tier.ping)
    assert comes_back(tier)
    assert tier.stats().breaker == "closed"


def test_one_call_finds_out_that_the_server_hangs(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url, timeout=TIMEOUT)
    assert comes_back(tier)
    with stopped(own_server):
        tier.ping()
        assert (tier.stats().errors, tier.stats().breaker) == (1, "open")
    assert comes_back(tier)


def test_threads_do_not_queue_for_a_hung_server(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url, timeout=TIMEOUT)
    found: list[bytes | None] = []

    def read() -> None:
        found.extend(tier.read_blob("again", 1) for _ in range(CALLS))

    with stopped(own_server):
        threads = [threading.Thread(target=read) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert found == [None] * CALLS * 16
        assert tier.stats().shunned > 10 * tier.stats().errors
    assert comes_back(tier)


def test_an_alias_is_forgotten_even_while_the_breaker_is_open(
    make_tier: MakeTier, own_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagestore.cache.breaker.FIRST_SECONDS", 600.0)
    tier, other = make_tier(own_server.url, timeout=TIMEOUT), make_tier(own_server.url)
    other.write_alias("image", 1, b"old", 60)
    with stopped(own_server):
        for _ in range(CALLS):
            tier.ping()
        assert not tier.forget("image", 2)
    assert other.ping()
    assert not tier.ping()
    assert until(lambda: tier.forget("image", 2))
    assert other.read_aliases(["image"]) == [None]
    assert tier.ping()


def test_many_aliases_cost_a_hung_server_two_timeouts(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url, timeout=TIMEOUT)
    with stopped(own_server):
        assert not tier.forget_many([(f"version {number}", 1) for number in range(4 * FORGET_BATCH)])
    assert tier.stats().errors == 2
    assert until(lambda: tier.forget_many([("version 1", 1)]))


def test_a_killed_server_is_a_miss_until_it_is_back(make_tier: MakeTier, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    with start_redis(folder) as server:
        tier = make_tier(server.url)
        assert comes_back(tier)
        os.kill(server.pid, signal.SIGKILL)
    assert [tier.read_blob("again", 1) for _ in range(CALLS)] == [None] * CALLS
    assert not tier.write_blob("again", b"data", 1)
    assert not tier.forget("image", 1)
    assert tier.stats().shunned > 0
    with start_redis(folder, port=server.port):
        assert comes_back(tier)


def test_a_restart_between_two_calls_goes_unnoticed(make_tier: MakeTier, tmp_path: Path) -> None:
    folder = tmp_path / "redis"
    with start_redis(folder) as server:
        tier = make_tier(server.url)
        assert comes_back(tier)
    with start_redis(folder, port=server.port):
        assert tier.write_blob("blob", b"data", 1)
        assert tier.stats().errors == 0


def test_a_slow_server_opens_the_breaker(make_tier: MakeTier, redis_server: Server) -> None:
    with RedisProxy(redis_server.port, delay=TIMEOUT) as proxy:
        tier = make_tier(proxy.url, timeout=TIMEOUT)
        for _ in range(CALLS):
            tier.read_blob("blob", 1)
        assert tier.stats().shunned > CALLS / 2
        proxy.delay = 0.0
        assert comes_back(tier)


def test_answers_close_to_the_timeout_open_the_breaker_too(make_tier: MakeTier, redis_server: Server) -> None:
    with RedisProxy(redis_server.port, delay=0.17) as proxy:
        tier = make_tier(proxy.url, timeout=0.2)
        for _ in range(10):
            tier.ping()
        assert tier.stats().shunned > 0


def test_no_free_connection_is_a_miss(make_tier: MakeTier, redis_server: Server) -> None:
    with RedisProxy(redis_server.port) as proxy:
        tier = make_tier(proxy.url, connections=2)
        assert tier.write_blob("blob", b"data", 1)
        proxy.delay = 1.0
        slow: list[bytes | None] = []
        threads = [threading.Thread(target=lambda: slow.append(tier.read_blob("blob", 1))) for _ in range(2)]
        before = proxy.round_trips
        for thread in threads:
            thread.start()
        assert until(lambda: proxy.round_trips == before + 2)
        assert tier.read_blob("blob", 1) is None
        assert slow == []
        for thread in threads:
            thread.join(30)
        assert slow == [b"data", b"data"]
        assert tier.stats().errors == 1


def test_a_server_out_of_connections_is_a_miss(
    make_tier: MakeTier, own_server: Server, own_redis: Redis
) -> None:
    own_redis.config_set("maxclients", 1)
    tier = make_tier(own_server.url)
    assert tier.read_blob("blob", 1) is None
    assert not tier.write_blob("blob", b"data", 1)
    assert tier.stats().errors == 2
    own_redis.config_set("maxclients", 100)
    assert comes_back(tier)


def test_a_server_that_talks_nonsense_is_a_miss(make_tier: MakeTier, redis_server: Server) -> None:
    for nonsense in (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+OK\r\n",
        b":7\r\n",
        b"*2\r\n$1\r\na\r\n:1\r\n",
        b"",
    ):
        with RedisProxy(redis_server.port) as proxy:
            proxy.instead = nonsense
            tier = make_tier(proxy.url, timeout=0.5)
            assert tier.read_blob("blob", 1) is None
            assert tier.read_aliases(["one"]) == [None]
            tier.write_blob("blob", b"data", 1)
            tier.has_blobs(["blob"])
            tier.forget("image", 1)
            assert tier.try_lease("blob", 1).state in ("held", "unavailable")
            assert tier.read_aliases(["one", "two"]) == [None, None]
