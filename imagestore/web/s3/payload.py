"""The body of a request in each of the forms that clients send it in, and the checksums that it must fit."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Protocol

from werkzeug.datastructures import Headers

from imagestore.access.chunksigning import ChunkChain
from imagestore.access.sigv4 import UNSIGNED_PAYLOAD, Claim
from imagestore.core.checksums import ALGORITHMS, Checks, make
from imagestore.core.streams import Readable
from imagestore.web.s3.chunked import ChunkedPayload
from imagestore.web.s3.errors import S3Error

CHECKSUM = "x-amz-checksum-"
FRAMING = "aws-chunked"

_SIZE = re.compile(r"[0-9]{1,15}", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Payload(Protocol):
    """A body as it is meant, whatever it came in.

    `size` is in bytes, None where nobody announced it. `trailers` are complete once `read` is at its end.
    """

    @property
    def size(self) -> int | None: ...

    @property
    def trailers(self) -> Mapping[str, str]: ...

    def read(self, size: int, /) -> bytes:
        """Raises S3Error for a body that is not what was signed or announced: nothing of it may be kept."""


class PlainPayload:
    """A body as it comes, with the SHA-256 that was signed, in hex, if one was."""

    def __init__(self, source: Readable, size: int | None, digest: str | None = None) -> None:
        self.size = size
        self.trailers: Mapping[str, str] = {}
        self._source = source
        self._digest = digest
        self._hash = hashlib.sha256()
        self._given = 0

    def read(self, size: int, /) -> bytes:
        data = self._source.read(size)
        self._given += len(data)
        if self._digest is not None:
            self._hash.update(data)
        # At the last byte, not behind it: whoever knows the size may not ask for more.
        if not data or self._given == self.size:
            self._check()
        return data

    def _check(self) -> None:
        if self.size is not None and self._given < self.size:
            raise S3Error(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header.",
            )
        found = self._hash.hexdigest()
        if self._digest is not None and found != self._digest:
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ClientComputedContentSHA256=self._digest,
                S3ComputedContentSHA256=found,
            )


def open_payload(source: Readable, headers: Headers, claim: Claim | None = None, key: bytes = b"") -> Payload:
    """The body of a request, which `source` reads as it came.

    `claim` is that of a signature of version 4 that was checked, and `key` what the check returned; without
    one (anonymous, or version 2) there is no chunk signature to hold. Raises S3Error.
    """
    form = claim.payload if claim is not None else headers.get("x-amz-content-sha256", "")
    if form.startswith("STREAMING-"):
        return _open_chunked(source, headers, form, ChunkChain(claim, key) if claim is not None else None)
    if form in ("", UNSIGNED_PAYLOAD) and FRAMING in _encodings(headers):
        # What is signed by version 2, or not at all, says so by its encoding alone.
        return _open_chunked(source, headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", None)
    size = read_size(headers, "content-length")
    if form in ("", UNSIGNED_PAYLOAD):
        return PlainPayload(source, size)
    if not _HASH.fullmatch(form):
        raise S3Error(
            "InvalidArgument",
            f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, a STREAMING form, or a valid sha256 value.",
            ArgumentName="x-amz-content-sha256",
            ArgumentValue=form[:100],
        )
    return PlainPayload(source, size, form)


def checks_of(headers: Headers, payload: Payload) -> Checks:
    """What the body of a PUT must fit: Content-MD5, and a checksum by header or trailer. Raises S3Error."""
    given = {name: value for name in ALGORITHMS if (value := headers.get(CHECKSUM + name)) is not None}
    trailing = [name.removeprefix(CHECKSUM) for name in _announced(headers)]
    if len(given) + len(trailing) > 1:
        raise S3Error(
            "InvalidRequest",
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        )
    for name, value in given.items():
        _check_form(name, value, "header")
    _check_named(headers, [*given, *trailing])

    def expected() -> Mapping[str, str]:
        late = {name: payload.trailers.get(CHECKSUM + name, "") for name in trailing}
        for name, value in late.items():
            _check_form(name, value, "trailing header")
        return given | late

    return Checks(_md5(headers), (*given, *trailing), expected)


def content_encoding(headers: Headers) -> str | None:
    """The Content-Encoding that is the object's own: the framing of the request is none of it."""
    kept = [name for name in _encodings(headers) if name.lower() != FRAMING]
    return ", ".join(kept) or None


def _open_chunked(source: Readable, headers: Headers, form: str, chain: ChunkChain | None) -> ChunkedPayload:
    signed = "UNSIGNED" not in form
    if signed and chain is None:
        raise S3Error("AccessDenied", "Chunks that are signed need a request that is signed, by version 4.")
    size = read_size(headers, "x-amz-decoded-content-length")
    if size is None:
        raise S3Error(
            "MissingContentLength",
            "You must provide the x-amz-decoded-content-length of a body that comes in chunks.",
        )
    announced = frozenset(_announced(headers))
    if not form.endswith("-TRAILER"):
        if announced:
            raise _malformed("x-amz-trailer wants a body whose form ends with -TRAILER.")
        return ChunkedPayload(source, size, chain=chain)
    return ChunkedPayload(source, size, chain=chain if signed else None, announced=announced)


def _encodings(headers: Headers) -> list[str]:
    said = ",".join(headers.getlist("content-encoding"))
    return [name.strip() for name in said.split(",") if name.strip()]


def read_size(headers: Headers, name: str) -> int | None:
    """A number of bytes that a header tells. Raises S3Error InvalidArgument."""
    value = headers.get(name)
    if value is None:
        return None
    if not _SIZE.fullmatch(value.strip()):
        raise S3Error(
            "InvalidArgument",
            f"{name} wants a whole number of bytes.",
            ArgumentName=name,
            ArgumentValue=value[:100],
        )
    return int(value)


def _announced(headers: Headers) -> list[str]:
    """The names of the trailers that the client says will come, each of a checksum that there is."""
    said = ",".join(headers.getlist("x-amz-trailer")).lower()
    names = [name.strip() for name in said.split(",") if name.strip()]
    if not {CHECKSUM + name for name in ALGORITHMS}.issuperset(names):
        raise _malformed("The value specified in the x-amz-trailer header is not supported")
    return names


def _check_named(headers: Headers, sent: list[str]) -> None:
    """x-amz-sdk-checksum-algorithm names the checksum that is sent."""
    named = headers.get("x-amz-sdk-checksum-algorithm")
    if named is None:
        return
    if named.lower() not in ALGORITHMS or (sent and sent != [named.lower()]):
        raise _malformed("Value for x-amz-sdk-checksum-algorithm header is invalid.")
    if not sent:
        raise _malformed(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer"
            " headers were found."
        )


def _check_form(name: str, value: str, where: str) -> None:
    if not _is_base64(value, make(name).digest_size):
        raise _malformed(f"Value for {CHECKSUM}{name} {where} is invalid.")


def _md5(headers: Headers) -> bytes | None:
    value = headers.get("content-md5")
    if value is None:
        return None
    if not _is_base64(value.strip(), 16):
        raise S3Error(
            "InvalidDigest", "The Content-MD5 you specified was invalid.", **{"Content-MD5": value[:100]}
        )
    return b64decode(value)


def _is_base64(value: str, size: int) -> bool:
    try:
        found = b64decode(value, validate=True)
    except ValueError:
        return False
    return len(found) == size and b64encode(found).decode() == value


def _malformed(message: str) -> S3Error:
    return S3Error("InvalidRequest", message)
