"""What each image may be answered with: its states in time, and the digest of every answer of a version."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field

KEPT_SECONDS = 120.0
"""For which a superseded state is remembered: longer than any request takes."""


@dataclass(eq=False)
class State:
    """An image as one write left it: the version's number and digest, or neither where it is deleted.

    It may be seen from `begun` on, when the write was sent, and up to when the next one was acknowledged.
    """

    number: int | None
    digest: str | None
    begun: float
    acknowledged: float = math.inf


@dataclass
class Expected:
    """One image. `writing`: somebody writes it now, and nobody else may."""

    key: str
    states: list[State] = field(default_factory=list)
    writing: bool = False

    @property
    def newest(self) -> State | None:
        """The state that the last acknowledged write left."""
        return next((each for each in reversed(self.states) if each.acknowledged < math.inf), None)

    def possible(self, since: float, until: float) -> list[State]:
        """The states that an answer may show which was asked for and came between these moments."""
        found = []
        ended = math.inf
        for state in reversed(self.states):
            if state.begun <= until and ended >= since:
                found.append(state)
            ended = min(ended, state.acknowledged)
        return found

    def begin(self, digest: str | None, now: float) -> State:
        """A write is sent; `acknowledge` it when its answer is there."""
        ended = math.inf
        kept = []
        for state in reversed(self.states):
            if ended > now - KEPT_SECONDS:
                kept.append(state)
            ended = min(ended, state.acknowledged)
        self.states = [*reversed(kept), State(None, digest, now)]
        return self.states[-1]


class Renditions:
    """The digest of the first answer for each version and URL, by which all later ones are measured."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, int | None, str], bytes] = {}

    def __len__(self) -> int:
        return len(self._digests)

    def agree(self, key: str, states: list[State], what: str, body: bytes) -> bool:
        """Whether that may be made of one of these versions. What is not known yet may be."""
        digest = hashlib.sha256(body).digest()[:16]
        known = [self._digests.get((key, state.number, what)) for state in states]
        if digest in known:
            return True
        if len(states) == 1 and known[0] is None:
            self._digests[key, states[0].number, what] = digest
            return True
        return None in known
