"""Grants in headers: the access control list that a request asks for, and whether its bucket takes it."""

from __future__ import annotations

from imagestore.access import acl
from imagestore.access.acl import Acl, BadGrant
from imagestore.access.owners import HOUSE
from imagestore.access.safeguards import block_of, owner_of, ownership_of, takes_acls
from imagestore.core.image import Bucket
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.permissions import denied

CANNED_HEADER = "x-amz-acl"

HARMLESS = ("private", "bucket-owner-full-control")
"""Canned lists that may be asked for where there are none: they give nothing to others."""


def asks_for_list(call: Call) -> bool:
    return CANNED_HEADER in call.headers or any(name in call.headers for name in acl.GRANT_HEADERS)


def acl_of_new(call: Call, bucket: Bucket) -> tuple[str | None, str | None]:
    """The list that the headers ask for with an object to be, as it is kept, and who will own the object."""
    canned, ownership = call.headers.get(CANNED_HEADER), ownership_of(bucket)
    owner = call.owner if call.owner is not None else bucket.owner
    if ownership == "BucketOwnerEnforced":
        owner = bucket.owner
    elif ownership == "BucketOwnerPreferred" and canned == "bucket-owner-full-control":
        return None, bucket.owner
    shown = owner if owner is not None else HOUSE
    wanted = from_headers(call, bucket, shown)
    return (None if wanted is None else acl.write(wanted, shown)), owner


def from_headers(call: Call, bucket: Bucket, owner: str) -> Acl | None:
    """The list that the headers ask for; None where they ask for none, or for what is so anyway.

    Raises S3Error for one that the bucket does not take.
    """
    canned = call.headers.get(CANNED_HEADER)
    if not asks_for_list(call):
        return None
    if canned is not None and any(name in call.headers for name in acl.GRANT_HEADERS):
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if not takes_acls(bucket) and canned in HARMLESS:
        return None
    try:
        wanted = (
            acl.canned(canned, owner, owner_of(bucket))
            if canned is not None
            else acl.from_headers(call.headers.get, call.services.keyring.find_owner)
        )
    except BadGrant as bad:
        raise refused(bad, CANNED_HEADER if canned is not None else "x-amz-grant") from None
    return checked(wanted, bucket)


def checked(wanted: Acl, bucket: Bucket) -> Acl:
    if not takes_acls(bucket):
        raise S3Error("AccessControlListNotSupported", "The bucket does not allow ACLs")
    if block_of(bucket).block_public_acls and acl.is_public(wanted):
        raise denied()
    return wanted


def refused(bad: BadGrant, argument: str) -> S3Error:
    extra = {"ArgumentName": argument} if bad.code == "InvalidArgument" else {}
    return S3Error(bad.code, bad.message, **extra)
