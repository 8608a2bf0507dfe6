"""Objects written by S3: PUT, and what its headers say of the object to be."""

from __future__ import annotations

from datetime import datetime

from flask import Response
from werkzeug.http import parse_date

from imagestore.core.image import Bucket, Condition, Version
from imagestore.core.objects import MAX_METADATA_BYTES, SYSTEM_HEADERS, Attributes
from imagestore.core.telemetry import Timings
from imagestore.library.objects import Put
from imagestore.web.s3.answers import checksum_headers, empty, new_version_headers, quoted
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, open_body
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.expiry import expiration_headers
from imagestore.web.s3.grants import acl_of_new
from imagestore.web.s3.payload import checks_of, content_encoding
from imagestore.web.s3.permissions import refuse_denied
from imagestore.web.s3.tagging import read_tags

META = "x-amz-meta-"
MOST_KEY_BYTES = 1024


def put_object(call: Call) -> Response:
    check_key(call.key)
    refuse_unoffered(call)
    check_length(call)
    bucket = open_bucket(call, "s3:PutObject")
    attributes, condition = read_attributes(call, bucket), read_condition(call)
    payload = open_body(call)
    put = Put(
        bucket.name,
        call.key,
        payload,
        payload.size,
        attributes=attributes,
        checks=checks_of(call.headers, payload),
        condition=condition,
        timings=Timings(call.services.tracer),
        opened=bucket,
    )
    return empty(200, written_headers(bucket, call.services.objects.put(put).version))


def written_headers(bucket: Bucket, version: Version) -> dict[str, str]:
    """What the writer of an object is told of it, be it by PUT or by a form."""
    return {
        "ETag": quoted(version.etag),
        **checksum_headers(version),
        **expiration_headers(bucket, version),
        **new_version_headers(bucket, version),
    }


def check_key(key: str) -> None:
    size = len(key.encode())
    if size > MOST_KEY_BYTES:
        raise S3Error(
            "KeyTooLongError",
            "Your key is too long",
            Size=str(size),
            MaxSizeAllowed=str(MOST_KEY_BYTES),
        )


def check_length(call: Call) -> None:
    """A body says how long it is, or comes in chunks."""
    if "content-length" not in call.headers and "transfer-encoding" not in call.headers:
        raise S3Error("MissingContentLength", "You must provide the Content-Length HTTP header.")


def refuse_unoffered(call: Call) -> None:
    """Encryption by S3, object lock, other storage classes, websites: nothing is kept as if it had them."""
    names = [name.lower() for name, _ in call.headers]
    if any(name.startswith("x-amz-server-side-encryption") for name in names):
        raise S3Error("NotImplemented", _UNOFFERED, Header="x-amz-server-side-encryption")
    if any(name.startswith("x-amz-object-lock-") for name in names):
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    if "x-amz-website-redirect-location" in names:
        raise S3Error("NotImplemented", _UNOFFERED, Header="x-amz-website-redirect-location")
    if call.headers.get("x-amz-storage-class", "STANDARD") != "STANDARD":
        raise S3Error(
            "InvalidStorageClass", "The storage class you specified is not valid: it is STANDARD here."
        )


_UNOFFERED = "A header you provided implies functionality that is not implemented"


def read_attributes(call: Call, bucket: Bucket) -> Attributes:
    """What the headers of a PUT, or of an upload's beginning, say of the object. Raises S3Error, also where
    the bucket's policy denies the sender to set its list or its tags."""
    acl, owner = acl_of_new(call, bucket)
    tags = read_tags(call.headers)
    if acl is not None:
        refuse_denied(call, "s3:PutObjectAcl", bucket)
    if tags:
        refuse_denied(call, "s3:PutObjectTagging", bucket)
    headers = {
        name: value
        for name in SYSTEM_HEADERS
        if name != "content-encoding" and (value := call.headers.get(name)) is not None
    }
    encoding = content_encoding(call.headers)
    if encoding is not None:
        headers["content-encoding"] = encoding
    return Attributes(
        media_type=call.headers.get("content-type") or None,
        headers=headers,
        metadata=read_metadata(call),
        tags=tags,
        acl=acl,
        owner=owner,
    )


def read_metadata(call: Call) -> dict[str, str]:
    metadata: dict[str, str] = {}
    for sent, value in call.headers:
        name = sent.lower()
        if name.startswith(META):
            name = name.removeprefix(META)
            metadata[name] = f"{metadata[name]},{value}" if name in metadata else value
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise S3Error(
            "MetadataTooLarge",
            "Your metadata headers exceed the maximum allowed metadata size",
            Size=str(size),
            MaxSizeAllowed=str(MAX_METADATA_BYTES),
        )
    return metadata


def read_condition(call: Call) -> Condition:
    """The conditions of a write (RFC 9110, section 13.1); AWS has If-None-Match of `*` alone."""
    match, none_match = call.headers.get("If-Match"), call.headers.get("If-None-Match")
    if match is not None and none_match is not None:
        raise S3Error("NotImplemented", _UNOFFERED, Header="If-Match")
    if none_match is not None:
        if none_match.strip() == "*":
            return Condition(exists=False)
        return Condition(other_than=read_etags(none_match))
    if match is not None and match.strip() == "*":
        return Condition(exists=True)
    return Condition(etags=None if match is None else read_etags(match))


def read_etags(value: str) -> tuple[str, ...]:
    """Entity tags with their quotes or without."""
    return tuple(each.strip().removeprefix("W/").strip('"') for each in value.split(",") if each.strip())


def read_date(call: Call, name: str) -> datetime | None:
    given = call.headers.get(name)
    return None if given is None else parse_date(given)
