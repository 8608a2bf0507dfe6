"""Who may what by the S3 door, and whose things are."""

from __future__ import annotations

import hashlib

from imagestore.core.image import Bucket, Version
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.xml import Child

HOUSE = "imagestore"
"""The owner of what was made by REST."""


def require(
    call: Call, action: str, bucket: Bucket, version: Version | None = None, *, key: str = ""
) -> None:
    """Return if the sender may. `action` is AWS's, such as s3:GetObject; `key` is the request's unless it is
    given. Raises S3Error AccessDenied."""
    del action, version, key
    if call.owner is None or bucket.owner not in (None, call.owner):
        raise denied()


def denied() -> S3Error:
    return S3Error("AccessDenied", "Access Denied")


def canonical_id(owner: str | None) -> str:
    """The 64 hexadecimal digits by which AWS calls an owner."""
    return hashlib.sha256((owner or HOUSE).encode()).hexdigest()


def owner_element(owner: str | None, name: str = "Owner") -> Child:
    return name, [("ID", canonical_id(owner)), ("DisplayName", owner or HOUSE)]
