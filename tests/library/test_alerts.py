"""Alerts: each level told once when it is reached, once when it is left, and again while nobody listens."""

from __future__ import annotations

import json
import logging
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagestore.core.thresholds import Thresholds
from imagestore.library.alerts import MOST_TRIES, Alerts, level_of
from imagestore.library.capacity import Outlook
from imagestore.library.survey import AlertsPage, CheckPage, DamagePage, DisksPage, Level, Survey, plain
from imagestore.library.upkeep import Finding, Kind, Tally
from imagestore.store.disks import MemberDisk

pytestmark = pytest.mark.quick

NOW = datetime.now(UTC)
OFF = Thresholds()
OK, WARNING, CRITICAL = Level


@dataclass
class Listener:
    """Takes payloads, or not, and keeps them; `page` is what the diary would keep."""

    alerts: Alerts = field(init=False)
    heard: list[dict[str, Any]] = field(default_factory=list)
    listens: bool = True
    page: AlertsPage | None = None

    def __post_init__(self) -> None:
        self.alerts = Alerts(Thresholds(80, 90), Thresholds(30, 7), self.post, "https://img.example.com")

    def post(self, payload: dict[str, Any]) -> bool:
        self.heard.append(payload)
        return self.listens

    def update(self, survey: Survey) -> dict[str, Level]:
        self.page = self.alerts.update(replace(survey, alerts=self.page))
        return {name: standing.level for name, standing in self.page.standings.items()}

    def told(self) -> list[tuple[str, str]]:
        found = [(each["alert"], each["level"]) for each in self.heard]
        self.heard.clear()
        return found

    def age(self, span: timedelta) -> None:
        """As if all had happened so long ago."""
        assert self.page is not None
        older = {name: replace(each, since=each.since - span) for name, each in self.page.standings.items()}
        self.page = AlertsPage(older)


@pytest.fixture
def listener() -> Listener:
    return Listener()


def disks(percent: float, days: float | None = None, growth: float | None = 1.0) -> Survey:
    disk = MemberDisk("db1:27017", "primary", 1000, int(percent * 10))
    return Survey(disks=DisksPage(NOW, [Outlook(disk, 1000 - disk.used, growth, days)], growth))


def findings(*kinds: Kind) -> Survey:
    found: Tally[Finding] = Tally()
    for kind in kinds:
        found.add(kind, Finding(kind, "file x", "it is so"))
    return Survey(check=CheckPage(NOW, 1.0, found))


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (79.9, OK, OK),
        (80, OK, WARNING),
        (89.9, OK, WARNING),
        (95, OK, CRITICAL),
        (79, WARNING, WARNING),
        (78.3, WARNING, OK),
        (89, CRITICAL, CRITICAL),
        (88, CRITICAL, WARNING),
        (10, CRITICAL, OK),
    ],
)
def test_a_level_is_left_only_by_some_slack(value: float, before: Level, expected: Level) -> None:
    assert level_of(value, Thresholds(80, 90), before) is expected


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (31, OK, OK),
        (30, OK, WARNING),
        (7, OK, CRITICAL),
        (0, OK, CRITICAL),
        (30.5, WARNING, WARNING),
        (30.7, WARNING, OK),
        (7.1, CRITICAL, CRITICAL),
        (8, CRITICAL, WARNING),
    ],
)
def test_of_days_fewer_are_worse(value: float, before: Level, expected: Level) -> None:
    assert level_of(value, Thresholds(30, 7), before) is expected


def test_no_thresholds_no_alert() -> None:
    assert level_of(100, OFF, CRITICAL) is OK


def test_each_crossing_is_told_once(listener: Listener) -> None:
    for percent, told in (
        (50, []),
        (85, [("disk_used", "warning")]),
        (86, []),
        (95, [("disk_used", "critical")]),
        (95, []),
        (85, [("disk_used", "warning")]),
        (79, []),
        (50, [("disk_used", "ok")]),
        (50, []),
    ):
        listener.update(disks(percent))
        assert listener.told() == told, percent


def test_the_payload_says_what_it_is_about(listener: Listener) -> None:
    listener.update(disks(95, days=3.2))
    used, days = listener.heard
    assert json.loads(json.dumps(used)) == {
        "text": "imagestore https://img.example.com: disk_used is critical: "
        "95.0 % of the disk under db1:27017 are used",
        "service": "https://img.example.com",
        "alert": "disk_used",
        "level": "critical",
        "previous": "ok",
        "since": used["since"],
        "detail": "95.0 % of the disk under db1:27017 are used",
    }
    assert datetime.fromisoformat(used["since"]).tzinfo is not None
    assert (days["alert"], days["level"]) == ("days_left", "critical")
    assert days["detail"] == "the disk under db1:27017 is full in 3.2 days at this rate"


