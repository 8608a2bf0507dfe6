"""What a tier promises with Redis up, down, hung and switched off: no error, no wrong answer, an end."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.cache.values import Alias
from imagestore.embedded import start_redis
from tests.redis_sentinel import Watched, running_watched

UP = ["up", "cluster", "watched"]
STATES = [*UP, "down", "hung", "cluster down", "off"]


@pytest.fixture(params=STATES)
def state(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with running_watched(tmp_path_factory.mktemp("watched"), servers=1, sentinels=1) as running:
        yield running


@pytest.fixture
def tier(state: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tier]:
    options = {"value_bytes": 1000, "integrity_key": b"secret"}
    if state == "up":
        tier = Tier(request.getfixturevalue("redis_url"), timeout=5.0, **options)
        yield tier
    elif state == "cluster":
        tier = Tier(request.getfixturevalue("cluster_url"), timeout=5.0, **options)
        yield tier
    elif state == "watched":
        watched: Watched = request.getfixturevalue("watched")
        watched.tell(watched.servers[0], "FLUSHALL")
        tier = Tier(watched.url, timeout=5.0, **options)
        yield tier
    elif state in ("down", "cluster down"):
        with socket.socket() as unheard:  # bound, so that nobody else gets the port, but not listening
            unheard.bind(("127.0.0.1", 0))
            scheme = "redis" if state == "down" else "redis+cluster"
            tier = Tier(f"{scheme}://127.0.0.1:{unheard.getsockname()[1]}/0", timeout=0.05, **options)
            yield tier
    elif state == "hung":
        with start_redis(tmp_path / "redis") as server:
            tier = Tier(server.url, timeout=0.05, **options)
            os.kill(server.pid, signal.SIGSTOP)
            try:
                yield tier
            finally:
                os.kill(server.pid, signal.SIGCONT)
    else:
        tier = Tier("none", timeout=0.05, **options)
        yield tier
    tier.close()


def test_a_blob_is_kept_or_missed(tier: Tier, state: str) -> None:
    up = state in UP
    assert tier.write_blob("blob", b"data", 1) is up
    assert tier.read_blob("blob", 1) == (b"data" if up else None)
    assert tier.has_blobs(["blob", "none"]) == [up, False]


def test_an_alias_is_kept_or_missed(tier: Tier, state: str) -> None:
    up = state in UP
    assert tier.write_alias("image", 3, b"facts", 60) is up
    assert tier.read_aliases(["none", "image"]) == [None, Alias(3, b"facts") if up else None]
    assert tier.forget("image", 4) is up
    assert tier.read_aliases(["image"]) == [None]
    assert tier.write_alias("image", 3, b"facts", 60) is False
    assert tier.write_alias("image", 4, b"facts", 60) is up
    assert tier.forget_many([("image", 5), ("none", 1)]) is up
    assert tier.read_aliases(["image"]) == [None]
    assert tier.write_alias("none", 0, b"facts", 60) is False


def test_a_lease_is_held_or_unavailable(tier: Tier, state: str) -> None:
    lease = tier.try_lease("blob", 60)
    assert lease.state == ("held" if state in UP else "unavailable")
    assert tier.try_lease("blob", 60).state == ("busy" if state in UP else "unavailable")
    tier.release_lease(lease)
    assert tier.try_lease("blob", 60).state == lease.state


def test_a_name_is_counted_or_it_is_not_known_how_often(tier: Tier, state: str) -> None:
    for count in (1, 2):
        counted = tier.count_within("name", 60)
        if state in UP:
            assert counted is not None
            assert counted[0] == count
            assert 0 < counted[1] <= 60
        else:
            assert counted is None


def test_readiness_and_counts_say_so(tier: Tier, state: str) -> None:
    assert tier.ping() is (state in UP)
    assert tier.enabled is (state != "off")
    tier.read_blob("none", 1)
    stats = tier.stats()
    assert stats.enabled is (state != "off")
    assert (stats.hits, stats.misses) == (0, 1)
    assert (stats.errors > 0) is (state not in (*UP, "off"))


def test_what_was_not_kept_is_counted(tier: Tier, state: str) -> None:
    tier.write_blob("large", b"x" * 1001, 1)
    tier.write_blob("small", b"x" * 1000, 1)
    stats = tier.stats()
    assert (stats.stored, stats.skipped) == ((1, 1) if state in UP else (0, 2))


def test_many_calls_from_many_threads_end(tier: Tier) -> None:
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                name = f"{number} {turn}"
                tier.read_aliases([name, "shared"])
                tier.write_blob(name, name.encode(), 1)
                assert tier.read_blob(name, 1) in (None, name.encode())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert errors == []


def test_a_flight_lands(tier: Tier) -> None:
    def make() -> bytes:
        tier.write_blob("blob", b"made", 1)
        return b"made"

    flights = Flights(tier)
    assert flights.once("blob", make, find=lambda: tier.read_blob("blob", 1), wait=30) == (b"made", "make")


def test_a_closed_tier_misses(tier: Tier) -> None:
    tier.write_blob("blob", b"data", 1)
    tier.close()
    tier.close()
    assert tier.read_blob("blob", 1) is None
    assert tier.read_aliases(["image"]) == [None]
    assert tier.write_blob("blob", b"data", 1) is False
    assert tier.ping() is False
    assert tier.stats().enabled is False
