"""What the Redis tier tells of aliases and leases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Alias:
    """What a name was last known to be: the generation of that knowledge, and the caller's own bytes."""

    generation: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Lease:
    """What came of asking for the right to make `name`: busy is held by another, unavailable is no Redis."""

    name: str
    state: Literal["held", "busy", "unavailable"]
    token: str
