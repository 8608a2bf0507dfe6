"""Objects by S3: what is told with them comes back, conditions and ranges hold, versions are told apart."""

from __future__ import annotations

import hashlib
import urllib.request
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

BODY = b"0123456789"
ETAG = f'"{hashlib.md5(BODY, usedforsecurity=False).hexdigest()}"'


def refusal(call: Any, **asked: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    told = refused.value.response
    return told["ResponseMetadata"]["HTTPStatusCode"], told["Error"]["Code"]


def test_what_is_told_with_an_object_comes_back(s3: Any, s3_bucket: str) -> None:
    told = {
        "ContentType": "image/x-odd; q=1",
        "CacheControl": "max-age=9",
        "ContentDisposition": 'attachment; filename="x"',
        "ContentEncoding": "gzip",
        "ContentLanguage": "de",
        "Metadata": {"one": "1", "two_b": "zwei", "three-c": "x y"},
    }
    for key in ("k", "ä /+%?&=#\x7f~*'()", "/x", "a//b/", ".", "..", "x" * 1024):
        put = s3.put_object(Bucket=s3_bucket, Key=key, Body=BODY, **told)
        got = s3.get_object(Bucket=s3_bucket, Key=key)
        assert (put["ETag"], got["ETag"], got["Body"].read()) == (ETAG, ETAG, BODY)
        assert {name: got[name] for name in told} == told
        head = s3.head_object(Bucket=s3_bucket, Key=key)
        assert {name: head[name] for name in told} == told
        assert head["ContentLength"] == len(BODY)
    assert refusal(s3.put_object, Bucket=s3_bucket, Key="x" * 1025, Body=b"") == (400, "KeyTooLongError")
    long = {"a": "x" * 2048}
    assert refusal(s3.put_object, Bucket=s3_bucket, Key="k", Metadata=long) == (400, "MetadataTooLarge")


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_are_checked_kept_and_returned(s3: Any, s3_bucket: str, algorithm: str) -> None:
    s3.put_object(Bucket=s3_bucket, Key="k", Body=BODY, ChecksumAlgorithm=algorithm)
    head = s3.head_object(Bucket=s3_bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] and head["ChecksumType"] == "FULL_OBJECT"
    told = s3.get_object_attributes(
        Bucket=s3_bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass"]
    )
    assert told["Checksum"][f"Checksum{algorithm}"] == head[f"Checksum{algorithm}"]
    assert (told["ETag"], told["ObjectSize"]) == (ETAG.strip('"'), len(BODY))
    wrong = b64encode(b"\1" * len(b64decode(head[f"Checksum{algorithm}"]))).decode()
    outcome = refusal(s3.put_object, Bucket=s3_bucket, Key="w", Body=BODY, **{f"Checksum{algorithm}": wrong})
    assert outcome == (400, "BadDigest")
    assert refusal(s3.head_object, Bucket=s3_bucket, Key="w")[0] == 404


def test_conditions_of_reads(s3: Any, kept: str) -> None:
    modified = s3.head_object(Bucket=kept, Key="k")["LastModified"]
    later, sooner = modified + timedelta(days=1), modified - timedelta(days=1)
    for holds in (
        {"IfMatch": ETAG},
        {"IfNoneMatch": '"x"'},
        {"IfModifiedSince": sooner},
        {"IfUnmodifiedSince": later},
        {"IfMatch": ETAG, "IfUnmodifiedSince": sooner},
        {"IfNoneMatch": '"x"', "IfModifiedSince": later},
    ):
        assert s3.get_object(Bucket=kept, Key="k", **holds)["Body"].read() == BODY
    for fails, status in (
        ({"IfMatch": '"x"'}, 412),
        ({"IfNoneMatch": ETAG}, 304),
        ({"IfModifiedSince": later}, 304),
        ({"IfUnmodifiedSince": sooner}, 412),
    ):
        assert refusal(s3.get_object, Bucket=kept, Key="k", **fails)[0] == status
        assert refusal(s3.head_object, Bucket=kept, Key="k", **fails)[0] == status


def test_conditions_of_writes(s3: Any, kept: str) -> None:
    put: Any = lambda **more: s3.put_object(Bucket=kept, Key=more.pop("Key", "k"), Body=BODY, **more)  # noqa: E731
    assert refusal(put, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refusal(put, IfMatch='"x"') == (412, "PreconditionFailed")
    assert refusal(put, Key="none", IfMatch=ETAG) == (404, "NoSuchKey")
    assert put(IfMatch=ETAG)["ETag"] == ETAG
    assert put(Key="new", IfNoneMatch="*")["ETag"] == ETAG
    assert refusal(s3.delete_object, Bucket=kept, Key="k", IfMatch='"x"') == (412, "PreconditionFailed")
    s3.delete_object(Bucket=kept, Key="k", IfMatch=ETAG)


@pytest.mark.parametrize(
    ("asked", "body", "said"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_ranges(s3: Any, kept: str, asked: str, body: bytes, said: str) -> None:
    got = s3.get_object(Bucket=kept, Key="k", Range=asked)
    assert (got["Body"].read(), got["ContentRange"]) == (body, said)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    head = s3.head_object(Bucket=kept, Key="k", Range=asked)
    assert (head["ContentLength"], head["ContentRange"]) == (len(body), said)


def test_ranges_that_there_are_not(s3: Any, kept: str) -> None:
    assert refusal(s3.get_object, Bucket=kept, Key="k", Range="bytes=10-") == (416, "InvalidRange")
    assert s3.get_object(Bucket=kept, Key="k", Range="nonsense")["Body"].read() == BODY
    s3.put_object(Bucket=kept, Key="empty", Body=b"")
    assert refusal(s3.get_object, Bucket=kept, Key="empty", Range="bytes=0-") == (416, "InvalidRange")


def test_who_signs_may_replace_headers(s3: Any, kept: str) -> None:
    asked = {
        "ResponseContentType": "text/plain",
        "ResponseContentDisposition": "attachment; filename=é.txt",
        "ResponseCacheControl": "no-store",
        "ResponseExpires": datetime(2030, 1, 1, tzinfo=UTC),
    }
    got = s3.get_object(Bucket=kept, Key="k", **asked)
    assert (got["ContentType"], got["CacheControl"]) == ("text/plain", "no-store")
    url = s3.generate_presigned_url(
        "get_object", Params={"Bucket": kept, "Key": "k", "ResponseContentType": "a/b"}
    )
    with urllib.request.urlopen(url) as answer:
        assert (answer.headers["Content-Type"], answer.read()) == ("a/b", BODY)


def test_strangers_may_not_replace_headers(browser: Any, open_bucket: str) -> None:
    assert browser.get(f"/{open_bucket}/k").status_code == 200
    assert browser.get(f"/{open_bucket}/k?response-content-type=text/html").status_code == 400


def test_null_versions_and_delete_markers(s3: Any, kept: str) -> None:
    assert "VersionId" not in s3.get_object(Bucket=kept, Key="k")
    s3.put_bucket_versioning(Bucket=kept, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=kept, Key="k", Body=b"1")["VersionId"]
    assert s3.get_object(Bucket=kept, Key="k", VersionId="null")["Body"].read() == BODY
    s3.put_bucket_versioning(Bucket=kept, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(Bucket=kept, Key="k", Body=b"2")
    assert s3.get_object(Bucket=kept, Key="k")["VersionId"] == "null"
    assert s3.get_object(Bucket=kept, Key="k", VersionId=first)["Body"].read() == b"1"
    gone = s3.delete_object(Bucket=kept, Key="k")
    assert (gone["DeleteMarker"], gone["VersionId"]) == (True, "null")
    with pytest.raises(ClientError) as refused:
        s3.get_object(Bucket=kept, Key="k")
    assert refused.value.response["ResponseMetadata"]["HTTPHeaders"]["x-amz-delete-marker"] == "true"
    assert refusal(s3.get_object, Bucket=kept, Key="k", VersionId="null") == (405, "MethodNotAllowed")
    assert s3.delete_object(Bucket=kept, Key="k", VersionId="null")["DeleteMarker"] is True
    assert s3.get_object(Bucket=kept, Key="k")["Body"].read() == b"1"
    assert refusal(s3.get_object, Bucket=kept, Key="k", VersionId="x" * 34)[0] in (400, 404)


def test_many_are_deleted_at_once(s3: Any, s3_bucket: str) -> None:
    keys = [f"k{number}" for number in range(1000)]
    for key in keys[:3]:
        s3.put_object(Bucket=s3_bucket, Key=key, Body=b"")
    told = s3.delete_objects(Bucket=s3_bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    assert [each["Key"] for each in told["Deleted"]] == keys
    quiet = s3.delete_objects(Bucket=s3_bucket, Delete={"Objects": [{"Key": "k"}], "Quiet": True})
    assert "Deleted" not in quiet
    many = [{"Key": str(number)} for number in range(1001)]
    assert refusal(s3.delete_objects, Bucket=s3_bucket, Delete={"Objects": many}) == (400, "MalformedXML")
    assert "Contents" not in s3.list_objects_v2(Bucket=s3_bucket)


def test_what_is_not_offered_is_refused(s3: Any, s3_bucket: str) -> None:
    put: Any = lambda **more: s3.put_object(Bucket=s3_bucket, Key="k", Body=b"", **more)  # noqa: E731
    assert refusal(put, ServerSideEncryption="AES256") == (501, "NotImplemented")
    assert refusal(put, StorageClass="GLACIER") == (400, "InvalidStorageClass")
    assert refusal(s3.get_bucket_website, Bucket=s3_bucket)[1] == "NoSuchWebsiteConfiguration"
    assert refusal(s3.get_bucket_replication, Bucket=s3_bucket)[1] == "ReplicationConfigurationNotFoundError"
    assert refusal(s3.get_object_retention, Bucket=s3_bucket, Key="k")[0] == 404
    assert "Contents" not in s3.list_objects_v2(Bucket=s3_bucket)
