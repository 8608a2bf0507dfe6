"""SigV2: the examples that AWS publishes hold, and whatever is changed in them does not."""

from __future__ import annotations

import base64
import hmac
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore.auth import HmacV1Auth

from imagestore.access.signed import Asked, Refusal
from imagestore.access.sigv2 import NEWER, SIGNED_QUERY, Claim, check, check_text, read_claim, string_to_sign

pytestmark = pytest.mark.quick

# Keys, requests and signatures of "Signing and authenticating REST requests" in the Amazon S3 guide.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
BUCKET = "awsexamplebucket1"
NOW = datetime(2007, 3, 27, 19, 40, tzinfo=UTC).timestamp()


def signed(target: str, at: str, signature: str) -> Asked:
    path, _, query = target.partition("?")
    date = f"Tue, 27 Mar 2007 {at} +0000"
    return Asked("GET", path, query, [("Date", date), ("Authorization", f"AWS {KEY}:{signature}")])


PUBLISHED = {
    "get": signed("/photos/puppy.jpg", "19:36:42", "qgk2+6Sv9/oM7G3qLEjTH1a1l1g="),
    "list": signed("/?prefix=photos&max-keys=50&marker=puppy", "19:42:41", "m0WP8eCtspQl5Ahe6L1SozdX9YA="),
    "acl": signed("/?acl", "19:44:46", "82ZHiFIjc+WbcwFKGUVEQspPn+0="),
}
GET = PUBLISHED["get"]


def judge(asked: Asked, *, secret: str = SECRET, bucket: str = BUCKET, now: float = NOW) -> None:
    claim = read_claim(asked)
    assert claim is not None
    check(claim, asked, secret, bucket=bucket, now=now)


def refused(asked: Asked, *, secret: str = SECRET, bucket: str = BUCKET, now: float = NOW) -> str:
    with pytest.raises(Refusal) as raised:
        judge(asked, secret=secret, bucket=bucket, now=now)
    return raised.value.code


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_aws_publishes_holds(name: str) -> None:
    judge(PUBLISHED[name])


def test_a_bucket_in_the_path_is_signed_with_a_slash_behind_it_that_may_not_be_there() -> None:
    for path in (f"/{BUCKET}/", f"/{BUCKET}"):
        judge(replace(PUBLISHED["acl"], path=path), bucket="")
    for path in (f"/{BUCKET}x", f"/{BUCKET}/x", "/", ""):
        assert refused(replace(PUBLISHED["acl"], path=path), bucket="") == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", PUBLISHED)
def test_any_change_is_refused(name: str) -> None:
    asked = PUBLISHED[name]
    assert refused(asked, secret=f"{SECRET}x") == "SignatureDoesNotMatch"
    assert refused(asked, bucket="another") == "SignatureDoesNotMatch"
    assert refused(replace(asked, method="DELETE")) == "SignatureDoesNotMatch"
    assert refused(replace(asked, path=f"{asked.path}x")) == "SignatureDoesNotMatch"
    assert refused(replace(asked, query=f"{asked.query}&versionId=1")) == "SignatureDoesNotMatch"
    added = [*asked.headers, ("x-amz-acl", "public-read")]
    assert refused(replace(asked, headers=added)) == "SignatureDoesNotMatch"


def test_time_bounds_both_ways() -> None:
    sent = datetime(2007, 3, 27, 19, 36, 42, tzinfo=UTC).timestamp()
    judge(GET, now=sent + 900)
    assert refused(GET, now=sent + 901) == refused(GET, now=sent - 901) == "RequestTimeTooSkewed"


def test_a_request_without_a_date_is_refused() -> None:
    assert refused(replace(GET, headers=GET.headers[1:])) == "AccessDenied"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        (f"AWSAccessKeyId={KEY}&Signature=a", "AccessDenied"),
        (f"AWSAccessKeyId={KEY}&Signature=a&Expires=soon", "AccessDenied"),
        (f"AWSAccessKeyId={KEY}&Signature=a&Expires=1", "AccessDenied"),
        (f"AWSAccessKeyId={KEY}&Signature=a&Expires=1900000000", "SignatureDoesNotMatch"),
    ],
)
def test_a_query_that_is_wrong_has_the_code_of_aws(query: str, code: str) -> None:
    assert refused(Asked("GET", "/photos/puppy.jpg", query, [])) == code


def test_a_form_is_signed_by_its_policy() -> None:
    check_text("e30=", "4QWH4O9CWtowYUW+X4P2gZ/6fNc=", SECRET)
    with pytest.raises(Refusal):
        check_text("e30K", "4QWH4O9CWtowYUW+X4P2gZ/6fNc=", SECRET)


def test_what_is_not_signed_this_way_makes_no_claim() -> None:
    assert read_claim(Asked("GET", "/", "", [("Authorization", "AWS4-HMAC-SHA256 x")])) is None


def test_what_botocore_signs_of_a_query_is_signed() -> None:
    nobodys = {"defaultObjectAcl", "storageClass"}  # sub-resources of Google's
    assert set(HmacV1Auth.QSAOfInterest) - nobodys <= SIGNED_QUERY


@pytest.mark.parametrize("name", sorted(NEWER))
@pytest.mark.parametrize("path", [f"/{BUCKET}", f"/{BUCKET}/", "/"])
def test_what_botocore_does_not_sign_may_be_read(name: str, path: str) -> None:
    bucket = BUCKET if path == "/" else ""
    for method, fine in (("GET", True), ("PUT", False), ("DELETE", False)):
        bare = Asked(method, f"/{BUCKET}/", "acl", GET.headers[:1])
        text = string_to_sign(Claim(KEY, "", None), bare, "")
        made = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), "sha1").digest()).decode()
        asked = Asked(method, path, f"{name}&acl", [*bare.headers, ("Authorization", f"AWS {KEY}:{made}")])
        if fine:
            judge(asked, bucket=bucket)
        else:
            assert refused(asked, bucket=bucket) == "SignatureDoesNotMatch"
        assert refused(replace(asked, query=f"{name}&acl&uploads"), bucket=bucket) == "SignatureDoesNotMatch"
        assert refused(replace(asked, query=name), bucket=bucket) == "SignatureDoesNotMatch"
