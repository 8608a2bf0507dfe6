"""Tags of objects and buckets through boto3: in place, by version, by header, and within AWS's bounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def tag_set(pairs: dict[str, str] | Iterable[tuple[str, str]]) -> dict[str, Any]:
    items = pairs.items() if isinstance(pairs, dict) else pairs
    return {"TagSet": [{"Key": name, "Value": value} for name, value in items]}


def tags_of(s3: Any, bucket: str, key: str, **named: str) -> dict[str, str]:
    found = s3.get_object_tagging(Bucket=bucket, Key=key, **named)["TagSet"]
    return {each["Key"]: each["Value"] for each in found}


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    answer = error.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def test_tags_of_an_object_are_put_shown_and_deleted(s3: Any, s3_bucket: str) -> None:
    name = {"Bucket": s3_bucket, "Key": "a.txt"}
    etag = s3.put_object(**name, Body=b"a")["ETag"]
    assert tags_of(s3, s3_bucket, "a.txt") == {}
    s3.put_object_tagging(**name, Tagging=tag_set({"b": "2", "a": "1 +-=._:/@", "é": ""}))
    found = s3.get_object_tagging(**name)["TagSet"]
    assert found == tag_set({"a": "1 +-=._:/@", "b": "2", "é": ""})["TagSet"]
    head = s3.head_object(**name)
    assert (head["ResponseMetadata"]["HTTPHeaders"]["x-amz-tagging-count"], head["ETag"]) == ("3", etag)
    s3.put_object_tagging(**name, Tagging=tag_set({"c": "3"}))
    assert tags_of(s3, s3_bucket, "a.txt") == {"c": "3"}
    assert s3.delete_object_tagging(**name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert tags_of(s3, s3_bucket, "a.txt") == {}


def test_each_version_has_tags_of_its_own(s3: Any, s3_bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=s3_bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (
        s3.put_object(Bucket=s3_bucket, Key="a", Body=body, Tagging=f"n={body}")["VersionId"] for body in "12"
    )
    assert tags_of(s3, s3_bucket, "a") == {"n": "2"}
    changed = s3.put_object_tagging(
        Bucket=s3_bucket, Key="a", VersionId=first, Tagging=tag_set({"old": "yes"})
    )
    assert changed["VersionId"] == first
    assert tags_of(s3, s3_bucket, "a", VersionId=first) == {"old": "yes"}
    assert tags_of(s3, s3_bucket, "a", VersionId=second) == {"n": "2"}


def test_tags_come_by_header_and_go_along_with_copies(s3: Any, s3_bucket: str) -> None:
    s3.put_object(Bucket=s3_bucket, Key="a", Body=b"a", Tagging="foo=bar%20baz&empty&x=%C3%A9")
    assert tags_of(s3, s3_bucket, "a") == {"foo": "bar baz", "empty": "", "x": "é"}
    source = {"Bucket": s3_bucket, "Key": "a"}
    s3.copy_object(Bucket=s3_bucket, Key="kept", CopySource=source)
    assert tags_of(s3, s3_bucket, "kept") == {"foo": "bar baz", "empty": "", "x": "é"}
    s3.copy_object(Bucket=s3_bucket, Key="new", CopySource=source, TaggingDirective="REPLACE", Tagging="a=b")
    assert tags_of(s3, s3_bucket, "new") == {"a": "b"}
    upload = s3.create_multipart_upload(Bucket=s3_bucket, Key="parts", Tagging="p=q")["UploadId"]
    part = s3.upload_part(Bucket=s3_bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"a")
    s3.complete_multipart_upload(
        Bucket=s3_bucket,
        Key="parts",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    assert tags_of(s3, s3_bucket, "parts") == {"p": "q"}


@pytest.mark.parametrize(
    "pairs",
    [
        [(f"n{number}", "") for number in range(11)],
        [("a" * 129, "")],
        [("a", "b" * 257)],
        [("a", "1"), ("a", "2")],
        [("aws:a", "1")],
        [("a&b", "1")],
        [("a", "<>")],
    ],
)
def test_tags_beyond_the_bounds_are_refused(s3: Any, s3_bucket: str, pairs: list[tuple[str, str]]) -> None:
    s3.put_object(Bucket=s3_bucket, Key="a", Body=b"a")
    with pytest.raises(ClientError) as raised:
        s3.put_object_tagging(Bucket=s3_bucket, Key="a", Tagging=tag_set(pairs))
    assert code_of(raised) == (400, "InvalidTag")
    assert tags_of(s3, s3_bucket, "a") == {}


def test_tags_at_the_bounds_are_taken(s3: Any, s3_bucket: str) -> None:
    s3.put_object(Bucket=s3_bucket, Key="a", Body=b"a")
    tags = {f"{number}".ljust(128, "k"): "v" * 256 for number in range(10)}
    s3.put_object_tagging(Bucket=s3_bucket, Key="a", Tagging=tag_set(tags))
    assert tags_of(s3, s3_bucket, "a") == tags


@pytest.mark.parametrize("header", ["a=1&a=2", "=b", "a=%ff", "&".join(f"n{n}=1" for n in range(60))])
def test_a_header_of_tags_is_well_formed_or_refused(s3: Any, s3_bucket: str, header: str) -> None:
    with pytest.raises(ClientError) as raised:
        s3.put_object(Bucket=s3_bucket, Key="a", Body=b"a", Tagging=header)
    assert code_of(raised) == (400, "InvalidArgument")
    assert "Contents" not in s3.list_objects_v2(Bucket=s3_bucket)


def test_what_is_not_there_has_no_tags(s3: Any, s3_bucket: str) -> None:
    with pytest.raises(ClientError) as raised:
        s3.get_object_tagging(Bucket=s3_bucket, Key="none")
    assert code_of(raised) == (404, "NoSuchKey")
    with pytest.raises(ClientError) as raised:
        s3.put_object_tagging(Bucket=s3_bucket, Key="none", Tagging=tag_set({}))
    assert code_of(raised) == (404, "NoSuchKey")


def test_tags_of_a_bucket(s3: Any, s3_bucket: str) -> None:
    with pytest.raises(ClientError) as raised:
        s3.get_bucket_tagging(Bucket=s3_bucket)
    assert code_of(raised) == (404, "NoSuchTagSet")
    tags = {f"n{number}": "é &=" if not number else "" for number in range(50)} | {}
    with pytest.raises(ClientError):  # no & in tags
        s3.put_bucket_tagging(Bucket=s3_bucket, Tagging=tag_set(tags))
    tags["n0"] = "é ="
    s3.put_bucket_tagging(Bucket=s3_bucket, Tagging=tag_set(tags))
    assert s3.get_bucket_tagging(Bucket=s3_bucket)["TagSet"] == tag_set(sorted(tags.items()))["TagSet"]
    with pytest.raises(ClientError) as raised:
        s3.put_bucket_tagging(Bucket=s3_bucket, Tagging=tag_set(tags | {"more": ""}))
    assert code_of(raised) == (400, "InvalidTag")
    s3.delete_bucket_tagging(Bucket=s3_bucket)
    with pytest.raises(ClientError):
        s3.get_bucket_tagging(Bucket=s3_bucket)
