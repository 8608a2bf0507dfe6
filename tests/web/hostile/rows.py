"""What a row of the table is, and how requests are written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

PUBLIC = "/default/image/upload/there.jpg"
PRIVATE = "/closed/image/upload/there.jpg"
IMAGES = "/v1/buckets/default/images"
SIGNED = f"{PRIVATE}?access_key=@KEY@&expires=@EXPIRES@&signature=@SIGNATURE@"

REFUSED = frozenset(range(400, 500)) | {501}
"""501 is HTTP's own word for a transfer coding that a server does not know (RFC 9112, section 6.1)."""
FOUND_NOTHING = frozenset({400, 401, 404, 405})
SERVED = frozenset({200, 206, 304, 416})


@dataclass(frozen=True)
class Row:
    """`end` closes our half of the connection behind the request, which may then go without an answer;
    `absent` is nowhere in the answer."""

    name: str
    request: bytes
    expected: frozenset[int] = REFUSED
    end: bool = False
    absent: bytes = b""


def ask(
    target: str | bytes,
    method: str = "GET",
    *fields: str | bytes,
    body: bytes | None = None,
    auth: bool = True,
    host: str | bytes = "x",
) -> bytes:
    """A whole request; `fields` are further lines of its head."""
    lines: list[str | bytes] = [
        as_bytes(method) + b" " + as_bytes(target) + b" HTTP/1.1",
        b"Host: " + as_bytes(host),
    ]
    if auth:
        lines.append("Authorization: Basic @BASIC@")
    lines += fields
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return b"\r\n".join(map(as_bytes, lines)) + b"\r\n\r\n" + (body or b"")


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def send_json(target: str, value: Any, method: str = "POST") -> bytes:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ask(target, method, "Content-Type: application/json", body=body)
