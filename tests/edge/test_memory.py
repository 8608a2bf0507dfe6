"""What a worker's memory keeps: within its bytes, what is worth it, and nothing that has changed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from imagestore.cache.generations import Generations
from imagestore.edge.memory import ENTRY_BYTES, MOST_BODY_BYTES, MOST_VARIANTS, Depends, Entry, Memory

pytestmark = pytest.mark.quick


@pytest.fixture
def generations(tmp_path: Path) -> Generations:
    return Generations(tmp_path / "generations")


@pytest.fixture
def memory(generations: Generations) -> Memory:
    return Memory(100 * (ENTRY_BYTES + 1000), generations)


def entry(memory: Memory, target: str, size: int = 1000, variant: str = "", name: str = "n") -> Entry:
    return Entry(
        target=target.encode(),
        variant=variant,
        fields=(),
        body=bytes(size),
        etag=b'"x"',
        depends=Depends(memory.generations.slots_of([name]), time.monotonic_ns()),
        born=0,
        fresh_until=10,
        stale_until=10,
    )


def held(memory: Memory, target: str) -> bool:
    return memory.page(target.encode()) is not None


def test_bytes_are_bounded_and_counted(memory: Memory) -> None:
    randomly = random.Random(1)
    for number in range(2000):
        target = f"/{randomly.randrange(300)}"
        memory.put(entry(memory, target, randomly.randrange(5000)))
        assert memory.used <= memory.limit
        if number % 7 == 0:
            memory.drop(target.encode())
    kept = [page for number in range(300) if (page := memory.page(f"/{number}".encode()))]
    assert memory.used == sum(each.size for each in kept if isinstance(each, Entry))
    assert memory.evictions > 100
    memory.clear()
    assert memory.used == 0


def test_what_is_asked_for_often_outlives_a_scan(memory: Memory) -> None:
    for hot in range(10):
        memory.put(entry(memory, f"/hot/{hot}"))
    for number in range(1000):
        memory.put(entry(memory, f"/once/{number}"))
        if number % 20 == 0:
            for hot in range(10):
                page = memory.page(f"/hot/{hot}".encode())
                if isinstance(page, Entry):
                    page.hits += 1
    assert all(held(memory, f"/hot/{hot}") for hot in range(10))


def test_large_answers_go_before_small_ones(memory: Memory) -> None:
    memory.put(entry(memory, "/large", 100_000))
    for number in range(80):
        memory.put(entry(memory, f"/{number}"))
    assert not held(memory, "/large")
    assert all(held(memory, f"/{number}") for number in range(80))


def test_what_is_too_large_is_not_kept(generations: Generations) -> None:
    memory = Memory(10 * MOST_BODY_BYTES, generations)
    assert not memory.put(entry(memory, "/a", MOST_BODY_BYTES + 1))
    assert memory.put(entry(memory, "/a", MOST_BODY_BYTES))
    assert not Memory(0, generations).put(entry(memory, "/a"))


def test_a_change_makes_it_invalid(memory: Memory) -> None:
    kept = entry(memory, "/a", name="image/default/a")
    assert memory.put(kept)
    memory.generations.touch(["image/default/b"])
    assert memory.is_valid(kept)
    memory.generations.touch(["image/default/a"])
    assert not memory.is_valid(kept)


def test_an_answer_that_was_begun_before_a_change_is_not_kept(memory: Memory) -> None:
    late = entry(memory, "/a", name="image/default/a")
    memory.generations.touch(["image/default/a"])
    assert not memory.put(late)
    assert not held(memory, "/a")


def test_variants_of_one_target_are_bounded_and_apart(memory: Memory) -> None:
    for number in range(MOST_VARIANTS):
        memory.put(entry(memory, "/a", variant=str(number)))
    page = memory.page(b"/a")
    assert isinstance(page, dict)
    assert len(page) == MOST_VARIANTS
    again = entry(memory, "/a", variant="3")
    memory.put(again)
    assert isinstance(page := memory.page(b"/a"), dict)
    assert page["3"] is again
    memory.put(entry(memory, "/a", variant="one more"))
    assert isinstance(page := memory.page(b"/a"), dict)
    assert list(page) == ["one more"]
    memory.put(entry(memory, "/a"))
    assert isinstance(memory.page(b"/a"), Entry)
    assert memory.used == ENTRY_BYTES + 1000
