"""Objects copied by S3: within a bucket, between buckets, or a part of one, without a byte on the wire."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from flask import Response
from werkzeug.datastructures import Headers

from imagestore.core.checksums import ALGORITHMS
from imagestore.core.errors import ImageNotFound, VersionNotFound
from imagestore.core.image import Bucket, Version, check_bucket_name
from imagestore.core.objects import Attributes, Marker
from imagestore.library.objects import Copy
from imagestore.web.responses import Representation, judge
from imagestore.web.s3.answers import checksum_elements, document, new_version_headers, quoted
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.objects import VERSIONED
from imagestore.web.s3.permissions import (
    check_expected_owner,
    circumstances_of,
    denied,
    is_known,
    refuse_denied,
    require,
)
from imagestore.web.s3.puts import check_key, read_attributes, read_condition, refuse_unoffered
from imagestore.web.s3.xml import Child, stamp

SOURCE = "x-amz-copy-source"
_RANGE = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)
MOST_COPIED = 5 * 1024**3
"""Bytes of a source that is copied at once."""


def copy_object(call: Call) -> Response:
    check_key(call.key)
    refuse_unoffered(call)
    bucket = open_bucket(call, "s3:PutObject")
    source_bucket, source = open_source(call)
    if source.blob.length > MOST_COPIED:
        raise S3Error(
            "InvalidRequest",
            "The specified copy source is larger than the maximum allowable size for a copy source:"
            f" {MOST_COPIED}",
        )
    replaced = _directive(call, "x-amz-tagging-directive")
    tags = None if replaced else _copied_tags(call, bucket, source_bucket, source)
    attributes = _attributes(call, bucket, source, tags)
    copy = Copy(bucket.name, call.key, attributes, read_condition(call), _algorithm(call))
    version = call.services.objects.copy(source, copy).version
    headers = told_of_source(source_bucket, source) | new_version_headers(bucket, version)
    children: list[Child] = [("LastModified", stamp(version.modified)), ("ETag", quoted(version.etag))]
    return document("CopyObjectResult", [*children, *checksum_elements(version)], **headers)


def open_source(call: Call) -> tuple[Bucket, Version]:
    """What is to be copied, if the sender may read it and the conditions hold. Raises S3Error."""
    name, key, version_id = _read_source(call.headers[SOURCE])
    try:
        bucket, entry = call.services.objects.find(name, key, version_id)
    except (ImageNotFound, VersionNotFound) as error:
        bucket = call.services.catalog.bucket(name)
        if not is_known(call, bucket, key):
            raise denied() from None
        if isinstance(error, VersionNotFound):
            raise S3Error("NoSuchVersion", "The specified version does not exist.", Key=key) from None
        raise S3Error("NoSuchKey", "The specified key does not exist.", Key=key) from None
    if isinstance(entry, Marker):
        raise S3Error(
            "InvalidRequest", "The source of a copy request may not specifically refer to a delete marker."
        )
    check_expected_owner(call, bucket, "x-amz-source-expected-bucket-owner")
    _require(call, "s3:GetObject", bucket, entry)
    _check_conditions(call, entry)
    return bucket, entry


def _require(call: Call, action: str, bucket: Bucket, source: Version) -> None:
    """Whether the sender may do that to the source, with the version that the header names, if it does."""
    _, _, version_id = _read_source(call.headers[SOURCE])
    named = action if version_id is None else VERSIONED[action]
    require(call, named, bucket, source, asked=circumstances_of(call).with_version(version_id))


def _read_source(value: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of `[/]bucket/key[?versionId=id]`, of which the first part is encoded."""
    path, _, query = value.partition("?versionId=")
    try:
        text = unquote_to_bytes(path.encode("latin-1")).decode().removeprefix("/")
    except UnicodeDecodeError:
        text = ""
    bucket, slash, key = text.partition("/")
    if not (bucket and slash and key):
        raise S3Error(
            "InvalidArgument",
            "Copy Source must mention the source bucket and key: sourcebucket/sourcekey",
            ArgumentName=SOURCE,
            ArgumentValue=value[:200],
        )
    return check_bucket_name(bucket), key, query or None


