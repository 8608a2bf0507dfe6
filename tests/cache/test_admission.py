"""The frequency sketch, the sizes and the expiry that encodes priority."""

from __future__ import annotations

import threading

import pytest

from imagestore.cache.admission import (
    MAX_SECONDS,
    MIN_SECONDS,
    MOST_COST,
    Sizes,
    Sketch,
    expiry_seconds,
    worth_size,
)

pytestmark = pytest.mark.quick
KIB = 1024


def test_an_hour_is_the_worth_of_32_kib_asked_for_once() -> None:
    assert expiry_seconds(1, 32 * KIB) == pytest.approx(3600)


def test_the_expiry_grows_with_frequency_and_falls_with_size() -> None:
    assert expiry_seconds(4, 32 * KIB) == pytest.approx(4 * 3600)
    assert expiry_seconds(1, 64 * KIB) == pytest.approx(3600 / 2**0.7)


def test_the_expiry_has_bounds() -> None:
    assert expiry_seconds(15, 1) == MAX_SECONDS
    assert expiry_seconds(15, 0) == MAX_SECONDS
    assert expiry_seconds(1, 1024**3) == MIN_SECONDS


def test_a_sketch_counts_to_15() -> None:
    sketch = Sketch()
    assert [sketch.touch("a") for _ in range(20)] == [*range(1, 16), 15, 15, 15, 15, 15]
    assert sketch.touch("b") == 1


def test_a_sketch_never_counts_too_little() -> None:
    sketch = Sketch(256)
    for turn in range(1, 5):
        assert all(sketch.touch(f"name {number}") >= turn for number in range(300))


def test_a_sketch_keeps_names_apart() -> None:
    sketch = Sketch(4096)
    seen = [sketch.touch(f"name {number}") for number in range(1000)]
    assert sum(count > 1 for count in seen) < 20


def test_a_sketch_ages() -> None:
    sketch = Sketch(64)
    for _ in range(12):
        sketch.touch("once popular")
    for number in range(10 * 64 - 13):
        sketch.touch(str(number % 3))
    before = sketch.touch("once popular")  # the touch after which all counters are halved
    assert before >= 13
    assert sketch.touch("once popular") == before // 2 + 1


def test_an_odd_width_is_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        Sketch(5)


def test_threads_lose_no_touch() -> None:
    sketch = Sketch()

    def touch() -> None:
        for number in range(1000):
            sketch.touch(f"name {number}")

    threads = [threading.Thread(target=touch) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(sketch.touch(f"name {number}") >= 9 for number in range(1000))


@pytest.mark.parametrize("size", [1, 100, 32 * KIB, 1000 * KIB])
def test_sizes_are_remembered_to_a_tenth(size: int) -> None:
    sizes = Sizes()
    sizes.note("name", size)
    assert sizes.recall("name") == pytest.approx(size, rel=0.1)


def test_sizes_at_the_ends() -> None:
    sizes = Sizes()
    sizes.note("empty", 0)
    assert sizes.recall("empty") == 1
    sizes.note("huge", 2**80)
    assert sizes.recall("huge") is not None
    assert Sizes().recall("unknown") is None


@pytest.mark.parametrize("cost", [1, 2, 8])
def test_what_costs_more_lives_longer_in_proportion(cost: int) -> None:
    assert expiry_seconds(1, worth_size(64 * KIB, cost)) == pytest.approx(
        cost * expiry_seconds(1, 64 * KIB), rel=0.01
    )


def test_a_cost_counts_within_bounds() -> None:
    assert worth_size(1000, 0.001) == 1000
    assert worth_size(1000, 10**9) == worth_size(1000, MOST_COST)


def test_a_hit_keeps_the_cost_that_was_noted_and_mends_what_is_another_blobs() -> None:
    sizes = Sizes()
    sizes.note("dear", worth_size(100_000, 4))
    known = sizes.recall("dear")
    sizes.correct("dear", 100_000)
    assert sizes.recall("dear") == known
    sizes.correct("dear", 100)
    assert sizes.recall("dear") == pytest.approx(100, rel=0.2)
