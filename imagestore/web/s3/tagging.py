"""Tags of objects and buckets: put, shown and deleted, or told in a header of an object that is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode

from flask import Response
from werkzeug.datastructures import Headers

from imagestore.core.objects import MAX_OBJECT_TAGS, MAX_TAG_NAME, MAX_TAG_VALUE
from imagestore.web.s3.answers import document, empty, version_headers
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.objects import find
from imagestore.web.s3.permissions import circumstances_of
from imagestore.web.s3.xml import malformed, parse, text_of

HEADER = "x-amz-tagging"
MOST_BUCKET_TAGS = 50

_TEXT = re.compile(r"[\w\s+\-=.:/@]*")
"""Letters, digits and spaces of any script, and these signs (AWS, "Categorizing your objects using tags")."""


def get_object_tagging(call: Call) -> Response:
    bucket, version = find(call, "s3:GetObjectTagging")
    return _answer(version.object.tags, **version_headers(bucket, version))


def put_object_tagging(call: Call) -> Response:
    tags = parse_tags(read_document(call))
    call.circumstances = circumstances_of(call).with_tags(tags)
    bucket, version = find(call, "s3:PutObjectTagging")
    changed = call.services.objects.set_tags(bucket.name, call.key, version.shown_id, tags)
    return empty(200, version_headers(bucket, changed))


def delete_object_tagging(call: Call) -> Response:
    bucket, version = find(call, "s3:DeleteObjectTagging")
    changed = call.services.objects.set_tags(bucket.name, call.key, version.shown_id, {})
    return empty(204, version_headers(bucket, changed))


def get_bucket_tagging(call: Call) -> Response:
    kept = open_bucket(call, "s3:GetBucketTagging").documents.get("tags")
    if kept is None:
        raise S3Error("NoSuchTagSet", "The TagSet does not exist", BucketName=call.bucket)
    return _answer(dict(parse_qsl(kept, keep_blank_values=True)))


def put_bucket_tagging(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketTagging")
    tags = parse_tags(read_document(call), most=MOST_BUCKET_TAGS)
    call.services.catalog.set_document(bucket.name, "tags", urlencode(tags) if tags else None)
    return empty(204)


def delete_bucket_tagging(call: Call) -> Response:
    bucket = open_bucket(call, "s3:PutBucketTagging")
    call.services.catalog.set_document(bucket.name, "tags", None)
    return empty(204)


def parse_tags(body: bytes, *, most: int = MAX_OBJECT_TAGS) -> dict[str, str]:
    """The tags of a document. Raises S3Error."""
    root = parse(body, "Tagging")
    if root.find("TagSet") is None:
        raise malformed()
    return check_tags(
        ((text_of(each, "Key"), text_of(each, "Value")) for each in root.findall("TagSet/Tag")), most
    )


def read_tags(headers: Headers) -> dict[str, str]:
    """The tags that a header tells, written as a query is. Raises S3Error."""
    given = headers.get(HEADER, "")
    try:
        pairs = parse_qsl(given, keep_blank_values=True, errors="strict", max_num_fields=MOST_BUCKET_TAGS)
    except ValueError:
        pairs = [("", "")]
    if len({name for name, _ in pairs}) != len(pairs) or any(not name for name, _ in pairs):
        raise S3Error(
            "InvalidArgument",
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters"
            " without tag name duplicates.",
            ArgumentName=HEADER,
            ArgumentValue=given[:200],
        )
    return check_tags(pairs)


def check_tags(pairs: Iterable[tuple[str, str]], most: int = MAX_OBJECT_TAGS) -> dict[str, str]:
    """Raises S3Error InvalidTag."""
    tags: dict[str, str] = {}
    for name, value in pairs:
        if name in tags:
            raise _invalid("Cannot provide multiple Tags with the same key", name)
        if not 1 <= len(name) <= MAX_TAG_NAME or not _TEXT.fullmatch(name):
            raise _invalid("The TagKey you have provided is invalid", name)
        if name.lower().startswith("aws:"):
            raise _invalid("System tags cannot be added/updated by requester", name)
        if len(value) > MAX_TAG_VALUE or not _TEXT.fullmatch(value):
            raise _invalid("The TagValue you have provided is invalid", name, TagValue=value[:300])
        tags[name] = value
    if len(tags) > most:
        raise S3Error("InvalidTag", f"There cannot be more than {most} tags.")
    return tags


def _invalid(message: str, name: str, **extra: str) -> S3Error:
    return S3Error("InvalidTag", message, TagKey=name[:200], **extra)


def _answer(tags: Mapping[str, str], **headers: str) -> Response:
    told = [("Tag", [("Key", name), ("Value", tags[name])]) for name in sorted(tags)]
    return document("Tagging", [("TagSet", told)], **headers)
