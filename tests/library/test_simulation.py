"""Caches in simulation: against what can be reckoned by hand, and against each other."""

from __future__ import annotations

import random

import pytest

from imagestore.library.simulation import (
    VALUE_BYTES,
    Policy,
    Ratios,
    Requests,
    Room,
    expiry,
    gdsf,
    lfu,
    lru,
    optimum,
)

pytestmark = pytest.mark.quick
ALL = (expiry, gdsf, lru, lfu, optimum)


def popular(count: int, objects: int, seed: int = 1) -> Requests:
    """Requests of which few objects have most, with sizes that have nothing to do with it."""
    chance = random.Random(seed)
    sizes = [round(chance.lognormvariate(9, 1.5)) for _ in range(objects)]
    weights = [1 / (rank + 1) for rank in range(objects)]
    return Requests(chance.choices(range(objects), weights, k=count), sizes)


@pytest.mark.parametrize("policy", ALL)
def test_a_cache_for_everything_misses_first_requests_only(policy: Policy) -> None:
    requests = Requests([0, 1, 0, 2, 1, 0], [10, 20, 30])
    assert policy(requests, Room(60)) == Ratios(3 / 6, 40 / 100)


@pytest.mark.parametrize("policy", ALL)
def test_what_is_too_large_is_not_kept(policy: Policy) -> None:
    requests = Requests([0, 0, 1, 1, 2, 2], [VALUE_BYTES + 1, 500, 0])
    assert policy(requests, Room(10**9)).hits == 2 / 6
    assert policy(requests, Room(400)).hits == 1 / 6
    assert policy(requests, Room(500, entry=lambda size: size + 100)).hits == 1 / 6


@pytest.mark.parametrize("policy", ALL)
def test_nothing_asked_for_is_nothing_hit(policy: Policy) -> None:
    assert policy(Requests([], []), Room(100)) == Ratios(0, 0)


def test_lru_forgets_what_was_met_longest_ago() -> None:
    requests = Requests([0, 1, 0, 2, 0, 1], [1, 1, 1])
    assert lru(requests, Room(2)).hits == 2 / 6


def test_the_optimum_knows_the_future() -> None:
    cycle = Requests([0, 1, 2] * 10, [1, 1, 1])
    assert lru(cycle, Room(2)).hits == 0
    assert optimum(cycle, Room(2)).hits == pytest.approx(0.6)  # two of three stay
    sizes = Requests([0, 1, 2, 0, 1, 2], [2, 1, 1])
    assert optimum(sizes, Room(2)).hits == 2 / 6


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_policies_that_look_at_size_are_better_and_none_beats_the_optimum(share: float) -> None:
    requests = popular(10_000, 2000)
    room = Room(round(requests.footprint * share))
    found = {policy.__name__: policy(requests, room).hits for policy in ALL}
    assert found["expiry"] > found["lfu"] + 0.02
    assert found["gdsf"] > found["lfu"] + 0.02
    assert found["lfu"] > found["lru"]
    assert max(found, key=lambda name: found[name]) == "optimum"


def test_an_expiry_that_has_come_is_a_miss() -> None:
    day = 86400.0
    assert expiry(Requests([0, 0], [1000], [0.0, 1.0]), Room(10**6)).hits == 1 / 2
    assert expiry(Requests([0, 0], [1000], [0.0, 400 * day]), Room(10**6)).hits == 0


def test_every_run_tells_the_same() -> None:
    requests = popular(5000, 500)
    room = Room(requests.footprint // 20)
    assert [lfu(requests, room), optimum(requests, room)] == [lfu(requests, room), optimum(requests, room)]
