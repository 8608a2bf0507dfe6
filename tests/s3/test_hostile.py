"""What nobody honest sends: each gets AWS's error, nothing is stored, and the workers live on."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import md5
from typing import Any

import pytest

from tests.s3.conftest import MiB
from tests.s3.wire import Answer, Asking, chunked, send
from tests.service import Service
from tests.web.watch import State, look

pytestmark = pytest.mark.parametrize("endpoint", ["http"], indirect=True)

BODY = b"some bytes " * 3000
Send = Callable[..., Answer]


@pytest.fixture
def put(bucket: str) -> Asking:
    return Asking("PUT", f"/{bucket}/key", body=BODY)


@pytest.fixture
def refused(s3_service: Service, put: Asking) -> Any:
    """Sends requests that are to be refused, and returns status and code; nothing may come of them."""
    send(s3_service, Asking("GET", put.path).signed(s3_service).bytes())  # whatever is loaded once
    before = look(s3_service)

    def ask(asking: Asking, **options: Any) -> tuple[int, str]:
        answer = send(s3_service, asking.bytes(), **options)
        return answer.status, answer.code

    yield ask
    assert settled(look(s3_service)) == settled(before)


def settled(state: State) -> State:
    """Without what upkeep and requests come and go with: leases and turns, not objects."""
    kept = {
        "images",
        "versions",
        "buckets",
        "uploads",
        "claims",
        "blobs.files",
        "blobs.chunks",
        "parts.files",
        "parts.chunks",
    }
    return replace(state, documents={name: count for name, count in state.documents.items() if name in kept})


def test_what_is_honest_is_stored(s3_service: Service, put: Asking, s3: Any, bucket: str) -> None:
    """The same helpers, unbroken: what is refused below is refused for what was broken."""
    assert send(s3_service, put.signed(s3_service).bytes()).status == 200
    piece = bytes(range(256)) * 64
    framed = chunked(replace(put, path=f"/{bucket}/framed"), s3_service, [piece, piece, b"end"])
    assert send(s3_service, framed.bytes()).status == 200
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [each["Size"] for each in listed] == [2 * len(piece) + 3, len(BODY)]


def test_broken_signatures(s3_service: Service, put: Asking, refused: Send) -> None:
    good = put.signed(s3_service)
    said = good.headers["authorization"]
    wrong = (403, "SignatureDoesNotMatch")
    assert refused(good.with_headers(authorization=said[:-1] + ("0" if said[-1] != "0" else "1"))) == wrong
    assert refused(put.signed(s3_service, secret="wrong")) == wrong
    assert refused(replace(good, path=put.path + "2")) == wrong
    assert refused(replace(good, query=[("x", "y")])) == wrong
    assert refused(replace(good, method="DELETE")) == wrong
    assert (
        refused(
            replace(put, headers={"content-type": "a/b"}).signed(s3_service).with_headers(content_type="a/c")
        )
        == wrong
    )
    assert refused(put.signed(s3_service, access_key="NOBODY")) == (403, "InvalidAccessKeyId")
    assert refused(put) == (403, "AccessDenied")
    for late in (timedelta(minutes=16), timedelta(minutes=-16)):
        assert refused(replace(put, late=late).signed(s3_service)) == (403, "RequestTimeTooSkewed")
    malformed = (400, "AuthorizationHeaderMalformed")
    assert refused(good.with_headers(authorization="AWS4-HMAC-SHA256")) == malformed
    assert refused(good.with_headers(authorization=said.replace("us-east-1", "eu-west-1"))) == malformed
    assert refused(good.with_headers(authorization=said.replace("aws4_request", "aws5"))) == malformed
    assert refused(good.with_headers(authorization="Bearer xyz")) == (400, "InvalidArgument")


def test_altered_payloads(s3_service: Service, put: Asking, refused: Send) -> None:
    altered = BODY[:-1] + b"X"
    assert refused(replace(put.signed(s3_service), body=altered)) == (400, "XAmzContentSHA256Mismatch")
    other = b64encode(md5(altered).digest()).decode()
    unsigned = replace(put, payload="UNSIGNED-PAYLOAD")
    for name, value, code in [
        ("content-md5", other, "BadDigest"),
        ("content-md5", "xyz", "InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32c", "AAAA", "InvalidRequest"),
        ("x-amz-checksum-sha256", b64encode(bytes(32)).decode(), "BadDigest"),
        ("x-amz-sdk-checksum-algorithm", "MD4", "InvalidRequest"),
    ]:
        assert refused(replace(unsigned, headers={name: value}).signed(s3_service)) == (400, code), name
    assert refused(replace(put, payload="abc").signed(s3_service)) == (400, "InvalidArgument")


def test_wrong_chunks(s3_service: Service, put: Asking, refused: Send) -> None:
    piece = bytes(range(256)) * 64
    framed = chunked(put, s3_service, [piece, piece, b"end"])
    wrong = (403, "SignatureDoesNotMatch")
    for place in range(4):
        heads = framed.body.split(b"chunk-signature=")
        heads[place + 1] = bytes([heads[place + 1][0] ^ 1]) + heads[place + 1][1:]
        assert refused(replace(framed, body=b"chunk-signature=".join(heads))) in (
            wrong,
            (400, "IncompleteBody"),
        )
    assert refused(replace(framed, body=framed.body.replace(b"\xff\0", b"\xff\1", 1))) == wrong
    for broken in [
        framed.body[: len(framed.body) // 2],
        framed.body.replace(b"3;chunk", b"4;chunk", 1),
        framed.body.replace(b"4000;", b"zz;", 1),
        framed.body.replace(b"4000;", b"ffffffffffffffff;", 1),
        framed.body.replace(b"4000;", b"-4000;", 1),
        framed.body + b"more",
        b"x" * 3000,
        b"",
    ]:
        sent = replace(framed, body=broken).with_headers(content_length=str(len(broken)))
        assert refused(sent) in (wrong, (400, "IncompleteBody")), broken[:100]
    assert refused(framed.with_headers(x_amz_decoded_content_length="7"))[1] == "SignatureDoesNotMatch"


def test_truncated_bodies(s3_service: Service, put: Asking, refused: Send, bucket: str) -> None:
    announced = replace(put, payload="UNSIGNED-PAYLOAD", headers={"content-length": str(len(BODY) + 1)})
    assert refused(announced.signed(s3_service), end=True) == (400, "IncompleteBody")
    chunks = replace(put, payload="UNSIGNED-PAYLOAD").signed(s3_service)
    head, _, _ = chunks.with_headers(transfer_encoding="chunked").bytes().partition(b"\r\n\r\n")
    head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"content-length"))
    cut = send(s3_service, head + b"\r\n\r\n400\r\nabc", end=True)
    assert (cut.status, cut.code) == (400, "IncompleteBody")
    huge = replace(put, payload="UNSIGNED-PAYLOAD", headers={"content-length": str(6 * 1024**3)}, body=b"")
    assert refused(huge.signed(s3_service)) == (400, "EntityTooLarge")


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(10))
    + b"]><Delete><Object><Key>&k;</Key></Object></Delete>"
)
DOCUMENTS = {
    "nothing": b"",
    "no XML": b"hello",
    "unclosed": b"<Delete><Object><Key>a</Key>",
    "another root": b"<Deleted/>",
    "entity bomb": BOMB,
    "quadratic bomb": b'<!DOCTYPE a [<!ENTITY x "'
    + b"x" * 50000
    + b'">]><Delete>'
    + b"&x;" * 5000
    + b"</Delete>",
    "file of the server": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><Delete>&x;</Delete>',
    "type elsewhere": b'<!DOCTYPE Delete SYSTEM "http://127.0.0.1:1/x.dtd"><Delete/>',
    "unknown entity": b"<Delete>&nope;</Delete>",
    "deep": b"<Delete>" + b"<a>" * 300_000 + b"</a>" * 300_000 + b"</Delete>",
    "deep, unclosed": b"<Delete>" + b"<a>" * 300_000,
    "wide": b"<Delete>" + b"<a/>" * 500_000 + b"</Delete>",
    "attributes": b"<Delete " + b" ".join(b'a%d=""' % n for n in range(100_000)) + b"/>",
    "unknown encoding": b'<?xml version="1.0" encoding="klingon"?><Delete/>',
    "not its encoding": b'<?xml version="1.0" encoding="UTF-8"?><Delete>\xff\xfe</Delete>',
    "UTF-16": '<?xml version="1.0" encoding="UTF-16"?><Nope/>'.encode("utf-16"),
    "NUL": b"<Delete>\0</Delete>",
    "processing": b"<?php echo 1 ?><Delete>" * 2,
}


@pytest.mark.parametrize("document", list(DOCUMENTS.values()), ids=list(DOCUMENTS))
def test_malformed_documents(s3_service: Service, refused: Send, bucket: str, document: bytes) -> None:
    """By every operation that reads one; an upload that is not there is found missing first, or not."""
    md5_of = b64encode(md5(document).digest()).decode()
    for method, sub in [
        ("POST", "delete"), ("PUT", "versioning"), ("PUT", "tagging"), ("PUT", "cors"), ("PUT", "lifecycle"),
        ("PUT", "acl"), ("PUT", "publicAccessBlock"), ("PUT", "ownershipControls"),
    ]:  # fmt: skip
        asking = Asking(method, f"/{bucket}", [(sub, "")], document, {"content-md5": md5_of})
        status, code = refused(asking.signed(s3_service))
        codes = ("MalformedXML", "MalformedACLError", "MissingRequestBodyError", "MissingSecurityHeader")
        assert (status, code) in [(400, each) for each in codes], sub
    complete = Asking("POST", f"/{bucket}/k", [("uploadId", "none")], document)
    assert refused(complete.signed(s3_service)) in [(400, "MalformedXML"), (404, "NoSuchUpload")]


def test_documents_are_bounded(s3_service: Service, refused: Send, bucket: str) -> None:
    large = b"<Delete>" + b"<Object><Key>a</Key></Object>" * (5 * MiB // 29) + b"</Delete>"
    asking = Asking("POST", f"/{bucket}", [("delete", "")], large)
    assert refused(asking.signed(s3_service)) == (400, "MaxMessageLengthExceeded")
    many = b"<Delete>" + b"<Object><Key>a</Key></Object>" * 1001 + b"</Delete>"
    assert refused(replace(asking, body=many).signed(s3_service)) == (400, "MalformedXML")


@pytest.mark.parametrize(
    "policy",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"Statement": 5}',
        b"[" * 10000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"\xff",
    ],
    ids=lambda each: repr(each[:12]),
)
def test_malformed_policies(s3_service: Service, refused: Send, bucket: str, policy: bytes) -> None:
    asking = Asking("PUT", f"/{bucket}", [("policy", "")], policy)
    status, code = refused(asking.signed(s3_service))
    assert (status, code) in [(400, "MalformedPolicy"), (400, "MissingRequestBodyError")], json.dumps(code)


@pytest.mark.parametrize(
    ("method", "query", "headers"),
    [
        ("DELETE", [("versionId", "Ā")], {}),
        ("GET", [("versionId", "Ā")], {}),
        ("DELETE", [], {"x-amz-if-match-size": "²"}),
        ("DELETE", [], {"x-amz-if-match-size": "9" * 5000}),
        ("POST", [("uploadId", "x")], {"x-amz-mp-object-size": "²"}),
        ("PUT", [], {"x-amz-decoded-content-length": "²", "content-encoding": "aws-chunked"}),
        ("GET", [("partNumber", "²")], {}),
        ("GET", [("max-parts", "²"), ("uploadId", "x")], {}),
    ],
)
def test_what_is_no_number_and_no_version(
    s3_service: Service,
    refused: Send,
    put: Asking,
    method: str,
    query: list[tuple[str, str]],
    headers: dict[str, str],
) -> None:
    """`²` is a digit to Python, and no number to it."""
    part = b"<Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
    body = b"<CompleteMultipartUpload>%s</CompleteMultipartUpload>" % part
    payload = "UNSIGNED-PAYLOAD" if method == "PUT" else ""
    asking = replace(put, method=method, query=query, headers=headers, body=body, payload=payload)
    assert refused(asking.signed(s3_service))[1] in ("InvalidArgument", "NoSuchUpload", "NoSuchKey")
