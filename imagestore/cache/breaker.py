"""The circuit breaker that stops asking a Redis that does not answer."""

from __future__ import annotations

import math
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]

FAILURES = 5
WINDOW_SECONDS = 1.0
FIRST_SECONDS = 0.25
OPEN_SECONDS = 2.0
"""How long it is open: FIRST_SECONDS, and twice as long after each probe that fails, up to OPEN_SECONDS."""

JITTER = 0.25
"""Pauses are meant give or take this share, so that workers do not probe in step."""


class Breaker:
    """Closed: calls go through. Open: none does, for a while. Then half-open: one call probes; its success
    closes the breaker, its failure opens it again, for longer.

    Two things open it. One is a call that waited its whole time while nobody else was answered either: the
    server hangs, and each further call would cost as much. The other is FAILURES within WINDOW_SECONDS, with
    fewer good calls than that among them.

    Good calls are weighed against bad ones so that a few late answers among thousands, on a busy machine, do
    not take the cache away just when it is needed; and the first pause is short, since it may have been this
    process that stood still. Safe to use from many threads.

    `told` is told True when it opens and False when it closes again.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._told = told
        self._lock = threading.Lock()
        self._good = 0
        self._answered = -math.inf
        self._pause = FIRST_SECONDS
        self._failures: deque[tuple[float, int]] = deque(
            maxlen=FAILURES
        )  # when, and the good calls till then
        self._shut_until: float | None = None
        self._probing = False

    @property
    def state(self) -> State:
        with self._lock:
            if self._shut_until is None:
                return "closed"
            return "half-open" if self._probing or self._clock() >= self._shut_until else "open"

    def admits(self) -> bool:
        """Whether a call may be made now. After True the caller tells how it went."""
        with self._lock:
            now = self._clock()
            if self._shut_until is None:
                return True
            if now < self._shut_until:
                return False
            # This caller probes. Should it never report, the next one may probe when the pause is over again.
            self._probing = True
            self._shut(now)
            return True

    def succeeded(self) -> None:
        with self._lock:
            self._good += 1
            self._answered = self._clock()
            if self._shut_until is not None:
                self._shut_until = None
                self._probing = False
                self._pause = FIRST_SECONDS
                self._failures.clear()
                self._told(False)

    def failed(self, waited_since: float | None = None) -> None:
        """`waited_since`: by the clock, when a call began that waited its whole time."""
        with self._lock:
            now = self._clock()
            self._failures.append((now, self._good))
            hangs = waited_since is not None and self._answered < waited_since
            if self._shut_until is None:
                if hangs or self._is_bad(now):
                    self._shut(now)
                    self._told(True)
            elif self._probing:
                self._probing = False
                self._pause = min(2 * self._pause, OPEN_SECONDS)
                self._shut(now)

    def _shut(self, now: float) -> None:
        # The jitter spreads load and guards nothing.
        self._shut_until = now + self._pause * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311

    def _is_bad(self, now: float) -> bool:
        if len(self._failures) < FAILURES:
            return False
        since, good = self._failures[0]
        return now - since <= WINDOW_SECONDS and self._good - good < FAILURES
