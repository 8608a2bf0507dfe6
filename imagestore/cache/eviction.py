"""Who decides what stays in Redis: this service by the expiries it sets, or the server by its own policy."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imagestore.cache.admission import MAX_SECONDS, expiry_seconds
from imagestore.cache.checkup import CacheState, CacheUnreached, look_at_cache
from imagestore.cache.freshness import milliseconds
from imagestore.cache.scripts import Command

Wanted = Literal["auto", "expiry", "server"]
Mode = Literal["expiry", "server"]

FITTING_POLICY = "volatile-ttl"
FITTING_VERSION = (6, 2)
"""The first Redis with GETEX."""
LOOK_AGAIN_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Choice:
    """`why` is a sentence for people."""

    mode: Mode
    why: str


def choose(wanted: Wanted, servers: Sequence[CacheState]) -> Choice:
    """What is in use with these servers, those of a cluster all alike."""
    if wanted != "auto":
        return Choice(wanted, "IMAGESTORE_REDIS_EVICTION says so.")
    for state in servers:
        if state.product == "Redis" and state.version < FITTING_VERSION:
            return Choice("server", f"Redis {'.'.join(map(str, state.version))} has no GETEX, 6.2 has.")
    policies = {state.policy for state in servers} - {""}
    if not policies:
        return Choice("expiry", "The server does not tell its maxmemory-policy; volatile-ttl is assumed.")
    others = policies - {FITTING_POLICY}
    if others:
        return Choice("server", f"Its maxmemory-policy is {' and '.join(sorted(others))}.")
    return Choice("expiry", f"Its maxmemory-policy is {FITTING_POLICY}.")


class Eviction:
    """The choice for one Redis. With "auto" the server is looked at once, beside the requests: until it was,
    and while it cannot be reached, expiries are set, which no server minds. Thread-safe."""

    def __init__(self, url: str, wanted: Wanted) -> None:
        self._url = url
        self._look_at = -math.inf
        self._lock = threading.Lock()
        self.want(wanted)

    def want(self, wanted: Wanted) -> None:
        """Ask for another way, before the first request."""
        self._mode: Mode = "server" if wanted == "server" else "expiry"
        self._known = wanted != "auto" or self._url == "none"

    @property
    def mode(self) -> Mode:
        if not self._known:
            self._begin_look()
        return self._mode

    def reading(self, key: bytes, frequency: int, size: int | None) -> Command:
        """The command that reads a blob and renews its expiry by `frequency`, if expiries are what decides.

        The renewal needs the size before it is known: None, at the first meeting, leaves the expiry as it is.
        """
        if size is None or self.mode == "server":
            return ("GET", key)
        return ("GETEX", key, "PX", milliseconds(expiry_seconds(frequency, size)))

    def seconds(self, frequency: int, size: int) -> float:
        """The expiry of a blob that is written."""
        return MAX_SECONDS if self.mode == "server" else expiry_seconds(frequency, size)

    def look(self) -> None:
        """Look at the server now, if that is still wanted."""
        if self._known:
            return
        try:
            servers = look_at_cache(self._url)
        except CacheUnreached:
            return
        self._mode = choose("auto", servers).mode
        self._known = True

    def _begin_look(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now < self._look_at:
                return
            self._look_at = now + LOOK_AGAIN_SECONDS
        threading.Thread(target=self.look, name="imagestore-eviction", daemon=True).start()
