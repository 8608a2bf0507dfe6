"""The answer to one request on its way: what of it is kept in memory, and what may stand in for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from werkzeug.http import parse_date

from imagestore.core.replay import Source
from imagestore.edge.memory import MOST_BODY_BYTES, Depends, Entry, Field
from imagestore.edge.refusals import Refusal
from imagestore.edge.rules import lifetime
from imagestore.imaging.formats import accept_class

if TYPE_CHECKING:
    from imagestore.edge.replay import Replayer

SENT_ANEW = frozenset((b"age", b"cache-status", b"connection", b"server-timing", b"x-request-id"))
"""Fields that each sending of an answer has of its own."""

EARLY = (0.05, 0.25)
"""Of an answer's freshness so much is left when the next one is fetched, by chance: workers and nodes take
turns."""


class Recording:
    """Made before the application is asked, so that a change while it answers is seen as one.

    `target` is the request's, as sent, `host` the name that it called the service by; `clock` is the event
    loop's. An answer is kept when it is whole, a 200 to a GET, public (see `lifetime`), and the application
    has told what it was made of.
    """

    def __init__(
        self, replayer: Replayer, target: bytes, fields: Sequence[Field], clock: Callable[[], float]
    ) -> None:
        self._replayer = replayer
        self._target = target
        self._clock = clock
        self._begun = time.monotonic_ns()
        self._host = b"".join(value for name, value in fields if name == b"host")
        accepts = b",".join(value for name, value in fields if name == b"accept")
        self._class = accept_class(accepts.decode("latin-1"))
        self._entry: Entry | None = None
        self._source = Source()
        self._missing = 0
        self._pieces: list[bytes] = []

    def stale(self) -> Refusal | None:
        """What may be sent instead of an answer that the application does not have."""
        return self._replayer.stale(self._target, self._class, self._clock())

    def begin(self, status: int, fields: Sequence[Field], source: Source) -> None:
        """The head of the answer is known; `fields` have lower-case names."""
        if status != 200 or not source.names:
            return
        lengths = [int(value) for name, value in fields if name == b"content-length"]
        self._replayer.admit(self._host)
        if not lengths or lengths[0] > MOST_BODY_BYTES:
            return
        self._missing, self._source = lengths[0], source
        target = path_of(self._target) if source.queryless else self._target
        names = (*source.names, target_name(target))
        depends = Depends(self._replayer.memory.generations.slots_of(names), self._begun)
        self._entry = enter(target, self._class, fields, depends, self._clock(), self._replayer.freshness)
        if self._entry is not None:
            self._entry.queryless = source.queryless

    def add(self, data: bytes) -> None:
        if self._entry is not None:
            self._pieces.append(data)

    def end(self, data: bytes) -> None:
        """The last piece has gone."""
        entry = self._entry
        if entry is None:
            return
        entry.body = b"".join((*self._pieces, data))
        if len(entry.body) == self._missing:
            self._replayer.keep(entry, self._source)


def path_of(target: bytes) -> bytes:
    """The target without its query."""
    return target.partition(b"?")[0]


def target_name(target: bytes) -> str:
    """What a change by way of the same target is noted under."""
    return f"target {target.decode('latin-1')}"


def enter(
    target: bytes, accept_class: str, fields: Sequence[Field], depends: Depends, now: float, freshness: float
) -> Entry | None:
    """An entry, still without its body, for a 200 answer with these fields; None if it may not be kept."""
    lived = lifetime(fields)
    if lived is None:
        return None
    left_out = SENT_ANEW | _listed(fields)
    kept = tuple(field for field in fields if field[0] not in left_out)
    known = dict(kept)
    modified, sent = (_time(known.get(name)) for name in (b"last-modified", b"date"))
    fresh = min(lived.fresh, freshness)
    return Entry(
        target=target,
        variant=accept_class if b"vary" in known else "",
        fields=kept,
        body=b"",
        etag=known.get(b"etag", b""),
        depends=depends,
        born=now - lived.age,
        fresh_until=now + fresh,
        stale_until=now + fresh + lived.stale_if_error,
        # RFC 9110, section 8.8.2.2: what was changed in the second of the answer may be changed once more in
        # it, and the application names no time that is to come.
        dated=modified is not None and sent is not None and modified < sent,
        renew_from=now + fresh * (1 - random.uniform(*EARLY)),  # noqa: S311 - it only spreads load
    )


def _listed(fields: Sequence[Field]) -> frozenset[bytes]:
    """Fields that are meant for one connection alone (RFC 9110, section 7.6.1)."""
    lists = (value.lower().split(b",") for name, value in fields if name == b"connection")
    return frozenset(name.strip() for each in lists for name in each)


def _time(value: bytes | None) -> datetime | None:
    return parse_date(value.decode("latin-1")) if value else None
