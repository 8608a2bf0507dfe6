"""The reading of all blobs, which keeps its place: when it is cut short, the next one goes on from there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from imagestore.library.fsck import Fsck, Part
from imagestore.library.upkeep import Depth, Finding, Pace, Tally
from imagestore.store.diary import Diary

KEEP_SECONDS = 5.0
"""How much of its work a reading may lose."""


@dataclass(slots=True)
class Reading:
    """One reading: how far it is, and what it found. `place` is the id of the last file that was read."""

    began: datetime
    depth: Depth
    place: str = ""
    files: int = 0
    found: Tally[Finding] = field(default_factory=Tally)
    ended: datetime | None = None


_ADAPTER = TypeAdapter(Reading)


class Reader:
    """Reads on under `name` in the diary. All raise StoreUnavailable."""

    def __init__(self, fsck: Fsck, diary: Diary, name: str, depth: Depth = Depth.BYTES) -> None:
        self._fsck = fsck
        self._diary = diary
        self._name = name
        self.depth = depth

    def last(self) -> Reading | None:
        """The reading that is under way or has ended; None where none was begun, or none that can be read."""
        try:
            return _ADAPTER.validate_python(self._diary.read_page(self._name))
        except ValidationError:
            return None

    def begin(self, *, carry: bool = False) -> Reading:
        """The reading that was cut short; else a new one, which may `carry` what the last one found."""
        last = self.last()
        if last is not None and last.ended is None and last.depth == self.depth:
            return last
        fresh = Reading(datetime.now(UTC), self.depth)
        if carry and last is not None:
            for finding in last.found.listed:
                fresh.found.add(finding.kind, finding)
        return fresh

    def go_on(self, reading: Reading, pace: Pace) -> Iterator[Part]:
        """The parts that are left. What was found and how far it is, is kept as they go by."""
        kept = time.monotonic()
        for part in self._fsck.read_blobs(self.depth, pace, after=reading.place):
            for finding in part.findings:
                if finding not in reading.found.listed:
                    reading.found.add(finding.kind, finding)
            reading.place, reading.files = part.last, reading.files + part.size
            if part.findings or time.monotonic() - kept >= KEEP_SECONDS:
                self.keep(reading)
                kept = time.monotonic()
            yield part
        reading.ended = datetime.now(UTC)
        self.keep(reading)

    def keep(self, reading: Reading) -> None:
        self._diary.write(self._name, _ADAPTER.dump_python(reading))

    def look_again(self, reading: Reading, pace: Pace) -> None:
        """Forget those findings that are mended, or whose blob is gone."""
        before = reading.found
        if not before.listed:
            return
        ids = dict.fromkeys(finding.what.removeprefix("file ") for finding in before.listed)
        still: Tally[Finding] = Tally(omitted=before.omitted)
        for finding in self._fsck.read_again(ids, pace):
            still.add(finding.kind, finding)
        still.counts += before.counts - Counter(finding.kind for finding in before.listed)
        reading.found = still
        self.keep(reading)
