"""Owners: the accounts that credentials belong to, and that own buckets and objects."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from imagestore.core.errors import InvalidParameter

HOUSE = "imagestore"
"""Who is shown as the owner of what was made by REST: every credential's scopes count there."""

_NAME = re.compile(r"[A-Za-z0-9._@+=,-]{1,64}")
_CANONICAL_ID = re.compile(r"[0-9a-f]{64}")


@lru_cache(maxsize=1024)
def canonical_id(owner: str) -> str:
    """The canonical user id of an owner: 64 hexadecimal digits, the SHA-256 of the name."""
    return hashlib.sha256(owner.encode("utf-8", "surrogatepass")).hexdigest()


def check_owner(name: str) -> str:
    """Return `name` if it can name an owner. Raises InvalidParameter."""
    if not _NAME.fullmatch(name) or is_canonical_id(name) or name == HOUSE:
        raise InvalidParameter(
            f"{name[:80]!r} cannot name an owner: use 1 to 64 of letters, digits and '._@+=,-', neither "
            f"{HOUSE!r} nor 64 hexadecimal digits."
        )
    return name


def is_canonical_id(text: str) -> bool:
    return _CANONICAL_ID.fullmatch(text) is not None


def is_owner(told: str, owner: str) -> bool:
    """Whether what a policy or a list says means that owner: by name or by canonical id."""
    return told in (owner, canonical_id(owner))
