"""Answers of the S3 door: documents, empty ones, and the headers by which objects are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flask import Response

from imagestore.core.image import Bucket, Version
from imagestore.library.objects import shown_type
from imagestore.web.s3.xml import Child, render

CHECKSUM_NAMES = {
    "crc32": "CRC32",
    "crc32c": "CRC32C",
    "crc64nvme": "CRC64NVME",
    "sha1": "SHA1",
    "sha256": "SHA256",
}
"""Algorithms of core/checksums.py as AWS's documents write them."""


BINARY = "binary/octet-stream"
"""What AWS says of an object of which nobody told the type."""


def document(name: str, children: Iterable[Child] | str, **headers: str) -> Response:
    """200 with a document."""
    response = Response(render(name, children), 200, content_type="application/xml")
    response.headers.update(headers)
    return response


def empty(status: int, headers: Mapping[str, str] | None = None, /, **more: str) -> Response:
    response = Response(status=status)
    del response.headers["Content-Type"]
    response.headers.update({**(headers or {}), **more})
    return response


def quoted(etag: str) -> str:
    return f'"{etag}"'


def version_headers(bucket: Bucket, version: Version) -> dict[str, str]:
    """The version id, from a bucket that knows of any."""
    return {} if bucket.versioning == "off" else {"x-amz-version-id": version.shown_id}


def new_version_headers(bucket: Bucket, version: Version) -> dict[str, str]:
    """The version id, for who has just made the version; a null version is not told of."""
    return version_headers(bucket, version) if bucket.keeps_versions else {}


def checksum_headers(version: Version) -> dict[str, str]:
    headers = {f"x-amz-checksum-{name}": value for name, value in version.object.checksums.items()}
    if headers and version.object.checksum_type is not None:
        headers["x-amz-checksum-type"] = version.object.checksum_type
    return headers


def checksum_elements(version: Version) -> list[Child]:
    children: list[Child] = [
        (f"Checksum{CHECKSUM_NAMES[name]}", value) for name, value in version.object.checksums.items()
    ]
    if children and version.object.checksum_type is not None:
        children.append(("ChecksumType", version.object.checksum_type))
    return children


def content_type(version: Version) -> str:
    """As it was told by S3; what came by another door has the type of its bytes."""
    return version.object.media_type or (shown_type(version) if version.is_image else BINARY)
