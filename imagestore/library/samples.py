"""Samples of what is in a simulated cache, of which one is evicted: as Redis does it."""

from __future__ import annotations

import random
from bisect import insort

SEED = 7
_TTL_SAMPLES = 32
"""`maxmemory-samples`, as docs/operations.md has it."""
_POOL = 16


class Kept:
    """What is in a cache, to take samples of: the same in every run."""

    def __init__(self) -> None:
        self._chance = random.Random(SEED)  # noqa: S311  # nothing secret: it samples
        self._listed: list[int] = []
        self._places: dict[int, int] = {}

    def add(self, item: int) -> None:
        self._places[item] = len(self._listed)
        self._listed.append(item)

    def remove(self, item: int) -> None:
        last, hole = self._listed.pop(), self._places.pop(item)
        if last != item:
            self._listed[hole], self._places[last] = last, hole

    def samples(self, count: int) -> list[int]:
        """`count` of them, some perhaps twice; all, where there are fewer."""
        listed, chance = self._listed, self._chance.random
        if len(listed) <= count:
            return listed[:]
        return [listed[int(chance() * len(listed))] for _ in range(count)]


class Candidates:
    """What Redis remembers of its samples, and takes the next to be evicted from (evict.c)."""

    def __init__(self) -> None:
        self._pool: list[tuple[float, int]] = []
        self._pooled: set[int] = set()

    def pick(self, kept: Kept, ends: dict[int, float]) -> int:
        """The one that ends soonest, as far as was noted when it was sampled."""
        pool, pooled = self._pool, self._pooled
        while True:
            for each in kept.samples(_TTL_SAMPLES):
                end = ends[each]
                if each in pooled or (len(pool) == _POOL and end >= pool[-1][0]):
                    continue
                insort(pool, (end, each))
                pooled.add(each)
                if len(pool) > _POOL:
                    pooled.discard(pool.pop()[1])
            while pool:
                _, soonest = pool.pop(0)
                pooled.discard(soonest)
                if soonest in ends:
                    return soonest
