"""Caches in simulation: what a row of requests would hit in a cache of so many bytes, by five policies.

Pure and repeatable. `imagestore plan` asks it, and tests/bench/hit_ratio.py sets it beside real servers.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from imagestore.cache.admission import Sketch, expiry_seconds
from imagestore.library.samples import SEED, Candidates, Kept

VALUE_BYTES = 1024 * 1024
"""What is larger is in no cache, whatever the policy: see IMAGESTORE_CACHE_VALUE_BYTES."""
SIZE_POWER = 0.7
_LFU_START = 5
_LFU_FACTOR = 10
_LFU_MOST = 255
_SAMPLES = 5
_FAR_SAMPLES = 128


@dataclass(frozen=True)
class Requests:
    """What was asked for, in order: `objects` as numbers from 0, and how large each object is.

    `times` are seconds, one for each request, growing; None where they are unknown. Then the clock stands
    still, as it nearly does when a trace is replayed.
    """

    objects: Sequence[int]
    sizes: Sequence[int]
    times: Sequence[float] | None = None
    names: Sequence[str] = field(default=(), repr=False)

    @cached_property
    def footprint(self) -> int:
        """Bytes of all objects together."""
        return sum(self.sizes)

    @cached_property
    def bytes(self) -> int:
        """Bytes of all answers together."""
        return sum(self.sizes[each] for each in self.objects)

    @cached_property
    def frequencies(self) -> list[int]:
        """How often the object of each request had been met then, as the sketch of one process counts."""
        touch = Sketch().touch
        return [touch(f"{each}") for each in self.objects]

    @cached_property
    def next_places(self) -> list[int]:
        """Where the object of each request is asked for next; their number where it is not."""
        never = len(self.objects)
        nexts = [never] * never
        ahead: dict[int, int] = {}
        for place in range(never - 1, -1, -1):
            item = self.objects[place]
            nexts[place] = ahead.get(item, never)
            ahead[item] = place
        return nexts


@dataclass(frozen=True, slots=True)
class Ratios:
    """The share of requests, and of bytes, that a cache answers."""

    hits: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Room:
    """A cache: its bytes, what a value of so many bytes takes of them, and the largest value."""

    capacity: int
    entry: Callable[[int], int] = int
    value_bytes: int = VALUE_BYTES

    def needs(self, requests: Requests) -> list[int]:
        """What each object takes; 0 for one that is not kept."""
        needs = [max(self.entry(size), 1) if size <= self.value_bytes else 0 for size in requests.sizes]
        return [need if need <= self.capacity else 0 for need in needs]


Policy = Callable[[Requests, Room], Ratios]


def expiry(requests: Requests, room: Room) -> Ratios:
    """This service's way in Redis: expiries by frequency and size, of which a soon one is evicted.

    Which one that is, is found as Redis does: the soonest of 32 samples and of 16 that it remembers.
    """
    needs, sizes, times = room.needs(requests), requests.sizes, requests.times
    ends: dict[int, float] = {}
    kept, candidates = Kept(), Candidates()
    free, hits, hit_bytes = room.capacity, 0, 0
    for place, item in enumerate(requests.objects):
        need = needs[item]
        if not need:
            continue
        now = times[place] if times is not None else 0.0
        known = ends.get(item)
        if known is not None and known > now:
            hits += 1
            hit_bytes += sizes[item]
        elif known is None:
            while free < need:
                victim = candidates.pick(kept, ends)
                del ends[victim]
                kept.remove(victim)
                free += needs[victim]
            free -= need
            kept.add(item)
        ends[item] = now + expiry_seconds(requests.frequencies[place], sizes[item])
    return _shares(requests, hits, hit_bytes)


def gdsf(requests: Requests, room: Room) -> Ratios:
    """Exact GDSF (Cherkasova, 1998): L + frequency / size^0.7, L being what was evicted last.

    Frequencies are counted for all objects, whether they are kept or not, and exactly.
    """
    counts: dict[int, int] = {}
    costs = [math.pow(max(size, 1), -SIZE_POWER) for size in requests.sizes]

    def rank(item: int, level: float) -> float:
        counts[item] = counts.get(item, 0) + 1
        return level + counts[item] * costs[item]

    return _ranked(requests, room, rank)


def _ranked(requests: Requests, room: Room, rank: Callable[[int, float], float]) -> Ratios:
    """Evicts the lowest rank, which each request sets anew; `rank` gets what was evicted last too."""
    needs, sizes = room.needs(requests), requests.sizes
    ranks: dict[int, float] = {}
    heap: list[tuple[float, int]] = []
    free, level, hits, hit_bytes = room.capacity, 0.0, 0, 0
    for item in requests.objects:
        mine = rank(item, level)
        need = needs[item]
        if not need:
            continue
        if item in ranks:
            hits += 1
            hit_bytes += sizes[item]
        else:
            while free < need:
                lowest, victim = heapq.heappop(heap)
                if ranks.get(victim) == lowest:
                    del ranks[victim]
                    free += needs[victim]
                    level = max(level, lowest)
            free -= need
        if mine != ranks.get(item):
            ranks[item] = mine
            heapq.heappush(heap, (mine, item))
    return _shares(requests, hits, hit_bytes)


def lru(requests: Requests, room: Room) -> Ratios:
    """Exact LRU. Redis' allkeys-lru takes the oldest of a few samples, and comes near it."""
    needs, sizes = room.needs(requests), requests.sizes
    kept: OrderedDict[int, None] = OrderedDict()
    free, hits, hit_bytes = room.capacity, 0, 0
    for item in requests.objects:
        need = needs[item]
        if not need:
            continue
        if item in kept:
            kept.move_to_end(item)
            hits += 1
            hit_bytes += sizes[item]
            continue
        while free < need:
            victim, _ = kept.popitem(last=False)
            free += needs[victim]
        kept[item] = None
        free -= need
    return _shares(requests, hits, hit_bytes)


