"""boto3, as it comes, over http and https: what services ask of S3 every day."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.s3.conftest import BIG, Endpoint, MiB, open_policy
from tests.service import Service

PART = 8 * MiB
Clients = Callable[..., Any]


def code_of(error: pytest.ExceptionInfo[ClientError]) -> str:
    return error.value.response["Error"]["Code"]


def body_of(answer: dict[str, Any]) -> bytes:
    with contextlib.closing(answer["Body"]) as body:
        content: bytes = body.read()
        return content


def test_objects_are_put_listed_read_and_deleted(s3: Any, bucket: str) -> None:
    put = s3.put_object(
        Bucket=bucket, Key="a/b c+é.txt", Body=b"hello world", ContentType="text/x", Metadata={"who": "me"}
    )
    assert put["ETag"] == f'"{md5(b"hello world").hexdigest()}"'
    s3.put_object(Bucket=bucket, Key="empty", Body=b"")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [(each["Key"], each["Size"]) for each in listed] == [("a/b c+é.txt", 11), ("empty", 0)]
    assert s3.list_objects_v2(Bucket=bucket, Delimiter="/")["CommonPrefixes"] == [{"Prefix": "a/"}]
    got = s3.get_object(Bucket=bucket, Key="a/b c+é.txt")
    assert (body_of(got), got["ContentType"], got["Metadata"]) == (b"hello world", "text/x", {"who": "me"})
    part = s3.get_object(Bucket=bucket, Key="a/b c+é.txt", Range="bytes=6-")
    assert (body_of(part), part["ContentRange"]) == (b"world", "bytes 6-10/11")
    assert body_of(s3.get_object(Bucket=bucket, Key="empty")) == b""
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a/b c+é.txt"})
    assert s3.head_object(Bucket=bucket, Key="copy")["ContentLength"] == 11
    s3.delete_object(Bucket=bucket, Key="copy")
    gone = s3.delete_objects(
        Bucket=bucket, Delete={"Objects": [{"Key": "a/b c+é.txt"}, {"Key": "empty"}, {"Key": "never"}]}
    )
    assert len(gone["Deleted"]) == 3
    with pytest.raises(ClientError) as missing:
        s3.get_object(Bucket=bucket, Key="copy")
    assert code_of(missing) == "NoSuchKey"
    s3.delete_bucket(Bucket=bucket)
    assert bucket not in [each["Name"] for each in s3.list_buckets()["Buckets"]]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
def test_checksums_of_every_kind_go_along(s3: Any, bucket: str, algorithm: str) -> None:
    body = bytes(range(256)) * 1000
    put = s3.put_object(Bucket=bucket, Key="a", Body=body, ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket=bucket, Key="a", ChecksumMode="ENABLED")
    assert body_of(got) == body
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"]


def test_a_large_file_goes_in_parts_and_comes_back(s3: Any, bucket: str, big: Path, tmp_path: Path) -> None:
    at_once = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    s3.upload_file(str(big), bucket, "big", Config=at_once)
    head = s3.head_object(Bucket=bucket, Key="big")
    assert (head["ContentLength"], head["ETag"][-3:]) == (BIG, '-5"')
    s3.download_file(bucket, "big", str(tmp_path / "back"), Config=at_once)
    content = big.read_bytes()
    assert sha256((tmp_path / "back").read_bytes()).digest() == sha256(content).digest()
    middle = s3.get_object(Bucket=bucket, Key="big", Range=f"bytes={PART - 5}-{PART + 4}")
    assert body_of(middle) == content[PART - 5 : PART + 5]
    last = s3.get_object(Bucket=bucket, Key="big", PartNumber=5)
    assert body_of(last) == content[4 * PART :]


@pytest.mark.parametrize(("algorithm", "kind"), [("SHA256", "COMPOSITE"), ("CRC32", "FULL_OBJECT")])
def test_a_part_is_read_with_its_own_checksum(s3: Any, bucket: str, algorithm: str, kind: str) -> None:
    """boto3 holds every body to the checksum beside it, and this part is not the whole."""
    name = {"Bucket": bucket, "Key": "parts"}
    upload = s3.create_multipart_upload(**name, ChecksumAlgorithm=algorithm, ChecksumType=kind)["UploadId"]
    parts = []
    for number, content in enumerate((bytes(5 * MiB), b"end"), 1):
        part = s3.upload_part(
            **name, UploadId=upload, PartNumber=number, Body=content, ChecksumAlgorithm=algorithm
        )
        sums = {field: part[field] for field in (f"Checksum{algorithm}", "ETag")}
        parts.append({"PartNumber": number, **sums})
    s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    last = s3.get_object(**name, PartNumber=2)
    assert body_of(last) == b"end"
    told = parts[1][f"Checksum{algorithm}"] if kind == "COMPOSITE" else None
    assert last.get(f"Checksum{algorithm}") == told
    assert len(body_of(s3.get_object(**name))) == 5 * MiB + 3


def test_an_upload_in_parts_may_be_copied_into_listed_and_aborted(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="source", Body=bytes(6 * MiB))
    name = {"Bucket": bucket, "Key": "target"}
    upload = s3.create_multipart_upload(**name)["UploadId"]
    first = s3.upload_part_copy(
        **name, UploadId=upload, PartNumber=1, CopySource={"Bucket": bucket, "Key": "source"}
    )["CopyPartResult"]
    second = s3.upload_part(**name, UploadId=upload, PartNumber=2, Body=b"end")
    assert [each["Size"] for each in s3.list_parts(**name, UploadId=upload)["Parts"]] == [6 * MiB, 3]
    parts = [{"PartNumber": number, "ETag": each["ETag"]} for number, each in enumerate([first, second], 1)]
    s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    assert s3.head_object(**name)["ContentLength"] == 6 * MiB + 3
    other = s3.create_multipart_upload(**name)["UploadId"]
    assert [each["UploadId"] for each in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]] == [other]
    s3.abort_multipart_upload(**name, UploadId=other)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_read_and_write(
    open_s3: Clients, browser: httpx.Client, bucket: str, version: str
) -> None:
    s3 = open_s3(signature_version=version)
    name = {"Bucket": bucket, "Key": "a b.txt"}
    put = s3.generate_presigned_url("put_object", Params={**name, "ContentType": "text/x"})
    assert browser.put(put, content=b"presigned").status_code == 403  # the type is signed, too
    assert browser.put(put, content=b"presigned", headers={"Content-Type": "text/x"}).status_code == 200
    get = s3.generate_presigned_url(
        "get_object", Params={**name, "ResponseContentDisposition": 'attachment; filename="b"'}
    )
    got = browser.get(get)
    assert (got.status_code, got.content) == (200, b"presigned")
    assert got.headers["Content-Disposition"] == 'attachment; filename="b"'
    assert browser.get(get.replace("a%20b", "a%20c")).status_code == 403
    assert browser.get(get.replace("filename", "filenama")).status_code == 403
    assert browser.get(get.partition("?")[0]).status_code == 403


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_form_is_posted(open_s3: Clients, browser: httpx.Client, bucket: str, version: str) -> None:
    form = open_s3(signature_version=version).generate_presigned_post(
        bucket, "up/${filename}", Fields={"success_action_status": "201"},
        Conditions=[["content-length-range", 1, 10], {"success_action_status": "201"}],
    )  # fmt: skip
    posted = browser.post(form["url"], data=form["fields"], files={"file": ("f.txt", b"posted")})
    assert (posted.status_code, "<Key>up/f.txt</Key>" in posted.text) == (201, True)
    long = browser.post(form["url"], data=form["fields"], files={"file": ("g.txt", b"more than ten")})
    assert (long.status_code, "<Code>EntityTooLarge</Code>" in long.text) == (400, True)
    listed = open_s3().list_objects_v2(Bucket=bucket)["Contents"]
    assert [each["Key"] for each in listed] == ["up/f.txt"]


def test_versions_are_kept_and_restored(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = (s3.put_object(Bucket=bucket, Key="a", Body=each)["VersionId"] for each in (b"1", b"2"))
    assert body_of(s3.get_object(Bucket=bucket, Key="a", VersionId=first)) == b"1"
    marker = s3.delete_object(Bucket=bucket, Key="a")
    assert marker["DeleteMarker"]
    listed = s3.list_object_versions(Bucket=bucket)
    assert [each["VersionId"] for each in listed["Versions"]] == [second, first]
    assert [each["VersionId"] for each in listed["DeleteMarkers"]] == [marker["VersionId"]]
    with pytest.raises(ClientError) as deleted:
        s3.get_object(Bucket=bucket, Key="a")
    assert code_of(deleted) == "NoSuchKey"
    s3.delete_object(Bucket=bucket, Key="a", VersionId=marker["VersionId"])
    assert body_of(s3.get_object(Bucket=bucket, Key="a")) == b"2"
    s3.delete_object(Bucket=bucket, Key="a", VersionId=second)
    assert body_of(s3.get_object(Bucket=bucket, Key="a")) == b"1"


def test_a_policy_opens_a_part_of_a_bucket(
    s3: Any, browser: httpx.Client, bucket: str, endpoint: Endpoint
) -> None:
    for key in ("open/a", "shut/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=open_policy(bucket, "open/"))
    assert browser.get(f"{endpoint.url}/{bucket}/open/a").content == b"x"
    refused = browser.get(f"{endpoint.url}/{bucket}/shut/a")
    assert (refused.status_code, "<Code>AccessDenied</Code>" in refused.text) == (403, True)
    s3.delete_bucket_policy(Bucket=bucket)
    assert browser.get(f"{endpoint.url}/{bucket}/open/a").status_code == 403


def test_tags_are_told_and_changed(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a", Body=b"x", Tagging="of=header")
    name = {"Bucket": bucket, "Key": "a"}
    assert s3.get_object_tagging(**name)["TagSet"] == [{"Key": "of", "Value": "header"}]
    tags = {"TagSet": [{"Key": "of", "Value": "document"}]}
    s3.put_object_tagging(**name, Tagging=tags)
    assert s3.get_object_tagging(**name)["TagSet"] == tags["TagSet"]
    s3.put_bucket_tagging(Bucket=bucket, Tagging=tags)
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags["TagSet"]


def test_a_host_names_the_bucket(
    s3_service: Service, open_s3: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In virtual-host style, for which names below localhost must lead to this machine."""
    look_up = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return look_up("127.0.0.1" if str(host).endswith(".localhost") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = s3_service.s3_url.replace("127.0.0.1", "localhost")
    s3 = open_s3(url, s3={"addressing_style": "virtual"})
    name = "of-the-host"
    s3.create_bucket(Bucket=name)
    asked = []
    s3.meta.events.register("before-send.s3", lambda request, **_: asked.append(request.url))
    s3.put_object(Bucket=name, Key="a/b", Body=b"x")
    assert body_of(s3.get_object(Bucket=name, Key="a/b")) == b"x"
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=name)["Contents"]] == ["a/b"]
    s3.delete_object(Bucket=name, Key="a/b")
    s3.delete_bucket(Bucket=name)
    assert all(each.startswith(url.replace("localhost", f"{name}.localhost")) for each in asked)
