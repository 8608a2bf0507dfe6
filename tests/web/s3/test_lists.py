"""Lists by S3: pages, common prefixes, markers and tokens, odd keys, versions, uploads."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

KEYS = ["a", "a/", "a/b", "a/b/c", "a/c", "b c+d%2F", "é/ü", "z\x01z", "zz/1", "zz/2"]


@pytest.fixture
def filled(s3: Any, s3_bucket: str) -> str:
    for key in KEYS:
        s3.put_object(Bucket=s3_bucket, Key=key, Body=key.encode())
    return s3_bucket


def shown(page: dict[str, Any]) -> list[str]:
    """Keys and common prefixes, in the one order that S3 has for both."""
    keys = [each["Key"] for each in page.get("Contents", ())]
    return sorted(keys + [each["Prefix"] for each in page.get("CommonPrefixes", ())], key=str.encode)


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, KEYS),
        ({"Prefix": "a/"}, ["a/", "a/b", "a/b/c", "a/c"]),
        ({"Delimiter": "/"}, ["a", "a/", "b c+d%2F", "z\x01z", "zz/", "é/"]),
        ({"Prefix": "a/", "Delimiter": "/"}, ["a/", "a/b", "a/b/", "a/c"]),
        ({"Delimiter": "b"}, ["a", "a/", "a/b", "a/c", "b", "z\x01z", "zz/1", "zz/2", "é/ü"]),
        ({"Prefix": "none"}, []),
        ({"Prefix": "z", "Delimiter": "\x01"}, ["z\x01", "zz/1", "zz/2"]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_pages_of_any_size_show_all_once(
    s3: Any, filled: str, asked: dict[str, str], expected: list[str], size: int
) -> None:
    expected = sorted(expected, key=str.encode)
    for name in ("list_objects", "list_objects_v2"):
        pages = s3.get_paginator(name).paginate(Bucket=filled, PaginationConfig={"PageSize": size}, **asked)
        found = [shown(page) for page in pages]
        assert [each for page in found for each in page] == expected
        assert all(len(page) <= size for page in found)


def test_the_first_version_goes_on_behind_a_marker(s3: Any, filled: str) -> None:
    page = s3.list_objects(Bucket=filled, Marker="a/b", MaxKeys=2)
    assert (shown(page), page["IsTruncated"], "NextMarker" in page) == (["a/b/c", "a/c"], True, False)
    page = s3.list_objects(Bucket=filled, Delimiter="/", MaxKeys=2)
    assert (shown(page), page["NextMarker"]) == (["a", "a/"], "a/")
    assert page["Contents"][0]["Owner"]["ID"]


def test_the_second_version_counts_and_starts_after(s3: Any, filled: str) -> None:
    page = s3.list_objects_v2(Bucket=filled, StartAfter="a/b", MaxKeys=2)
    assert (shown(page), page["KeyCount"], page["StartAfter"]) == (["a/b/c", "a/c"], 2, "a/b")
    assert "Owner" not in page["Contents"][0]
    after = s3.list_objects_v2(
        Bucket=filled, ContinuationToken=page["NextContinuationToken"], FetchOwner=True, MaxKeys=1
    )
    assert (shown(after), after["ContinuationToken"]) == (["b c+d%2F"], page["NextContinuationToken"])
    assert after["Contents"][0]["Owner"]["ID"]
    none = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (none["KeyCount"], none["IsTruncated"]) == (0, False)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("max-keys=x", "InvalidArgument"),
        ("max-keys=-1", "InvalidArgument"),
        ("encoding-type=x", "InvalidArgument"),
        ("list-type=2&continuation-token=%7E", "InvalidArgument"),
        ("versions&version-id-marker=x", "InvalidArgument"),
        ("uploads&max-uploads=x", "InvalidArgument"),
    ],
)
def test_odd_questions_are_refused(browser: Any, open_bucket: str, query: str, expected: str) -> None:
    answer = browser.get(f"/{open_bucket}?{query}")
    assert (answer.status_code, f"<Code>{expected}</Code>" in answer.text) == (400, True)


def test_versions_are_listed_newest_first_with_delete_markers(s3: Any, s3_bucket: str) -> None:
    s3.put_object(Bucket=s3_bucket, Key="k", Body=b"0")
    s3.put_bucket_versioning(Bucket=s3_bucket, VersioningConfiguration={"Status": "Enabled"})
    made = [s3.put_object(Bucket=s3_bucket, Key="k", Body=bytes([n]))["VersionId"] for n in (1, 2)]
    marker = s3.delete_object(Bucket=s3_bucket, Key="k")["VersionId"]
    s3.put_object(Bucket=s3_bucket, Key="l", Body=b"")
    for size in (1, 2, 1000):
        found = []
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=s3_bucket, PaginationConfig={"PageSize": size}
        )
        for page in pages:
            found += [(each["VersionId"], each["IsLatest"]) for each in page.get("DeleteMarkers", ())]
            found += [
                (each["VersionId"], each["IsLatest"])
                for each in page.get("Versions", ())
                if each["Key"] == "k"
            ]
        assert found == [(marker, True), (made[1], False), (made[0], False), ("null", False)]


def test_uploads_in_parts_are_listed_until_they_end(s3: Any, s3_bucket: str) -> None:
    ids = [s3.create_multipart_upload(Bucket=s3_bucket, Key=key)["UploadId"] for key in ("x/1", "x/1", "y")]
    pages = s3.get_paginator("list_multipart_uploads").paginate(
        Bucket=s3_bucket, PaginationConfig={"PageSize": 1}
    )
    assert [each["UploadId"] for page in pages for each in page.get("Uploads", ())] == ids
    rolled = s3.list_multipart_uploads(Bucket=s3_bucket, Delimiter="/")
    assert [each["Prefix"] for each in rolled["CommonPrefixes"]] == ["x/"]
    s3.abort_multipart_upload(Bucket=s3_bucket, Key="y", UploadId=ids[2])
    left = s3.list_multipart_uploads(Bucket=s3_bucket, Prefix="y")
    assert "Uploads" not in left
    with pytest.raises(ClientError) as refused:
        s3.abort_multipart_upload(Bucket=s3_bucket, Key="y", UploadId=ids[2])
    assert code(refused) == "NoSuchUpload"
