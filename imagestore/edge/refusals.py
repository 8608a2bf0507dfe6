"""The few answers that the edge gives itself, in the error shape of every face."""

from __future__ import annotations

import json
from typing import NamedTuple

from imagestore.core.errors import (
    ImagestoreError,
    LengthMismatch,
    Overloaded,
    RequestTimeout,
    UploadTooLarge,
)
from imagestore.core.headers import SAFE_HEADERS

STATUSES: dict[type[ImagestoreError], int] = {
    LengthMismatch: 400,
    RequestTimeout: 408,
    UploadTooLarge: 413,
    Overloaded: 503,
}

_SAFE = [(name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
_PARSER_CODES = {414: "url_too_long", 431: "headers_too_large"}

RETRY_AFTER = 1
"""Seconds after which a request that found no room may be sent again."""


class Refusal(NamedTuple):
    """An answer in full: status, headers (lower-case names) and JSON body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def refuse(error: ImagestoreError, *, close: bool = False) -> Refusal:
    """The answer to an error of the edge's own; `close` announces that the connection ends with it."""
    status = STATUSES[type(error)]
    extra = [(b"retry-after", b"%d" % RETRY_AFTER)] if status == 503 else []
    if close:
        extra.append((b"connection", b"close"))
    return _compose(status, error.code, error.message, extra)


def refuse_broken(*, close: bool = False) -> Refusal:
    """The answer when the application raised before its own began."""
    extra = [(b"connection", b"close")] if close else []
    return _compose(500, "internal_error", "Something broke on our side; it was logged.", extra)


def refuse_malformed(status: int, message: str) -> Refusal:
    """The answer to bytes that are no request that we can read; `status` is the HTTP parser's choice."""
    code = _PARSER_CODES.get(status, "invalid_request")
    return _compose(status, code, f"{message}.", [(b"connection", b"close")])


def _compose(status: int, code: str, message: str, extra: list[tuple[bytes, bytes]]) -> Refusal:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *_SAFE, *extra]
    return Refusal(status, headers, body)
