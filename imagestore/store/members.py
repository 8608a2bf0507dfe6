"""Which members of the replica set answer, as the driver's own monitors see it from moment to moment."""

from __future__ import annotations

import time
from typing import Any

from pymongo import MongoClient, ReadPreference

LOST_SECONDS = 1.5
"""How long one waits for a set of which no member answers: longer than a dropped connection, and short enough
that whoever asks is told within two seconds."""

LOOK_SECONDS = 0.02
"""How often one who waits looks again. The driver's own events come once a second, which is too late."""

FORGET_SECONDS = 2.0
"""What was seen longer ago than this says nothing of now."""


class Members:
    """The state of the set, and a place to wait for a better one. Thread-safe.

    The driver waits for a primary too, but for one time that is set for all: too long where nothing answers
    at all, too short where an election is under way.
    """

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client
        self._headless = _Spell()
        self._lost = _Spell()

    def await_primary(self, patience: float) -> bool:
        """Wait until a primary is known; False when there has been none for `patience` seconds, or no
        readable member for LOST_SECONDS. So who comes late, when that is known already, is told at once.
        """
        while True:
            found = self._client.topology_description
            headless = self._headless.note(not found.has_writable_server())
            if headless is None:
                return True
            lost = self._lost.note(not found.has_readable_server(ReadPreference.NEAREST))
            if headless >= patience or (lost is not None and lost >= LOST_SECONDS):
                return False
            time.sleep(LOOK_SECONDS)

    def has_secondary(self) -> bool:
        return bool(self._client.topology_description.has_readable_server(ReadPreference.SECONDARY))


class _Spell:
    """For how long something has been seen to be so, by whoever looked."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._seen = 0.0

    def note(self, holds: bool) -> float | None:
        """Seconds since it was first seen without a break; None when it is not so.

        Threads may overwrite what others note here: the least that this does is to make a spell shorter.
        """
        if not holds:
            self._since = None
            return None
        now = time.monotonic()
        since = self._since
        if since is None or now - self._seen > FORGET_SECONDS:
            since = now
        self._since, self._seen = since, now
        return now - since
