"""Copies by S3: between keys and buckets, with the source's words or others, if conditions hold."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.s3.test_objects import BODY, ETAG, refusal


def test_a_copy_has_the_words_of_its_source_or_others(s3: Any, kept: str, s3_bucket: str) -> None:
    source = {"Bucket": kept, "Key": "ä+ b?"}
    s3.put_object(**source, Body=BODY, Metadata={"one": "1"}, ContentType="a/b", Tagging="t=1")
    told = s3.copy_object(Bucket=s3_bucket, Key="same", CopySource=source)
    assert told["CopyObjectResult"]["ETag"] == ETAG
    got = s3.get_object(Bucket=s3_bucket, Key="same")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (BODY, {"one": "1"}, "a/b")
    assert got["TagCount"] == 1
    s3.copy_object(
        Bucket=s3_bucket,
        Key="other",
        CopySource=source,
        MetadataDirective="REPLACE",
        Metadata={"two": "2"},
        TaggingDirective="REPLACE",
        Tagging="",
    )
    got = s3.get_object(Bucket=s3_bucket, Key="other")
    assert (got["Metadata"], got["ContentType"]) == ({"two": "2"}, "binary/octet-stream")
    assert "TagCount" not in got


def test_a_copy_onto_itself_changes_something(s3: Any, kept: str) -> None:
    itself = {"Bucket": kept, "Key": "k", "CopySource": {"Bucket": kept, "Key": "k"}}
    assert refusal(s3.copy_object, **itself) == (400, "InvalidRequest")
    s3.copy_object(**itself, MetadataDirective="REPLACE", Metadata={"new": "1"})
    assert s3.head_object(Bucket=kept, Key="k")["Metadata"] == {"new": "1"}


def test_an_older_version_is_restored_by_a_copy(s3: Any, kept: str) -> None:
    s3.put_bucket_versioning(Bucket=kept, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=kept, Key="k", Body=b"new")
    source = {"Bucket": kept, "Key": "k", "VersionId": "null"}
    told = s3.copy_object(Bucket=kept, Key="k", CopySource=source)
    assert (told["CopySourceVersionId"], s3.get_object(Bucket=kept, Key="k")["Body"].read()) == ("null", BODY)
    marker = s3.delete_object(Bucket=kept, Key="k")["VersionId"]
    source["VersionId"] = marker
    assert refusal(s3.copy_object, Bucket=kept, Key="l", CopySource=source) == (400, "InvalidRequest")


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"CopySourceIfMatch": ETAG}, True),
        ({"CopySourceIfMatch": '"x"'}, False),
        ({"CopySourceIfNoneMatch": ETAG}, False),
        ({"CopySourceIfNoneMatch": '"x"'}, True),
        ({"CopySourceIfModifiedSince": "Fri, 01 Jan 2100 00:00:00 GMT"}, False),
        ({"CopySourceIfUnmodifiedSince": "Thu, 01 Jan 1970 00:00:00 GMT"}, False),
    ],
)
def test_conditions_of_the_source(s3: Any, kept: str, asked: dict[str, str], holds: bool) -> None:
    copy = {"Bucket": kept, "Key": "copy", "CopySource": {"Bucket": kept, "Key": "k"}, **asked}
    if holds:
        assert s3.copy_object(**copy)["CopyObjectResult"]["ETag"] == ETAG
    else:
        assert refusal(s3.copy_object, **copy) == (412, "PreconditionFailed")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("none-such-bucket/k", (404, "NoSuchBucket")),
        ("{}/none", (404, "NoSuchKey")),
        ("{}/k?versionId=0123456789", (404, "NoSuchVersion")),
        ("nothing", (400, "InvalidArgument")),
    ],
)
def test_sources_that_there_are_not(s3: Any, kept: str, source: str, expected: tuple[int, str]) -> None:
    outcome = refusal(s3.copy_object, Bucket=kept, Key="copy", CopySource=source.format(kept))
    assert outcome == expected
