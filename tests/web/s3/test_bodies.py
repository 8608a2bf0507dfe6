"""Bodies over sockets in each form that clients send: kept when whole, not when altered or cut short."""

from __future__ import annotations

import hashlib
import hmac
import socket
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from zlib import crc32

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.service import Service
from tests.web.s3.conftest import REGION

SIGNED, TRAILING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
CHUNKS = [b"a" * 65536, b"b" * 8192, b"tail"]
CONTENT = b"".join(CHUNKS)
EMPTY = hashlib.sha256(b"").hexdigest()


class FormAuth(S3SigV4Auth):  # type: ignore[misc]  # botocore has no types
    """Signs a request whose body is of a form that botocore does not send."""

    def __init__(self, form: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._form = form

    def payload(self, request: AWSRequest) -> str:
        del request
        return self._form


@dataclass
class Sent:
    """A PUT that is signed, and the chain of signatures that its chunks go on with."""

    service: Service
    path: str
    form: str
    headers: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        credentials = Credentials(self.service.access_key, self.service.secret)
        request = AWSRequest("PUT", self.service.s3_url + self.path, headers=self.headers)
        FormAuth(self.form, credentials, "s3", REGION).add_auth(request)
        self.headers = dict(request.headers.items())
        self.last = self.headers["Authorization"].rpartition("Signature=")[2]
        self.stamp = self.headers["X-Amz-Date"]
        self.scope = f"{self.stamp[:8]}/{REGION}/s3/aws4_request"
        self.key = ("AWS4" + self.service.secret).encode()
        for part in self.scope.split("/"):
            self.key = hmac.new(self.key, part.encode(), hashlib.sha256).digest()

    def sign(self, kind: str, *digests: str) -> str:
        text = "\n".join((f"AWS4-HMAC-SHA256-{kind}", self.stamp, self.scope, self.last, *digests))
        self.last = hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()
        return self.last

    def chunk(self, data: bytes) -> bytes:
        signature = self.sign("PAYLOAD", EMPTY, hashlib.sha256(data).hexdigest())
        return f"{len(data):x};chunk-signature={signature}\r\n".encode() + data + b"\r\n"

    def trailer(self, text: str) -> bytes:
        signature = self.sign("TRAILER", hashlib.sha256(f"{text}\n".encode()).hexdigest())
        return f"{text}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()

    def send(self, body: bytes, *, length: int | None = None) -> tuple[int, str]:
        """The status and the code of the answer; of a body that ends before its `length`, with which the
        connection ends, too, the status may be 0: there is no answer."""
        target = urlsplit(self.service.s3_url)
        head = [f"PUT {self.path} HTTP/1.1", f"Host: {target.netloc}", "Connection: close"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        head += [f"Content-Length: {len(body) if length is None else length}", "", ""]
        with socket.create_connection((target.hostname, target.port), 60) as connection:
            connection.sendall("\r\n".join(head).encode() + body)
            if length is not None:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        text = answer.decode()
        return int(text[9:12] or 0), text.partition("<Code>")[2].partition("</Code>")[0]


Open = Callable[..., Sent]


@pytest.fixture
def open_put(s3_service: Service, s3_bucket: str) -> Open:
    def make(form: str, **headers: str) -> Sent:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return Sent(s3_service, f"/{s3_bucket}/key", form, given)

    return make


def chunked(open_put: Open, form: str = SIGNED, **headers: str) -> Sent:
    return open_put(
        form, content_encoding="aws-chunked", x_amz_decoded_content_length=str(len(CONTENT)), **headers
    )


def kept(s3: Any, bucket: str) -> bytes | None:
    if "Contents" not in s3.list_objects_v2(Bucket=bucket):
        return None
    found = s3.get_object(Bucket=bucket, Key="key")
    assert "ContentEncoding" not in found
    body: bytes = found["Body"].read()
    return body


def checksum() -> str:
    return "x-amz-checksum-crc32:" + b64encode(crc32(CONTENT).to_bytes(4, "big")).decode()


def test_signed_chunks(open_put: Open, s3: Any, s3_bucket: str) -> None:
    sent = chunked(open_put)
    assert sent.send(b"".join(map(sent.chunk, [*CHUNKS, b""]))) == (200, "")
    assert kept(s3, s3_bucket) == CONTENT


@pytest.mark.parametrize("place", [0, 100, 65536 + 200, -60, -4])
def test_signed_chunks_that_were_altered(open_put: Open, s3: Any, s3_bucket: str, place: int) -> None:
    sent = chunked(open_put)
    body = bytearray(b"".join(map(sent.chunk, [*CHUNKS, b""])))
    body[place] ^= 1
    assert sent.send(bytes(body)) in [(403, "SignatureDoesNotMatch"), (400, "IncompleteBody")]
    assert kept(s3, s3_bucket) is None


def test_signed_chunks_of_another_request(open_put: Open, s3: Any, s3_bucket: str) -> None:
    other, sent = chunked(open_put, x_amz_meta_a="b"), chunked(open_put)
    assert sent.send(b"".join(map(other.chunk, [*CHUNKS, b""]))) == (403, "SignatureDoesNotMatch")
    assert kept(s3, s3_bucket) is None


def test_signed_trailers(open_put: Open, s3: Any, s3_bucket: str) -> None:
    sent = chunked(open_put, TRAILING, x_amz_trailer="x-amz-checksum-crc32")
    body = b"".join(map(sent.chunk, [*CHUNKS, b""])).removesuffix(b"\r\n")
    assert sent.send(body + sent.trailer(checksum())) == (200, "")
    assert kept(s3, s3_bucket) == CONTENT
    found = s3.head_object(Bucket=s3_bucket, Key="key", ChecksumMode="ENABLED")
    assert f"x-amz-checksum-crc32:{found['ChecksumCRC32']}" == checksum()


def test_trailers_that_are_not_signed_or_not_true(open_put: Open, s3: Any, s3_bucket: str) -> None:
    sent = chunked(open_put, TRAILING, x_amz_trailer="x-amz-checksum-crc32")
    body = b"".join(map(sent.chunk, [*CHUNKS, b""])).removesuffix(b"\r\n")
    false = "x-amz-checksum-crc32:AAAAAA=="
    assert sent.send(body + sent.trailer(false)) == (400, "BadDigest")
    assert sent.send(body + f"{checksum()}\r\n\r\n".encode()) == (403, "SignatureDoesNotMatch")
    assert sent.send(body + b"\r\n") == (400, "MalformedTrailerError")
    assert kept(s3, s3_bucket) is None


def test_chunks_that_are_not_signed(open_put: Open, s3: Any, s3_bucket: str) -> None:
    sent = chunked(open_put, UNSIGNED, x_amz_trailer="x-amz-checksum-crc32")
    body = b"".join(f"{len(each):x}\r\n".encode() + each + b"\r\n" for each in CHUNKS) + b"0\r\n"
    assert sent.send(body + b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n") == (400, "BadDigest")
    assert sent.send(body + b"\r\n") == (400, "MalformedTrailerError")
    small = b"5\r\nhello\r\n" + body
    assert sent.send(small) == (403, "InvalidChunkSizeError")
    assert kept(s3, s3_bucket) is None
    assert sent.send(body + f"{checksum()}\r\n\r\n".encode()) == (200, "")
    assert kept(s3, s3_bucket) == CONTENT


@pytest.mark.parametrize("length", [0, 50, 70_000, -1])
def test_a_body_cut_short(open_put: Open, s3: Any, s3_bucket: str, length: int) -> None:
    sent = chunked(open_put)
    body = b"".join(map(sent.chunk, [*CHUNKS, b""]))
    assert sent.send(body[:length]) == (400, "IncompleteBody")
    assert sent.send(body[:length], length=len(body))[0] in (0, 400)
    assert kept(s3, s3_bucket) is None


def test_a_hash_that_was_signed(open_put: Open, s3: Any, s3_bucket: str) -> None:
    sent = open_put(hashlib.sha256(CONTENT).hexdigest())
    assert sent.send(CONTENT[:-1] + b"L") == (400, "XAmzContentSHA256Mismatch")
    assert sent.send(CONTENT[:-1]) == (400, "XAmzContentSHA256Mismatch")
    assert kept(s3, s3_bucket) is None
    assert sent.send(CONTENT) == (200, "")
    assert kept(s3, s3_bucket) == CONTENT


def test_a_size_that_is_not_that_of_the_chunks(open_put: Open, s3: Any, s3_bucket: str) -> None:
    for size in (len(CONTENT) - 1, len(CONTENT) + 1):
        sent = open_put(SIGNED, content_encoding="aws-chunked", x_amz_decoded_content_length=str(size))
        assert sent.send(b"".join(map(sent.chunk, [*CHUNKS, b""]))) == (400, "IncompleteBody")
    sent = open_put(SIGNED, content_encoding="aws-chunked")
    assert sent.send(sent.chunk(b"")) == (411, "MissingContentLength")
    assert kept(s3, s3_bucket) is None


def test_a_request_that_is_old_is_refused_with_its_chunks(open_put: Open, s3: Any, s3_bucket: str) -> None:
    sent = chunked(open_put)
    sent.headers["X-Amz-Date"] = datetime(2020, 1, 1, tzinfo=UTC).strftime("%Y%m%dT%H%M%SZ")
    assert sent.send(b"".join(map(sent.chunk, [*CHUNKS, b""])))[0] in (400, 403)
    assert kept(s3, s3_bucket) is None
