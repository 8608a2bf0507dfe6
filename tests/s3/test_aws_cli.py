"""The aws cli, as it comes, over http and https: files and folders copied both ways, and its raw calls."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.s3.conftest import BIG, COMMANDS, REGION, Endpoint, files_of, open_policy, over

Aws = Callable[..., str]


@pytest.fixture
def aws(endpoint: Endpoint) -> Aws:
    """Runs it; returns what it prints."""

    def run(*arguments: str) -> str:
        return endpoint.run(
            str(COMMANDS / "aws"), "--endpoint-url", endpoint.url, *arguments,
            AWS_ACCESS_KEY_ID=endpoint.access_key,
            AWS_SECRET_ACCESS_KEY=endpoint.secret,
            AWS_DEFAULT_REGION=REGION,
            AWS_CA_BUNDLE=str(endpoint.authority),
            AWS_PAGER="",
        )  # fmt: skip

    return run


@over("http", "https")
def test_a_folder_is_synchronised_both_ways(aws: Aws, tree: Path, tmp_path: Path) -> None:
    bucket = f"s3://cli-{secrets.token_hex(6)}"
    assert "make_bucket" in aws("s3", "mb", bucket)
    assert aws("s3", "sync", str(tree), f"{bucket}/t", "--no-progress").count("upload:") == 3
    assert aws("s3", "sync", str(tree), f"{bucket}/t", "--size-only") == ""
    listed = aws("s3", "ls", f"{bucket}/t/")
    assert ("PRE sub/" in listed, listed.count("\n")) == (True, 3)
    aws("s3", "sync", f"{bucket}/t", str(tmp_path / "back"))
    assert files_of(tmp_path / "back") == files_of(tree)
    (tree / "empty").unlink()
    assert "delete:" in aws("s3", "sync", str(tree), f"{bucket}/t", "--delete", "--size-only")
    aws("s3", "mv", f"{bucket}/t/one.txt", f"{bucket}/moved.txt")
    aws("s3", "rm", f"{bucket}/moved.txt")
    assert "sub/a b+é&%41~.txt" in aws("s3", "ls", bucket, "--recursive")
    aws("s3", "rb", bucket, "--force")


@over("https", "http")
def test_a_large_file_is_copied_and_presigned(
    aws: Aws, bucket: str, big: Path, tmp_path: Path, browser: httpx.Client
) -> None:
    """The cli sends 34 MB in parts of 8."""
    there = f"s3://{bucket}/big"
    aws("s3", "cp", str(big), there, "--no-progress")
    aws("s3", "cp", there, str(tmp_path / "back"), "--no-progress")
    content = big.read_bytes()
    assert (tmp_path / "back").read_bytes() == content
    got = browser.get(aws("s3", "presign", there).strip(), headers={"Range": "bytes=1000-1999"})
    assert (got.status_code, got.content) == (206, content[1000:2000])
    head = json.loads(aws("s3api", "head-object", "--bucket", bucket, "--key", "big"))
    assert (head["ContentLength"], head["ETag"][-3:]) == (BIG, '-5"')


@over("https")
def test_raw_calls(aws: Aws, bucket: str, tmp_path: Path) -> None:
    def api(operation: str, *arguments: str) -> Any:
        return json.loads(aws("s3api", operation, "--bucket", bucket, *arguments) or "null")

    (tmp_path / "body").write_bytes(b"hello world")
    key, body = ("--key", "a"), ("--body", str(tmp_path / "body"))
    api("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")
    first = api("put-object", *key, *body, "--metadata", "who=me")["VersionId"]
    second = api("put-object", *key, *body, "--tagging", "a=b")["VersionId"]
    part = api("get-object", *key, "--version-id", first, "--range", "bytes=0-4", str(tmp_path / "part"))
    assert (part["Metadata"], (tmp_path / "part").read_bytes()) == ({"who": "me"}, b"hello")
    assert api("get-object-tagging", *key)["TagSet"] == [{"Key": "a", "Value": "b"}]
    api("delete-object", *key)
    listed = api("list-object-versions")
    assert [each["VersionId"] for each in listed["Versions"]] == [second, first]
    assert len(listed["DeleteMarkers"]) == 1
    policy = open_policy(bucket)
    api("delete-public-access-block")
    api("put-bucket-policy", "--policy", policy)
    assert json.loads(api("get-bucket-policy")["Policy"]) == json.loads(policy)
    assert api("get-bucket-policy-status")["PolicyStatus"] == {"IsPublic": True}
