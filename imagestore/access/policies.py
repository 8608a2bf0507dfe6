"""Principals, actions and the one `decide()` that every door asks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from imagestore.core.errors import Forbidden, Unauthenticated
from imagestore.core.image import Bucket

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")


class Action(Enum):
    """What somebody wants to do, by the scope it takes."""

    GET_IMAGE = "read"
    """Get an image's bytes: what public-read buckets allow to everybody."""
    LOOK = "read:metadata"
    """See names, facts, versions and tags."""
    WRITE = "write"
    """Upload, relabel, restore or delete images."""
    ADMINISTER = "admin"
    """Make and delete buckets and credentials, set policies."""

    @property
    def scope(self) -> str:
        return self.value.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. `access_key` is None for a stranger; `buckets` is None where all buckets are meant.

    The scopes stand beside each other (a credential may write without reading); `admin` includes both.
    """

    access_key: str | None = None
    scopes: frozenset[str] = frozenset()
    buckets: frozenset[str] | None = None

    def reaches(self, bucket: str | None) -> bool:
        return self.buckets is None or (bucket is not None and bucket in self.buckets)

    def holds(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes


STRANGER = Principal()


def require_credential(principal: Principal) -> None:
    """Raises Unauthenticated for a stranger."""
    if principal.access_key is None:
        raise Unauthenticated(
            "This needs a credential: send the access key and secret by HTTP Basic, or use a signed URL."
        )


def is_open(action: Action, bucket: Bucket) -> bool:
    """Whether everybody may, so that nobody needs to be asked who they are."""
    return action is Action.GET_IMAGE and bucket.visibility == "public-read"


def decide(principal: Principal, action: Action, bucket: Bucket | str | None) -> None:
    """Return if `principal` may do `action` on `bucket`; `None` means on the service as a whole.

    `bucket` is a name where its policy does not matter. Raises Unauthenticated for a stranger, Forbidden for
    a credential that does not reach this far.
    """
    name = bucket.name if isinstance(bucket, Bucket) else bucket
    if isinstance(bucket, Bucket) and is_open(action, bucket):
        return
    require_credential(principal)
    if not principal.holds(action.scope) or not principal.reaches(name):
        where = f"on bucket {name!r}" if name else "on the whole service"
        raise Forbidden(f"This credential does not have the scope {action.scope!r} {where}.")
