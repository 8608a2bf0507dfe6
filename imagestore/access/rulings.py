"""Rulings: what decided whether somebody may, and whether that allows it."""

from __future__ import annotations

from enum import Enum


class Ruling(Enum):
    """What had the last word, in the order in which they are heard: see `policies.rule`."""

    DENIED = "denied"
    """The bucket's policy denies it."""
    ROOT = "root"
    """It is the first credential."""
    VISIBLE = "visible"
    """The bucket is public-read."""
    OWN = "own"
    """It is the principal's own, or its scopes reach there in a bucket of the house."""
    POLICY = "policy"
    """The bucket's policy allows it."""
    LIST = "list"
    """An access control list grants it."""
    NOTHING = "nothing"
    """Nothing allows it."""

    @property
    def allows(self) -> bool:
        return self not in (Ruling.DENIED, Ruling.NOTHING)
