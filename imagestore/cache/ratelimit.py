"""Rate limits: how often a name may come within a time, counted in Redis for all workers and nodes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from imagestore.cache.tier import Tier
from imagestore.core.rates import Rate

MOST_SHUT_OUT = 10_000
"""Names that are remembered as refused; beyond that the oldest is forgotten, and Redis asked again."""

log = logging.getLogger(__name__)


class RateLimiter:
    """Fixed windows: the first coming of a name opens one, and so many may come before it ends.

    It fails open: while Redis is not there, everybody comes in, after one call of it at most (see Wire).
    Who was refused is refused from memory for the rest of his window, so that a flood does not get to Redis.

    Not by the library `limits`, of which the arithmetic of these windows would be left: its storage talks to
    Redis by itself, past the Wire with its short timeouts and its breaker.
    """

    def __init__(self, tier: Tier, clock: Callable[[], float] = time.monotonic) -> None:
        self._tier = tier
        self._clock = clock
        self._lock = threading.Lock()
        self._shut_out: dict[str, float] = {}

    def wait(self, name: str) -> float:
        """Seconds for which this process knows `name` to be refused, without counting it or asking Redis."""
        with self._lock:
            until = self._shut_out.get(name)
            left = 0.0 if until is None else until - self._clock()
            if until is not None and left <= 0:
                del self._shut_out[name]
        return max(left, 0.0)

    def count(self, name: str, rate: Rate) -> float:
        """Count `name` once more: 0 if it is within `rate`, else the seconds until it may come again."""
        if not rate:
            return 0.0
        wait = self.wait(name)
        if wait:
            return wait
        counted = self._tier.count_within(name, rate.seconds)
        if counted is None or counted[0] <= rate.count:
            return 0.0
        log.info("%s came more than %s times: refused for %.0f s", ascii(name), rate, counted[1])
        self._shut(name, counted[1])
        return max(counted[1], 0.001)

    def _shut(self, name: str, seconds: float) -> None:
        with self._lock:
            self._shut_out[name] = self._clock() + seconds
            if len(self._shut_out) > MOST_SHUT_OUT:
                del self._shut_out[next(iter(self._shut_out))]
