"""What a restore put back, and what it could not, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from imagestore.library.upkeep import MOST_LISTED, Tally
from imagestore.store.restoration import Change


class Trouble(StrEnum):
    """What kept something from coming back."""

    BLOB_ABSENT = "blob_absent"
    BLOB_DAMAGED = "blob_damaged"
    NUMBER_TAKEN = "number_taken"
    SWEPT = "swept"
    BACKUP_INCOMPLETE = "backup_incomplete"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that did not come back. `what` names it, `detail` is for people."""

    kind: Trouble
    what: str
    detail: str


@dataclass(slots=True)
class Counts:
    """Of one kind of thing: put back, changed, and found there."""

    added: int = 0
    changed: int = 0
    kept: int = 0

    def note(self, change: Change) -> None:
        setattr(self, change.value, getattr(self, change.value) + 1)


@dataclass(slots=True)
class RestoreReport:
    """What came back, or would. A changed image was older in the store, a changed blob was damaged there.

    `bytes` are those of the blobs written. `credentials_added` names the first of them. `passed` counts
    versions whose bytes were deleted while the backup was made. `aliases_forgotten`: Redis was told.
    """

    buckets: Counts = field(default_factory=Counts)
    credentials: Counts = field(default_factory=Counts)
    transformations: Counts = field(default_factory=Counts)
    images: Counts = field(default_factory=Counts)
    versions: Counts = field(default_factory=Counts)
    blobs: Counts = field(default_factory=Counts)
    bytes: int = 0
    passed: int = 0
    credentials_added: list[str] = field(default_factory=list)
    aliases_forgotten: bool = True
    problems: Tally[Problem] = field(default_factory=Tally)
    absent: Tally[Problem] = field(default_factory=Tally)
    absent_blobs: int = 0

    def note(self, kind: Trouble, what: str, detail: str) -> None:
        tally = self.absent if kind is Trouble.BLOB_ABSENT else self.problems
        tally.add(kind, Problem(kind, what, detail))

    def settle(self, gone: int) -> None:
        """Whether blobs that the backup has not are problems: not if just so many were deleted meanwhile."""
        absent = self.absent
        if self.absent_blobs <= gone:
            self.passed = sum(absent.counts.values())
            return
        problems = self.problems
        room = MOST_LISTED - len(problems.listed)
        problems.counts.update(absent.counts)
        problems.listed += absent.listed[:room]
        problems.omitted += absent.omitted + len(absent.listed[room:])
