"""The whole service on what Redis Sentinel watches: the primary is killed under load, another one made."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.embedded import Server
from tests import pictures
from tests.faults.caller import Caller
from tests.faults.load import Ask, Load, fetch
from tests.faults.node import BUCKET, running_node
from tests.figures import Figures
from tests.redis_sentinel import Watched, running_watched
from tests.service import Service, await_that

HIT = "imagestore; hit; detail=redis"
CLIENTS = 4
MOST_SECONDS = 5.0
"""From the moment that the sentinels have a new primary until every worker answers from it."""

pytestmark = pytest.mark.timed


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with running_watched(tmp_path / "watched") as running:
        yield running


def put(service: Service, key: str, seed: int) -> Ask:
    data = pictures.jpeg(80, 80, seed=seed, noise=True)
    with service.client() as client:
        client.upload(BUCKET, data, key)
    return fetch(BUCKET, key, hashlib.sha256(data).hexdigest())


def is_hit(service: Service, ask: Ask) -> bool:
    """As a new connection finds it, which any worker may take; the answer is right in any case."""
    caller = Caller(service)
    answer = caller.call("GET", ask.path, stranger=True)
    caller.close()
    assert (answer.status, answer.digest) == (200, ask.digest)
    return answer.headers.get("cache-status") == HIT


def test_a_primary_is_killed_under_load(
    watched: Watched, mongo: Server, tmp_path: Path, figures: Figures
) -> None:
    with running_node(tmp_path / "node", mongo, watched.url) as service:
        asks = [put(service, f"{number}.jpg", number) for number in range(12)]
        await_that(lambda: all(is_hit(service, ask) for ask in asks))
        with Load(service.url, asks, clients=CLIENTS) as load:
            killed = time.monotonic()
            watched.kill(watched.servers[0])
            rewritten = put(service, "rewritten.jpg", 100)
            await_that(lambda: watched.primary() is watched.servers[1])
            replaced = time.monotonic()
            await_that(lambda: all(is_hit(service, asks[0]) for _ in range(8)))
            used = time.monotonic()
            for seed in range(101, 105):  # each overwrite is seen at once, whichever worker is asked
                rewritten = put(service, "rewritten.jpg", seed)
                for _ in range(8):
                    is_hit(service, rewritten)
        await_that(lambda: all(is_hit(service, rewritten) for _ in range(8)))
        told = service.log.read_text()
    assert load.record.faults() == []
    assert load.record.errors == load.record.refused == 0
    assert f"127.0.0.1:{watched.servers[1].port} as the primary" in told
    figures(
        seconds_without_primary=replaced - killed,
        seconds_to_use_it=used - replaced,
        worst_ms=1000 * load.record.percentile(1.0, since=killed),
        p99_ms=1000 * load.record.percentile(0.99, since=killed),
    )
    assert used - replaced <= MOST_SECONDS
