"""SigV4: the examples that AWS publishes hold, and whatever is changed in them does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from imagestore.access.signed import Asked, Refusal
from imagestore.access.sigv4 import canonical_request, check, read_claim

pytestmark = pytest.mark.quick

# Keys, requests and signatures of "Signature Calculations for the Authorization Header" and
# "Authenticating Requests: Using Query Parameters" in the Amazon S3 API reference.
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
NOW = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
HOST = ("Host", "examplebucket.s3.amazonaws.com")
STAMP = ("x-amz-date", "20130524T000000Z")
CREDENTIAL = f"{KEY}/20130524/us-east-1/s3/aws4_request"


def signed(method: str, target: str, names: str, signature: str, *headers: tuple[str, str]) -> Asked:
    path, _, query = target.partition("?")
    said = f"AWS4-HMAC-SHA256 Credential={CREDENTIAL},SignedHeaders={names},Signature={signature}"
    return Asked(method, path, query, [HOST, *headers, ("Authorization", said)])


def body(digest: str = EMPTY) -> tuple[str, str]:
    return ("x-amz-content-sha256", digest)


GET = signed(
    "GET", "/test.txt", "host;range;x-amz-content-sha256;x-amz-date",
    "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    ("Range", "bytes=0-9"), body(), STAMP,
)  # fmt: skip
PUT = signed(
    "PUT", "/test%24file.text", "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
    "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
    ("Date", "Fri, 24 May 2013 00:00:00 GMT"), STAMP, ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
    body("44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"),
)  # fmt: skip
LIFECYCLE = signed(
    "GET", "/?lifecycle", "host;x-amz-content-sha256;x-amz-date",
    "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543", STAMP, body(),
)  # fmt: skip
LIST = signed(
    "GET", "/?max-keys=2&prefix=J", "host;x-amz-content-sha256;x-amz-date",
    "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7", STAMP, body(),
)  # fmt: skip
CHUNKED = signed(
    "PUT", "/examplebucket/chunkObject.txt",
    "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
    "x-amz-decoded-content-length;x-amz-storage-class",
    "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
    STAMP, ("x-amz-storage-class", "REDUCED_REDUNDANCY"), body("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
    ("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "66560"),
    ("Content-Length", "66824"),
)  # fmt: skip
CHUNKED = replace(CHUNKED, headers=[("Host", "s3.amazonaws.com"), *CHUNKED.headers[1:]])
PRESIGNED = Asked(
    "GET", "/test.txt",
    f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={CREDENTIAL.replace('/', '%2F')}"
    "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
    [HOST],
)  # fmt: skip
PUBLISHED = {
    "get": GET, "put": PUT, "lifecycle": LIFECYCLE, "list": LIST, "chunked": CHUNKED, "presigned": PRESIGNED,
}  # fmt: skip


def judge(asked: Asked, *, secret: str = SECRET, region: str = "us-east-1", now: float = NOW) -> bytes:
    claim = read_claim(asked)
    assert claim is not None
    assert claim.access_key == KEY
    return check(claim, asked, secret, region=region, now=now)


def refused(asked: Asked, *, secret: str = SECRET, region: str = "us-east-1", now: float = NOW) -> str:
    with pytest.raises(Refusal) as raised:
        judge(asked, secret=secret, region=region, now=now)
    return raised.value.code


def changed(asked: Asked, old: str, new: str) -> Asked:
    """`old` replaced wherever it stands in the query and the headers' values."""
    headers = [(name, value.replace(old, new)) for name, value in asked.headers]
    return replace(asked, query=asked.query.replace(old, new), headers=headers)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_aws_publishes_holds(name: str) -> None:
    assert len(judge(PUBLISHED[name])) == 32