def lfu(requests: Requests, room: Room) -> Ratios:
    """Redis' allkeys-lfu, by sampling: counters that grow ever more slowly (lfu-log-factor 10) and begin at
    5, the lowest of 5 samples evicted. They lose one a minute without a request, where times are known.

    https://redis.io/docs/latest/develop/reference/eviction/
    """
    chance = random.Random(SEED).random  # noqa: S311  # nothing secret: it counts
    needs, sizes, times = room.needs(requests), requests.sizes, requests.times
    counts: dict[int, int] = {}
    met: dict[int, float] = {}
    kept = Kept()
    free, hits, hit_bytes = room.capacity, 0, 0

    def worth(item: int, now: float) -> int:
        return max(0, counts[item] - int((now - met[item]) / 60))

    for place, item in enumerate(requests.objects):
        need = needs[item]
        if not need:
            continue
        now = times[place] if times is not None else 0.0
        if item in counts:
            hits += 1
            hit_bytes += sizes[item]
            count = worth(item, now)
            grows = chance() < 1 / (max(0, count - _LFU_START) * _LFU_FACTOR + 1)
            counts[item] = min(count + grows, _LFU_MOST)
        else:
            while free < need:
                victim = min(kept.samples(_SAMPLES), key=lambda each: worth(each, now))
                free += needs[victim]
                del counts[victim]
                kept.remove(victim)
            free -= need
            counts[item] = _LFU_START
            kept.add(item)
        met[item] = now
    return _shares(requests, hits, hit_bytes)


def optimum(requests: Requests, room: Room) -> Ratios:
    """The offline optimum, to within a point below: what could be hit by who knows the future.

    Size-aware Belady: of 128 samples and what was just met, that goes for which size x time to its next
    request is the most. What is never asked for again is not kept at all. (Berger, Beckmann and
    Harchol-Balter, "Practical Bounds on Optimal Caching with Variable Object Sizes", 2018, compare such
    rules with the true optimum, which takes too long to find.)
    """
    needs, sizes, nexts = room.needs(requests), requests.sizes, requests.next_places
    never = len(requests.objects)
    due: dict[int, int] = {}
    kept = Kept()
    free, hits, hit_bytes = room.capacity, 0, 0
    for place, item in enumerate(requests.objects):
        again = nexts[place]
        if item in due:
            hits += 1
            hit_bytes += sizes[item]
            if again < never:
                due[item] = again
                continue
            del due[item]
            kept.remove(item)
            free += needs[item]
        elif needs[item] and again < never:
            due[item] = again
            kept.add(item)
            free -= needs[item]
            while free < 0:
                samples = kept.samples(_FAR_SAMPLES)
                if item in due:
                    samples.append(item)
                victim = max(samples, key=lambda each: (due[each] - place) * needs[each])
                del due[victim]
                kept.remove(victim)
                free += needs[victim]
    return _shares(requests, hits, hit_bytes)


POLICIES: dict[str, Policy] = {"expiry": expiry, "gdsf": gdsf, "lru": lru, "lfu": lfu, "optimum": optimum}


def _shares(requests: Requests, hits: int, hit_bytes: int) -> Ratios:
    asked, sent = len(requests.objects), requests.bytes
    return Ratios(hits / asked if asked else 0.0, hit_bytes / sent if sent else 0.0)
