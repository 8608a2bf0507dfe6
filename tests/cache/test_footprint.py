"""What an entry is reckoned to take, beside what a real server says that it takes."""

from __future__ import annotations

import secrets

import pytest
from redis import Redis

from imagestore.cache.footprint import ALIAS_BYTES, NAME_BYTES, blob_bytes
from imagestore.embedded import Server
from tests.cache.conftest import MakeTier

COUNT = 2000


@pytest.mark.parametrize("size", [200, 5_000, 30_000])
def test_blobs_take_what_is_reckoned(
    make_tier: MakeTier, own_redis: Redis, own_server: Server, size: int
) -> None:
    """The server at hand may have the C library's allocator, which rounds less than jemalloc."""
    own_redis.config_set("maxmemory", 0)
    tier = make_tier(own_server.url)
    empty = own_redis.info("memory")["used_memory"]
    for _ in range(COUNT):
        assert tier.write_blob(secrets.token_hex(NAME_BYTES // 2), b"x" * size, 1)
    taken = (own_redis.info("memory")["used_memory"] - empty) / COUNT
    assert 0.8 * blob_bytes(size) <= taken <= 1.1 * blob_bytes(size)


def test_an_alias_takes_what_is_reckoned(make_tier: MakeTier, own_redis: Redis, own_server: Server) -> None:
    tier = make_tier(own_server.url)
    empty = own_redis.info("memory")["used_memory"]
    for number in range(COUNT):
        assert tier.write_alias(f"image/default/2026/holiday/{number:06d}.jpg", 1, b"x" * 300, 60)
    taken = (own_redis.info("memory")["used_memory"] - empty) / COUNT
    assert 0.8 * ALIAS_BYTES <= taken <= 1.1 * ALIAS_BYTES
