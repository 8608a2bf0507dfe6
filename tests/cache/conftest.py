"""Tiers on real Redis servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from imagestore.cache.tier import Tier
from imagestore.embedded import Server, start_redis

MakeTier = Callable[..., Tier]


@pytest.fixture
def make_tier(redis_url: str) -> Iterator[MakeTier]:
    """Makes tiers, on the shared server if no other url is given, and closes them after the test.

    Their timeout is long, so that a busy machine makes no difference; a test of timeouts gives its own.
    """
    with ExitStack() as closing:

        def make(url: str = redis_url, **options: Any) -> Tier:
            given = {"timeout": 5.0, "value_bytes": 1024 * 1024, "integrity_key": b"secret", **options}
            tier = Tier(url, **given)
            closing.callback(tier.close)
            return tier

        yield make


@pytest.fixture
def tier(make_tier: MakeTier) -> Tier:
    return make_tier()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A plain client of the shared server, for looking behind the tier's back."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Server]:
    """A server for this test alone, of 16 MiB, that may be killed or filled."""
    with start_redis(tmp_path / "redis", max_bytes=16 * 1024 * 1024) as server:
        yield server


@pytest.fixture
def own_redis(own_server: Server) -> Iterator[Redis]:
    with Redis.from_url(own_server.url) as client:
        yield client
