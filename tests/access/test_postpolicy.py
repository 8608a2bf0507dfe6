"""POST policies: those of AWS and botocore hold; what is changed, expired or malformed does not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import boto3
import pytest
from botocore.config import Config

from imagestore.access.postpolicy import check_claim, check_policy, read_claim, read_policy
from imagestore.access.signed import Refusal

pytestmark = pytest.mark.quick

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = 1_000_000_000.0
LATER = "2030-01-01T00:00:00Z"


def encoded(policy: object) -> str:
    return base64.b64encode((policy if isinstance(policy, str) else json.dumps(policy)).encode()).decode()


def policy_of(*conditions: object, expiration: object = LATER) -> str:
    return encoded({"expiration": expiration, "conditions": list(conditions)})


def form(**fields: str) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in fields.items()}


def refused(fields: dict[str, str], *conditions: object) -> str | None:
    """Why the fields are against a policy of these conditions; None if they are not."""
    try:
        check_policy(read_policy(policy_of(*conditions)), fields, NOW)
    except Refusal as refusal:
        return f"{refusal.code}: {refusal.message}"
    return None


def test_the_published_signature_holds() -> None:
    """Of "Example: Browser-Based Upload using HTTP POST (Using AWS Signature Version 4)"."""
    policy = (
        "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6"
        "ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFj"
        "bCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tl"
        "dC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5"
        "cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZl"
        "ci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoN"
        "CiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVx"
        "dWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAx"
        "NTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
    )
    claim = read_claim(
        form(
            policy=policy,
            x_amz_algorithm="AWS4-HMAC-SHA256",
            x_amz_credential="AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
            x_amz_date="20151229T000000Z",
            x_amz_signature="8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
        )
    )
    assert claim is not None
    assert claim.access_key == "AKIAIOSFODNN7EXAMPLE"
    check_claim(claim, SECRET, region="us-east-1")
    fields = form(
        bucket="sigv4examplebucket",
        key="user/user1/a.png",
        acl="public-read",
        success_action_redirect="http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
        content_type="image/png",
        x_amz_meta_uuid="14365123651274",
        x_amz_server_side_encryption="AES256",
        x_amz_algorithm="AWS4-HMAC-SHA256",
        x_amz_credential="AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
        x_amz_date="20151229T000000Z",
        x_amz_signature=claim.signature,
        policy=policy,
    )
    fields["success_action_redirect"] = fields.pop("success-action-redirect")
    check_policy(read_policy(policy), fields, NOW)
    with pytest.raises(Refusal, match="expired"):
        check_policy(read_policy(policy), fields, 1_451_476_801)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_what_boto3_makes_holds(version: str) -> None:
    client = boto3.client(
        "s3", endpoint_url="http://localhost", region_name="eu-west-1",
        config=Config(signature_version=version), aws_access_key_id="AKIA", aws_secret_access_key=SECRET,
    )  # fmt: skip
    made = client.generate_presigned_post(
        "b", "up/${filename}", Fields={"acl": "private"}, Conditions=[{"acl": "private"}], ExpiresIn=60
    )
    client.close()
    fields = {name.lower(): value for name, value in made["fields"].items()}
    claim = read_claim(fields)
    assert claim is not None
    check_claim(claim, SECRET, region="eu-west-1")
    with pytest.raises(Refusal, match="does not match"):
        check_claim(claim, SECRET + "x", region="eu-west-1")
    fields |= {"bucket": "b", "key": "up/a.png"}
    check_policy(read_policy(claim.policy), fields, time.time())
    with pytest.raises(Refusal, match="expired"):
        check_policy(read_policy(claim.policy), fields, time.time() + 61)
    if version == "s3v4":
        with pytest.raises(Refusal, match="region"):
            check_claim(claim, SECRET, region="us-east-1")


def test_a_policy_of_version_2_is_signed_as_it_was_sent() -> None:
    policy = policy_of()
    good = base64.b64encode(hmac.new(b"secret", policy.encode(), hashlib.sha1).digest()).decode()
    claim = read_claim(form(awsaccesskeyid="AKIA", policy=policy, signature=good))
    assert claim is not None
    check_claim(claim, "secret", region="us-east-1")
    altered = read_claim(form(awsaccesskeyid="AKIA", policy=policy_of({"acl": "private"}), signature=good))
    assert altered is not None
    with pytest.raises(Refusal) as raised:
        check_claim(altered, "secret", region="us-east-1")
    assert raised.value.code == "SignatureDoesNotMatch"


V4 = form(
    policy="e30=",
    x_amz_algorithm="AWS4-HMAC-SHA256",
    x_amz_credential="AKIA/20151229/us-east-1/s3/aws4_request",
    x_amz_date="20151229T000000Z",
    x_amz_signature="0" * 64,
)


@pytest.mark.parametrize(
    "change",
    [
        {"policy": ""},
        {"x-amz-algorithm": "AWS4-HMAC-SHA1"},
        {"x-amz-algorithm": ""},
        {"x-amz-credential": "AKIA"},
        {"x-amz-credential": "AKIA/20151229/us-east-1/ec2/aws4_request"},
        {"x-amz-date": "20151230T000000Z"},
        {"x-amz-date": "now"},
        {"x-amz-signature": ""},
    ],
)
def test_a_claim_is_whole_or_refused(change: dict[str, str]) -> None:
    assert read_claim(V4) is not None
    with pytest.raises(Refusal) as raised:
        read_claim(V4 | change)
    assert raised.value.code == "InvalidArgument"


@pytest.mark.parametrize(
    "fields",
    [
        {"policy": "e30="},
        {"policy": "e30=", "signature": "x"},
        {"awsaccesskeyid": "AKIA", "signature": "x"},
        {"awsaccesskeyid": "AKIA", "policy": "e30="},
    ],
)
def test_half_a_claim_of_version_2_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(Refusal, match="must contain a field named"):
        read_claim(fields)


def test_a_form_may_claim_nothing() -> None:
    assert read_claim({"key": "a", "acl": "public-read"}) is None


def test_conditions_bind_the_fields() -> None:
    fields = form(bucket="b", key="user/a.png", acl="public-read", content_type="image/png, image/gif")
    everything: list[object] = [
        {"bucket": "b"},
        ["starts-with", "$key", "user/"],
        {"acl": "public-read"},
        ["Starts-With", "$CONTENT-type", "image/"],
    ]
    assert refused(fields, *everything) is None
    assert refused(fields | {"policy": "x", "signature": "x", "x-ignore-me": "x"}, *everything) is None
    for name, value in [
        ("bucket", "c"),
        ("key", "users/a"),
        ("acl", "private"),
        ("content-type", "image/png,a"),
    ]:
        said = refused(fields | {name: value}, *everything)
        assert said is not None
        assert said.startswith("AccessDenied: Invalid according to Policy: Policy Condition failed: [")
    said = refused(fields | {"x-amz-meta-a": "b"}, *everything)
    assert said == "AccessDenied: Invalid according to Policy: Extra input fields: x-amz-meta-a"
    assert refused(fields, *everything[:3]) is not None


def test_a_missing_field_is_as_an_empty_one() -> None:
    assert refused({"key": "a"}, ["starts-with", "$key", ""], ["starts-with", "$x-amz-meta-a", ""]) is None
    assert refused({"key": "a"}, ["starts-with", "$key", ""], {"x-amz-meta-a": "b"}) is not None


@pytest.mark.parametrize(
    ("ranges", "least", "most"),
    [
        ([], 0, None),
        ([["content-length-range", 1, 5]], 1, 5),
        ([["Content-Length-Range", "1", "5"]], 1, 5),
        ([["content-length-range", 0, 9], ["content-length-range", 2, 10]], 2, 9),
    ],
)
def test_sizes_are_read(ranges: list[Any], least: int, most: int | None) -> None:
    policy = read_policy(policy_of(*ranges))
    assert (policy.least, policy.most) == (least, most)


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "!",
        "e30",
        "é",
        encoded("[]"),
        encoded("{"),
        encoded("[" * 5000),
        encoded({"conditions": []}),
        encoded({"expiration": LATER}),
        encoded({"expiration": LATER, "CONDITIONS": []}),
        encoded({"EXPIRATION": LATER, "conditions": []}),
        encoded({"expiration": LATER, "conditions": {}}),
        policy_of(expiration="2030-01-01"),
        policy_of(expiration="2030-01-01 00:00:00+00:00"),
        policy_of(expiration="2030-13-01T00:00:00Z"),
        policy_of(expiration=5),
        policy_of({}),
        policy_of({"acl": "private", "key": "a"}),
        policy_of({"acl": 5}),
        policy_of("acl"),
        policy_of([]),
        policy_of(["eq", "$acl"]),
        policy_of(["eq", "acl", "private"]),
        policy_of(["ne", "$acl", "private"]),
        policy_of([5, "$acl", "private"]),
        policy_of(["content-length-range"]),
        policy_of(["content-length-range", 0]),
        policy_of(["content-length-range", 0, 1, 2]),
        policy_of(["content-length-range", -1, 5]),
        policy_of(["content-length-range", 6, 5]),
        policy_of(["content-length-range", 0, "many"]),
        policy_of(["content-length-range", 0, None]),
    ],
)
def test_a_malformed_policy_is_refused(sent: str) -> None:
    with pytest.raises(Refusal) as raised:
        read_policy(sent)
    assert raised.value.code == "InvalidPolicyDocument"
