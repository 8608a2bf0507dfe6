"""GetObjectAttributes: what is known of an object, of which nothing is read."""

from __future__ import annotations

from flask import Response
from werkzeug.http import http_date

from imagestore.core.image import Version
from imagestore.web.s3.answers import CHECKSUM_NAMES, checksum_elements, document, version_headers
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.objects import find
from imagestore.web.s3.xml import Child

KINDS = ("ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize")
MOST_PARTS = 1000


def get_object_attributes(call: Call) -> Response:
    wanted = [
        each.strip() for each in call.headers.get("x-amz-object-attributes", "").split(",") if each.strip()
    ]
    strange = [each for each in wanted if each not in KINDS]
    if not wanted or strange:
        raise S3Error(
            "InvalidArgument",
            f"x-amz-object-attributes wants one or more of {', '.join(KINDS)}.",
            ArgumentName="x-amz-object-attributes",
        )
    bucket, version = find(call, "s3:GetObjectAttributes")
    known: dict[str, list[Child]] = {
        "ETag": [("ETag", version.etag)],
        "Checksum": [("Checksum", sums)] if (sums := checksum_elements(version)) else [],
        "ObjectParts": _parts(call, version) if "ObjectParts" in wanted else [],
        "StorageClass": [("StorageClass", "STANDARD")],
        "ObjectSize": [("ObjectSize", version.blob.length)],
    }
    children = [child for kind in KINDS if kind in wanted for child in known[kind]]
    headers = {**version_headers(bucket, version), "Last-Modified": http_date(version.modified)}
    return document("GetObjectAttributesResponse", children, **headers)


def _parts(call: Call, version: Version) -> list[Child]:
    """Of what was uploaded in parts: how many there are and, where each has a checksum, a page of them."""
    kept = version.object
    if not kept.part_count:
        return []
    sums = call.services.objects.part_checksums(version)
    children: list[Child] = [("PartsCount", kept.part_count)]
    if not sums:
        return [("ObjectParts", children)]
    after = _header(call, "x-amz-part-number-marker", 0)
    limit = min(_header(call, "x-amz-max-parts", MOST_PARTS), MOST_PARTS)
    numbers = range(after + 1, min(after + limit, kept.part_count) + 1)
    children += [
        ("PartNumberMarker", after),
        ("NextPartNumberMarker", numbers[-1] if numbers else after),
        ("MaxParts", limit),
        ("IsTruncated", after + limit < kept.part_count),
    ]
    for number in numbers:
        start, stop = kept.part_range(number) or (0, 0)
        told: list[Child] = [("PartNumber", number), ("Size", stop - start)]
        told += [(f"Checksum{CHECKSUM_NAMES[name]}", value) for name, value in sums[number - 1].items()]
        children.append(("Part", told))
    return [("ObjectParts", children)]


def _header(call: Call, name: str, default: int) -> int:
    given = call.headers.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 9):
        raise S3Error("InvalidArgument", f"{name} wants a whole number.", ArgumentName=name)
    return int(given)
