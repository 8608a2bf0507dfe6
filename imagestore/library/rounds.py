"""The scheduled upkeep: rounds of counting, sweeping and checking, by the one node that holds the lease."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from imagestore.core.errors import StoreUnavailable
from imagestore.core.metrics import (
    BLOB_DAMAGE,
    DAMAGE_NOTED,
    UPKEEP_FAILED,
    UPKEEP_LEASE,
    UPKEEP_READ,
    UPKEEP_REMOVED,
    Metrics,
)
from imagestore.library.alerts import Alerts
from imagestore.library.fsck import Fsck
from imagestore.library.gauges import show
from imagestore.library.lifecycle import Lifecycle
from imagestore.library.reading import Reader
from imagestore.library.survey import CheckPage, Survey, SweepPage, write
from imagestore.library.surveyor import Surveyor
from imagestore.library.sweep import Sweep
from imagestore.library.upkeep import Depth, Finding, Pace, Severity
from imagestore.store.diary import Diary
from imagestore.store.leases import Lease
from imagestore.store.renditions import Renditions

log = logging.getLogger(__name__)

BEAT_SECONDS = 10.0
"""How often the lease is renewed, or asked for, and how soon every node shows what one of them found."""

LEASE_SECONDS = 60.0
"""Several beats and a slow query: so long after a node died the next one takes over."""

READING_EVERY = timedelta(days=7)
"""From the begin of one reading of all blobs to that of the next."""

COUNT_SHARE = 0.1
"""The part of the time for which a count keeps the database busy."""

COUNT_PAUSE = 10
"""So many times as long as a count took, the next one waits."""


class LeaseLost(Exception):
    """Another node does the upkeep now."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often, and how fast: documents and bytes a second. A `byte_rate` of 0 reads no blobs. Renditions
    are kept up to `renditions_bytes`."""

    interval: timedelta
    rate: float
    byte_rate: float
    renditions_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """What the rounds work with. `reader` reads under the name `reading` in the diary."""

    surveyor: Surveyor
    sweep: Sweep
    lifecycle: Lifecycle
    renditions: Renditions
    fsck: Fsck
    reader: Reader
    alerts: Alerts
    diary: Diary
    lease: Lease
    metrics: Metrics


class Rounds:
    """Everything that is due, one after the other, for as long as this node holds the lease.

    What is being done goes on at its pace while the beat keeps the lease, looks at the disks when that is
    due, and tells the alerts. When a round is cut short, the next one does what it left.
    """

    def __init__(self, parts: Parts, schedule: Schedule) -> None:
        self._parts = parts
        self._schedule = schedule
        interval = schedule.interval.total_seconds()
        self._beat_seconds = min(BEAT_SECONDS, interval, parts.lifecycle.beat_seconds)
        self._next_beat = 0.0
        self._tried: dict[str, float] = {}
        self._known: set[Finding] = set()
        self._survey = Survey()
        self._leads = False

    def run(self) -> NoReturn:
        """Goes on whatever happens to the database."""
        pausing = False
        while True:
            try:
                self.turn()
                pausing = False
            except (StoreUnavailable, LeaseLost) as error:
                if not pausing:
                    log.warning("scheduled upkeep pauses: %s", error)
                pausing = True
                self._parts.metrics.put(UPKEEP_LEASE, int(self._parts.lease.held()))
            time.sleep(self._beat_seconds)

    def turn(self) -> None:
        """Do all that is due, if it is this node's turn. Raises StoreUnavailable and LeaseLost."""
        self._look()
        if not self._renew():
            return
        self._attend()
        while (job := self._due()) is not None:
            self._do(job)
            self._look()
            self._attend()

    def close(self) -> None:
        """Let another node go on at once. Raises StoreUnavailable."""
        if self._parts.lease.held():
            self._parts.lease.give_up()

    def _look(self) -> None:
        """What every node does: note what its own readers met, and show what is known."""
        metrics = self._parts.metrics
        met = int((metrics.total(BLOB_DAMAGE) or 0) - (metrics.total(DAMAGE_NOTED) or 0))
        if met > 0:
            self._parts.diary.count("damage", met)
            metrics.count(DAMAGE_NOTED, by=met)
        self._survey = Survey.read(self._parts.diary)
        show(self._survey, metrics)

    def _renew(self) -> bool:
        leads = self._parts.lease.take()
        if leads and not self._leads:
            log.info("this node does the scheduled upkeep now")
        self._leads = leads
        self._parts.metrics.put(UPKEEP_LEASE, int(leads))
        return leads

    def _attend(self) -> None:
        """What is done in between, whatever else goes on: disks and alerts."""
        if self._is_due("disks", self._schedule.interval):
            self._tried["disks"] = time.monotonic()
            self._parts.surveyor.sample(self._survey.volume)
            self._survey = Survey.read(self._parts.diary)
        page = self._parts.alerts.update(self._survey)
        if page != self._survey.alerts:
            write(self._parts.diary, "alerts", page)

    def _beat(self) -> None:
        """Called all the time while something is done."""
        if time.monotonic() < self._next_beat:
            return
        try:
            if not self._renew():
                raise LeaseLost("another node does the upkeep now")
            self._look()
            self._attend()
        except StoreUnavailable:
            if not self._parts.lease.held():
                raise LeaseLost("the lease could not be renewed in time") from None
        self._next_beat = time.monotonic() + self._beat_seconds

    def _due(self) -> str | None:
        """What to do next."""
        ends = self._parts.lifecycle.is_due(self._survey.lifecycle)
        if ends and not self._was_tried("lifecycle", self._schedule.interval):
            return "lifecycle"
        volume, reading = self._survey.volume, self._survey.reading
        pause = COUNT_PAUSE * timedelta(seconds=volume.took if volume else 0)
        for job, least in (("count", pause), ("sweep", timedelta(0)), ("check", timedelta(0))):
            if self._is_due(job, max(least, self._schedule.interval)):
                return job
        unread = reading is None or reading.ended is None or _age(reading.began) >= READING_EVERY
        if not unread or not self._schedule.byte_rate or self._was_tried("reading", self._schedule.interval):
            return None
        return "reading"

    def _is_due(self, job: str, pause: timedelta) -> bool:
        last = self._survey.ended()[job]
        return not self._was_tried(job, pause) and (last is None or _age(last) >= pause)

    def _was_tried(self, job: str, pause: timedelta) -> bool:
        """Whether it failed, so that it waits as if it had been done."""
        return time.monotonic() - self._tried.get(job, -math.inf) < pause.total_seconds()

    def _do(self, job: str) -> None:
        jobs = {
            "lifecycle": self._end,
            "count": self._count,
            "sweep": self._sweep,
            "check": self._check,
            "reading": self._read,
        }
        self._tried[job] = time.monotonic()
        try:
            jobs[job]()
            del self._tried[job]
        except LeaseLost:
            del self._tried[job]
            raise
        except StoreUnavailable:
            self._parts.metrics.count(UPKEEP_FAILED, job)
            raise
        except Exception:  # a document that nobody foresaw, say: the other parts must not fail with this one
            self._parts.metrics.count(UPKEEP_FAILED, job)
            log.exception("scheduled upkeep: %s failed", job)

    def _pace(self) -> Pace:
        return Pace(self._schedule.rate, byte_rate=self._schedule.byte_rate or None, beat=self._beat)

    def _count(self) -> None:
        def rest(took: float) -> None:
            until = time.monotonic() + took * (1 / COUNT_SHARE - 1)
            self._beat()
            while (left := until - time.monotonic()) > 0:
                time.sleep(min(left, 1.0))
                self._beat()

        self._parts.surveyor.count(rest)

    def _sweep(self) -> None:
        if self._parts.sweep.missing_indexes():
            raise StoreUnavailable(
                "No sweep: the database lacks indexes, which the service's next start builds."
            )
        began = time.monotonic()
        pace = self._pace()
        taken = self._parts.sweep.run(pace=pace).taken
        for documents in self._parts.renditions.sweep(self._schedule.renditions_bytes):
            pace.take(documents)
        took = round(time.monotonic() - began, 3)
        write(self._parts.diary, "sweep", SweepPage(datetime.now(UTC), took, dict(taken.counts), taken.size))
        self._parts.metrics.count(UPKEEP_REMOVED, by=taken.size)
        if taken.counts:
            log.info("a sweep took %s, %s bytes", dict(taken.counts), taken.size)

    def _end(self) -> None:
        page = self._parts.lifecycle.run(self._pace(), self._parts.metrics)
        write(self._parts.diary, "lifecycle", page)

    def _check(self) -> None:
        began, pace = time.monotonic(), self._pace()
        found = self._parts.fsck.check(Depth.NAMES, pace=pace)
        took = round(time.monotonic() - began, 3)
        write(self._parts.diary, "check", CheckPage(datetime.now(UTC), took, found))
        last = self._parts.reader.last()
        if last is not None:
            self._parts.reader.look_again(last, pace)
        self._tell([*found.listed, *(last.found.listed if last else ())])

    def _read(self) -> None:
        """Read blobs until all are read, or something else is due."""
        reader, pace = self._parts.reader, self._pace()
        reading, counted = reader.begin(carry=True), 0
        for part in reader.go_on(reading, pace):
            self._tell([*self._known, *part.findings])
            self._parts.metrics.count(UPKEEP_READ, by=pace.bytes - counted)
            counted = pace.bytes
            if self._more_is_due():
                reader.keep(reading)
                return

    def _more_is_due(self) -> bool:
        """Whether there is something else to do than to read."""
        return self._due() not in ("reading", None)

    def _tell(self, findings: Iterable[Finding]) -> None:
        """A line in the log for each finding that is new, but for waste."""
        found = set(findings)
        for each in found - self._known:
            severity = each.kind.severity
            if severity is not Severity.WASTE:
                level = logging.ERROR if severity is Severity.LOST else logging.WARNING
                log.log(level, "%s: %s: %s: %s", severity, each.kind, each.what, each.detail)
        self._known = found


def _age(moment: datetime) -> timedelta:
    return datetime.now(UTC) - moment
