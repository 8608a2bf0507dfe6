"""Uploads in parts by S3: out of order, again, copied, listed, completed once, with checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.s3.test_objects import refusal

MB = 1024 * 1024
FIRST, SECOND, LAST = b"1" * (5 * MB), b"2" * (5 * MB), b"3" * 7


@pytest.fixture
def begin(s3: Any, s3_bucket: str) -> Callable[..., dict[str, Any]]:
    """Begins an upload; what comes back names it in the calls that follow."""

    def made(**options: Any) -> dict[str, Any]:
        begun = s3.create_multipart_upload(Bucket=s3_bucket, Key="k", **options)
        return {"Bucket": s3_bucket, "Key": "k", "UploadId": begun["UploadId"]}

    return made


def complete(s3: Any, upload: dict[str, Any], *parts: tuple[int, str], **more: Any) -> Any:
    told = {"Parts": [{"PartNumber": number, "ETag": etag} for number, etag in parts]}
    return s3.complete_multipart_upload(**upload, MultipartUpload=told, **more)


def test_parts_in_any_order_and_again(s3: Any, begin: Callable[..., dict[str, Any]]) -> None:
    upload = begin(ContentType="a/b", Metadata={"m": "1"})
    last = s3.upload_part(**upload, PartNumber=9, Body=LAST)["ETag"]
    s3.upload_part(**upload, PartNumber=1, Body=SECOND)
    first = s3.upload_part(**upload, PartNumber=1, Body=FIRST)["ETag"]
    second = s3.upload_part(**upload, PartNumber=5, Body=SECOND)["ETag"]
    for size in (1, 2, 1000):
        pages = s3.get_paginator("list_parts").paginate(**upload, PaginationConfig={"PageSize": size})
        listed = [each for page in pages for each in page["Parts"]]
        assert [(each["PartNumber"], each["Size"]) for each in listed] == [(1, 5 * MB), (5, 5 * MB), (9, 7)]
    whole = complete(s3, upload, (1, first), (5, second), (9, last))
    sums = b"".join(hashlib.md5(each, usedforsecurity=False).digest() for each in (FIRST, SECOND, LAST))
    assert whole["ETag"] == f'"{hashlib.md5(sums, usedforsecurity=False).hexdigest()}-3"'
    got = s3.get_object(Bucket=upload["Bucket"], Key="k")
    assert (got["ETag"], got["ContentType"], got["Metadata"]) == (whole["ETag"], "a/b", {"m": "1"})
    assert got["Body"].read() == FIRST + SECOND + LAST
    part = s3.get_object(Bucket=upload["Bucket"], Key="k", PartNumber=3)
    assert (part["Body"].read(), part["PartsCount"]) == (LAST, 3)
    beyond = refusal(s3.get_object, Bucket=upload["Bucket"], Key="k", PartNumber=4)
    assert beyond == (416, "InvalidPartNumber")
    assert complete(s3, upload, (1, first), (5, second), (9, last))["ETag"] == whole["ETag"]
    assert refusal(s3.upload_part, **upload, PartNumber=1, Body=b"") == (404, "NoSuchUpload")


def test_a_wrong_end_is_refused_and_may_be_told_again(s3: Any, begin: Callable[..., dict[str, Any]]) -> None:
    upload = begin()
    small = s3.upload_part(**upload, PartNumber=1, Body=LAST)["ETag"]
    other = s3.upload_part(**upload, PartNumber=2, Body=LAST)["ETag"]
    for parts, code in (
        (((1, small), (2, other)), "EntityTooSmall"),
        (((2, other), (1, small)), "InvalidPartOrder"),
        (((1, '"x"'),), "InvalidPart"),
        (((3, small),), "InvalidPart"),
    ):
        with pytest.raises(s3.exceptions.ClientError) as refused:
            complete(s3, upload, *parts)
        assert refused.value.response["Error"]["Code"] == code
    assert refusal(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": []})[1] == "MalformedXML"
    complete(s3, upload, (1, small))
    assert s3.get_object(Bucket=upload["Bucket"], Key="k")["Body"].read() == LAST


@pytest.mark.parametrize("number", [0, 10_001])
def test_part_numbers_have_bounds(s3: Any, begin: Callable[..., dict[str, Any]], number: int) -> None:
    assert refusal(s3.upload_part, **begin(), PartNumber=number, Body=b"") == (400, "InvalidArgument")


def test_a_part_is_copied_from_an_object(
    s3: Any, s3_bucket: str, begin: Callable[..., dict[str, Any]]
) -> None:
    s3.put_object(Bucket=s3_bucket, Key="source", Body=FIRST + LAST)
    upload, source = begin(), {"Bucket": s3_bucket, "Key": "source"}
    whole = s3.upload_part_copy(**upload, PartNumber=1, CopySource=source)["CopyPartResult"]["ETag"]
    some = s3.upload_part_copy(
        **upload, PartNumber=2, CopySource=source, CopySourceRange=f"bytes={5 * MB - 1}-{5 * MB + 1}"
    )
    complete(s3, upload, (1, whole), (2, some["CopyPartResult"]["ETag"]))
    assert s3.get_object(Bucket=s3_bucket, Key="k")["Body"].read() == FIRST + LAST + b"133"
    for odd in ("bytes=0-99999999", "0-1", "bytes=5-1", "bytes=-1"):
        asked = {"CopySource": source, "CopySourceRange": odd}
        assert refusal(s3.upload_part_copy, **begin(), PartNumber=1, **asked) == (400, "InvalidArgument")


@pytest.mark.parametrize(("kind", "algorithm"), [("COMPOSITE", "SHA256"), ("FULL_OBJECT", "CRC64NVME")])
def test_checksums_of_parts_make_that_of_the_whole(
    s3: Any, begin: Callable[..., dict[str, Any]], kind: str, algorithm: str
) -> None:
    upload = begin(ChecksumAlgorithm=algorithm, ChecksumType=kind)
    parts = []
    for number, body in ((1, FIRST), (2, LAST)):
        part = s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm=algorithm)
        sums = {f"Checksum{algorithm}": part[f"Checksum{algorithm}"]}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **sums})
    whole = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, ChecksumType=kind)
    told = s3.head_object(Bucket=upload["Bucket"], Key="k", ChecksumMode="ENABLED")
    assert told[f"Checksum{algorithm}"] == whole[f"Checksum{algorithm}"]
    assert (told["ChecksumType"], whole[f"Checksum{algorithm}"].endswith("-2")) == (
        kind,
        kind == "COMPOSITE",
    )
    if kind == "FULL_OBJECT":
        s3.put_object(Bucket=upload["Bucket"], Key="one", Body=FIRST + LAST, ChecksumAlgorithm=algorithm)
        one = s3.head_object(Bucket=upload["Bucket"], Key="one", ChecksumMode="ENABLED")
        assert one[f"Checksum{algorithm}"] == told[f"Checksum{algorithm}"]
