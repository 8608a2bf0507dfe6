"""What upkeep knows of the store: read from the diary, for readiness, metrics, alerts and people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from imagestore.library.capacity import Outlook, Volume
from imagestore.library.reading import Reading
from imagestore.library.upkeep import Finding, Kind, Severity, Tally
from imagestore.store.diary import Diary

NAMES_TELL = {Kind.CHUNK_MISSING, Kind.CHUNK_EXTRA, Kind.CHUNK_REPEATED}
"""What the quick check finds as well as a reading does, and sooner."""


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Level).index(self)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an alert stands, since when, and why. `told` is the level that the webhook knows of it."""

    level: Level
    since: datetime
    text: str
    told: Level = Level.OK
    tries: int = 0


@dataclass(frozen=True, slots=True)
class DisksPage:
    """The disks, and the growth of what is stored in bytes a day."""

    at: datetime
    outlooks: list[Outlook]
    growth: float | None


@dataclass(frozen=True, slots=True)
class SweepPage:
    at: datetime
    took: float
    counts: dict[str, int]
    size: int


@dataclass(frozen=True, slots=True)
class LifecyclePage:
    """The last time that lifecycle rules were carried out, and how many of what they ended."""

    began: datetime
    at: datetime
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class CheckPage:
    """The last quick check."""

    at: datetime
    took: float
    found: Tally[Finding]


@dataclass(frozen=True, slots=True)
class DamagePage:
    """How many reads of clients met damage, and the last time that one did."""

    at: datetime
    count: int


@dataclass(frozen=True, slots=True)
class AlertsPage:
    standings: dict[str, Standing]


@dataclass(frozen=True, slots=True)
class LeasePage:
    owner: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Survey:
    """Each part by the name of its page; None where there is none yet."""

    volume: Volume | None = None
    disks: DisksPage | None = None
    sweep: SweepPage | None = None
    lifecycle: LifecyclePage | None = None
    check: CheckPage | None = None
    reading: Reading | None = None
    damage: DamagePage | None = None
    alerts: AlertsPage | None = None
    lease: LeasePage | None = None

    @classmethod
    def of(cls, pages: Mapping[str, Mapping[str, Any]]) -> Survey:
        """From the pages of the diary. One that another version wrote in another form counts as none."""
        found: dict[str, Any] = {}
        for name, adapter in _ADAPTERS.items():
            if name in pages:
                with suppress(ValidationError):
                    found[name] = adapter.validate_python(pages[name])
        return cls(**found)

    @classmethod
    def read(cls, diary: Diary, seconds: float | None = None) -> Survey:
        """Waits for `seconds` at most. Raises StoreUnavailable."""
        return cls.of(diary.read(seconds))

    def ended(self) -> dict[str, datetime | None]:
        """When each part of upkeep was last done."""
        return {
            "count": self.volume.at if self.volume else None,
            "disks": self.disks.at if self.disks else None,
            "sweep": self.sweep.at if self.sweep else None,
            "lifecycle": self.lifecycle.at if self.lifecycle else None,
            "check": self.check.at if self.check else None,
            "reading": self.reading.ended if self.reading else None,
        }

    def counts(self) -> Counter[str]:
        """What is wrong by kind, as the last quick check and the readings found it."""
        found = Counter(self.check.found.counts if self.check else {})
        for kind, count in (self.reading.found.counts if self.reading else {}).items():
            if self.check is None or kind not in NAMES_TELL:
                found[kind] += count
        return found

    def severities(self) -> dict[Severity, int]:
        found = Tally[Finding](counts=self.counts()).severities()
        return {each: found[each] for each in Severity}

    def standings(self) -> dict[str, Standing]:
        return self.alerts.standings if self.alerts else {}


_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "volume": TypeAdapter(Volume),
    "disks": TypeAdapter(DisksPage),
    "sweep": TypeAdapter(SweepPage),
    "lifecycle": TypeAdapter(LifecyclePage),
    "check": TypeAdapter(CheckPage),
    "reading": TypeAdapter(Reading),
    "damage": TypeAdapter(DamagePage),
    "alerts": TypeAdapter(AlertsPage),
    "lease": TypeAdapter(LeasePage),
}


def write(diary: Diary, name: str, page: Any) -> None:
    """Raises StoreUnavailable."""
    diary.write(name, _ADAPTERS[name].dump_python(page))


def plain(survey: Survey) -> dict[str, Any]:
    """As JSON has it."""
    found: dict[str, Any] = TypeAdapter(Survey).dump_python(survey, mode="json")
    return found