def _check_conditions(call: Call, source: Version) -> None:
    """x-amz-copy-source-if-*; where one of them fails it is 412, as AWS has it, never 304."""
    prefix = f"{SOURCE}-"
    asked = Headers(
        [
            (name.lower().removeprefix(prefix), value)
            for name, value in call.headers
            if name.lower().startswith(f"{prefix}if-")
        ]
    )
    subject = Representation(source.etag, source.modified, source.blob.length)
    if asked and judge("GET", asked, subject).status in (304, 412):
        raise S3Error(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            Condition=prefix + next(iter(asked))[0],
        )


def _copied_tags(call: Call, bucket: Bucket, source_bucket: Bucket, source: Version) -> Mapping[str, str]:
    """The source's tags, if the sender may see them, and may tag what is written (AWS, "CopyObject")."""
    tags = source.object.tags
    if tags:
        _require(call, "s3:GetObjectTagging", source_bucket, source)
        refuse_denied(call, "s3:PutObjectTagging", bucket, circumstances_of(call).with_tags(tags))
    return tags


def _attributes(call: Call, bucket: Bucket, source: Version, tags: Mapping[str, str] | None) -> Attributes:
    """The source's or those of the request, as the directives say. `tags` None: those of the request."""
    given, kept = read_attributes(call, bucket), source.object
    replaced = _directive(call, "x-amz-metadata-directive")
    if not replaced and _is_itself(call, bucket, source):
        raise S3Error(
            "InvalidRequest",
            "This copy request is illegal because it is trying to copy an object to itself without changing"
            " the object's metadata, storage class, website redirect location or encryption attributes.",
        )
    described = given if replaced else kept
    return Attributes(
        media_type=described.media_type,
        headers=described.headers,
        metadata=described.metadata,
        tags=given.tags if tags is None else tags,
        acl=given.acl,
        owner=given.owner,
    )


def _is_itself(call: Call, bucket: Bucket, source: Version) -> bool:
    """The newest version of the same key; an older one may be copied over it, to restore it."""
    same = (source.bucket, source.key) == (bucket.name, call.key)
    return same and "versionid=" not in call.headers[SOURCE].lower()


def _directive(call: Call, name: str) -> bool:
    """Whether it says REPLACE."""
    said = call.headers.get(name, "COPY")
    if said not in ("COPY", "REPLACE"):
        raise S3Error(
            "InvalidArgument",
            f"Unknown {name.removeprefix('x-amz-')}.",
            ArgumentName=name,
            ArgumentValue=said[:100],
        )
    return said == "REPLACE"


def _algorithm(call: Call) -> str | None:
    named = call.headers.get("x-amz-checksum-algorithm")
    if named is not None and named.lower() not in ALGORITHMS:
        message = f"Checksum algorithm provided is unsupported: it wants one of {', '.join(ALGORITHMS)}."
        raise S3Error("InvalidRequest", message)
    return None if named is None else named.lower()


def told_of_source(bucket: Bucket, source: Version) -> dict[str, str]:
    return {} if bucket.versioning == "off" else {"x-amz-copy-source-version-id": source.shown_id}


def read_range(call: Call, source: Version) -> tuple[int, int]:
    """The bytes of x-amz-copy-source-range, as start and stop; all without one. Raises S3Error."""
    given, size = call.headers.get(f"{SOURCE}-range"), source.blob.length
    if given is None:
        return 0, size
    found = _RANGE.fullmatch(given)
    if found is None or int(found[1]) > int(found[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are"
            " the zero-based offsets of the first and last bytes to copy",
            ArgumentName=f"{SOURCE}-range",
            ArgumentValue=given[:100],
        )
    start, stop = int(found[1]), int(found[2]) + 1
    if stop > size:
        raise S3Error("InvalidArgument", f"Range specified is not valid for source object of size: {size}")
    return start, stop
