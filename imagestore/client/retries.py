"""How often a request that failed is sent again, after what pauses, and which failures allow it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """`count` more tries at the most, for requests that may safely be sent again.

    Before each comes the time that the answer asked for (Retry-After), and then a pause by chance, up to a
    bound that doubles from `first` to `longest` seconds: so clients that failed together do not come back
    together. An answer that asks for more than `patience` seconds is not waited for.
    """

    count: int = 3
    first: float = 0.25
    longest: float = 8.0
    patience: float = 30.0


RETRIES = Retries()
NO_RETRIES = Retries(count=0)

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
_BROKEN = (*_NEVER_SENT, httpx.NetworkError, httpx.RemoteProtocolError)
_STALLED = (*_BROKEN, httpx.ReadTimeout)


class Tries:
    """The tries of one request, counted."""

    def __init__(self, retries: Retries) -> None:
        self._retries = retries
        self._made = 0

    def wait(self, asked: float | None = None) -> bool:
        """Pause before one more try, `asked` seconds at the least; False, and at once, if none is left."""
        plan = self._retries
        if self._made >= plan.count or (asked or 0.0) > plan.patience:
            return False
        bound = min(plan.longest, plan.first * 2**self._made)
        self._made += 1
        time.sleep((asked or 0.0) + random.uniform(0, bound))  # noqa: S311 - it spreads load, and no more
        return True

    def renew(self) -> None:
        """There was progress: count from the beginning."""
        self._made = 0


def was_never_sent(error: httpx.HTTPError) -> bool:
    """Whether nothing of the request left: then it may be sent, whatever it asks for."""
    return isinstance(error, _NEVER_SENT)


def is_broken(error: httpx.HTTPError) -> bool:
    """Whether the connection failed. A service that only takes its time is not asked for more of it."""
    return isinstance(error, _BROKEN)


def is_stalled(error: httpx.HTTPError) -> bool:
    """Whether the rest of a body did not come: another connection may bring it."""
    return isinstance(error, _STALLED)


def asked_pause(answer: httpx.Response) -> float | None:
    """Seconds that an answer asks to wait for, in either form of Retry-After (RFC 9110, section 10.2.3)."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())
