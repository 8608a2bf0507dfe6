"""Objects read by S3: GET and HEAD, whole, by range or by part, if conditions hold, with headers replaced."""

from __future__ import annotations

from flask import Response

from imagestore.core.errors import ImageNotFound, VersionNotFound
from imagestore.core.image import Bucket, Version, check_bucket_name
from imagestore.core.objects import Marker
from imagestore.core.telemetry import Timings
from imagestore.web.responses import Representation, Verdict, answer, judge
from imagestore.web.s3.answers import checksum_headers, content_type, empty, version_headers
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.expiry import expiration_headers
from imagestore.web.s3.permissions import denied, is_known, require

OVERRIDES = {
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-content-type": "Content-Type",
    "response-expires": "Expires",
}
"""Of the query: headers of an answer that the signer wants otherwise."""


def find(call: Call, action: str) -> tuple[Bucket, Version]:
    """What the request names, if the sender may do that with it.

    Raises S3Error: for what is not there NoSuchKey only to those who may list the bucket, else AccessDenied.
    """
    bucket, entry = find_entry(call, action)
    if isinstance(entry, Marker):
        raise _of_marker(entry)
    return bucket, entry


def find_entry(call: Call, action: str) -> tuple[Bucket, Version | Marker]:
    check_bucket_name(call.bucket)
    version_id = call.version_id
    if version_id is not None:
        action = VERSIONED.get(action, action)
    try:
        bucket, entry = call.services.objects.find(call.bucket, call.key, version_id)
    except (ImageNotFound, VersionNotFound) as error:
        raise _missing(call, error) from None
    require(call, action, bucket, entry if isinstance(entry, Version) else None)
    return bucket, entry


VERSIONED = {
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:PutObjectAcl": "s3:PutObjectVersionAcl",
    "s3:GetObjectAttributes": "s3:GetObjectVersionAttributes",
}
"""What an action is called where a version is named."""


def _missing(call: Call, error: ImageNotFound | VersionNotFound) -> S3Error:
    bucket = call.services.catalog.bucket(call.bucket)
    if not is_known(call, bucket, call.key):
        return denied()
    if isinstance(error, VersionNotFound):
        check_version_id(call.version_id)
        return S3Error(
            "NoSuchVersion",
            "The specified version does not exist.",
            Key=call.key,
            VersionId=call.version_id or "",
        )
    missing = S3Error("NoSuchKey", "The specified key does not exist.", Key=call.key)
    if error.marker is not None:
        missing.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": error.marker}
    return missing


def check_version_id(given: str | None) -> None:
    """Raises S3Error InvalidArgument for one that no version could have."""
    if given is not None and not (len(given) <= 64 and given.isascii() and given.isalnum()):
        raise S3Error(
            "InvalidArgument",
            "Invalid version id specified",
            ArgumentName="versionId",
            ArgumentValue=given,
        )


def _of_marker(marker: Marker) -> S3Error:
    refused = S3Error(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        Method="GET",
        ResourceType="DeleteMarker",
    )
    refused.headers = {
        "x-amz-delete-marker": "true",
        "x-amz-version-id": marker.shown_id,
        "Allow": "DELETE",
    }
    return refused


def get_object(call: Call) -> Response:
    """GET and HEAD; a HEAD takes a Range too, as AWS has it."""
    overrides = _overrides(call)
    bucket, version = find(call, "s3:GetObject")
    subject = Representation(version.etag, version.modified, version.blob.length)
    verdict = judge("GET", call.headers, subject)
    number = _part_number(call)
    if number is not None and verdict.status in (200, 206):
        verdict = _of_part(version, number)
    headers = _headers(call, bucket, version) | _sums(call, version, number) | overrides
    if verdict.status == 304:
        return empty(304, {name: headers[name] for name in headers if name in KEPT_BY_304})
    if verdict.status == 412:
        raise S3Error(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            Condition=next(name for name in CONDITIONS if name in call.headers),
        )
    if verdict.status == 416:
        raise _out_of_range(call, version)
    blob = None
    if call.method == "GET":
        partial = verdict.status == 206
        blob, _ = call.services.fetch.open(version.blob, partial=partial, timings=Timings())
    response = answer(verdict, subject, blob)
    del response.headers["Content-Type"]
    response.headers.update(headers)
    if number is not None and version.object.part_count:
        response.headers["x-amz-mp-parts-count"] = str(version.object.part_count)
    return response


CONDITIONS = ("If-Match", "If-Unmodified-Since")
KEPT_BY_304 = frozenset({"ETag", "Last-Modified", "Cache-Control", "Expires", "x-amz-version-id"})


def _headers(call: Call, bucket: Bucket, version: Version) -> dict[str, str]:
    kept = version.object
    headers = {"ETag": f'"{version.etag}"', "Content-Type": content_type(version)}
    headers |= {name.title(): value for name, value in kept.headers.items()}
    headers |= {f"x-amz-meta-{name}": value for name, value in kept.metadata.items()}
    headers |= version_headers(bucket, version)
    if call.version_id is None:
        headers |= expiration_headers(bucket, version)
    if kept.tags:
        headers["x-amz-tagging-count"] = str(len(kept.tags))
    return headers


def _sums(call: Call, version: Version, number: int | None) -> dict[str, str]:
    """Clients hold the bytes of the answer to them: those of all, or of a part, never of a range."""
    if call.headers.get("x-amz-checksum-mode", "").upper() != "ENABLED" or "Range" in call.headers:
        return {}
    if number is None or not version.object.part_count:
        return checksum_headers(version)
    of_parts = call.services.objects.part_checksums(version)[number - 1 : number]
    return {f"x-amz-checksum-{name}": value for each in of_parts for name, value in each.items()}


def _overrides(call: Call) -> dict[str, str]:
    wanted = {OVERRIDES[name]: value for name, value in call.query.items() if name in OVERRIDES}
    if wanted and call.owner is None:
        raise S3Error(
            "InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests."
        )
    if any(not value.isprintable() for value in wanted.values()):
        raise S3Error("InvalidArgument", "Header value cannot be represented: it has control characters.")
    return {name: value.encode("utf-8").decode("latin-1") for name, value in wanted.items()}


def _part_number(call: Call) -> int | None:
    if "partNumber" not in call.query:
        return None
    if "Range" in call.headers:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    number = call.number("partNumber", 0, least=1, most=2**31)
    if not 1 <= number <= 10_000:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=str(number))
    return number


def _of_part(version: Version, number: int) -> Verdict:
    """The bytes of a part; what came at once is one part."""
    if not version.object.part_count:
        if number == 1:
            whole = version.blob.length
            return Verdict(206, 0, whole) if whole else Verdict(200, 0, 0)
        found = None
    else:
        found = version.object.part_range(number)
    if found is None:
        raise S3Error(
            "InvalidPartNumber",
            "The requested partnumber is not satisfiable",
            PartNumberRequested=str(number),
            ActualPartCount=str(version.object.part_count or 1),
        )
    return Verdict(206, *found)


def _out_of_range(call: Call, version: Version) -> S3Error:
    refused = S3Error(
        "InvalidRange",
        "The requested range is not satisfiable",
        RangeRequested=call.headers.get("Range", "")[:200],
        ActualObjectSize=str(version.blob.length),
    )
    refused.headers = {"Content-Range": f"bytes */{version.blob.length}"}
    return refused
