"""Signatures and credentials that are not ours."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote

from tests.web.hostile.rows import IMAGES, PRIVATE, SIGNED, Row, as_bytes, ask


def signatures() -> Iterator[Row]:
    other = "/closed/image/upload/other.jpg"
    query = SIGNED.partition("?")[2]
    for name, target in {
        "no signature": f"{PRIVATE}?access_key=@KEY@&expires=@EXPIRES@",
        "an empty one": f"{PRIVATE}?access_key=@KEY@&expires=@EXPIRES@&signature=",
        "a wrong one": f"{PRIVATE}?access_key=@KEY@&expires=@EXPIRES@&signature={'A' * 43}",
        "one with more before": SIGNED.replace("signature=", "signature=A"),
        "one with more behind": SIGNED + "A",
        "one with padding": SIGNED + "=",
        "one with NUL": SIGNED + "%00",
        "two, the first wrong": SIGNED.replace("signature=", "signature=x&signature="),
        "no expiry": f"{PRIVATE}?access_key=@KEY@&signature=@SIGNATURE@",
        "another expiry": SIGNED.replace("@EXPIRES@", "1@EXPIRES@"),
        "a later digit": SIGNED.replace("@EXPIRES@", "@EXPIRES@0"),
        "two expiries, the first wrong": SIGNED.replace("expires=", "expires=9999999999&expires="),
        "an expiry of zero": SIGNED.replace("@EXPIRES@", "0"),
        "a negative expiry": SIGNED.replace("@EXPIRES@", "-@EXPIRES@"),
        "a plus before the expiry": SIGNED.replace("@EXPIRES@", "%2b@EXPIRES@"),
        "a fraction": SIGNED.replace("@EXPIRES@", "@EXPIRES@.0"),
        "a power": SIGNED.replace("@EXPIRES@", "1e9"),
        "400 digits": SIGNED.replace("@EXPIRES@", "9" * 400),
        "Arabic digits": SIGNED.replace("@EXPIRES@", quote("٩" * 10)),
        "a zero before the expiry": SIGNED.replace("expires=", "expires=" + "0" * 12),
        "no access key": f"{PRIVATE}?expires=@EXPIRES@&signature=@SIGNATURE@",
        "an empty access key": SIGNED.replace("@KEY@", ""),
        "another access key": SIGNED.replace("@KEY@", "ISNOBODY"),
        "a long access key": SIGNED.replace("@KEY@", "A" * 5000),
        "an access key in small letters": SIGNED.replace("@KEY@", "is-nobody-at-all"),
        "two access keys, the first wrong": SIGNED.replace("access_key=", "access_key=x&access_key="),
        "another image": f"{other}?{query}",
        "a version of it": f"/closed/image/upload/v1/there.jpg?{query}",
        "a key below": f"{PRIVATE}/x?{query}",
        "another case": f"/closed/image/upload/There.jpg?{query}",
        "another bucket": f"/closed2/image/upload/there.jpg?{query}",
        "a path encoded twice": f"/closed/image/upload/there%252ejpg?{query}",
        "a path with NUL": f"{PRIVATE}%00?{query}",
        "a path with a slash more": f"/closed/image/upload//there.jpg?{query}",
        "names in capitals": SIGNED.replace("signature=", "SIGNATURE="),
        "an array": SIGNED.replace("signature=", "signature[]="),
        "a fragment": SIGNED.replace("?", "#"),
        "semicolons": SIGNED.replace("&", ";"),
        "REST by signature": f"{IMAGES}?{query}",
    }.items():
        yield Row(f"signed with {name}", ask(target, auth=False))
    yield Row("a signature for writing", ask(SIGNED, "PUT", auth=False, body=b"x"))
    yield Row("a signature for deleting", ask(SIGNED, "DELETE", auth=False))


def basic(text: str | bytes) -> str:
    return "Basic " + base64.b64encode(as_bytes(text)).decode()


def credentials() -> Iterator[Row]:
    for name, value in {
        "no scheme": "@BASIC@",
        "the scheme alone": "Basic",
        "no base64": "Basic !!!!",
        "half of base64": "Basic QUF",
        "base64 with spaces": "Basic QU FB",
        "base64 of nothing": "Basic ",
        "no colon": basic("@KEY@"),
        "a colon alone": basic(":"),
        "no secret": basic("ADMIN:"),
        "no access key": basic(":secret"),
        "default words": basic("admin:admin"),
        "colons": basic("a:b:c:d"),
        "NUL": basic("a\x00:b\x00"),
        "line breaks": basic("a\r\nX-Injected: yes:b"),
        "UTF-16": basic("a:b".encode("utf-16")),
        "Latin-1": basic(b"\xe9:\xe9"),
        "half a pair": basic(b"\xed\xa0\x80:x"),
        "5,000 letters": basic("a" * 2500 + ":" + "b" * 2500),
        "an operator": basic('{"$gt": ""}:{"$gt": ""}'),
        "SQL": basic("' or 1=1 --:x"),
        "LDAP": basic("*)(uid=*:x"),
        "another scheme": "Bearer @BASIC@",
        "a token of nobody": "Bearer eyJhbGciOiJub25lIn0.eyJhZG1pbiI6dHJ1ZX0.",
        "Digest": 'Digest username="ADMIN", realm="imagestore", nonce="", uri="/", response=""',
        "Negotiate": "Negotiate YII",
        "AWS": "AWS4-HMAC-SHA256 Credential=@KEY@/20240101/x/s3/aws4, SignedHeaders=host, Signature=0",
        "words": "let me in",
        "a tab": "\tBasic\tx",
        "two at once": "Basic @BASIC@, Basic @BASIC@",
    }.items():
        yield Row(
            f"Authorization: {name}",
            ask("/v1/buckets", "GET", f"Authorization: {value}", auth=False),
            absent=b"created",
        )
    for field in (
        "Proxy-Authorization: Basic @BASIC@",
        "Authorisation: Basic @BASIC@",
        "X-API-Key: @KEY@",
        "Cookie: session=@BASIC@",
        "Authorization_: Basic @BASIC@",
        "HTTP_AUTHORIZATION: Basic @BASIC@",
    ):
        yield Row(
            f"{field.partition(':')[0]}", ask("/v1/buckets", "GET", field, auth=False), frozenset({401})
        )
    yield Row("two credentials", ask("/v1/buckets", "GET", "Authorization: Basic QTpC"))
    yield Row("a credential in the query", ask("/v1/buckets?access_key=@KEY@&secret=x", auth=False))
    yield Row("a credential in the URL", ask("http://a:b@x/v1/buckets", auth=False))
    for path in (
        "/v1/credentials",
        "/v1/cache/stats",
        "/metrics",
        "/v1/buckets/closed",
        "/v1/buckets/closed/images",
    ):
        yield Row(f"{path} as nobody", ask(path, auth=False), frozenset({401}))
