"""Objects deleted by S3: one, or up to a thousand by a document."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from flask import Response

from imagestore.core.errors import ImagestoreError
from imagestore.core.image import Bucket, Condition, check_bucket_name
from imagestore.library.objects import Deleted
from imagestore.web.s3.answers import document, empty
from imagestore.web.s3.call import Call, read_document
from imagestore.web.s3.errors import S3Error, of_ours
from imagestore.web.s3.objects import VERSIONED, check_version_id
from imagestore.web.s3.payload import read_size
from imagestore.web.s3.permissions import circumstances_of, require
from imagestore.web.s3.puts import check_key, read_date, read_etags
from imagestore.web.s3.xml import Child, malformed, parse, text_of

MOST_KEYS = 1000


def delete_object(call: Call) -> Response:
    """204, also where there is nothing."""
    check_key(call.key)
    bucket = call.services.catalog.bucket(check_bucket_name(call.bucket))
    require(call, _action(call.version_id), bucket)
    check_version_id(call.version_id)
    deleted = call.services.objects.delete(
        bucket, call.key, call.version_id, condition=_condition(call), owner=call.owner
    )
    headers = {}
    if deleted.marker:
        headers["x-amz-delete-marker"] = "true"
    if deleted.version_id is not None:
        headers["x-amz-version-id"] = deleted.version_id
    return empty(204, headers)


def _action(version_id: str | None) -> str:
    return "s3:DeleteObject" if version_id is None else VERSIONED["s3:DeleteObject"]


def _condition(call: Call) -> Condition:
    match = call.headers.get("If-Match")
    return Condition(
        exists=True if match == "*" else None,
        etags=None if match in (None, "*") else read_etags(match or ""),
        modified=read_date(call, "x-amz-if-match-last-modified-time"),
        size=read_size(call.headers, "x-amz-if-match-size"),
    )


def delete_objects(call: Call) -> Response:
    bucket = call.services.catalog.bucket(check_bucket_name(call.bucket))
    root = parse(read_document(call), "Delete")
    wanted = [_read_object(each) for each in root.findall("Object")]
    if not 1 <= len(wanted) <= MOST_KEYS:
        raise malformed()
    quiet = text_of(root, "Quiet", "false").lower() == "true"
    children: list[Child] = []
    for key, version_id, condition in wanted:
        outcome = _delete_one(call, bucket, key, version_id, condition)
        if isinstance(outcome, S3Error):
            error: list[Child] = [("Key", key)]
            error += [("VersionId", version_id)] if version_id else []
            children.append(("Error", [*error, ("Code", outcome.code), ("Message", outcome.message)]))
        elif not quiet:
            children.append(("Deleted", _told(key, version_id, outcome)))
    return document("DeleteResult", children)


def _delete_one(
    call: Call, bucket: Bucket, key: str, version_id: str | None, condition: Condition
) -> Deleted | S3Error:
    try:
        asked = circumstances_of(call).with_version(version_id)
        require(call, _action(version_id), bucket, key=key, asked=asked)
        return call.services.objects.delete(bucket, key, version_id, condition=condition, owner=call.owner)
    except S3Error as error:
        return error
    except ImagestoreError as error:
        return of_ours(error)


def _read_object(element: Element) -> tuple[str, str | None, Condition]:
    key, version_id = text_of(element, "Key"), text_of(element, "VersionId", "") or None
    etag = text_of(element, "ETag", "")
    if not key:
        raise S3Error("UserKeyMustBeSpecified", "A key must be specified.")
    return key, version_id, Condition(etags=read_etags(etag) if etag else None)


def _told(key: str, version_id: str | None, deleted: Deleted) -> list[Child]:
    children: list[Child] = [("Key", key)]
    if version_id is not None:
        children.append(("VersionId", version_id))
    if deleted.marker:
        children.append(("DeleteMarker", True))
        if deleted.version_id is not None:
            children.append(("DeleteMarkerVersionId", deleted.version_id))
    return children
