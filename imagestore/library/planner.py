"""The planner: how large a cache should be, from a log of what was asked for."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise

from imagestore.cache.footprint import SERVER_BYTES, entry_bytes
from imagestore.core.telemetry import Progress, SilentProgress
from imagestore.library.accesslog import Delivery
from imagestore.library.simulation import VALUE_BYTES, Ratios, Requests, Room, expiry, lfu, lru, optimum

MOST_REQUESTS = 250_000
"""Of more requests a part is simulated: all those for some of the objects, in a cache as much smaller."""
SHARES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
POLICIES = {"expiry": expiry, "lru": lru, "lfu": lfu, "optimum": optimum}
_READ = ("GET",)
_WHOLE, _PART = 200, 206
_HASH_BITS = 30
_STEPS = 9
_SMALLEST = 2 * 1024 * 1024


class Sample:
    """The requests of a log, or of more than MOST_REQUESTS all those for some of the objects.

    Which objects those are, their names' hashes decide, so the requests of each remain together (Waldspurger
    et al., "Efficient MRC Construction with SHARDS", FAST 2015). Memory is bounded.
    """

    def __init__(self, most: int = MOST_REQUESTS) -> None:
        self._most = most
        self._bound = 1 << _HASH_BITS
        self._numbers: dict[str, int] = {}
        self._hashes: list[int] = []
        self._sizes: list[int] = []
        self._objects = array("l")
        self._times: array[float] = array("d")
        self._timed = True
        self.asked = 0
        """Requests that were counted, in the sample or not."""

    @property
    def rate(self) -> float:
        """The share of the objects that are in the sample."""
        return self._bound / (1 << _HASH_BITS)

    def add(self, name: str, size: int, time: float | None) -> None:
        self.asked += 1
        hashed = _hash(name)
        if hashed >= self._bound:
            return
        number = self._numbers.setdefault(name, len(self._sizes))
        if number == len(self._sizes):
            self._sizes.append(size)
            self._hashes.append(hashed)
        # A range tells a part of the size, and so does an answer that was broken off.
        self._sizes[number] = max(self._sizes[number], size)
        self._objects.append(number)
        self._timed = self._timed and time is not None
        self._times.append(time or 0.0)
        if len(self._objects) > self._most:
            self._thin()

    @property
    def numbers(self) -> Mapping[str, int]:
        """By name, as `requests` has them."""
        return self._numbers

    @property
    def lacking(self) -> float:
        """By how much the sample has fewer requests than its share of them, in parts of that share.

        It is for want, or by luck, of the objects that are asked for most; any cache would have kept those.
        """
        return 1 - len(self._objects) / (self.asked * self.rate) if self.asked else 0.0

    def requests(self) -> Requests:
        times = list(self._times) if self._timed else None
        if times is not None and any(later < earlier for earlier, later in pairwise(times)):
            order = sorted(range(len(times)), key=times.__getitem__)
            return Requests(
                [self._objects[each] for each in order], self._sizes, [times[each] for each in order]
            )
        return Requests(list(self._objects), self._sizes, times)

    def _thin(self) -> None:
        """Leave half of the objects out."""
        self._bound //= 2
        kept = {name: number for name, number in self._numbers.items() if self._hashes[number] < self._bound}
        renamed = {number: place for place, number in enumerate(kept.values())}
        self._sizes = [self._sizes[number] for number in kept.values()]
        self._hashes = [self._hashes[number] for number in kept.values()]
        self._numbers = {name: renamed[number] for name, number in kept.items()}
        stays = [place for place, number in enumerate(self._objects) if number in renamed]
        self._times = array("d", (self._times[place] for place in stays))
        self._objects = array("l", (renamed[self._objects[place]] for place in stays))


def sample_of(deliveries: Iterable[Delivery], *, most: int = MOST_REQUESTS) -> Sample:
    """The requests that a cache of bytes would have been asked for: GETs that were answered with bytes."""
    sample = Sample(most)
    for each in deliveries:
        if each.method in _READ and each.status in (_WHOLE, _PART) and each.size is not None:
            sample.add(each.name, each.size, each.time)
    return sample


@dataclass(frozen=True, slots=True)
class Row:
    """A cache of `bytes` of Redis' memory: the share of hits for each policy, by POLICIES' names."""

    bytes: int
    ratios: dict[str, Ratios]


@dataclass(frozen=True, slots=True)
class Wish:
    """The memory for a wanted share of hits; `bytes` is None if no cache reaches it. `best` is what one
    without bounds does, and `best_bytes` all that it takes."""

    ratio: float
    bytes: int | None
    best: float
    best_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`requests`, `objects` and `footprint` (the objects' own bytes) are those of the whole log, estimated
    where `sampled`, the share of the objects that were simulated, is below 1."""

    requests: int
    objects: int
    footprint: int
    sampled: float
    rows: Sequence[Row]
    wish: Wish


def make_plan(
    sample: Sample,
    wanted: float,
    *,
    sizes: Sequence[int] = (),
    progress: Progress | None = None,
) -> Plan:
    """Simulate caches of these sizes in bytes, by default from a few thousandths of what all takes to all.

    `wanted` is a share of hits, 0 to 1.
    """
    progress = progress or SilentProgress()
    requests, rate = sample.requests(), sample.rate
    whole = _whole(requests)
    ladder = sorted({max(_SMALLEST, round(whole / rate * share) + SERVER_BYTES) for share in SHARES})
    chosen = sorted(set(sizes)) or ladder
    progress.start(len(chosen) * len(POLICIES) + _STEPS)
    rows = []
    for size in chosen:
        ratios = {}
        for name, policy in POLICIES.items():
            found = policy(requests, Room(max(0, round((size - SERVER_BYTES) * rate)), entry_bytes))
            ratios[name] = Ratios(_whole_share(found.hits, sample), _whole_share(found.bytes, sample))
            progress.advance(1, name)
        rows.append(Row(size, ratios))
    wish = _find(requests, wanted, sample, progress)
    objects = len(requests.sizes)
    return Plan(sample.asked, round(objects / rate), round(requests.footprint / rate), rate, rows, wish)


def _whole_share(share: float, sample: Sample) -> float:
    """The share of hits in the whole log (SHARDS-adj, in the paper that Sample names)."""
    return min(max(share + (1 - share) * sample.lacking, 0.0), 1.0)


def _find(requests: Requests, wanted: float, sample: Sample, progress: Progress) -> Wish:
    """By halving, to within a fiftieth of the size or so."""
    whole, rate = _whole(requests), sample.rate

    def hits(size: float) -> float:
        return _whole_share(expiry(requests, Room(round(size), entry_bytes)).hits, sample)

    best = hits(whole)
    if best < wanted or not requests.objects:
        return Wish(wanted, None, best, round(whole / rate) + SERVER_BYTES)
    least, most = whole / 1000, float(whole)
    for _ in _told(progress, _STEPS):
        middle = (least * most) ** 0.5
        if most / least < 1.02:
            continue
        if hits(middle) >= wanted:
            most = middle
        else:
            least = middle
    return Wish(wanted, round(most / rate) + SERVER_BYTES, best, round(whole / rate) + SERVER_BYTES)


def _whole(requests: Requests) -> int:
    """The memory for all that a cache may keep."""
    return sum(entry_bytes(size) for size in requests.sizes if size <= VALUE_BYTES)


def _told(progress: Progress, steps: int) -> Iterator[int]:
    for step in range(steps):
        yield step
        progress.advance(1, "size")


def _hash(name: str) -> int:
    """Spread over _HASH_BITS, and the same in every run, as Python's own is not."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) >> 64 - _HASH_BITS
