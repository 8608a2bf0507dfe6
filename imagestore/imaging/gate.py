"""The gate in front of the decoders: who is next, and how many may wait."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")

PROOFS_IN_A_ROW = 3
"""After so many a render that waits is next: a stream of uploads does not stop all of them."""


class Lane(Enum):
    """What a decoder is wanted for: the proof of an upload, or anything else, which comes after those."""

    PROOF = "proof"
    RENDER = "render"


class Full(Exception):
    """As many wait in the lane as may."""


class Gate(Generic[T]):
    """Hands out a few things that many want, one at a time: in each lane to whoever has waited longest.

    `bounds` says how many may wait in each lane. Safe to use from many threads.
    """

    def __init__(self, things: list[T], bounds: Mapping[Lane, int]) -> None:
        self._free = things
        self._bounds = bounds
        self._lock = threading.Lock()
        self._lanes: dict[Lane, deque[_Waiter[T]]] = {lane: deque() for lane in Lane}
        self._proofs_in_a_row = 0

    def take(self, lane: Lane, seconds: float) -> T:
        """The next thing that is free. Raises Full at once, and TimeoutError when none is in time."""
        waiter: _Waiter[T] = _Waiter()
        with self._lock:
            if self._free:  # then nobody waits
                return self._free.pop()
            if len(self._lanes[lane]) >= self._bounds[lane]:
                raise Full
            self._lanes[lane].append(waiter)
        if not waiter.served.wait(seconds):
            with self._lock:
                if not waiter.served.is_set():
                    self._lanes[lane].remove(waiter)
                    raise TimeoutError
        return waiter.things[0]

    def give_back(self, thing: T) -> None:
        with self._lock:
            waiter = self._next()
            if waiter is None:
                self._free.append(thing)
                return
            waiter.things.append(thing)
            waiter.served.set()

    def take_idle(self) -> list[T]:
        """All that are free, at once: each is to be given back."""
        with self._lock:
            idle, self._free = self._free, []
        return idle

    @property
    def idle(self) -> int:
        return len(self._free)

    def waiting(self, lane: Lane) -> int:
        return len(self._lanes[lane])

    def _next(self) -> _Waiter[T] | None:
        proofs, renders = self._lanes[Lane.PROOF], self._lanes[Lane.RENDER]
        if proofs and not (renders and self._proofs_in_a_row >= PROOFS_IN_A_ROW):
            self._proofs_in_a_row += 1
            return proofs.popleft()
        self._proofs_in_a_row = 0
        return renders.popleft() if renders else None


class _Waiter(Generic[T]):
    def __init__(self) -> None:
        self.served = threading.Event()
        self.things: list[T] = []
