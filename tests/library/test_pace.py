"""How fast upkeep may go: documents and bytes a second, and a beat that can stop it."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from imagestore.library import upkeep
from imagestore.library.upkeep import Pace

pytestmark = pytest.mark.quick


class Clock:
    """Stands in for the module `time`: sleeping takes no time, and `now` says how much it would have been."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(upkeep, "time", clock)
    return clock


def test_without_a_rate_nothing_waits() -> None:
    began = time.monotonic()
    pace = Pace()
    pace.take(10**12)
    pace.take_bytes(10**12)
    assert time.monotonic() - began < 60


def test_the_rate_is_kept_from_the_start(clock: Clock) -> None:
    pace = Pace(10)
    for count in (1, 4, 25):
        pace.take(count)
    assert clock.now == pytest.approx(103)


def test_bytes_have_a_rate_of_their_own(clock: Clock) -> None:
    pace = Pace(10, byte_rate=1000)
    pace.take_bytes(500)
    pace.take(10)
    assert clock.now == pytest.approx(101)
    pace.take_bytes(1500)
    assert clock.now == pytest.approx(102)


def test_a_pause_is_not_made_up_for_but_by_a_second(clock: Clock) -> None:
    pace = Pace(10)
    clock.now += 3600
    pace.take(30)
    assert clock.now == pytest.approx(3702)


def test_pages_come_in_parts_of_a_second(clock: Clock) -> None:
    assert list(Pace(3).slices([[1, 2, 3, 4], [5], []])) == [[1, 2, 3], [4], [5]]
    assert list(Pace(0.5).slices([[1, 2]])) == [[1], [2]]
    assert list(Pace().slices([[1, 2], []])) == [[1, 2]]


def test_there_is_a_beat_at_least_each_second(clock: Clock) -> None:
    beats: list[float] = []
    pace = Pace(1, byte_rate=1, beat=lambda: beats.append(clock.now))
    pace.take(5)
    pace.take_bytes(3)
    pace.take(0)
    assert max(later - sooner for sooner, later in pairwise(beats)) <= 1
    assert len(beats) >= 8


def test_a_beat_stops_it(clock: Clock) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Pace(beat=stop).take()
