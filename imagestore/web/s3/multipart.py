"""Uploads in parts by S3: begun, filled in any order, listed, completed or aborted."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from flask import Response, g

from imagestore.core.checksums import ALGORITHMS
from imagestore.core.errors import ImagestoreError
from imagestore.core.image import Bucket
from imagestore.core.multipart import MOST_PARTS, Finish, Open, Part, Told
from imagestore.core.objects import ChecksumType
from imagestore.library.completion import Completion
from imagestore.web.s3.answers import (
    CHECKSUM_NAMES,
    checksum_elements,
    document,
    empty,
    new_version_headers,
    quoted,
)
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call, open_body, read_document
from imagestore.web.s3.copies import open_source, read_range, told_of_source
from imagestore.web.s3.errors import S3Error, of_ours
from imagestore.web.s3.expiry import abort_headers
from imagestore.web.s3.initiators import open_for, open_to_add, require_initiator
from imagestore.web.s3.payload import checks_of, read_size
from imagestore.web.s3.permissions import owner_element
from imagestore.web.s3.puts import (
    check_key,
    check_length,
    read_attributes,
    read_condition,
    read_etags,
    refuse_unoffered,
)
from imagestore.web.s3.xml import LARGEST, Child, malformed, parse, render, render_plain, stamp, text_of

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds without a byte after which a completion says that it still works: a space (AWS does so, too)."""

MOST_LISTED = 1000


def create_upload(call: Call) -> Response:
    check_key(call.key)
    refuse_unoffered(call)
    bucket = open_bucket(call, "s3:PutObject")
    if call.owner is None:
        message = "Anonymous users cannot initiate multipart uploads.  Please authenticate."
        raise S3Error("AccessDenied", message)
    algorithm, kind = _checksum(call)
    upload = call.services.multipart.begin(
        bucket.name,
        call.key,
        read_attributes(call, bucket),
        algorithm=algorithm,
        checksum_type=kind,
        initiator=call.owner,
    )
    headers = {"x-amz-checksum-algorithm": CHECKSUM_NAMES[algorithm]} if algorithm else {}
    if upload.checksum_type:
        headers["x-amz-checksum-type"] = upload.checksum_type
    headers |= abort_headers(bucket, upload)
    children: list[Child] = [("Bucket", bucket.name), ("Key", call.key), ("UploadId", upload.upload_id)]
    return document("InitiateMultipartUploadResult", children, **headers)


def _checksum(call: Call) -> tuple[str | None, ChecksumType | None]:
    named, kind = call.headers.get("x-amz-checksum-algorithm"), call.headers.get("x-amz-checksum-type")
    algorithm = named.lower() if named else None
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise S3Error("InvalidRequest", "Checksum algorithm provided is unsupported.")
    if kind == "COMPOSITE" and algorithm is not None:
        return algorithm, "COMPOSITE"
    if kind == "FULL_OBJECT" and algorithm is not None:
        return algorithm, "FULL_OBJECT"
    if kind is not None:
        raise S3Error("InvalidRequest", "The x-amz-checksum-type header wants x-amz-checksum-algorithm too.")
    return algorithm, None


def _number(call: Call) -> int:
    given = call.text("partNumber")
    if not (given.isascii() and given.isdigit() and len(given) < 9 and 1 <= int(given) <= MOST_PARTS):
        message = f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive"
        raise S3Error("InvalidArgument", message, ArgumentName="partNumber", ArgumentValue=given[:100])
    return int(given)


def upload_part(call: Call) -> Response:
    refuse_unoffered(call)
    check_length(call)
    number = _number(call)
    upload = open_to_add(call)
    payload = open_body(call)
    checks = checks_of(call.headers, payload)
    _check_algorithm(upload, checks.algorithms)
    part = call.services.multipart.part(upload, number, payload, expected=payload.size, checks=checks)
    sums = {f"x-amz-checksum-{name}": value for name, value in part.checksums.items()}
    return empty(200, {"ETag": quoted(part.etag), **sums})


def _check_algorithm(upload: Open, sent: tuple[str, ...]) -> None:
    if sent and upload.algorithm is not None and upload.algorithm not in sent:
        raise S3Error(
            "InvalidRequest",
            f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm},"
            f" actual checksum Type: {sent[0]}",
        )


def copy_part(call: Call) -> Response:
    number = _number(call)
    upload = open_to_add(call)
    source_bucket, source = open_source(call)
    part = call.services.multipart.copy_part(upload, number, source, *read_range(call, source))
    children: list[Child] = [("LastModified", stamp(part.modified)), ("ETag", quoted(part.etag))]
    headers = told_of_source(source_bucket, source)
    return document("CopyPartResult", [*children, *_sums(part)], **headers)


def _sums(part: Part) -> list[Child]:
    return [(f"Checksum{CHECKSUM_NAMES[name]}", value) for name, value in part.checksums.items()]


