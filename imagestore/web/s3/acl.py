"""Access control lists by S3: shown, and set by documents, by canned names or by grants in headers."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from flask import Response

from imagestore.access import acl
from imagestore.access.acl import Acl, BadGrant, Grant
from imagestore.access.owners import canonical_id
from imagestore.access.safeguards import object_owner, owner_of, takes_acls
from imagestore.core.image import Bucket, Version
from imagestore.web.s3.answers import document, empty, version_headers
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.grants import CANNED_HEADER, asks_for_list, checked, from_headers, refused
from imagestore.web.s3.objects import find
from imagestore.web.s3.permissions import denied, owner_element
from imagestore.web.s3.xml import Child, parse, text_of

_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def get_bucket_acl(call: Call) -> Response:
    bucket = open_bucket(call, "s3:GetBucketAcl")
    owner = owner_of(bucket)
    kept = bucket.documents.get("acl") if takes_acls(bucket) else None
    return _show(acl.read(kept, owner), owner)


def put_bucket_acl(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketAcl")
    owner = owner_of(bucket)
    wanted = _wanted(call, bucket, owner)
    call.services.catalog.set_document(bucket.name, "acl", acl.write(wanted, owner))
    return empty(200)


def get_object_acl(call: Call) -> Response:
    bucket, version = find(call, "s3:GetObjectAcl")
    owner = object_owner(bucket, version.object)
    kept = version.object.acl if takes_acls(bucket) else None
    return _show(acl.read(kept, owner), owner, **version_headers(bucket, version))


def put_object_acl(call: Call) -> Response:
    bucket, version = find(call, "s3:PutObjectAcl")
    owner = object_owner(bucket, version.object)
    wanted = _wanted(call, bucket, owner)
    changed: Version = call.services.objects.set_acl(
        bucket.name, call.key, call.version_id, acl.write(wanted, owner)
    )
    return empty(200, version_headers(bucket, changed))


def _wanted(call: Call, bucket: Bucket, owner: str) -> Acl:
    """What a PUT asks for, in its headers or in its body."""
    by_headers = asks_for_list(call)
    body = read_document(call)
    if by_headers and body:
        raise S3Error("UnexpectedContent", "This request does not support content")
    if by_headers:
        return from_headers(call, bucket, owner) or acl.own(owner)
    if not body:
        raise S3Error(
            "MissingSecurityHeader",
            "Your request was missing a required header",
            MissingHeaderName=CANNED_HEADER,
        )
    wanted = _read(call, body, owner)
    if not takes_acls(bucket) and wanted == acl.own(owner):
        return wanted
    return checked(wanted, bucket)


def _read(call: Call, body: bytes, owner: str) -> Acl:
    root = parse(body, "AccessControlPolicy")
    listed, owned = root.find("AccessControlList"), root.find("Owner")
    if listed is None or owned is None:
        raise _malformed()
    if text_of(owned, "ID", "") not in (canonical_id(owner), owner):
        raise denied()
    try:
        return acl.check(_grant(call, each) for each in listed.findall("Grant"))
    except BadGrant as bad:
        raise refused(bad, "CanonicalUser/ID") from None


def _grant(call: Call, element: Element) -> Grant:
    grantee, permission = element.find("Grantee"), text_of(element, "Permission", "")
    known = next((each for each in acl.PERMISSIONS if each == permission), None)
    if grantee is None or known is None:
        raise _malformed()
    resolve = call.services.keyring.find_owner
    kind, told = grantee.get(_TYPE), {each.tag: each.text or "" for each in grantee}
    if kind in ("CanonicalUser", None) and "ID" in told:
        return Grant(acl.user(told["ID"], resolve), known)
    if kind in ("Group", None) and "URI" in told:
        return Grant(acl.group(told["URI"]), known, is_group=True)
    if kind in ("AmazonCustomerByEmail", None) and "EmailAddress" in told:
        return Grant(acl.addressee(told["EmailAddress"], resolve), known)
    raise _malformed()


def _malformed() -> S3Error:
    return S3Error(
        "MalformedACLError",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )


def _show(shown: Acl, owner: str, **headers: str) -> Response:
    grants: list[Child] = [
        ("Grant", [_grantee(each), ("Permission", each.permission)]) for each in acl.shown(shown)
    ]
    return document("AccessControlPolicy", [owner_element(owner), ("AccessControlList", grants)], **headers)


def _grantee(grant: Grant) -> Child:
    if grant.is_group:
        return f'Grantee {_XSI} xsi:type="Group"', [("URI", grant.grantee)]
    told: list[Child] = [("ID", canonical_id(grant.grantee)), ("DisplayName", grant.grantee)]
    return f'Grantee {_XSI} xsi:type="CanonicalUser"', told
