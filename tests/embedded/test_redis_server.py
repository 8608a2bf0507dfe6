"""The embedded redis-server: bounded, evicting by expiry, never on disk, and taking no huge request."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError, ResponseError

from imagestore.embedded import Server, start_redis


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory", str(64 * 1024 * 1024)),
        ("maxmemory-policy", "volatile-ttl"),
        ("maxmemory-samples", "32"),
        ("lazyfree-lazy-eviction", "yes"),
        ("client-query-buffer-limit", str(4 * 1024 * 1024)),
        ("proto-max-bulk-len", str(2 * 1024 * 1024)),
        ("save", ""),
        ("appendonly", "no"),
        ("bind", "127.0.0.1"),
        ("protected-mode", "yes"),
    ],
)
def test_its_settings(redis_server: Server, name: str, value: str) -> None:
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        assert client.config_get(name) == {name: value}


def test_a_value_over_the_bulk_limit_is_refused(redis_url: str) -> None:
    with Redis.from_url(redis_url) as client:
        client.set("fits", b"x" * 1024 * 1024)
        with pytest.raises((ResponseError, ConnectionError)):
            client.set("huge", b"x" * 3 * 1024 * 1024)
        assert client.exists("fits", "huge") == 1


def test_nothing_outlives_it(tmp_path: Path) -> None:
    with start_redis(tmp_path) as first, Redis.from_url(first.url) as client:
        client.set("key", "value")
    with start_redis(tmp_path) as again, Redis.from_url(again.url) as client:
        assert client.dbsize() == 0
    assert {file.name for file in tmp_path.iterdir()} == {"lock", "log", "log.previous", "port"}
