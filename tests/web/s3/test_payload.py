"""Bodies in every form that S3 clients send: the published examples hold, and what is altered is refused."""

from __future__ import annotations

import hashlib
import hmac
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import UNSIGNED
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import Headers

from imagestore.access.signed import Asked
from imagestore.access.sigv4 import Claim, check, read_claim, signing_key
from imagestore.core.checksums import Sums
from imagestore.core.errors import BadDigest
from imagestore.core.streams import READ_SIZE, spool
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.payload import Payload, checks_of, content_encoding, open_payload

pytestmark = pytest.mark.quick

# Of "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
# "... Including Trailing Headers" in the Amazon S3 API reference.
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY = signing_key(SECRET, "20130524", "us-east-1")
SIGNED, TRAILING = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILING = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SEED = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
TRAILING_SEED = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
CONTENT = b"a" * 66560
PUBLISHED = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n"
)
PUBLISHED_TRAILING = (
    b"10000;chunk-signature=b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2\r\n"
    + b"a" * 65536
    + b"\r\n400;chunk-signature=1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7\r\n"
    + b"a" * 1024
    + b"\r\n0;chunk-signature=2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992\r\n"
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def claim_of(form: str, seed: str = SEED) -> Claim:
    return Claim("AKIAIOSFODNN7EXAMPLE", "20130524", "us-east-1", "20130524T000000Z", (), seed, form, None)


def headers_of(**fields: str) -> Headers:
    return Headers([(name.replace("_", "-"), value) for name, value in fields.items()])


class Trickle:
    """Bytes by the piece, as a slow connection gives them."""

    def __init__(self, data: bytes, piece: int) -> None:
        self._data, self._piece = io.BytesIO(data), piece

    def read(self, size: int, /) -> bytes:
        return self._data.read(min(size, self._piece))


def read_all(payload: Payload, size: int = 65536) -> bytes:
    found = b""
    while data := payload.read(size):
        assert len(data) <= size
        found += data
    assert payload.read(size) == b""
    return found


def code_of(read: Callable[[], object]) -> str:
    with pytest.raises(S3Error) as raised:
        read()
    assert 400 <= raised.value.status < 500
    return raised.value.code


def signed_payload(data: bytes, piece: int = 1 << 20, size: int = len(CONTENT)) -> Payload:
    headers = headers_of(x_amz_decoded_content_length=str(size), content_encoding="aws-chunked")
    return open_payload(Trickle(data, piece), headers, claim_of(SIGNED), KEY)


def trailing_payload(data: bytes, trailer: str = "x-amz-checksum-crc32c") -> Payload:
    headers = headers_of(x_amz_decoded_content_length=str(len(CONTENT)), x_amz_trailer=trailer)
    return open_payload(io.BytesIO(data), headers, claim_of(TRAILING, TRAILING_SEED), KEY)


def unsigned_payload(data: bytes, size: int, trailer: str = "x-amz-checksum-crc32") -> Payload:
    headers = headers_of(x_amz_decoded_content_length=str(size), x_amz_trailer=trailer)
    return open_payload(io.BytesIO(data), headers, claim_of(UNSIGNED_TRAILING), KEY)


# What AWS publishes


@pytest.mark.parametrize("piece", [1, 7, 1024, 1 << 20])
def test_the_published_chunks_hold(piece: int) -> None:
    assert read_all(signed_payload(PUBLISHED, piece), size=5000) == CONTENT


def test_the_published_trailers_hold() -> None:
    payload = trailing_payload(PUBLISHED_TRAILING)
    checks = checks_of(headers_of(x_amz_trailer="x-amz-checksum-crc32c"), payload)
    with spool(payload, limit=1 << 20, expected=payload.size, checks=checks) as spooled:
        assert spooled.content() == CONTENT
        assert spooled.checksums == {"crc32c": "sOO8/Q=="}


@pytest.mark.parametrize("place", [5, 30, 90, 66000, 65536 + 120, -10, -100])
def test_a_changed_byte_is_refused(place: int) -> None:
    altered = bytearray(PUBLISHED)
    altered[place] ^= 1
    assert code_of(lambda: read_all(signed_payload(bytes(altered)))) in {
        "SignatureDoesNotMatch",
        "IncompleteBody",
    }


def test_chunks_that_changed_places_are_refused() -> None:
    body = PUBLISHED.replace(b"ad80c730", b"0055627c")
    assert code_of(lambda: read_all(signed_payload(body))) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"sOO8/Q==", b"sOO8/R==", "SignatureDoesNotMatch"),
        (b"d81f82fc", b"d81f82fd", "SignatureDoesNotMatch"),
        (b"x-amz-trailer-signature:", b"x-amz-trailing-signature:", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32c:", b"x-amz-checksum-crc32:", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32c:", b"x-amz-checksum-crc32c", "MalformedTrailerError"),
        (b"x-amz-checksum-crc32c:sOO8/Q==\r\n", b"", "MalformedTrailerError"),
        (b"crc32c:sOO8/Q==\r\n", b"crc32c:sOO8/Q==\r\nx-amz-meta-a:b\r\n", "MalformedTrailerError"),
    ],
)
def test_changed_trailers_are_refused(old: bytes, new: bytes, code: str) -> None:
    body = PUBLISHED_TRAILING.replace(old, new)
    assert body != PUBLISHED_TRAILING
    assert code_of(lambda: read_all(trailing_payload(body))) == code


