"""Alerts: which levels the store has reached; whoever wants to know is told once of each crossing."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from imagestore.core.thresholds import Thresholds
from imagestore.library.capacity import Outlook
from imagestore.library.survey import AlertsPage, Level, Standing, Survey
from imagestore.library.upkeep import Severity

log = logging.getLogger(__name__)

SLACK = 0.02
"""An alert is over when its value is on the good side by so much of the threshold: it does not flutter."""

MEMORY = timedelta(days=1)
"""For how long it is an alert that a read met damage."""

MOST_TRIES = 10
"""So often one crossing is tried to be told, over some eight hours; then only log and metrics know of it."""

Judged = tuple[str, Level, str]
Post = Callable[[dict[str, Any]], bool]


class Alerts:
    """`post` hands a payload to whoever wants to know, and says whether that came to something."""

    def __init__(self, disk_used: Thresholds, days_left: Thresholds, post: Post | None, service: str) -> None:
        self._disk_used = disk_used
        self._days_left = days_left
        self._post = post
        self._service = service or socket.gethostname()

    def update(self, survey: Survey) -> AlertsPage:
        """Where every alert stands now. Crossings are logged and told; what was not is tried again later."""
        before, now = survey.standings(), datetime.now(UTC)
        standings = dict(before)
        for name, level, text in self._judge(survey, now):
            was = before.get(name, Standing(Level.OK, now, ""))
            standings[name] = replace(was, text=text)
            if level is not was.level:
                standings[name] = Standing(level, now, text, told=was.told)
                log.log(_LOG_LEVELS[level], "alert %s: %s (was %s): %s", name, level, was.level, text)
        for name, standing in standings.items():
            if self._post is not None and _is_to_be_told(standing, now):
                if not self._post(_payload(name, standing, self._service)):
                    standings[name] = replace(standing, tries=standing.tries + 1)
                    break  # whoever does not take one will not take the next
                standings[name] = replace(standing, told=standing.level, tries=0)
        return AlertsPage(standings)

    def _judge(self, survey: Survey, now: datetime) -> Iterator[Judged]:
        """What is not known raises no alert, and ends none."""
        before = {name: standing.level for name, standing in survey.standings().items()}
        if survey.disks is not None:
            known = [each for each in survey.disks.outlooks if not each.disk.problem]
            if known:
                yield _judge_used(known, self._disk_used, before)
                yield _judge_days(known, self._days_left, before)
        if survey.check is not None or survey.reading is not None:
            yield _judge_findings(survey)
        if survey.damage is not None:
            met, at = survey.damage.count, f"{survey.damage.at:%Y-%m-%d %H:%M} UTC"
            level = Level.CRITICAL if now - survey.damage.at < MEMORY else Level.OK
            yield "damaged_reads", level, f"{met} reads met damage so far, the last one on {at}"


def _is_to_be_told(standing: Standing, now: datetime) -> bool:
    """At once, and when that fails, again after 2, 4, 8 and so on minutes since the crossing."""
    if standing.level is standing.told or standing.tries >= MOST_TRIES:
        return False
    return not standing.tries or now >= standing.since + timedelta(minutes=2**standing.tries)


def level_of(value: float, thresholds: Thresholds, before: Level) -> Level:
    """The level of a value; one that was reached before is left only by SLACK."""
    if thresholds.warning is None or thresholds.critical is None:
        return Level.OK
    sign = 1 if thresholds.critical > thresholds.warning else -1
    found = Level.OK
    for level, bound in ((Level.WARNING, thresholds.warning), (Level.CRITICAL, thresholds.critical)):
        slack = SLACK * bound if before.rank >= level.rank else 0
        if sign * (value - bound) >= -slack:
            found = level
    return found


def _judge_used(known: list[Outlook], thresholds: Thresholds, before: dict[str, Level]) -> Judged:
    fullest = max(known, key=lambda each: each.percent_used)
    percent = fullest.percent_used
    level = level_of(percent, thresholds, before.get("disk_used", Level.OK))
    return "disk_used", level, f"{percent:.1f} % of the disk under {fullest.disk.member} are used"


def _judge_days(known: list[Outlook], thresholds: Thresholds, before: dict[str, Level]) -> Judged:
    name, ending = "days_left", [each for each in known if each.days_left is not None]
    if not ending:
        return name, Level.OK, "no disk is known to fill up"
    first = min(ending, key=lambda each: each.days_left or 0.0)
    days = first.days_left or 0.0
    level = level_of(days, thresholds, before.get(name, Level.OK))
    return name, level, f"the disk under {first.disk.member} is full in {days:.1f} days at this rate"


def _judge_findings(survey: Survey) -> Judged:
    found = survey.severities()
    level = Level.WARNING if found[Severity.REPAIRABLE] else Level.OK
    level = Level.CRITICAL if found[Severity.LOST] else level
    kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(survey.counts().items()) if count)
    lost, repairable = found[Severity.LOST], found[Severity.REPAIRABLE]
    return "damage", level, f"{lost} lost, {repairable} to mend" + (f" ({kinds})" if kinds else "")


def _payload(name: str, standing: Standing, service: str) -> dict[str, Any]:
    """What the webhook gets. `text` is what chat services show."""
    return {
        "text": f"imagestore {service}: {name} is {standing.level}: {standing.text}",
        "service": service,
        "alert": name,
        "level": standing.level,
        "previous": standing.told,
        "since": standing.since.isoformat(timespec="seconds"),
        "detail": standing.text,
    }


_LOG_LEVELS = {Level.OK: logging.INFO, Level.WARNING: logging.WARNING, Level.CRITICAL: logging.ERROR}
