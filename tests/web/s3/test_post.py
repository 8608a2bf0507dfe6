"""Forms posted to a bucket, signed by boto3 in both versions: taken within their policies, refused beyond."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import md5
from typing import Any

import httpx
import pytest

from tests import pictures
from tests.service import Service

Post = Callable[..., httpx.Response]

SIGNING = {"signature", "x-amz-signature", "AWSAccessKeyId", "x-amz-credential"}
"""Of which each version has its own: those of the other are not added to a form."""


@pytest.fixture(params=["s3v4", "s3"])
def post(
    request: pytest.FixtureRequest, open_s3: Callable[..., Any], browser: httpx.Client, s3_bucket: str
) -> Post:
    """Posts a form that boto3 signed: `signed` fields are in its policy, `more` are not, `conditions` are
    those of the policy beside them. `altered` changes fields after signing."""
    client = open_s3(signature_version=request.param)

    def send(
        key: str = "a.txt",
        content: bytes = b"hello",
        filename: str = "of-the-user.txt",
        *,
        signed: dict[str, str] | None = None,
        conditions: list[Any] | None = None,
        altered: dict[str, str] | None = None,
        expires: int = 60,
    ) -> httpx.Response:
        fields = signed or {}
        wanted = [*({name: value} for name, value in fields.items()), *(conditions or [])]
        made = client.generate_presigned_post(
            s3_bucket, key, Fields=fields, Conditions=wanted, ExpiresIn=expires
        )
        changes = {
            name: value
            for name, value in (altered or {}).items()
            if name in made["fields"] or name not in SIGNING
        }
        return browser.post(
            f"/{s3_bucket}", data=made["fields"] | changes, files={"file": (filename, content)}
        )

    return send


def code_of(answer: httpx.Response) -> tuple[int, str]:
    found = re.search(r"<Code>(\w+)</Code>", answer.text)
    return answer.status_code, found[1] if found else ""


def is_empty(s3: Any, bucket: str) -> bool:
    return "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_form_puts_an_object(post: Post, s3: Any, s3_bucket: str) -> None:
    answer = post(
        "up/${filename}",
        signed={
            "Content-Type": "text/plain",
            "x-amz-meta-said": "grüße",
            "Cache-Control": "max-age=5",
            "tagging": "<Tagging><TagSet><Tag><Key>a b</Key><Value>c</Value></Tag></TagSet></Tagging>",
        },
        filename="folder/of the user.txt",
    )
    assert (answer.status_code, answer.content) == (204, b"")
    etag = f'"{md5(b"hello").hexdigest()}"'
    assert answer.headers["ETag"] == etag
    assert answer.headers["Location"].endswith(f"/{s3_bucket}/up/of%20the%20user.txt")
    found = s3.get_object(Bucket=s3_bucket, Key="up/of the user.txt")
    assert (found["Body"].read(), found["ContentType"], found["CacheControl"]) == (
        b"hello",
        "text/plain",
        "max-age=5",
    )
    assert found["Metadata"]["said"].encode("latin-1").decode() == "grüße"
    tags = s3.get_object_tagging(Bucket=s3_bucket, Key="up/of the user.txt")["TagSet"]
    assert tags == [{"Key": "a b", "Value": "c"}]


def test_success_is_told_as_the_form_wants(post: Post, s3_bucket: str) -> None:
    answer = post(signed={"success_action_status": "201"})
    assert answer.status_code == 201
    assert "xmlns" not in answer.text  # of all documents this one has none
    etag = md5(b"hello").hexdigest()
    assert f"<Bucket>{s3_bucket}</Bucket><Key>a.txt</Key><ETag>&quot;{etag}&quot;</ETag>" in answer.text
    assert post(signed={"success_action_status": "200"}).status_code == 200
    assert post(signed={"success_action_status": "404"}).status_code == 204
    for field in ("success_action_redirect", "redirect"):
        answer = post(signed={field: "https://app.example.com/done?a=b"})
        assert answer.status_code == 303
        assert answer.headers["Location"] == (
            f"https://app.example.com/done?a=b&bucket={s3_bucket}&key=a.txt&etag=%22{etag}%22"
        )
    for nowhere in ("javascript:alert(1)", "not a url", "http://"):
        assert post(signed={"success_action_redirect": nowhere}).status_code == 204


def test_a_form_is_told_what_a_put_is(post: Post, s3: Any, s3_bucket: str) -> None:
    """Its version, and when a rule ends it."""
    s3.put_bucket_versioning(Bucket=s3_bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "all", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket=s3_bucket, LifecycleConfiguration={"Rules": [rule]})
    answer, found = post(), s3.head_object(Bucket=s3_bucket, Key="a.txt")
    assert answer.headers["x-amz-version-id"] == found["VersionId"]
    assert answer.headers["x-amz-expiration"] == found["Expiration"]


def test_a_form_is_held_to_its_policy(post: Post, s3: Any, s3_bucket: str) -> None:
    assert code_of(post(altered={"key": "b.txt"})) == (403, "AccessDenied")
    assert code_of(post(altered={"x-amz-meta-more": "b"})) == (403, "AccessDenied")
    assert code_of(post(signed={"acl": "private"}, altered={"acl": "public-read"})) == (403, "AccessDenied")
    assert code_of(post(conditions=[{"bucket": "other"}])) == (403, "AccessDenied")
    assert code_of(post(expires=-5)) == (403, "AccessDenied")
    assert code_of(post(conditions=[["content-length-range", 6, 9]])) == (400, "EntityTooSmall")
    assert code_of(post(conditions=[["content-length-range", 0, 4]])) == (400, "EntityTooLarge")
    assert code_of(post(conditions=[["content-length-range", 0]])) == (400, "InvalidPolicyDocument")
    assert is_empty(s3, s3_bucket)
    assert post(conditions=[["content-length-range", 5, 5]], altered={"x-ignore-me": "1"}).status_code == 204


def test_a_broken_signature_or_policy_is_refused(post: Post, s3: Any, s3_bucket: str) -> None:
    wrong = {"signature": "0" * 64, "x-amz-signature": "0" * 64}
    assert code_of(post(altered=wrong)) == (403, "SignatureDoesNotMatch")
    other = b64encode(json.dumps({"expiration": "2099-01-01T00:00:00Z", "conditions": []}).encode()).decode()
    assert code_of(post(altered={"policy": other})) == (403, "SignatureDoesNotMatch")
    assert post(altered={"policy": ""}).status_code == 400
    today = datetime.now(UTC).strftime("%Y%m%d")
    nobody = {"AWSAccessKeyId": "nobody", "x-amz-credential": f"nobody/{today}/us-east-1/s3/aws4_request"}
    assert code_of(post(altered=nobody)) == (403, "InvalidAccessKeyId")
    assert is_empty(s3, s3_bucket)


@pytest.mark.parametrize("post", ["s3v4"], indirect=True)
def test_checksums_are_checked_and_kept(post: Post, s3: Any, s3_bucket: str) -> None:
    sha256 = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    assert post(signed={"x-amz-checksum-sha256": sha256}).headers["x-amz-checksum-sha256"] == sha256
    found = s3.head_object(Bucket=s3_bucket, Key="a.txt", ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"] == sha256
    s3.delete_object(Bucket=s3_bucket, Key="a.txt")
    wrong = b64encode(b64decode(sha256)[::-1]).decode()
    assert code_of(post(signed={"x-amz-checksum-sha256": wrong})) == (400, "BadDigest")
    assert code_of(post(signed={"x-amz-checksum-sha256": "no"})) == (400, "InvalidRequest")
    assert code_of(post(signed={"Content-MD5": "no"})) == (400, "InvalidDigest")
    assert is_empty(s3, s3_bucket)


@pytest.mark.parametrize("post", ["s3v4"], indirect=True)
def test_fields_that_cannot_be_headers_are_refused(post: Post, s3: Any, s3_bucket: str) -> None:
    for name, value in [
        ("x-amz-meta-a b", "c"),
        ("x-amz-meta-a:b", "c"),
        ("x-amz-meta-ä", "c"),
        ("x-amz-meta-a", "b\r\nSet-Cookie: c"),
        ("Content-Type", "text/plain\x00"),
        ("Content-Type", "ä"),
        ("tagging", "<Tagging>"),
        ("tagging", '<!DOCTYPE a [<!ENTITY b "c">]><Tagging><TagSet/></Tagging>'),
    ]:
        assert post(signed={name: value}).status_code == 400, name
    assert is_empty(s3, s3_bucket)


@pytest.mark.parametrize("post", ["s3v4"], indirect=True)
def test_a_large_picture_by_a_form_is_an_image(
    post: Post, s3: Any, s3_bucket: str, s3_service: Service
) -> None:
    picture = pictures.jpeg(640, 480) + bytes(3_000_000)
    answer = post("photo.jpg", picture, conditions=[["content-length-range", 0, 5_000_000]])
    assert answer.status_code == 204
    assert s3.get_object(Bucket=s3_bucket, Key="photo.jpg")["Body"].read() == picture
    with s3_service.client() as client:
        assert client.image(s3_bucket, "photo.jpg")["width"] == 640


def test_who_signs_nothing_needs_an_open_bucket(browser: httpx.Client, s3: Any, s3_bucket: str) -> None:
    answer = browser.post(f"/{s3_bucket}", data={"key": "a"}, files={"file": ("a", b"hello")})
    assert code_of(answer) == (403, "AccessDenied")
    assert is_empty(s3, s3_bucket)


def test_who_signs_nothing_puts_where_everybody_may(browser: httpx.Client, s3: Any, s3_bucket: str) -> None:
    s3.put_bucket_acl(Bucket=s3_bucket, ACL="public-read-write")
    fields = {"key": "up/${filename}", "acl": "public-read", "Content-Type": "text/plain"}
    assert browser.post(f"/{s3_bucket}", data=fields, files={"file": ("a b", b"hello")}).status_code == 204
    found = browser.get(f"/{s3_bucket}/up/a%20b")
    assert (found.content, found.headers["Content-Type"]) == (b"hello", "text/plain")
    s3.put_bucket_acl(Bucket=s3_bucket, ACL="private")
    answer = browser.post(f"/{s3_bucket}", data=fields | {"key": "b"}, files={"file": ("a", b"hello")})
    assert code_of(answer) == (403, "AccessDenied")


def test_a_policy_of_the_bucket_binds_who_signs_a_form(
    browser: httpx.Client, open_s3: Callable[..., Any], s3: Any, s3_bucket: str, s3_service: Service
) -> None:
    with s3_service.client() as client:
        made = client.create_credential(scopes=["read", "write"])
    other = open_s3(made["access_key"], made["secret"], signature_version="s3v4")
    form = other.generate_presigned_post(s3_bucket, "a", ExpiresIn=60)

    def post() -> tuple[int, str]:
        return code_of(browser.post(f"/{s3_bucket}", data=form["fields"], files={"file": ("a", b"hello")}))

    assert post() == (403, "AccessDenied")
    everybody = {
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:PutObject",
                "Resource": f"arn:aws:s3:::{s3_bucket}/*",
            }
        ]
    }
    s3.put_bucket_policy(Bucket=s3_bucket, Policy=json.dumps(everybody | {"Version": "2012-10-17"}))
    assert post() == (204, "")


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"data": {"key": "a"}}, (412, "PreconditionFailed")),
        ({"content": b"x"}, (412, "PreconditionFailed")),
        ({"files": {"file": ("a", b"hello")}}, (400, "InvalidArgument")),
        ({"files": {"other": ("a", b"hello")}, "data": {"key": "a"}}, (400, "InvalidArgument")),
        (
            {"files": {"file": ("a", b"a")}, "data": {"key": "a", "b": "c" * 21_000}},
            (400, "MaxPostPreDataLengthExceededError"),
        ),
        (
            {"content": b"--x\r\nfoo", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
            (400, "MalformedPOSTRequest"),
        ),
        ({"files": {"file": ("a", b"a")}, "data": {"key": "a" * 1025}}, (400, "KeyTooLongError")),
    ],
)
def test_what_is_no_form_of_this_kind_is_refused(
    browser: httpx.Client, s3: Any, s3_bucket: str, options: dict[str, Any], code: tuple[int, str]
) -> None:
    assert code_of(browser.post(f"/{s3_bucket}", **options)) == code
    assert is_empty(s3, s3_bucket)


def test_a_bucket_that_is_not_there(browser: httpx.Client) -> None:
    answer = browser.post("/no-such-bucket", data={"key": "a"}, files={"file": ("a", b"hello")})
    assert code_of(answer) == (404, "NoSuchBucket")
