"""What was made of an original is found and dropped as one, and a Redis that hangs holds nobody up."""

from __future__ import annotations

import os
import signal

import pytest
from redis import Redis

from imagestore.cache import variants as module
from imagestore.cache.variants import Variants
from imagestore.embedded import Server
from tests.cache.conftest import MakeTier

DIGESTS = [f"{number:064x}" for number in range(25)]


def test_what_was_made_of_some_goes_and_the_rest_stays(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url)
    made = Variants(tier)
    for number, digest in enumerate(DIGESTS):
        for shape in ("a", "b"):
            tier.write_blob(f"{digest}/{shape}", b"x", 1)
            made.note([digest, DIGESTS[number - 1]], f"{digest}/{shape}")
        tier.write_blob(f"{digest}/-", b"x", 1)
    names = [f"{digest}/-" for digest in DIGESTS[:12]]
    assert made.drop(DIGESTS[:12], names) == 12 + 2 * 13, "those of the layer too that the last lies over"
    left = [f"{digest}/{shape}" for digest in DIGESTS for shape in ("a", "b", "-")]
    assert sum(tier.has_blobs(left)) == 3 * 25 - (12 + 2 * 13)
    assert made.drop(DIGESTS[:12], names) == 0


def test_no_original_has_more_than_so_many(
    make_tier: MakeTier, own_server: Server, own_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_VARIANTS", 3)
    made = Variants(make_tier(own_server.url))
    for number in range(5):
        made.note(DIGESTS[:1], f"blob {number}")
    [noted] = own_redis.keys("*variants*")
    assert own_redis.scard(noted) == 3
    assert own_redis.pttl(noted) > 7 * 86400 * 1000


def test_a_server_that_hangs_is_asked_once(make_tier: MakeTier, own_server: Server) -> None:
    tier = make_tier(own_server.url, timeout=0.2)
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        assert Variants(tier).drop(DIGESTS * 100, DIGESTS * 100) == 0
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    assert tier.stats().errors == 1


def test_without_a_redis_there_is_nothing(make_tier: MakeTier) -> None:
    made = Variants(make_tier("none"))
    made.note(DIGESTS, "blob")
    assert made.drop(DIGESTS, ["blob"]) == 0
