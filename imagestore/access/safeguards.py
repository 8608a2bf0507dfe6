"""Safeguards of buckets: what is taken back of public access, and whose the objects are; kept as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Literal, get_args

from imagestore.access.owners import HOUSE
from imagestore.core.image import Bucket
from imagestore.core.objects import Attributes

Ownership = Literal["BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter"]
OWNERSHIPS: tuple[Ownership, ...] = get_args(Ownership)


@dataclass(frozen=True, slots=True)
class PublicAccessBlock:
    """Which public access is refused when it is asked for (`block_…`), and which has no effect."""

    block_public_acls: bool = False
    ignore_public_acls: bool = False
    block_public_policy: bool = False
    restrict_public_buckets: bool = False

    def write(self) -> str:
        return json.dumps(asdict(self))


NOTHING_BLOCKED = PublicAccessBlock()
_ALL_BLOCKED = PublicAccessBlock(True, True, True, True)


def block_of(bucket: Bucket) -> PublicAccessBlock:
    text = bucket.documents.get("public_access_block")
    return _read(text) if text is not None else NOTHING_BLOCKED


def ownership_of(bucket: Bucket) -> Ownership:
    """As its controls say. Without any, buckets made by S3 take access control lists; those of the house,
    which know none, do not."""
    told = bucket.documents.get("ownership")
    for each in OWNERSHIPS:
        if told == each:
            return each
    return "ObjectWriter" if bucket.owner is not None else "BucketOwnerEnforced"


def takes_acls(bucket: Bucket) -> bool:
    """Whether access control lists count in it, the bucket's own included."""
    return ownership_of(bucket) != "BucketOwnerEnforced"


def owner_of(bucket: Bucket) -> str:
    return bucket.owner if bucket.owner is not None else HOUSE


def object_owner(bucket: Bucket, attributes: Attributes | None) -> str:
    """Who owns what has these attributes, or what would be there."""
    if attributes is None or attributes.owner is None or not takes_acls(bucket):
        return owner_of(bucket)
    return attributes.owner


@lru_cache(maxsize=64)
def _read(text: str) -> PublicAccessBlock:
    try:
        return PublicAccessBlock(**json.loads(text))
    except (ValueError, TypeError):
        return _ALL_BLOCKED  # nobody can tell which was meant
