"""Lists of a bucket by S3: objects in both versions of the call, versions, open uploads."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from flask import Response

from imagestore.access.safeguards import object_owner
from imagestore.core.image import Bucket, Image, Version
from imagestore.core.multipart import Open
from imagestore.library.listing import Listed, Page, Wanted
from imagestore.web.s3.answers import CHECKSUM_NAMES, document, quoted
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.permissions import owner_element
from imagestore.web.s3.xml import Child, stamp

MOST_ENTRIES = 1000


@dataclass(frozen=True, slots=True)
class Asked:
    """What every list is asked: texts as they came, and how keys are written in the answer."""

    prefix: str
    delimiter: str
    limit: int
    write: Callable[[str], str]
    encoding: str

    def tail(self) -> list[Child]:
        """The elements of every list that repeat what was asked."""
        children: list[Child] = [("Prefix", self.write(self.prefix))]
        if self.delimiter:
            children.append(("Delimiter", self.write(self.delimiter)))
        if self.encoding:
            children.append(("EncodingType", self.encoding))
        return children


def read_asked(call: Call, limit_name: str) -> Asked:
    """Raises S3Error InvalidArgument."""
    encoding = call.text("encoding-type")
    if encoding not in ("", "url"):
        message = "Invalid Encoding Method specified in Request"
        raise S3Error("InvalidArgument", message, ArgumentName="encoding-type", ArgumentValue=encoding[:100])
    return Asked(
        call.text("prefix"),
        call.text("delimiter"),
        call.number(limit_name, MOST_ENTRIES, most=MOST_ENTRIES),
        _encode if encoding else str,
        encoding,
    )


def _encode(text: str) -> str:
    return quote(text, safe="/*", errors="surrogatepass")


def list_objects(call: Call) -> Response:
    """Version 1: pages go on behind a key."""
    bucket = open_bucket(call, "s3:ListBucket")
    asked, marker = read_asked(call, "max-keys"), call.text("marker")
    page = call.services.listing.objects(bucket.name, _wanted(asked, marker))
    children: list[Child] = [("Name", bucket.name), ("Marker", asked.write(marker))]
    if page.truncated and asked.delimiter:
        children.append(("NextMarker", asked.write(page.next)))
    children += [("MaxKeys", asked.limit), ("IsTruncated", page.truncated), *asked.tail()]
    return document("ListBucketResult", [*children, *_objects(page, asked, bucket)])


def list_objects_v2(call: Call) -> Response:
    """Version 2: pages go on by a token."""
    bucket = open_bucket(call, "s3:ListBucket")
    asked, start, token = (
        read_asked(call, "max-keys"),
        call.text("start-after"),
        call.text("continuation-token"),
    )
    after = _read_token(token) if token else start
    page = call.services.listing.objects(bucket.name, _wanted(asked, after))
    children: list[Child] = [("Name", bucket.name)]
    if "continuation-token" in call.query:
        children.append(("ContinuationToken", token))
    if page.truncated:
        children.append(("NextContinuationToken", _make_token(page.next)))
    if start:
        children.append(("StartAfter", asked.write(start)))
    children += [
        ("KeyCount", len(page.entries)),
        ("MaxKeys", asked.limit),
        ("IsTruncated", page.truncated),
        *asked.tail(),
    ]
    owned = bucket if call.text("fetch-owner").lower() == "true" else None
    return document("ListBucketResult", [*children, *_objects(page, asked, owned)])


def _wanted(asked: Asked, after: str, after_id: str = "") -> Wanted:
    return Wanted(asked.prefix, asked.delimiter, after, after_id, asked.limit)


def _objects(page: Page[Image], asked: Asked, owned: Bucket | None) -> list[Child]:
    """With owners where it is said in which bucket."""
    contents: list[Child] = []
    for each in page.entries:
        if isinstance(each, Image):
            version = each.version
            children = [("Key", asked.write(version.key)), *_described(version)]
            if owned is not None:
                children.append(owner_element(object_owner(owned, version.object)))
            contents.append(("Contents", [*children, ("StorageClass", "STANDARD")]))
    return contents + _prefixes(page.entries, asked)


def _described(version: Version) -> list[Child]:
    children: list[Child] = [("LastModified", stamp(version.modified)), ("ETag", quoted(version.etag))]
    children += [("ChecksumAlgorithm", CHECKSUM_NAMES[name]) for name in version.object.checksums]
    if version.object.checksums and version.object.checksum_type:
        children.append(("ChecksumType", version.object.checksum_type))
    return [*children, ("Size", version.blob.length)]


def _prefixes(
    entries: list[Image | str] | list[Listed | str] | list[Open | str], asked: Asked
) -> list[Child]:
    return [("CommonPrefixes", [("Prefix", asked.write(each))]) for each in entries if isinstance(each, str)]


def list_versions(call: Call) -> Response:
    """Those of a key newest first, delete markers among them."""
    bucket = open_bucket(call, "s3:ListBucketVersions")
    asked = read_asked(call, "max-keys")
    marker, marker_id = call.text("key-marker"), call.text("version-id-marker")
    if marker_id and not marker:
        message = "A version-id marker cannot be specified without a key marker."
        raise S3Error(
            "InvalidArgument", message, ArgumentName="version-id-marker", ArgumentValue=marker_id[:100]
        )
    page = call.services.listing.versions(bucket.name, _wanted(asked, marker, marker_id))
    children: list[Child] = [
        ("Name", bucket.name),
        ("KeyMarker", asked.write(marker)),
        ("VersionIdMarker", marker_id),
    ]
    if page.truncated:
        children.append(("NextKeyMarker", asked.write(page.next)))
        if page.next_id:
            children.append(("NextVersionIdMarker", page.next_id))
    children += [("MaxKeys", asked.limit), ("IsTruncated", page.truncated), *asked.tail()]
    listed = [_version(each, asked, bucket) for each in page.entries if isinstance(each, Listed)]
    return document("ListVersionsResult", [*children, *listed, *_prefixes(page.entries, asked)])


def _version(listed: Listed, asked: Asked, bucket: Bucket) -> Child:
    version = listed.version
    children: list[Child] = [
        ("Key", asked.write(version.key)),
        ("VersionId", version.shown_id),
        ("IsLatest", listed.latest),
    ]
    if isinstance(version, Version):
        children += [
            *_described(version),
            owner_element(object_owner(bucket, version.object)),
            ("StorageClass", "STANDARD"),
        ]
        return "Version", children
    return "DeleteMarker", [
        *children,
        ("LastModified", stamp(version.modified)),
        owner_element(version.owner or bucket.owner),
    ]


def list_uploads(call: Call) -> Response:
    """Uploads in parts that are neither completed nor aborted."""
    bucket = open_bucket(call, "s3:ListBucketMultipartUploads")
    asked = read_asked(call, "max-uploads")
    marker, marker_id = call.text("key-marker"), call.text("upload-id-marker")
    page = call.services.multipart.uploads(bucket.name, _wanted(asked, marker, marker_id if marker else ""))
    children: list[Child] = [
        ("Bucket", bucket.name),
        ("KeyMarker", asked.write(marker)),
        ("UploadIdMarker", marker_id),
    ]
    if page.truncated:
        children.append(("NextKeyMarker", asked.write(page.next)))
        children.append(("NextUploadIdMarker", page.next_id))
    children += [("MaxUploads", asked.limit), ("IsTruncated", page.truncated), *asked.tail()]
    listed = [_upload(each, asked) for each in page.entries if isinstance(each, Open)]
    return document("ListMultipartUploadsResult", [*children, *listed, *_prefixes(page.entries, asked)])


def _upload(upload: Open, asked: Asked) -> Child:
    owner = upload.attributes.owner
    children: list[Child] = [
        ("Key", asked.write(upload.key)),
        ("UploadId", upload.upload_id),
        owner_element(upload.initiator or owner, "Initiator"),
        owner_element(owner),
        ("StorageClass", "STANDARD"),
        ("Initiated", stamp(upload.begun)),
    ]
    if upload.algorithm:
        children.append(("ChecksumAlgorithm", CHECKSUM_NAMES[upload.algorithm]))
    if upload.checksum_type:
        children.append(("ChecksumType", upload.checksum_type))
    return "Upload", children


def _make_token(key: str) -> str:
    return urlsafe_b64encode(b"1" + key.encode()).decode()


def _read_token(token: str) -> str:
    try:
        opened = urlsafe_b64decode(token.encode("ascii"))
        if opened[:1] == b"1":
            return opened[1:].decode()
    except ValueError:
        pass
    raise S3Error(
        "InvalidArgument",
        "The continuation token provided is incorrect",
        ArgumentName="continuation-token",
        ArgumentValue=token[:100],
    )
