"""Turns: writers of one thing go one after the other in this process, and undo nobody's transaction."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from imagestore.core.errors import WriteContention


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


class Turns:
    """One holder for each thing. Safe to use from many threads; keeps only what is wanted at the moment."""

    def __init__(self) -> None:
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = threading.Lock()

    @contextmanager
    def take(self, things: Sequence[Hashable], seconds: float) -> Iterator[None]:
        """Hold all of `things` until the block ends. Raises WriteContention after `seconds` of waiting.

        They are taken in the order given: callers that share some must agree on it, so as not to wait for
        each other.
        """
        ends = time.monotonic() + seconds
        with ExitStack() as held:
            for thing in things:
                held.enter_context(self._take(thing, max(0.0, ends - time.monotonic())))
            yield

    @contextmanager
    def _take(self, thing: Hashable, seconds: float) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(thing, _Turn())
            turn.wanted += 1
        try:
            if not turn.lock.acquire(timeout=seconds):
                raise WriteContention(
                    "Too many uploads to one key, or of the same bytes, at once: try again."
                )
            try:
                yield
            finally:
                turn.lock.release()
        finally:
            with self._lock:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[thing]