@pytest.mark.parametrize("name", PUBLISHED)
def test_any_change_is_refused(name: str) -> None:
    asked = PUBLISHED[name]
    assert refused(asked, secret=SECRET + "x") == "SignatureDoesNotMatch"
    assert refused(replace(asked, method="DELETE")) == "SignatureDoesNotMatch"
    assert refused(replace(asked, path=asked.path + "x")) == "SignatureDoesNotMatch"
    assert refused(replace(asked, query=f"{asked.query}&acl")) == "SignatureDoesNotMatch"
    other_host = [("Host", "elsewhere.example"), *asked.headers[1:]]
    assert refused(replace(asked, headers=other_host)) == "SignatureDoesNotMatch"
    added = [*asked.headers, ("x-amz-acl", "public-read")]
    assert refused(replace(asked, headers=added)) == "AccessDenied"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("us-east-1", "eu-west-1", "AuthorizationHeaderMalformed"),
        ("/s3/", "/ec2/", "AuthorizationHeaderMalformed"),
        ("aws4_request", "aws3_request", "AuthorizationHeaderMalformed"),
        ("/20130524/", "/20130525/", "AuthorizationHeaderMalformed"),
        ("Signature=", "Signed=", "AuthorizationHeaderMalformed"),
        ("host;", "", "AccessDenied"),
        ("range;", "", "SignatureDoesNotMatch"),
        ("bytes=0-9", "bytes=0-10", "SignatureDoesNotMatch"),
        ("20130524T000000Z", "yesterday", "AccessDenied"),
        ("20130524T000000Z", "20130524T250000Z", "AuthorizationHeaderMalformed"),
        (EMPTY, "abc", "InvalidArgument"),
        (EMPTY, "UNSIGNED-PAYLOAD", "SignatureDoesNotMatch"),
        ("f0e8bdb8", "ünicode", "SignatureDoesNotMatch"),
    ],
)
def test_a_header_that_is_wrong_has_the_code_of_aws(old: str, new: str, code: str) -> None:
    assert refused(changed(GET, old, new)) == code


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("us-east-1", "eu-west-1", "AuthorizationQueryParametersError"),
        ("X-Amz-Date=", "X-Amz-Day=", "AuthorizationQueryParametersError"),
        ("Expires=86400", "Expires=604801", "AccessDenied"),
        ("Expires=86400", "Expires=0", "AccessDenied"),
        ("Expires=86400", "Expires=-1", "AccessDenied"),
        ("Expires=86400", "Expires=1&X-Amz-Expires=86400", "AuthorizationQueryParametersError"),
        ("Expires=86400", "Expires=86401", "SignatureDoesNotMatch"),
        ("=AWS4-HMAC-SHA256", "=AWS4-HMAC-SHA512", "AuthorizationQueryParametersError"),
    ],
)
def test_a_query_that_is_wrong_has_the_code_of_aws(old: str, new: str, code: str) -> None:
    assert refused(changed(PRESIGNED, old, new)) == code


def test_time_bounds_both_ways() -> None:
    assert judge(GET, now=NOW + 900) == judge(GET, now=NOW - 900)
    assert refused(GET, now=NOW + 901) == refused(GET, now=NOW - 901) == "RequestTimeTooSkewed"
    assert judge(PRESIGNED, now=NOW + 86400)
    assert refused(PRESIGNED, now=NOW + 86401) == "AccessDenied"
    assert refused(PRESIGNED, now=NOW - 901) == "AccessDenied"


def test_two_ways_of_signing_at_once_are_refused() -> None:
    with pytest.raises(Refusal, match="Only one auth mechanism"):
        read_claim(replace(PRESIGNED, headers=[*PRESIGNED.headers, ("Authorization", "AWS a:b")]))


def test_what_is_not_signed_this_way_makes_no_claim() -> None:
    assert read_claim(Asked("GET", "/", "", [HOST])) is None
    assert read_claim(Asked("GET", "/", "", [HOST, ("Authorization", "AWS key:signature")])) is None


def test_the_path_is_encoded_once_whatever_form_it_came_in() -> None:
    claim = read_claim(GET)
    assert claim is not None
    for path in ("/a%20b/%c3%a9~%2B", "/a b/%C3%A9%7e+"):
        lines = canonical_request(claim, replace(GET, path=path)).split("\n")
        assert lines[1] == "/a%20b/%C3%A9~%2B"
