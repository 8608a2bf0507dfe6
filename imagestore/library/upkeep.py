"""What upkeep finds and what it removes, as values; how fast it may go, and what it has done."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Generic, TypeVar

GRACE = timedelta(hours=1)
"""Longer than any upload or download takes: what is younger may be in use, and is let be."""

MOST_LISTED = 1000
"""A report lists so many things and counts the rest, so that it fits into memory whatever happened."""


class Depth(StrEnum):
    """How closely a check looks at what blobs consist of."""

    NAMES = "names"
    """Which chunks there are, from their index alone."""

    SIZES = "sizes"
    """Their sizes too, for which the database reads them, but sends none."""

    BYTES = "bytes"
    """Their bytes, held to their sums and digests."""


class Severity(StrEnum):
    LOST = "lost"
    """Bytes that somebody was promised are gone or wrong."""

    REPAIRABLE = "repairable"
    """Something is missing that other documents still tell; nothing is lost yet."""

    WASTE = "waste"
    """Something that nobody can reach takes room: gc removes it."""


class Kind(StrEnum):
    """What is wrong; `severity` says how badly."""

    CHUNK_MISSING = "chunk_missing"
    CHUNK_RESIZED = "chunk_resized"
    CHUNK_CHANGED = "chunk_changed"
    CHUNK_REPEATED = "chunk_repeated"
    DIGEST_WRONG = "digest_wrong"
    BLOB_MISSING = "blob_missing"
    CLAIM_DANGLING = "claim_dangling"
    FILE_UNCLAIMED = "file_unclaimed"
    IMAGE_MISSING = "image_missing"
    VERSION_MISSING = "version_missing"
    IMAGE_WITHOUT_VERSIONS = "image_without_versions"
    INDEX_MISSING = "index_missing"
    CHUNK_EXTRA = "chunk_extra"
    CHUNKS_ORPHANED = "chunks_orphaned"
    PART_ORPHANED = "part_orphaned"
    PART_CHUNKS_ORPHANED = "part_chunks_orphaned"
    FILE_ORPHANED = "file_orphaned"
    BLOB_UNNAMED = "blob_unnamed"
    VERSION_UNPOINTED = "version_unpointed"

    @property
    def severity(self) -> Severity:
        return _SEVERITIES.get(self, Severity.LOST)


_SEVERITIES = {
    Kind.FILE_UNCLAIMED: Severity.REPAIRABLE,
    Kind.IMAGE_MISSING: Severity.REPAIRABLE,
    Kind.VERSION_MISSING: Severity.REPAIRABLE,
    Kind.IMAGE_WITHOUT_VERSIONS: Severity.REPAIRABLE,
    Kind.INDEX_MISSING: Severity.REPAIRABLE,
    Kind.CHUNK_EXTRA: Severity.WASTE,
    Kind.CHUNKS_ORPHANED: Severity.WASTE,
    Kind.PART_ORPHANED: Severity.WASTE,
    Kind.PART_CHUNKS_ORPHANED: Severity.WASTE,
    Kind.FILE_ORPHANED: Severity.WASTE,
    Kind.BLOB_UNNAMED: Severity.WASTE,
    Kind.VERSION_UNPOINTED: Severity.WASTE,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. `what` names it, `detail` is for people."""

    kind: Kind
    what: str
    detail: str


class Taken(StrEnum):
    """What gc takes away. A mark takes nothing yet: it notes since when nothing names a blob."""

    VERSION = "version"
    MARK = "mark"
    UNMARK = "unmark"
    BLOB = "blob"
    FILE = "file"
    CHUNKS = "chunks"
    EXTRA_CHUNKS = "extra_chunks"
    TOMBSTONE = "tombstone"
    UPLOAD = "upload"
    PART = "part"
    PART_CHUNKS = "part_chunks"


@dataclass(frozen=True, slots=True)
class Removal:
    """One thing to take away, or that was. `size` is in bytes, 0 where that is not known."""

    taken: Taken
    what: str
    detail: str
    size: int = 0


Item = TypeVar("Item")


@dataclass(slots=True)
class Tally(Generic[Item]):
    """Everything counted by its kind, the first of it listed, `omitted` says how much of it is not."""

    counts: Counter[str] = field(default_factory=Counter)
    listed: list[Item] = field(default_factory=list)
    omitted: int = 0
    size: int = 0

    def add(self, label: str, item: Item, size: int = 0) -> None:
        self.counts[label] += 1
        self.size += size
        if len(self.listed) < MOST_LISTED:
            self.listed.append(item)
        else:
            self.omitted += 1

    def merge(self, other: Tally[Item]) -> None:
        """Add all that the other has."""
        self.counts += other.counts
        self.size += other.size
        room = max(0, MOST_LISTED - len(self.listed))
        self.listed += other.listed[:room]
        self.omitted += other.omitted + len(other.listed[room:])

    def severities(self) -> Counter[Severity]:
        """Of findings: how many of each severity."""
        found: Counter[Severity] = Counter()
        for kind, count in self.counts.items():
            found[Kind(kind).severity] += count
        return found


class Pace:
    """Lets things pass no faster than `rate` a second, and bytes no faster than `byte_rate`; None: no bound.
    `bytes` is how many of these there were.

    `beat` is called about once a second while things pass: it may raise, to stop who goes at this pace.
    """

    def __init__(
        self,
        rate: float | None = None,
        *,
        byte_rate: float | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self._rate = rate
        self._byte_rate = byte_rate
        self._beat = beat
        self.bytes = 0
        self._due = self._bytes_due = time.monotonic()

    def slices(self, pages: Iterable[Sequence[Item]]) -> Iterator[Sequence[Item]]:
        """Pages in parts of about a second each, each let through as `take` does."""
        for page in pages:
            step = len(page) if self._rate is None else int(self._rate)
            for at in range(0, len(page), max(1, step)):
                part = page[at : at + max(1, step)]
                self.take(len(part))
                yield part

    def take(self, count: int = 1) -> None:
        """Wait until `count` more may have passed."""
        self._due = self._await(self._due, count, self._rate)

    def take_bytes(self, size: int) -> None:
        """Wait until `size` more bytes may have passed."""
        self.bytes += size
        self._bytes_due = self._await(self._bytes_due, size, self._byte_rate)

    def _await(self, due: float, count: int, rate: float | None) -> float:
        """What fell behind, while others were waited for, is not made up for by more than a second."""
        self._beat()
        if rate is None:
            return due
        due = max(due, time.monotonic() - 1) + count / rate
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, 1.0))
            self._beat()
        return due


def ago(span: timedelta) -> datetime:
    return datetime.now(UTC) - span
