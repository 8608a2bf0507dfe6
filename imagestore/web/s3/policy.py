"""Bucket policies by S3: set, shown, taken away, and whether one makes its bucket public."""

from __future__ import annotations

from flask import Response

from imagestore.access import acl, policy
from imagestore.access.conditions import Malformed
from imagestore.access.policies import is_policy_public
from imagestore.access.safeguards import block_of, owner_of, takes_acls
from imagestore.core.image import Bucket
from imagestore.web.s3.answers import document, empty
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.permissions import denied


def get_policy(call: Call) -> Response:
    """The document as it was sent."""
    bucket = open_bucket(call, "s3:GetBucketPolicy")
    text = bucket.documents.get("policy")
    if text is None:
        raise S3Error("NoSuchBucketPolicy", "The bucket policy does not exist", BucketName=bucket.name)
    return Response(text, content_type="application/json")


def put_policy(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketPolicy")
    body = read_document(call)
    try:
        text = body.decode()
        told = policy.check(text, bucket.name)
    except UnicodeDecodeError:
        raise S3Error("MalformedPolicy", "Policies must be UTF-8") from None
    except Malformed as malformed:
        raise S3Error("MalformedPolicy", malformed.message) from None
    if told.is_public and block_of(bucket).block_public_policy:
        raise denied()
    call.services.catalog.set_document(bucket.name, "policy", text)
    return empty(204)


def delete_policy(call: Call) -> Response:
    bucket = open_bucket(call, "s3:DeleteBucketPolicy")
    if "policy" in bucket.documents:
        call.services.catalog.set_document(bucket.name, "policy", None)
    return empty(204)


def get_policy_status(call: Call) -> Response:
    """Whether the bucket is public, by its policy or otherwise; without a policy too, as Ceph has it."""
    bucket = open_bucket(call, "s3:GetBucketPolicyStatus")
    return document("PolicyStatus", [("IsPublic", _is_public(bucket))])


def _is_public(bucket: Bucket) -> bool:
    block = block_of(bucket)
    if is_policy_public(bucket) and not block.restrict_public_buckets:
        return True
    if block.ignore_public_acls:
        return False
    listed = takes_acls(bucket) and acl.is_public(acl.read(bucket.documents.get("acl"), owner_of(bucket)))
    return listed or bucket.visibility == "public-read"
