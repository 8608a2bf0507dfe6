"""When the circuit breaker opens and closes, by a clock that the tests move."""

from __future__ import annotations

import pytest

from imagestore.cache.breaker import FAILURES, FIRST_SECONDS, JITTER, OPEN_SECONDS, Breaker

pytestmark = pytest.mark.quick
LONGEST = FIRST_SECONDS * (1 + JITTER)
SHORTEST = FIRST_SECONDS * (1 - JITTER)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock=clock)


def fail(breaker: Breaker, times: int = FAILURES) -> None:
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()


def test_five_failures_in_a_second_open_it(breaker: Breaker) -> None:
    fail(breaker, FAILURES - 1)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.state == "open"
    assert not breaker.admits()


def test_failures_far_apart_do_not(breaker: Breaker, clock: Clock) -> None:
    for _ in range(20):
        fail(breaker, 1)
        clock.now += 0.3
    assert breaker.state == "closed"


def test_failures_among_more_good_calls_do_not(breaker: Breaker) -> None:
    for _ in range(20):
        fail(breaker, 1)
        breaker.succeeded()
        breaker.succeeded()
    assert breaker.state == "closed"


def test_failures_after_many_good_calls_do(breaker: Breaker) -> None:
    for _ in range(10_000):
        breaker.succeeded()
    fail(breaker)
    assert breaker.state == "open"


def test_one_that_waited_in_vain_opens_it_if_nobody_was_answered_meanwhile(
    breaker: Breaker, clock: Clock
) -> None:
    breaker.succeeded()
    clock.now += 0.01
    began = clock.now
    clock.now += 0.05
    breaker.failed(began)
    assert breaker.state == "open"


def test_one_that_waited_in_vain_among_others_that_did_not(breaker: Breaker, clock: Clock) -> None:
    for _ in range(FAILURES - 1):
        began = clock.now
        clock.now += 0.05
        breaker.succeeded()
        breaker.failed(began)
    assert breaker.state == "closed"


def test_pauses_grow_while_probes_fail_and_begin_anew_after_one_that_does_not(
    breaker: Breaker, clock: Clock
) -> None:
    pauses = []
    fail(breaker)
    for _ in range(6):
        pauses.append(pause(breaker, clock))
        breaker.failed()
    assert pauses[0] < pauses[1] < pauses[2] < pauses[3]
    assert max(pauses) <= OPEN_SECONDS * (1 + JITTER) + 0.01
    assert pauses[-1] >= OPEN_SECONDS * (1 - JITTER)
    pause(breaker, clock)
    breaker.succeeded()
    fail(breaker)
    assert pause(breaker, clock) <= LONGEST + 0.01


def pause(breaker: Breaker, clock: Clock) -> float:
    """Until a call is let through again."""
    since = clock.now
    while not breaker.admits():
        clock.now += 0.005
    return clock.now - since


def test_one_call_probes_and_its_success_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += SHORTEST - 0.01
    assert not breaker.admits()
    clock.now += LONGEST
    assert breaker.state == "half-open"
    assert breaker.admits()
    assert not breaker.admits()
    assert breaker.state == "half-open"
    breaker.succeeded()
    assert breaker.state == "closed"
    fail(breaker, FAILURES - 1)
    assert breaker.state == "closed"


def test_a_probe_that_fails_opens_it_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += LONGEST
    fail(breaker, 1)
    assert breaker.state == "open"
    assert not breaker.admits()
    clock.now += 2 * LONGEST
    assert breaker.admits()


def test_a_probe_that_never_reports_is_followed_by_another(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += LONGEST
    assert breaker.admits()
    clock.now += LONGEST
    assert breaker.admits()


def test_a_late_failure_does_not_prolong_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker)
    clock.now += SHORTEST - 0.01
    breaker.failed()
    clock.now += LONGEST - SHORTEST + 0.01
    assert breaker.admits()


def test_openings_differ_in_length() -> None:
    lengths = set()
    for _ in range(20):
        clock = Clock()
        breaker = Breaker(clock=clock)
        fail(breaker)
        clock.now += SHORTEST
        while not breaker.admits():
            clock.now += 0.01
        lengths.add(round(clock.now, 2))
    assert len(lengths) > 3