def list_parts(call: Call) -> Response:
    bucket, upload = open_for(call, "s3:ListMultipartUploadParts")
    after = call.number("part-number-marker", 0, most=2**31)
    limit = call.number("max-parts", MOST_LISTED, most=MOST_LISTED)
    parts, more = call.services.multipart.parts(upload, after=after, limit=limit)
    owner = upload.attributes.owner
    children: list[Child] = [
        ("Bucket", bucket.name),
        ("Key", call.key),
        ("UploadId", upload.upload_id),
        owner_element(upload.initiator or owner, "Initiator"),
        owner_element(owner),
        ("StorageClass", "STANDARD"),
        ("PartNumberMarker", after),
    ]
    if parts:
        children.append(("NextPartNumberMarker", parts[-1].number))
    children += [("MaxParts", limit), ("IsTruncated", more)]
    if upload.algorithm:
        children.append(("ChecksumAlgorithm", CHECKSUM_NAMES[upload.algorithm]))
    if upload.checksum_type:
        children.append(("ChecksumType", upload.checksum_type))
    children += [("Part", _part(each)) for each in parts]
    return document("ListPartsResult", children)


def _part(part: Part) -> list[Child]:
    return [
        ("PartNumber", part.number),
        ("LastModified", stamp(part.modified)),
        ("ETag", quoted(part.etag)),
        *_sums(part),
        ("Size", part.size),
    ]


def abort_upload(call: Call) -> Response:
    _, upload = open_for(call, "s3:AbortMultipartUpload")
    call.services.multipart.give_up(upload)
    return empty(204)


def complete_upload(call: Call) -> Response:
    """What can be refused at once is refused with its status; what fails later stands in a 200, as AWS has
    it: its head has gone by then, so that nobody takes the silence for an end."""
    bucket = open_bucket(call, "s3:PutObject")
    upload = call.services.multipart.seek(bucket.name, call.key, call.text("uploadId"))
    if upload is not None:
        require_initiator(call, bucket, upload)
    told = _read_parts(parse(read_document(call), "CompleteMultipartUpload", most=LARGEST))
    size = read_size(call.headers, "x-amz-mp-object-size")
    completion = call.services.multipart.completion(
        Finish(
            bucket.name,
            call.key,
            call.text("uploadId"),
            told,
            read_condition(call),
            _whole_sums(call),
            size,
        )
    )
    steps = completion.steps()
    for _ in steps:
        if time.perf_counter() - g.began > PATIENCE:
            return Response(_spaced(call, bucket, completion, steps), 200, content_type="application/xml")
    headers = new_version_headers(bucket, completion.image.version)
    return document("CompleteMultipartUploadResult", _result(call, completion), **headers)


def _spaced(call: Call, bucket: Bucket, completion: Completion, steps: Iterator[object]) -> Iterator[bytes]:
    """The document, behind a space for each PATIENCE that it takes."""
    declaration, _, _ = render("x", "").partition(b"\n")
    yield declaration + b"\n"
    said = time.monotonic()
    try:
        for _ in steps:
            if time.monotonic() - said > PATIENCE:
                said = time.monotonic()
                yield b" "
        result = render("CompleteMultipartUploadResult", _result(call, completion))
    except ImagestoreError as error:
        log.warning("an upload in parts to %s failed at its end: %s", bucket.name, error.message)
        told = of_ours(error)
        result = render_plain("Error", [("Code", told.code), ("Message", told.message)])
    yield result.partition(b"\n")[2]


def _result(call: Call, completion: Completion) -> list[Child]:
    version = completion.image.version
    return [
        ("Location", f"{call.request.host_url.rstrip('/')}{call.asked.path}"),
        ("Bucket", version.bucket),
        ("Key", version.key),
        ("ETag", quoted(version.etag)),
        *checksum_elements(version),
    ]


def _read_parts(root: Element) -> tuple[Told, ...]:
    parts = tuple(_read_part(each) for each in root.findall("Part"))
    if not 1 <= len(parts) <= MOST_PARTS:
        raise malformed()
    return parts


def _read_part(element: Element) -> Told:
    number = text_of(element, "PartNumber").strip()
    if not (number.isascii() and number.isdigit() and len(number) < 9):
        raise malformed()
    sums = {
        name: text_of(element, f"Checksum{shown}")
        for name, shown in CHECKSUM_NAMES.items()
        if element.find(f"Checksum{shown}") is not None
    }
    etags = read_etags(text_of(element, "ETag"))
    return Told(int(number), etags[0] if etags else "", sums)


def _whole_sums(call: Call) -> dict[str, str]:
    return {
        name: value
        for name in ALGORITHMS
        if (value := call.headers.get(f"x-amz-checksum-{name}")) is not None
    }
