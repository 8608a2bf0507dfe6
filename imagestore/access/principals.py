"""Principals: who asks, with the account that they belong to and how far their credential reaches."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `access_key` is None for a stranger; `buckets` is None where all buckets are meant.

    The scopes stand beside each other (a credential may write without reading); `admin` includes both.
    `owner` is the account, which several credentials may share; `is_root` is the first credential, from the
    settings.
    """

    access_key: str | None = None
    scopes: frozenset[str] = frozenset()
    buckets: frozenset[str] | None = None
    owner: str = ""
    is_root: bool = False

    @property
    def is_stranger(self) -> bool:
        return self.access_key is None

    def reaches(self, bucket: str | None) -> bool:
        return self.buckets is None or (bucket is not None and bucket in self.buckets)

    def holds(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


STRANGER = Principal()
