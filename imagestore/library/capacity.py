"""How much is stored, counted now and then; how full the disks are, sampled each hour; how long they last."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from imagestore.store.census import Census
from imagestore.store.disks import MemberDisk

MOST_BUCKETS = 100
"""So many buckets are listed, the largest ones."""

WINDOW = timedelta(days=7)
SHORTEST = timedelta(hours=6)
"""Growth is what was added within WINDOW; what a shorter time than SHORTEST adds says nothing of a day."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BucketVolume:
    """`logical` counts the bytes of every version, `stored` those of every different blob once."""

    bucket: str
    images: int = 0
    versions: int = 0
    logical: int = 0
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Volume:
    """What is stored in all. `unnamed` is the part of `stored` that a sweep has marked, and is to remove.

    A blob that several buckets share is stored once, but counts in each of them.
    """

    at: datetime
    took: float
    buckets: int
    images: int
    versions: int
    logical: int
    blobs: int
    stored: int
    unnamed_blobs: int
    unnamed: int
    by_bucket: list[BucketVolume]
    omitted: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What growth is reckoned from: the disks of one hour, and the bytes of all blobs, None if unknown."""

    at: datetime
    stored: int | None
    members: list[MemberDisk] = field(default_factory=list)

    def find(self, member: str) -> MemberDisk | None:
        return next((each for each in self.members if each.member == member and not each.problem), None)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One member's disk, and what becomes of it. Bytes of growth a day, None while they are not known.

    `free` is what new data may take: what the file system has left, and room within MongoDB's own files.
    `days_left` is None while that is not known, and where nothing grows.
    """

    disk: MemberDisk
    free: int
    growth: float | None
    days_left: float | None

    @property
    def percent_used(self) -> float:
        return 100 * self.disk.used / self.disk.total if self.disk.total else 0.0


def count(census: Census, rest: Callable[[float], None] = lambda took: None) -> Volume:
    """Count everything. `rest` is told after each query how long that took. Raises StoreUnavailable."""
    began = time.monotonic()
    buckets: dict[str, Counter[str]] = {}
    for page in _rested(census.versions(), rest):
        for each in page:
            sums = {"versions": each.count, "logical": each.size, "stored": each.distinct_size}
            buckets.setdefault(each.bucket, Counter()).update(sums)
    for images in _rested(census.images(), rest):
        for bucket, number in images.items():
            buckets.setdefault(bucket, Counter()).update(images=number)
    blobs: Counter[str] = Counter()
    for each_slice in _rested(census.blobs(), rest):
        blobs.update(asdict(each_slice))
    total = sum(buckets.values(), Counter[str]())
    listed = sorted(buckets.items(), key=lambda item: (-item[1]["logical"], item[0]))
    return Volume(
        at=datetime.now(UTC),
        took=round(time.monotonic() - began, 3),
        buckets=census.buckets(),
        images=total["images"],
        versions=total["versions"],
        logical=total["logical"],
        blobs=blobs["count"],
        stored=blobs["size"],
        unnamed_blobs=blobs["unnamed"],
        unnamed=blobs["unnamed_size"],
        by_bucket=[BucketVolume(name, **sums) for name, sums in listed[:MOST_BUCKETS]],
        omitted=len(listed[MOST_BUCKETS:]),
    )


def _rested(parts: Iterator[T], rest: Callable[[float], None]) -> Iterator[T]:
    while True:
        asked = time.monotonic()
        try:
            part = next(parts)
        except StopIteration:
            return
        rest(time.monotonic() - asked)
        yield part


def growth(samples: Sequence[Sample], amount: Callable[[Sample], int | None]) -> float | None:
    """What an amount grew by a day, up to the last of the samples, which are in the order of time.

    None when it is not known: then, or at no time between SHORTEST and WINDOW before.
    """
    if not samples or (now := amount(samples[-1])) is None:
        return None
    for each in samples:
        span = samples[-1].at - each.at
        then = amount(each) if SHORTEST <= span <= WINDOW else None
        if then is not None:
            return (now - then) / (span / timedelta(days=1))
    return None


def outlooks(samples: Sequence[Sample]) -> list[Outlook]:
    """Every member of the last sample, the one with the least space first, the unknown ones at the end."""

    def look_ahead(disk: MemberDisk) -> Outlook:
        def occupied(sample: Sample) -> int | None:
            found = sample.find(disk.member)
            return found.used - found.reusable if found else None

        free = disk.total - disk.used + disk.reusable
        grown = growth(samples, occupied)
        return Outlook(disk, free, grown, free / grown if grown and grown > 0 else None)

    found = [look_ahead(each) for each in samples[-1].members] if samples else []
    return sorted(found, key=lambda each: (bool(each.disk.problem), each.free))