def test_the_worst_member_counts(listener: Listener) -> None:
    def outlook(member: str, used: int, days: float | None) -> Outlook:
        return Outlook(MemberDisk(member, "secondary", 1000, used), 1000 - used, 1.0, days)

    lame = Outlook(MemberDisk("db3", "unknown", problem="gone"), 0, None, None)
    page = DisksPage(NOW, [outlook("db1", 850, 20), outlook("db2", 100, 5), lame], None)
    assert listener.update(Survey(disks=page)) == {"disk_used": WARNING, "days_left": CRITICAL}
    assert ["db1" in each["detail"] for each in listener.heard] == [True, False]


def test_what_is_not_known_neither_raises_nor_ends_an_alert(listener: Listener) -> None:
    listener.update(disks(95))
    listener.told()
    lame = Outlook(MemberDisk("db1:27017", "unknown", problem="gone"), 0, None, None)
    for survey in (Survey(), Survey(disks=DisksPage(NOW, [lame], None))):
        assert listener.update(survey)["disk_used"] is CRITICAL
    assert listener.told() == []


@pytest.mark.parametrize(
    ("kinds", "level"),
    [
        ([], OK),
        ([Kind.BLOB_UNNAMED] * 5, OK),
        ([Kind.INDEX_MISSING], WARNING),
        ([Kind.IMAGE_MISSING, Kind.CHUNK_MISSING], CRITICAL),
    ],
)
def test_what_the_checks_found_is_an_alert(listener: Listener, kinds: list[Kind], level: Level) -> None:
    assert listener.update(findings(*kinds)) == {"damage": level}
    listener.told()
    listener.update(findings())
    assert listener.told() == ([] if level is OK else [("damage", "ok")])


def test_a_read_that_met_damage_is_an_alert_for_a_day(listener: Listener) -> None:
    assert listener.update(Survey(damage=DamagePage(NOW, 2))) == {"damaged_reads": CRITICAL}
    assert listener.told() == [("damaged_reads", "critical")]
    assert listener.update(Survey(damage=DamagePage(NOW - timedelta(hours=25), 2))) == {"damaged_reads": OK}
    assert listener.told() == [("damaged_reads", "ok")]


def test_who_does_not_listen_is_told_again_later_and_later(listener: Listener) -> None:
    listener.listens = False
    listener.update(disks(95))
    assert listener.told() == [("disk_used", "critical")]
    listener.update(disks(95))
    assert listener.told() == []
    for minutes in (2, 4, 8):
        listener.age(timedelta(minutes=minutes) - timedelta(minutes=minutes // 2 if minutes > 2 else 0))
        listener.update(disks(95))
        assert listener.told() == [("disk_used", "critical")], minutes
        listener.update(disks(95))
        assert listener.told() == []
    listener.listens = True
    listener.age(timedelta(hours=1))
    listener.update(disks(95))
    assert listener.told() == [("disk_used", "critical")]
    listener.age(timedelta(days=1))
    listener.update(disks(95))
    assert listener.told() == []


def test_who_never_listens_is_given_up(listener: Listener) -> None:
    listener.listens = False
    for _ in range(MOST_TRIES + 5):
        listener.update(disks(95))
        listener.age(timedelta(days=1))
    assert len(listener.told()) == MOST_TRIES
    listener.update(disks(85))
    assert listener.told() == [("disk_used", "warning")]


def test_what_is_over_before_it_was_told_is_not_told(listener: Listener) -> None:
    listener.listens = False
    listener.update(disks(95))
    listener.told()
    listener.listens = True
    listener.update(disks(10))
    assert listener.told() == []


def test_who_does_not_take_one_is_not_kept_with_the_next(listener: Listener) -> None:
    listener.listens = False
    listener.update(disks(95, days=1))
    assert listener.told() == [("disk_used", "critical")]
    listener.listens = True
    listener.update(disks(95, days=1))
    assert listener.told() == [("days_left", "critical")]


def test_without_a_webhook_the_log_tells(caplog: pytest.LogCaptureFixture) -> None:
    alerts = Alerts(Thresholds(80, 90), OFF, None, "")
    page = None
    with caplog.at_level(logging.INFO):
        for percent in (95, 95, 85, 10):
            page = alerts.update(replace(disks(percent, days=1), alerts=page))
    assert [(each.levelname, each.getMessage().partition(":")[0]) for each in caplog.records] == [
        ("ERROR", "alert disk_used"),
        ("WARNING", "alert disk_used"),
        ("INFO", "alert disk_used"),
    ]
    assert Counter(each.name for each in caplog.records) == {"imagestore.library.alerts": 3}


def test_what_is_told_survives_the_diary(listener: Listener) -> None:
    """Another node that takes over does not tell it again."""
    listener.update(disks(95))
    listener.told()
    pages = plain(replace(disks(95), alerts=listener.page))
    pages = {name: page for name, page in pages.items() if page is not None}
    other = Listener(page=Survey.of(pages).alerts)
    other.update(Survey.of(pages))
    assert other.told() == []
