"""Lifecycle rules of a bucket: which of its objects, versions and uploads end when, as S3 has it.

Rules: "Lifecycle configuration elements" and "Understanding object expiration" of the Amazon S3 guide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter

from imagestore.core.image import Version
from imagestore.core.objects import Marker

DAY = 86400.0
"""Seconds. What ends does so at the end of a day, which is midnight in UTC."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What a rule is about: all of these must fit. The sizes are bytes, and are not among what fits."""

    prefix: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    larger: int | None = None
    smaller: int | None = None

    @property
    def is_of_objects(self) -> bool:
        """Whether it asks for what only objects have: no delete marker or upload is among them."""
        return bool(self.tags) or self.larger is not None or self.smaller is not None

    def fits_key(self, key: str) -> bool:
        return key.startswith(self.prefix or "")

    def fits(self, entry: Version | Marker) -> bool:
        if not self.fits_key(entry.key):
            return False
        if not isinstance(entry, Version):
            return not self.is_of_objects
        size, tags = entry.blob.length, entry.object.tags
        return (
            all(tags.get(name) == value for name, value in self.tags.items())
            and (self.larger is None or size > self.larger)
            and (self.smaller is None or size < self.smaller)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Of what its filter fits, the newest versions end `days` after they were made or at a `date`; `markers`
    that hide nothing any more go; other versions end `noncurrent_days` after they were followed by another,
    but for the `newer` of them; uploads in parts `upload_days` after they began.

    `plain`: its prefix was given without a filter, and is shown so.
    """

    id: str
    enabled: bool
    filter: Filter
    plain: bool = False
    days: int | None = None
    date: datetime | None = None
    markers: bool = False
    noncurrent_days: int | None = None
    newer: int = 0
    upload_days: int | None = None


_RULES = TypeAdapter(tuple[Rule, ...])


def write_rules(rules: Sequence[Rule]) -> str:
    """As a bucket keeps them."""
    return _RULES.dump_json(tuple(rules), exclude_defaults=True).decode()


def read_rules(text: str | None) -> tuple[Rule, ...]:
    return _RULES.validate_json(text) if text is not None else ()


def end_of(moment: datetime, days: int, day: float = DAY) -> float:
    """The end of the day that comes so many days after a moment, in seconds since the epoch."""
    return math.ceil((moment.timestamp() + days * day) / day) * day


def expiry_of(rules: Iterable[Rule], entry: Version | Marker, day: float = DAY) -> tuple[float, Rule] | None:
    """When the newest version of a key ends, in seconds since the epoch, and by which rule: the first to."""
    found: tuple[float, Rule] | None = None
    for rule in rules:
        if not rule.enabled or not rule.filter.fits(entry):
            continue
        if rule.days is not None:
            end = end_of(entry.modified, rule.days, day)
        elif rule.date is not None:
            end = rule.date.timestamp()
        else:
            continue
        if found is None or end < found[0]:
            found = end, rule
    return found


def marker_ends(rules: Iterable[Rule], marker: Marker, now: float, day: float = DAY) -> bool:
    """Whether a delete marker that hides nothing any more goes: as such, or since its own time has come."""
    chosen = [rule for rule in rules if rule.enabled and rule.filter.fits(marker)]
    end = expiry_of(chosen, marker, day)
    return any(rule.markers for rule in chosen) or (end is not None and end[0] <= now)


@dataclass(frozen=True, slots=True)
class Past:
    """A version that is not its key's newest: since when, and how many such there are that are newer."""

    entry: Version | Marker
    since: datetime
    newer: int

    def ends(self, rules: Iterable[Rule], now: float, day: float = DAY) -> bool:
        return any(
            end_of(self.since, rule.noncurrent_days, day) <= now
            for rule in rules
            if rule.enabled
            and rule.noncurrent_days is not None
            and self.newer >= rule.newer
            and rule.filter.fits(self.entry)
        )


def upload_end(
    rules: Iterable[Rule], key: str, begun: datetime, day: float = DAY
) -> tuple[float, Rule] | None:
    """When an upload in parts is given up, in seconds since the epoch, and by which rule: the first to."""
    ends = [
        (end_of(begun, rule.upload_days, day), rule)
        for rule in rules
        if rule.enabled and rule.upload_days is not None and rule.filter.fits_key(key)
    ]
    return min(ends, key=lambda end: end[0], default=None)


def prefixes_of(rules: Iterable[Rule]) -> list[str]:
    """The fewest prefixes that all that the rules are about begins with, in their order."""
    found: list[str] = []
    for prefix in sorted({rule.filter.prefix or "" for rule in rules if rule.enabled}):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found
