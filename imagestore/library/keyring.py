"""Credentials: issued, listed, revoked, and the question who somebody is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagestore.access.actions import SCOPES
from imagestore.access.credentials import Secrets, make_access_key
from imagestore.access.owners import HOUSE, canonical_id, check_owner
from imagestore.access.principals import Principal
from imagestore.core.errors import (
    CredentialNotFound,
    InvalidParameter,
    SignatureInvalid,
    StoreUnavailable,
    Unauthenticated,
)
from imagestore.core.image import check_bucket_name
from imagestore.core.urls import check_signature, signed_query
from imagestore.library.aliases import Aliases
from imagestore.store.registry import CredentialRecord, Registry

MAX_ACCESS_KEY = 128
MAX_SIGNED_SECONDS = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Issued:
    """A fresh credential with its secret, which is shown this once."""

    record: CredentialRecord
    secret: str


class Keyring:
    """The first credential stands above the others: it comes from the settings and cannot be revoked."""

    def __init__(self, registry: Registry, secrets: Secrets, aliases: Aliases) -> None:
        self._registry = registry
        self._secrets = secrets
        self._aliases = aliases

    def issue(
        self, scopes: list[str], buckets: list[str] | None, description: str = "", owner: str | None = None
    ) -> Issued:
        """Make a credential. `buckets` None means all; without an `owner` it is an account of its own.

        Raises InvalidParameter and InvalidBucketName.
        """
        unknown = [scope for scope in scopes if scope not in SCOPES]
        if unknown or not scopes:
            raise InvalidParameter(f"scopes wants one or more of {', '.join(SCOPES)}.")
        if buckets is not None and not buckets:
            raise InvalidParameter("buckets wants one name or more; leave it out to mean all buckets.")
        record = CredentialRecord(
            access_key=make_access_key(),
            scopes=tuple(scope for scope in SCOPES if scope in scopes),
            buckets=tuple(sorted({check_bucket_name(name) for name in buckets})) if buckets else None,
            description=description,
            created=datetime.now(UTC).replace(microsecond=0),
            owner=check_owner(owner) if owner is not None else "",
        )
        self._registry.add_credential(record)
        return Issued(record, self._secrets.secret_of(record.access_key))

    def list_credentials(self) -> list[CredentialRecord]:
        return self._registry.list_credentials()

    def find_owner(self, told: str) -> str | None:
        """The account that is meant by a canonical id, or by its name; None if no credential is of it."""
        known = [self._secrets.admin_key, HOUSE, *self._registry.list_owners()]
        return next((owner for owner in known if told in (owner, canonical_id(owner))), None)

    def revoke(self, access_key: str) -> None:
        """Raises CredentialNotFound. When it returns, no worker takes the credential any more.

        But if Redis could not be reached from here, workers that reach it may take the credential for as long
        as they believe an alias; `Aliases` logs until when.
        """
        dropped = self._registry.drop_credential(access_key)
        self._aliases.forget_credential(access_key)  # also of one that is gone: see Repeats
        if not dropped:
            raise CredentialNotFound(f"There is no credential {access_key[:MAX_ACCESS_KEY]!r} to revoke.")

    def identify(self, access_key: str, secret: str) -> Principal:
        """Who shows this access key and secret. Raises Unauthenticated.

        The secret is compared first and in constant time, so that no answer tells whether a key exists.
        """
        if len(access_key) > MAX_ACCESS_KEY or not self._secrets.matches(access_key, secret):
            raise _unknown()
        return self.principal(access_key)

    def identify_signed(self, access_key: str, path: str, expires: int, signature: str) -> Principal:
        """Who signed this path. Raises SignatureInvalid, SignatureExpired."""
        if len(access_key) > MAX_ACCESS_KEY:
            raise SignatureInvalid("The URL's access key is not one of ours: ask for a new signed URL.")
        now = time.time()
        check_signature(self._secrets.secret_of(access_key), path, expires, signature, now=now)
        if expires - now > MAX_SIGNED_SECONDS:
            raise SignatureInvalid(
                f"A signed URL lasts {MAX_SIGNED_SECONDS} seconds at most: sign a nearer expiry."
            )
        try:
            return self.principal(access_key)
        except Unauthenticated:
            raise SignatureInvalid("The credential that signed this URL was revoked.") from None

    def sign(self, access_key: str, path: str, lifetime: int) -> tuple[str, int]:
        """The query that opens `path` for `lifetime` seconds in the name of a credential, and its expiry."""
        if not 1 <= lifetime <= MAX_SIGNED_SECONDS:
            raise InvalidParameter(f"expires_in wants 1 to {MAX_SIGNED_SECONDS} seconds.")
        expires = int(time.time()) + lifetime
        return signed_query(access_key, self._secrets.secret_of(access_key), path, expires), expires

    def secret_of(self, access_key: str) -> str:
        """The secret that signatures of this access key are made with, be there such a credential or not."""
        return self._secrets.secret_of(access_key)

    def principal(self, access_key: str) -> Principal:
        """What the credential with this access key may do. Raises Unauthenticated for one that is none."""
        if access_key == self._secrets.admin_key:
            return Principal(access_key, frozenset(SCOPES), owner=access_key, is_root=True)
        known = self._aliases.read_credential(access_key)
        if known is None:
            known = self._look_up(access_key)
        buckets = known["buckets"]
        return Principal(
            access_key,
            frozenset(known["scopes"]),
            frozenset(buckets) if buckets is not None else None,
            known.get("owner", access_key),
        )

    def _look_up(self, access_key: str) -> dict[str, Any]:
        """From the store; where that cannot be asked, from what Redis still has. Raises Unauthenticated."""
        try:
            record = self._registry.find_credential(access_key)
        except StoreUnavailable:
            remembered = self._aliases.read_credential(access_key, stale=True)
            if remembered is None:
                raise
            return remembered
        if record is None:
            raise _unknown()
        known = {"scopes": record.scopes, "buckets": record.buckets, "owner": record.owner}
        self._aliases.write_credential(access_key, known)
        return known


def _unknown() -> Unauthenticated:
    return Unauthenticated("The access key or the secret is wrong, or the credential was revoked.")
