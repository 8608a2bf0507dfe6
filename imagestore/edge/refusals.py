"""The few answers that the edge gives itself, in the error shape of the face that was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

from imagestore.core.errors import (
    ImagestoreError,
    LengthMismatch,
    Overloaded,
    RequestTimeout,
    UploadTooLarge,
)
from imagestore.core.headers import SAFE_HEADERS

RETRY_AFTER = 1
"""Seconds after which a request that found no room may be sent again."""

_SAFE = [(name.lower().encode(), value.encode()) for name, value in SAFE_HEADERS.items()]
_CLOSE = (b"connection", b"close")


class Refusal(NamedTuple):
    """An answer in full: status, headers (lower-case names) and body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refusals of a face: `answers` are status and code by error, `parser_codes` by the parser's status,
    `malformed` and `broken` the other codes."""

    form: Literal["json", "xml"]
    answers: Mapping[type[ImagestoreError], tuple[int, str]]
    parser_codes: Mapping[int, str]
    malformed: str
    broken: str

    def refuse(self, error: ImagestoreError, *, close: bool = False) -> Refusal:
        """The answer to an error of the edge's own; `close` announces that the connection ends with it."""
        status, code = self.answers[type(error)]
        extra = [(b"retry-after", b"%d" % RETRY_AFTER)] if status == 503 else []
        return self._compose(status, code, error.message, [*extra, _CLOSE] if close else extra)

    def refuse_broken(self, *, close: bool = False) -> Refusal:
        """The answer when the application raised before its own began."""
        message = "Something broke on our side; it was logged."
        return self._compose(500, self.broken, message, [_CLOSE] if close else [])

    def refuse_malformed(self, status: int, message: str) -> Refusal:
        """The answer to bytes that are no request that we can read; `status` is the HTTP parser's choice."""
        return self._compose(status, self.parser_codes.get(status, self.malformed), f"{message}.", [_CLOSE])

    def _compose(self, status: int, code: str, message: str, extra: list[tuple[bytes, bytes]]) -> Refusal:
        if self.form == "xml":
            text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
            body = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
        else:
            body = json.dumps({"error": {"code": code, "message": message}}).encode()
        headers = [
            (b"content-type", f"application/{self.form}".encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        return Refusal(status, [*headers, *_SAFE, *extra], body)


JSON = Refusals(
    form="json",
    answers={
        LengthMismatch: (400, LengthMismatch.code),
        RequestTimeout: (408, RequestTimeout.code),
        UploadTooLarge: (413, UploadTooLarge.code),
        Overloaded: (503, Overloaded.code),
    },
    parser_codes={414: "url_too_long", 431: "headers_too_large"},
    malformed="invalid_request",
    broken="internal_error",
)
"""The shape of REST, delivery and ops."""

XML = Refusals(
    form="xml",
    answers={
        LengthMismatch: (400, "IncompleteBody"),
        RequestTimeout: (400, "RequestTimeout"),
        UploadTooLarge: (400, "EntityTooLarge"),
        Overloaded: (503, "SlowDown"),
    },
    parser_codes={414: "KeyTooLongError", 431: "RequestHeaderSectionTooLarge"},
    malformed="BadRequest",
    broken="InternalError",
)
"""The shape of S3 (the page "Error responses" of its API reference)."""
