"""Buckets of the S3 door: made, listed, looked at, deleted, and whether they keep versions."""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Response

from imagestore.access import acl
from imagestore.access.actions import Action
from imagestore.access.owners import HOUSE
from imagestore.access.policies import may
from imagestore.access.safeguards import OWNERSHIPS, takes_acls
from imagestore.core.errors import BucketExists
from imagestore.core.image import Bucket, Terms, check_bucket_name
from imagestore.web.s3.answers import document, empty
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.grants import CANNED_HEADER, HARMLESS, asks_for_list, from_headers
from imagestore.web.s3.permissions import denied, owner_element, require
from imagestore.web.s3.xml import Child, malformed, parse, stamp, text_of

MOST_BUCKETS = 10_000
CLASSIC_REGION = "us-east-1"
"""Its buckets have no location, and who owns one may make it again (AWS, "CreateBucket")."""


def open_bucket(call: Call, action: str) -> Bucket:
    """The bucket that the request names, if the sender may do that there. Raises S3Error, BucketNotFound."""
    bucket = call.services.catalog.bucket(check_bucket_name(call.bucket))
    require(call, action, bucket)
    return bucket


def list_buckets(call: Call) -> Response:
    """Those that the sender owns; of root and of REST's credentials also those of the house."""
    prefix, after = call.text("prefix"), call.text("continuation-token")
    limit = call.number("max-buckets", MOST_BUCKETS, least=1, most=MOST_BUCKETS)
    mine = [
        each
        for each in call.services.catalog.list_buckets()
        if _is_mine(call, each) and each.name.startswith(prefix) and each.name > after
    ]
    children: list[Child] = [owner_element(call.owner or "anonymous")]
    children.append(
        (
            "Buckets",
            [
                (
                    "Bucket",
                    [
                        ("Name", each.name),
                        ("CreationDate", stamp(each.created)),
                        ("BucketRegion", each.region or call.services.settings.region),
                    ],
                )
                for each in mine[:limit]
            ],
        )
    )
    if len(mine) > limit:
        children.append(("ContinuationToken", mine[limit - 1].name))
    if prefix:
        children.append(("Prefix", prefix))
    return document("ListAllMyBucketsResult", children)


def _is_mine(call: Call, bucket: Bucket) -> bool:
    if call.owner is None:
        return False
    return bucket.owner == call.owner or (bucket.owner is None and call.principal.reaches(bucket.name))


def create_bucket(call: Call) -> Response:
    """Everything that has a scope to write may make buckets, and owns them."""
    name = check_bucket_name(call.bucket)
    if not may(call.principal, Action.CREATE_BUCKET, name):
        raise denied()
    if call.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
        raise S3Error("NotImplemented", "Object lock implies functionality that is not implemented.")
    region = _read_location(call)
    documents = _read_safeguards(call, name)
    terms = Terms("any", "off", call.owner, region)
    try:
        call.services.catalog.create_bucket(name, "private", terms=terms)
    except BucketExists:
        known = call.services.catalog.bucket(name)
        if known.owner != call.owner:
            message = "The requested bucket name is not available: select a different name and try again."
            raise S3Error("BucketAlreadyExists", message, BucketName=name) from None
        if region != CLASSIC_REGION:
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise S3Error("BucketAlreadyOwnedByYou", message, BucketName=name) from None
        return empty(200, Location=f"/{name}")
    for kind, text in documents.items():
        call.services.catalog.set_document(name, kind, text)
    return empty(200, Location=f"/{name}")


def _read_safeguards(call: Call, name: str) -> dict[str, str]:
    """What the headers say of ownership and of an access control list, as the bucket will have it."""
    owner, documents = call.owner or HOUSE, dict[str, str]()
    told = call.headers.get("x-amz-object-ownership")
    if told is not None:
        if told not in OWNERSHIPS:
            message = "The specified object ownership is not valid"
            raise S3Error("InvalidArgument", message, ArgumentName="x-amz-object-ownership")
        documents["ownership"] = told
    to_be = Bucket(name, "private", datetime.now(UTC), owner=call.owner, documents=documents)
    if asks_for_list(call) and not takes_acls(to_be) and call.headers.get(CANNED_HEADER) not in HARMLESS:
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise S3Error("InvalidBucketAclWithObjectOwnership", message, BucketName=name)
    wanted = from_headers(call, to_be, owner)
    listed = None if wanted is None else acl.write(wanted, owner)
    return documents if listed is None else documents | {"acl": listed}


def _read_location(call: Call) -> str:
    region: str = call.services.settings.region
    body = read_document(call)
    wanted = text_of(parse(body, "CreateBucketConfiguration"), "LocationConstraint", "") if body else ""
    if wanted not in ("", region):
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {wanted[:40]} location constraint is incompatible for the region specific endpoint"
            " this request was sent to.",
        )
    return region


def head_bucket(call: Call) -> Response:
    bucket = open_bucket(call, "s3:ListBucket")
    return empty(200, **{"x-amz-bucket-region": bucket.region or call.services.settings.region})


def delete_bucket(call: Call) -> Response:
    bucket = open_bucket(call, "s3:DeleteBucket")
    call.services.catalog.delete_bucket(bucket.name)
    return empty(204)


def get_location(call: Call) -> Response:
    bucket = open_bucket(call, "s3:GetBucketLocation")
    region = bucket.region or call.services.settings.region
    return document("LocationConstraint", "" if region == CLASSIC_REGION else region)


def get_versioning(call: Call) -> Response:
    bucket = open_bucket(call, "s3:GetBucketVersioning")
    children: list[Child] = []
    if bucket.versioning != "off":
        children.append(("Status", bucket.versioning.capitalize()))
    return document("VersioningConfiguration", children)


def put_versioning(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketVersioning")
    root = parse(read_document(call), "VersioningConfiguration")
    if text_of(root, "MfaDelete", "Disabled") != "Disabled":
        raise S3Error("NotImplemented", "MFA delete implies functionality that is not implemented.")
    status = text_of(root, "Status", "")
    if status not in ("Enabled", "Suspended"):
        if root.find("Status") is None:
            message = "The Versioning element must be specified"
            raise S3Error("IllegalVersioningConfigurationException", message)
        raise malformed()
    call.services.catalog.change_bucket(
        bucket.name, versioning="enabled" if status == "Enabled" else "suspended"
    )
    return empty(200)
