"""Listings as S3 has them: pages of keys, versions or uploads, and common prefixes that stand for many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from imagestore.core.image import Image, Version
from imagestore.core.objects import Marker
from imagestore.store.listings import Listings, Place
from imagestore.store.names import successor

T = TypeVar("T")

LEAST_BATCH, MOST_BATCH = 16, 1001
FIRST_BATCH = 64
"""Of what lies under a common prefix no more is read than a batch: the next one begins behind the prefix."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A version or delete marker, and whether it is its key's newest."""

    version: Version | Marker
    latest: bool


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Entries in their order, a text for each common prefix. `next` and `next_id` are where the page behind a
    `truncated` one goes on."""

    entries: list[T | str]
    truncated: bool = False
    next: str = ""
    next_id: str = ""


@dataclass(frozen=True, slots=True)
class Row(Generic[T]):
    """What a walk meets: an entry of a key, with what orders it and what names it among those of its key."""

    key: str
    entry: T
    mark: int | str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for, at most `limit` entries of it; `after` is a key or a common prefix, and `after_id`
    one of the entries of that key."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_id: str = ""
    limit: int = 1000

    def roll(self, key: str) -> str | None:
        """The common prefix that stands for the key, if one does."""
        if not self.delimiter or not key.startswith(self.prefix):
            return None
        at = key.find(self.delimiter, len(self.prefix))
        return None if at < 0 else key[: at + len(self.delimiter)]


Read = Callable[[Place, int], Sequence[Row[T]]]


class Listing:
    """All raise StoreUnavailable. What is written meanwhile is listed or not, and nothing else is missing or
    twice."""

    def __init__(self, listings: Listings) -> None:
        self._listings = listings

    def objects(self, bucket: str, wanted: Wanted) -> Page[Image]:
        def read(place: Place, size: int) -> list[Row[Image]]:
            found = self._listings.images(bucket, wanted.prefix, place, size)
            return [Row(each.key, each) for each in found]

        return walk(read, wanted, Place(wanted.after))

    def versions(self, bucket: str, wanted: Wanted) -> Page[Listed]:
        """Those of a key newest first, delete markers among them."""
        start = Place(wanted.after)
        if wanted.after_id:
            number = self._listings.number(bucket, wanted.after, wanted.after_id)
            # Where nobody knows any more which came before it, all of the key comes, some of it again.
            start = Place(wanted.after, inclusive=number is None, mark=number)

        def read(place: Place, size: int) -> list[Row[Listed]]:
            rows, before = [], None if place.mark is None else place.key
            for each in self._listings.versions(bucket, wanted.prefix, place, size):
                rows.append(Row(each.key, Listed(each, each.key != before), each.number, each.shown_id))
                before = each.key
            return rows

        return walk(read, wanted, start)


def walk(read: Read[T], wanted: Wanted, place: Place) -> Page[T]:
    """A page of what `read` finds from a place on, rolled up into common prefixes.

    So many batches are read as it takes: one behind each common prefix that has more than a batch.
    """
    entries: list[T | str] = []
    last, common = ("", ""), wanted.roll(place.key)
    start = place if common is None else _behind(common)
    size = min(MOST_BATCH, wanted.limit + 1)
    size = min(FIRST_BATCH, size) if wanted.delimiter else size
    while start is not None and wanted.limit > 0:
        rows = read(start, size)
        before = len(entries)
        for row in rows:
            if common is not None and row.key.startswith(common):
                continue
            if len(entries) == wanted.limit:
                return Page(entries, True, *last)
            common = wanted.roll(row.key)
            entries.append(row.entry if common is None else common)
            last = (row.key, row.id) if common is None else (common, "")
        if len(rows) < size:
            break
        start = Place(rows[-1].key, mark=rows[-1].mark) if common is None else _behind(common)
        fruitful = len(entries) - before >= size // 4
        size = min(MOST_BATCH, size * 2) if fruitful else max(LEAST_BATCH, size // 2)
    return Page(entries)


def _behind(common: str) -> Place | None:
    """Behind all keys that begin with a common prefix."""
    beyond = successor(common)
    return None if beyond is None else Place(beyond, inclusive=True)
