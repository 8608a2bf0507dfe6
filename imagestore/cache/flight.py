"""One maker per key: what many want at once is made once, in this process and, by a lease, in all of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

from imagestore.cache.tier import Tier
from imagestore.cache.values import Lease
from imagestore.core.errors import InvalidRequest, NotFound, Refused, RejectedImage

T = TypeVar("T")

Role = Literal["make", "wait"]

SHARED_ERRORS = (InvalidRequest, NotFound, Refused, RejectedImage)
"""Failures that lie in what is asked for: making it again would fail again."""

WAIT_SECONDS = 10.0
LEASE_SECONDS = 2.0
"""It is renewed for as long as its maker is at work: so long after a maker died another one follows."""

MOST_FAILURES = 3
IDLE_ROUNDS = 8
HOPELESS_SECONDS = 10.0
FIRST_PAUSE = 0.02
LONGEST_PAUSE = 0.25


class Flights:
    """Lets one thread make what many want at once.

    In one process the threads wait for each other directly. Between processes one holds a lease in Redis, and
    the others look every so often whether the thing is there. The lease ends when its maker is done; it is
    renewed until then, so that it ends within `lease_seconds` of its maker's death, and another one follows.
    Without Redis each process makes its own: at once, or, if `patience` seconds are given, only after Redis
    did not answer for as long as that. It may just be busy, and what is to be made be dear.
    """

    def __init__(self, tier: Tier, *, lease_seconds: float = LEASE_SECONDS, patience: float = 0.0) -> None:
        self._tier = tier
        self._lease_seconds = lease_seconds
        self._patience = patience
        self._hopeless_until = 0.0
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        self._held: dict[str, Lease] = {}
        self._renewing = False

    def once(
        self, name: str, make: Callable[[], T], *, find: Callable[[], T | None], wait: float = WAIT_SECONDS
    ) -> tuple[T, Role]:
        """What `make` makes, or another's maker made, and which of the two it was.

        `find` looks where the makers of all processes leave what they made; None means not there. `make`
        leaves it there itself. Nobody waits longer than `wait` seconds for others: whose time is over makes
        it itself, so waiting never fails.

        An error of `make` reaches its own caller. Of those who wait, all get it too if it is one of
        SHARED_ERRORS; after any other one of them makes in turn, until a waiter has seen MOST_FAILURES makers
        fail or, having seen one fail, has no time left: it gets the last error.
        """
        deadline = time.monotonic() + wait
        failures: list[Exception] = []
        while True:
            flight, leads = self._join(name)
            if leads:
                return self._lead(name, flight, lambda: self._make_or_find(name, make, find, deadline))
            if not flight.landed.wait(max(0.0, deadline - time.monotonic())):
                if failures:
                    raise failures[-1]
                return make(), "make"
            if flight.cargo is not None:
                return flight.cargo[0], "wait"
            if flight.error is not None:
                failures.append(flight.error)
                if isinstance(flight.error, SHARED_ERRORS) or len(failures) >= MOST_FAILURES:
                    raise flight.error

    def _join(self, name: str) -> tuple[_Flight, bool]:
        """The flight under `name`, and whether the caller is to lead it."""
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight, False
            flight = self._flights[name] = _Flight()
            return flight, True

    def _lead(self, name: str, flight: _Flight, work: Callable[[], tuple[T, Role]]) -> tuple[T, Role]:
        try:
            value, role = work()
            flight.cargo = (value,)
            return value, role
        except Exception as error:
            flight.error = error
            raise
        finally:
            # The name goes before the landing, so that whoever wakes up and joins again finds a new flight.
            with self._lock:
                del self._flights[name]
            flight.landed.set()

    def _make_or_find(
        self, name: str, make: Callable[[], T], find: Callable[[], T | None], deadline: float
    ) -> tuple[T, Role]:
        pause, began = FIRST_PAUSE, time.monotonic()
        while True:
            lease = self._tier.try_lease(name, self._lease_seconds)
            waits = lease.state == "unavailable" and self._is_patient(began)
            try:
                if lease.state == "unavailable" and not waits:
                    return make(), "make"
                # Also with the lease in hand: another maker may have ended between the caller's look and now.
                found = find()
                if found is not None:
                    return found, "wait"
                left = deadline - time.monotonic()
                if lease.state == "held" or left <= 0:
                    with self._renewed(lease):
                        return make(), "make"
            finally:
                if lease.state != "busy":  # one may have been given, and the word of it been late
                    self._tier.release_lease(lease)
            time.sleep(min(left, pause * random.uniform(0.5, 1.0)))  # noqa: S311 - spreads load, guards nothing
            pause = min(pause * 1.5, LONGEST_PAUSE)

    def _is_patient(self, began: float) -> bool:
        """Whether to ask again for a lease that Redis did not answer for since `began`. After it was waited
        for in vain nobody waits for a while."""
        now = time.monotonic()
        if not self._tier.enabled or now < self._hopeless_until:
            return False
        if now - began < self._patience:
            return True
        self._hopeless_until = now + HOPELESS_SECONDS
        return False

    @contextmanager
    def _renewed(self, lease: Lease) -> Iterator[None]:
        """Have a lease that is held renewed until the block ends."""
        if lease.state != "held":
            yield
            return
        with self._lock:
            self._held[lease.token] = lease
            if not self._renewing:
                self._renewing = True
                threading.Thread(target=self._renew, name="leases", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                del self._held[lease.token]

    def _renew(self) -> None:
        """Renew all that are held, until none is for a while."""
        pause = self._lease_seconds / 4
        idle = 0
        while True:
            time.sleep(pause)
            with self._lock:
                held = list(self._held.values())
                idle = 0 if held else idle + 1
                if idle >= IDLE_ROUNDS:
                    self._renewing = False
                    return
            for lease in held:
                self._tier.renew_lease(lease, self._lease_seconds)


class _Flight:
    """One making under way. Once landed it has a cargo, an error, or neither if its thread was ended."""

    def __init__(self) -> None:
        self.landed = threading.Event()
        self.cargo: tuple[Any] | None = None
        self.error: Exception | None = None
