"""Safeguards of buckets by S3: the public access block, and ownership controls."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from flask import Response

from imagestore.access import acl
from imagestore.access.safeguards import (
    OWNERSHIPS,
    Ownership,
    PublicAccessBlock,
    block_of,
    owner_of,
)
from imagestore.core.image import Bucket
from imagestore.web.s3.answers import document, empty
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.xml import malformed, parse, text_of

BLOCK, OWNERSHIP = "public_access_block", "ownership"
ENFORCED: Ownership = "BucketOwnerEnforced"

_FLAGS = {
    "BlockPublicAcls": "block_public_acls",
    "IgnorePublicAcls": "ignore_public_acls",
    "BlockPublicPolicy": "block_public_policy",
    "RestrictPublicBuckets": "restrict_public_buckets",
}


def get_public_access_block(call: Call) -> Response:
    bucket = open_bucket(call, "s3:GetBucketPublicAccessBlock")
    if BLOCK not in bucket.documents:
        raise S3Error(
            "NoSuchPublicAccessBlockConfiguration",
            "The public access block configuration was not found",
            BucketName=bucket.name,
        )
    block = block_of(bucket)
    return document(
        "PublicAccessBlockConfiguration", [(name, getattr(block, field)) for name, field in _FLAGS.items()]
    )


def put_public_access_block(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketPublicAccessBlock")
    root = parse(read_document(call), "PublicAccessBlockConfiguration")
    block = PublicAccessBlock(**{field: _flag(root, name) for name, field in _FLAGS.items()})
    call.services.catalog.set_document(bucket.name, BLOCK, block.write())
    return empty(200)


def delete_public_access_block(call: Call) -> Response:
    return _delete(call, "s3:PutBucketPublicAccessBlock", BLOCK)


def get_ownership(call: Call) -> Response:
    bucket = open_bucket(call, "s3:GetBucketOwnershipControls")
    told = bucket.documents.get(OWNERSHIP)
    if told is None:
        raise S3Error(
            "OwnershipControlsNotFoundError",
            "The bucket ownership controls were not found",
            BucketName=bucket.name,
        )
    return document("OwnershipControls", [("Rule", [("ObjectOwnership", told)])])


def put_ownership(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketOwnershipControls")
    root = parse(read_document(call), "OwnershipControls")
    rules = root.findall("Rule")
    if len(rules) != 1:
        raise malformed()
    told = read_ownership(text_of(rules[0], "ObjectOwnership"))
    if told is None:
        raise malformed()
    if told == ENFORCED and _has_list(bucket):
        raise S3Error(
            "InvalidBucketAclWithObjectOwnership",
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
            BucketName=bucket.name,
        )
    call.services.catalog.set_document(bucket.name, OWNERSHIP, told)
    return empty(200)


def delete_ownership(call: Call) -> Response:
    return _delete(call, "s3:PutBucketOwnershipControls", OWNERSHIP)


def read_ownership(text: str) -> Ownership | None:
    return next((each for each in OWNERSHIPS if each == text), None)


def _has_list(bucket: Bucket) -> bool:
    """Whether its access control list gives anything to others."""
    owner = owner_of(bucket)
    return any(each.grantee != owner for each in acl.read(bucket.documents.get("acl"), owner))


def _delete(call: Call, action: str, kind: str) -> Response:
    bucket = open_bucket(call, action)
    if kind in bucket.documents:
        call.services.catalog.set_document(bucket.name, kind, None)
    return empty(204)


def _flag(root: Element, name: str) -> bool:
    told = text_of(root, name, "false").strip().lower()
    if told not in ("true", "false"):
        raise malformed()
    return told == "true"
