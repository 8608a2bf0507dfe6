"""Lifecycle rules carried out: what has come to its end by its bucket's rules goes, and caches are told."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from imagestore.core.errors import ImageNotFound, PreconditionFailed, WriteContention
from imagestore.core.image import Bucket, Condition, Version
from imagestore.core.lifecycle import (
    Past,
    Rule,
    expiry_of,
    marker_ends,
    prefixes_of,
    read_rules,
    upload_end,
)
from imagestore.core.metrics import LIFECYCLE_ENDED, Metrics
from imagestore.core.multipart import Open
from imagestore.core.objects import Marker
from imagestore.library.deletions import Deletions
from imagestore.library.survey import LifecyclePage
from imagestore.library.upkeep import Pace
from imagestore.store.histories import Histories
from imagestore.store.listings import Place
from imagestore.store.partwise import Partwise
from imagestore.store.registry import Registry

log = logging.getLogger(__name__)

UPLOADS_PAGE = 200


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry of a history. `past` unless it is its key's newest; `last`: there is no older one."""

    entry: Version | Marker
    past: Past | None
    last: bool


class Lifecycle:
    """`day` is how many seconds a day of the rules has; what ends does so at the end of one."""

    def __init__(
        self, registry: Registry, histories: Histories, partwise: Partwise, deletions: Deletions, day: float
    ) -> None:
        self._registry = registry
        self._histories = histories
        self._partwise = partwise
        self._deletions = deletions
        self._day = day

    @property
    def beat_seconds(self) -> float:
        """How often at least it is to be looked whether it is due."""
        return self._day / 4

    def is_due(self, done: LifecyclePage | None) -> bool:
        """Whether a day has ended since it was done."""
        return done is None or time.time() // self._day > done.began.timestamp() // self._day

    def run(self, pace: Pace, metrics: Metrics) -> LifecyclePage:
        """Go through every bucket that has rules.

        Two that run at once, or one that is begun anew, do no harm. Raises StoreUnavailable.
        """
        began, ended = datetime.now(UTC), Counter[str]()
        for bucket in self._registry.list_buckets():
            rules = _rules_of(bucket)
            if not rules:
                continue
            for kind in self._end(bucket, rules, pace):
                pace.take()
                ended[kind] += 1
                metrics.count(LIFECYCLE_ENDED, kind)
        if ended:
            log.info("lifecycle rules ended %s", dict(ended))
        return LifecyclePage(began, datetime.now(UTC), dict(ended))

    def _end(self, bucket: Bucket, rules: list[Rule], pace: Pace) -> Iterator[str]:
        """The kind of each thing that was ended."""
        now = time.time()
        if any(rule.upload_days is not None for rule in rules):
            yield from self._end_uploads(bucket, rules, now, pace)
        others = [rule for rule in rules if _is_of_versions(rule)]
        for prefix in prefixes_of(others):
            for placed in _place(self._entries(bucket, prefix, pace)):
                kind = self._kind(placed, others, now)
                if kind is not None and self._take(bucket, placed, kind):
                    yield kind

    def _entries(self, bucket: Bucket, prefix: str, pace: Pace) -> Iterator[Version | Marker]:
        for page in self._histories.walk(bucket.name, prefix):
            pace.take(len(page))
            yield from page

    def _kind(self, placed: Placed, rules: list[Rule], now: float) -> str | None:
        """What an entry is ended as; None if its time has not come."""
        if placed.past is not None:
            return "noncurrent" if placed.past.ends(rules, now, self._day) else None
        if isinstance(placed.entry, Marker):
            ends = placed.last and marker_ends(rules, placed.entry, now, self._day)
            return "marker" if ends else None
        end = expiry_of(rules, placed.entry, self._day)
        return "object" if end is not None and end[0] <= now else None

    def _take(self, bucket: Bucket, placed: Placed, kind: str) -> bool:
        """Delete it, if it still is what it was: a client may have been there first."""
        entry = placed.entry
        condition = Condition(modified=entry.modified) if isinstance(entry, Version) else Condition()
        try:
            if kind == "object":
                return self._deletions.delete(bucket, entry.key, condition, None) is not None
            return self._deletions.delete_version(bucket, entry.key, entry.shown_id, condition) is not None
        except (PreconditionFailed, ImageNotFound, WriteContention):
            return False

    def _end_uploads(self, bucket: Bucket, rules: list[Rule], now: float, pace: Pace) -> Iterator[str]:
        for upload in self._uploads(bucket, pace):
            end = upload_end(rules, upload.key, upload.begun, self._day)
            if end is not None and end[0] <= now and self._partwise.give_up(upload):
                yield "upload"

    def _uploads(self, bucket: Bucket, pace: Pace) -> Iterator[Open]:
        place: Place | None = Place()
        while place is not None:
            found = self._partwise.uploads(bucket.name, "", place, UPLOADS_PAGE)
            pace.take(len(found))
            yield from found
            place = Place(found[-1].key, mark=found[-1].upload_id) if found else None


def _rules_of(bucket: Bucket) -> list[Rule]:
    try:
        return [rule for rule in read_rules(bucket.documents.get("lifecycle")) if rule.enabled]
    except ValidationError:
        log.error("the lifecycle rules of bucket %r cannot be read: put them anew", bucket.name)
        return []


def _is_of_versions(rule: Rule) -> bool:
    return (rule.days, rule.date, rule.noncurrent_days) != (None, None, None) or rule.markers


def _place(entries: Iterable[Version | Marker]) -> Iterator[Placed]:
    """Each with what it is among those of its key, which come newest first."""
    held: tuple[Version | Marker, Past | None] | None = None
    since: datetime | None = None
    newer = 0
    for entry in entries:
        same = held is not None and held[0].key == entry.key
        if held is not None:
            yield Placed(*held, last=not same)
        past = None
        if same and since is not None:
            past = Past(entry, since, newer)
            newer += isinstance(entry, Version)
        else:
            newer = 0
        held, since = (entry, past), entry.modified
    if held is not None:
        yield Placed(*held, last=True)
