"""Cross-origin rules: put by boto3, and what a browser is answered, before its request and to it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError

RULES: list[dict[str, Any]] = [
    {"AllowedMethods": ["GET", "HEAD"], "AllowedOrigins": ["https://*.example.com", "start*end"]},
    {
        "ID": "put",
        "AllowedMethods": ["PUT"],
        "AllowedOrigins": ["https://app.example.com"],
        "AllowedHeaders": ["x-amz-*", "Content-Type"],
        "ExposeHeaders": ["ETag", "x-amz-version-id"],
        "MaxAgeSeconds": 600,
    },
    {"AllowedMethods": ["DELETE"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]},
]

ASK = "Access-Control-Request-Method"
ASK_HEADERS = "Access-Control-Request-Headers"
APP = "https://app.example.com"


@pytest.fixture
def ruled(s3: Any, s3_bucket: str) -> str:
    s3.put_bucket_cors(Bucket=s3_bucket, CORSConfiguration={"CORSRules": RULES})
    return s3_bucket


def allowed(answer: httpx.Response) -> tuple[str | None, str | None]:
    return (
        answer.headers.get("Access-Control-Allow-Origin"),
        answer.headers.get("Access-Control-Allow-Methods"),
    )


def test_rules_are_put_shown_and_deleted(s3: Any, s3_bucket: str) -> None:
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=s3_bucket)
    s3.put_bucket_cors(Bucket=s3_bucket, CORSConfiguration={"CORSRules": RULES})
    assert s3.get_bucket_cors(Bucket=s3_bucket)["CORSRules"] == RULES
    s3.delete_bucket_cors(Bucket=s3_bucket)
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=s3_bucket)


@pytest.mark.parametrize(
    ("origin", "method", "headers", "answer"),
    [
        ("https://a.example.com", "GET", "", "https://a.example.com"),
        ("https://.example.com", "GET", "", "https://.example.com"),
        ("https://example.com", "GET", "", None),
        ("https://a.example.com.evil", "GET", "", None),
        ("startend", "HEAD", "", "startend"),
        ("start1end", "GET", "", "start1end"),
        ("starend", "GET", "", None),
        ("https://a.example.com", "GET", "x-amz-date", None),
        (APP, "PUT", "X-Amz-Date, content-type", APP),
        (APP, "PUT", "x-other", None),
        ("https://b.example.com", "PUT", "", None),
        ("https://anybody.test", "DELETE", "x-anything, and-more", "*"),
        ("https://anybody.test", "POST", "", None),
    ],
)
def test_a_preflight_is_answered_by_the_rules(
    browser: httpx.Client, ruled: str, origin: str, method: str, headers: str, answer: str | None
) -> None:
    asked = {"Origin": origin, ASK: method} | ({ASK_HEADERS: headers} if headers else {})
    for path in (f"/{ruled}", f"/{ruled}/any/key?X-Amz-Signature=00"):
        found = browser.options(path, headers=asked)
        assert (found.status_code, allowed(found)[0]) == (200 if answer else 403, answer)
        if answer is None:
            assert "<Code>AccessForbidden</Code><Message>CORSResponse: " in found.text
        elif headers:
            assert found.headers["Access-Control-Allow-Headers"] == headers.lower()


def test_a_preflight_tells_all_that_a_rule_says(browser: httpx.Client, ruled: str) -> None:
    found = browser.options(f"/{ruled}/a", headers={"Origin": APP, ASK: "PUT", ASK_HEADERS: "x-amz-acl"})
    assert {name: value for name, value in found.headers.items() if name.startswith("access-control")} == {
        "access-control-allow-origin": APP,
        "access-control-allow-methods": "PUT",
        "access-control-allow-credentials": "true",
        "access-control-allow-headers": "x-amz-acl",
        "access-control-expose-headers": "ETag, x-amz-version-id",
        "access-control-max-age": "600",
    }
    assert found.headers["Vary"] == f"Origin, {ASK_HEADERS}, {ASK}"


@pytest.mark.parametrize("headers", [{}, {"Origin": APP}, {"Origin": APP, ASK: "PATCH"}, {ASK: "GET"}])
def test_half_a_preflight_is_a_bad_request(
    browser: httpx.Client, ruled: str, headers: dict[str, str]
) -> None:
    found = browser.options(f"/{ruled}", headers=headers)
    assert (found.status_code, "<Code>BadRequest</Code>" in found.text) == (400, True)


def test_without_rules_nothing_is_allowed(browser: httpx.Client, s3_bucket: str) -> None:
    asked = {"Origin": APP, ASK: "GET"}
    found = browser.options(f"/{s3_bucket}", headers=asked)
    assert (found.status_code, allowed(found)) == (403, (None, None))
    assert browser.options("/no-such-bucket-here", headers=asked).status_code == 404


def test_answers_may_be_seen_by_those_that_the_rules_allow(
    browser: httpx.Client, s3: Any, ruled: str
) -> None:
    s3.put_object(Bucket=ruled, Key="a", Body=b"a")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": ruled, "Key": "a"})
    found = browser.get(url, headers={"Origin": "https://a.example.com"})
    assert (found.content, allowed(found)) == (b"a", ("https://a.example.com", "GET, HEAD"))
    assert "Origin" in found.headers["Vary"]
    assert allowed(browser.get(url, headers={"Origin": "https://evil.test"})) == (None, None)
    assert allowed(browser.get(url)) == (None, None)
    refused = browser.put(f"/{ruled}/a", content=b"", headers={"Origin": APP})
    assert (refused.status_code, allowed(refused)) == (403, (APP, "PUT"))
    refused = browser.put(f"/{ruled}/a", content=b"", headers={"Origin": "startend", ASK: "GET"})
    assert (refused.status_code, allowed(refused)) == (403, ("startend", "GET, HEAD"))
    missing = browser.delete("/no-such-bucket-here/a", headers={"Origin": APP})
    assert allowed(missing) == (None, None)


GOOD = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([], "MalformedXML"),
        ([GOOD | {"AllowedMethods": ["OPTIONS"]}], "InvalidRequest"),
        ([GOOD | {"AllowedMethods": []}], "MalformedXML"),
        ([GOOD | {"AllowedOrigins": []}], "MalformedXML"),
        ([GOOD | {"AllowedOrigins": ["*a*"]}], "InvalidRequest"),
        ([GOOD | {"AllowedHeaders": ["**"]}], "InvalidRequest"),
        ([GOOD | {"ExposeHeaders": ["x-*"]}], "InvalidRequest"),
        ([GOOD | {"ExposeHeaders": ["a\r\nSet-Cookie: b"]}], "InvalidRequest"),
        ([GOOD | {"MaxAgeSeconds": -1}], "MalformedXML"),
        ([GOOD | {"ID": "a" * 256}], "InvalidRequest"),
        ([GOOD] * 101, "InvalidRequest"),
    ],
)
def test_rules_are_well_formed_or_refused(s3: Any, s3_bucket: str, rules: list[Any], code: str) -> None:
    with pytest.raises(ClientError) as raised:
        s3.put_bucket_cors(Bucket=s3_bucket, CORSConfiguration={"CORSRules": rules})
    assert raised.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
        s3.get_bucket_cors(Bucket=s3_bucket)