@pytest.mark.parametrize("length", [0, 1, 50, 100, 65000, 65536 + 87, 65536 + 100, len(PUBLISHED) - 1])
def test_a_body_cut_short_is_incomplete(length: int) -> None:
    assert code_of(lambda: read_all(signed_payload(PUBLISHED[:length]))) == "IncompleteBody"


@pytest.mark.parametrize("size", [0, 65536, len(CONTENT) - 1, len(CONTENT) + 1])
def test_the_announced_size_is_that_of_all_chunks(size: int) -> None:
    assert code_of(lambda: read_all(signed_payload(PUBLISHED, size=size))) == "IncompleteBody"


# The framing


@pytest.mark.parametrize(
    "body",
    [
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n",
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n",
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\rX",
        b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\nmore",
        b"5\nhello\n0\nx-amz-checksum-crc32:NhCmhg==\n\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"\r\n5\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        b"5;chunk-signature=" + b"0" * 64 + b"\r\nhello\r\n0\r\n\r\n",
        b"5" + b";" * 5000,
        b"3\r\nhel\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n",
        b"hello",
        b"",
    ],
)
def test_framing_that_is_broken_is_an_incomplete_body(body: bytes) -> None:
    assert code_of(lambda: read_all(unsigned_payload(body, 5))) == "IncompleteBody"


@pytest.mark.parametrize(
    "trailers",
    [
        b"",
        b"x-amz-checksum-crc32c:NhCmhg==\r\n",
        b"x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==\r\n",
        b"x-amz-checksum-crc32 NhCmhg==\r\n",
        b"x-amz-checksum-crc32:\x00\r\n",
        b"x-amz-checksum-crc32:NhCmhg==\r\nx-amz-trailer-signature:00\r\n",
        b"".join(b"a-%d:b\r\n" % n for n in range(20)),
    ],
)
def test_trailers_are_those_that_were_announced(trailers: bytes) -> None:
    body = b"5\r\nhello\r\n0\r\n" + trailers + b"\r\n"
    assert code_of(lambda: read_all(unsigned_payload(body, 5))) == "MalformedTrailerError"


def test_only_the_last_chunk_is_small() -> None:
    body = b"5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    with pytest.raises(S3Error) as raised:
        read_all(unsigned_payload(body, 6))
    assert (raised.value.code, raised.value.status) == ("InvalidChunkSizeError", 403)
    assert raised.value.extra == {"Chunk": "2", "BadChunkSize": "5"}


def test_an_empty_body_may_come_in_chunks() -> None:
    payload = unsigned_payload(b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", 0)
    assert read_all(payload) == b""
    assert payload.trailers == {"x-amz-checksum-crc32": "AAAAAA=="}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(PUBLISHED) - 1), st.integers(0, 200))
def test_whatever_is_put_into_a_body_ends_in_an_error_of_aws(noise: bytes, place: int, gap: int) -> None:
    body = PUBLISHED[:place] + noise + PUBLISHED[place + gap :]
    try:
        assert read_all(signed_payload(body)) == CONTENT
    except S3Error as error:
        assert error.status in (400, 403)


def test_little_is_kept_of_a_large_body() -> None:
    class Endless:
        def __init__(self) -> None:
            self._head = b"3b9aca00\r\n"

        def read(self, size: int, /) -> bytes:
            assert size <= READ_SIZE
            head, self._head = self._head, b""
            return head or bytes(size)

    payload = open_payload(
        Endless(), headers_of(x_amz_decoded_content_length="1000000000"), claim_of(UNSIGNED_TRAILING), KEY
    )
    for _ in range(200):
        assert 0 < len(payload.read(1 << 30)) <= READ_SIZE


@pytest.mark.parametrize(
    ("form", "fields", "code"),
    [
        (SIGNED, {}, "MissingContentLength"),
        (SIGNED, {"x_amz_decoded_content_length": "-1"}, "InvalidArgument"),
        (SIGNED, {"x_amz_decoded_content_length": "٣"}, "InvalidArgument"),
        (
            SIGNED,
            {"x_amz_decoded_content_length": "5", "x_amz_trailer": "x-amz-checksum-crc32"},
            "InvalidRequest",
        ),
        (TRAILING, {"x_amz_decoded_content_length": "5", "x_amz_trailer": "x-amz-meta-a"}, "InvalidRequest"),
        (TRAILING, {"x_amz_decoded_content_length": "5", "x_amz_trailer": "crc32"}, "InvalidRequest"),
    ],
)
def test_headers_that_do_not_fit_are_refused(form: str, fields: dict[str, str], code: str) -> None:
    assert code_of(lambda: open_payload(io.BytesIO(), headers_of(**fields), claim_of(form), KEY)) == code


def test_chunks_without_any_signature_are_told_by_their_encoding() -> None:
    headers = headers_of(
        content_encoding="aws-chunked", x_amz_decoded_content_length="5", x_amz_trailer="x-amz-checksum-crc32"
    )
    body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n"
    assert read_all(open_payload(io.BytesIO(body), headers)) == b"hello"


def test_chunks_cannot_be_signed_where_the_request_is_not() -> None:
    headers = headers_of(x_amz_content_sha256=SIGNED, x_amz_decoded_content_length="5")
    assert code_of(lambda: open_payload(io.BytesIO(), headers)) == "AccessDenied"


# Bodies in one piece


def test_a_signed_hash_is_checked_at_the_last_byte() -> None:
    digest = hashlib.sha256(b"hello").hexdigest()
    headers = headers_of(content_length="5")
    assert read_all(open_payload(io.BytesIO(b"hello"), headers, claim_of(digest))) == b"hello"
    payload = open_payload(io.BytesIO(b"hellO"), headers, claim_of(digest))
    with pytest.raises(S3Error) as raised:
        payload.read(5)
    assert (raised.value.code, raised.value.status) == ("XAmzContentSHA256Mismatch", 400)
    assert raised.value.extra["ClientComputedContentSHA256"] == digest


@pytest.mark.parametrize("form", ["UNSIGNED-PAYLOAD", hashlib.sha256(b"hell").hexdigest()])
def test_a_body_shorter_than_announced_is_incomplete(form: str) -> None:
    payload = open_payload(io.BytesIO(b"hell"), headers_of(content_length="5"), claim_of(form))
    assert code_of(lambda: read_all(payload)) == "IncompleteBody"


def test_without_a_signature_a_hash_is_checked_all_the_same() -> None:
    headers = headers_of(content_length="5", x_amz_content_sha256="0" * 64)
    assert (
        code_of(lambda: read_all(open_payload(io.BytesIO(b"hello"), headers))) == "XAmzContentSHA256Mismatch"
    )
    headers = headers_of(content_length="5", x_amz_content_sha256="sha")
    assert code_of(lambda: open_payload(io.BytesIO(b"hello"), headers)) == "InvalidArgument"
    assert read_all(open_payload(io.BytesIO(b"hello"), headers_of(content_length="5"))) == b"hello"


# Checksums

SUMS = Sums(("crc32", "crc64nvme", "sha256"))
SUMS.update(b"hello")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"content_md5": "XUFAKrxLKna5cZ2REBfFkg=="}, ""),
        ({"content_md5": "XUFAKrxLKna5cZ2REBfFkA=="}, "bad_digest"),
        ({"content_md5": "XUFAKrxLKna5cZ2REBfF"}, "InvalidDigest"),
        ({"content_md5": "5d41402abc4b2a76b9719d911017c592"}, "InvalidDigest"),
        ({"content_md5": ""}, "InvalidDigest"),
        ({"x_amz_checksum_crc32": SUMS.all()["crc32"]}, ""),
        ({"x_amz_checksum_crc64nvme": SUMS.all()["crc64nvme"]}, ""),
        ({"x_amz_checksum_sha256": SUMS.all()["sha256"], "x_amz_sdk_checksum_algorithm": "SHA256"}, ""),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, "bad_digest"),
        ({"x_amz_checksum_crc32": "AAAAAA"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "AAAAAAAA"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "bad"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "AAAAAA==", "x_amz_checksum_sha1": "AAAAAA=="}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "AAAAAA==", "x_amz_trailer": "x-amz-checksum-crc32"}, "InvalidRequest"),
        ({"x_amz_checksum_crc32": "AAAAAA==", "x_amz_sdk_checksum_algorithm": "SHA1"}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "CRC32"}, "InvalidRequest"),
        ({"x_amz_sdk_checksum_algorithm": "MD4"}, "InvalidRequest"),
    ],
)
def test_what_a_body_must_fit(fields: dict[str, str], code: str) -> None:
    headers = headers_of(content_length="5", **fields)

    def read() -> None:
        payload = open_payload(io.BytesIO(b"hello"), headers)
        with spool(payload, limit=10, checks=checks_of(headers, payload)):
            pass

    if code == "bad_digest":
        with pytest.raises(BadDigest):
            read()
    elif code:
        assert code_of(read) == code
    else:
        read()


def test_a_trailer_that_is_no_checksum_is_refused() -> None:
    payload = unsigned_payload(b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:no\r\n\r\n", 5)
    checks = checks_of(headers_of(x_amz_trailer="x-amz-checksum-crc32"), payload)
    assert code_of(lambda: spool(payload, limit=10, checks=checks)) == "InvalidRequest"


@pytest.mark.parametrize(
    ("said", "kept"),
    [("aws-chunked", None), ("gzip,aws-chunked", "gzip"), ("aws-chunked, br", "br"), ("gzip", "gzip")],
)
def test_the_framing_is_no_encoding_of_the_object(said: str, kept: str | None) -> None:
    assert content_encoding(headers_of(content_encoding=said)) == kept
    assert content_encoding(Headers()) is None


# A real client


class Nothing(io.BytesIO):
    """An empty body as urllib3 would give it."""

    def stream(self) -> list[bytes]:
        return []


def sent_by_boto3(config: Config, url: str, **extra: Any) -> AWSPreparedRequest:
    """The request by which boto3 puts an object, caught before it leaves."""
    caught: list[AWSPreparedRequest] = []

    def catch(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        caught.append(request)
        return AWSResponse(request.url, 200, {}, Nothing())

    client = boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", config=config,
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key=SECRET,
    )  # fmt: skip
    client.meta.events.register("before-send.s3.PutObject", catch)
    client.put_object(Bucket="bucket", Key="key", Body=CONTENT, **extra)
    client.close()
    return caught[0]


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
@pytest.mark.parametrize("url", ["http://s3.example.com", "https://s3.example.com"])
@pytest.mark.parametrize("version", ["s3v4", "s3", "none"])
def test_what_boto3_sends_is_read(algorithm: str, url: str, version: str) -> None:
    config = Config(
        signature_version=UNSIGNED if version == "none" else version, s3={"addressing_style": "path"}
    )
    request = sent_by_boto3(config, url, ChecksumAlgorithm=algorithm)
    target = urlsplit(request.url)
    headers = Headers(
        [(name, v.decode() if isinstance(v, bytes) else str(v)) for name, v in request.headers.items()]
    )
    headers["Host"] = target.netloc
    asked = Asked(request.method, target.path, target.query, list(headers))
    claim, key = read_claim(asked) if version == "s3v4" else None, b""
    if claim is not None:
        key = check(claim, asked, SECRET, region="us-east-1", now=datetime.now(UTC).timestamp())
    body = request.body if isinstance(request.body, bytes) else request.body.read()
    assert (body != CONTENT) is (version != "s3" and url.startswith("https:"))
    payload = open_payload(io.BytesIO(body), headers, claim, key)
    assert payload.size == len(CONTENT)
    with spool(payload, limit=1 << 20, expected=payload.size, checks=checks_of(headers, payload)) as spooled:
        assert spooled.content() == CONTENT
        assert list(spooled.checksums) == [algorithm.lower()]


def test_chunks_signed_by_hand_hold() -> None:
    """Made after the words of the reference, not with the code that checks them."""
    last, body = SEED, b""
    empty = hashlib.sha256(b"").hexdigest()
    for chunk in (bytes(8192), b"tail", b""):
        text = (
            "AWS4-HMAC-SHA256-PAYLOAD\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n"
            f"{last}\n{empty}\n{hashlib.sha256(chunk).hexdigest()}"
        )
        last = hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()
        body += f"{len(chunk):X};chunk-signature={last}\r\n".encode() + chunk + b"\r\n"
    assert read_all(signed_payload(body, size=8196)) == bytes(8192) + b"tail"
