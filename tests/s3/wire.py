"""Requests written by hand: signed as AWS says, then sent as bytes, so that a test may break any of them."""

from __future__ import annotations

import hashlib
import hmac
import re
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from tests.s3.conftest import REGION
from tests.service import Service

PLAIN = "-_.~"
"""What is not encoded but letters and digits."""

CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
NOTHING = hashlib.sha256(b"").hexdigest()


class Answer(NamedTuple):
    status: int
    code: str
    body: bytes


@dataclass(frozen=True)
class Asking:
    """A request; `payload` is what is signed of its body, by default its hash. `late` is how old it is."""

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: str = ""
    late: timedelta = timedelta(0)

    def signed(self, service: Service, access_key: str = "", secret: str = "") -> Asking:
        """The same with a signature of version 4 by header."""
        stamp = f"{datetime.now(UTC) - self.late:%Y%m%dT%H%M%SZ}"
        payload = self.payload or hashlib.sha256(self.body).hexdigest()
        host = service.s3_url.partition("://")[2]
        headers = {**self.headers, "host": host, "x-amz-content-sha256": payload, "x-amz-date": stamp}
        names = sorted(name.lower() for name in headers)
        values = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        lines = [f"{name}:{values[name]}" for name in names]
        path, _, query = self.target().partition("?")
        text = "\n".join([self.method, path, query, *lines, "", ";".join(names), payload])
        scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        digest = hashlib.sha256(text.encode("latin-1")).hexdigest()
        key = signing_key(secret or service.secret, stamp[:8])
        signature = sign(key, f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}")
        credential = f"{access_key or service.access_key}/{scope}"
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={';'.join(names)},Signature={signature}"
        )
        return replace(self, headers={**headers, "authorization": authorization})

    def with_headers(self, **headers: str) -> Asking:
        """The same with these, underscores for hyphens, as they are: what was signed stays so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return replace(self, headers={**self.headers, **named})

    def target(self) -> str:
        pairs = sorted((quote(name, safe=PLAIN), quote(value, safe=PLAIN)) for name, value in self.query)
        query = "&".join(f"{name}={value}" for name, value in pairs)
        return quote(self.path, safe=f"/{PLAIN}") + (f"?{query}" if query else "")

    def bytes(self) -> bytes:
        headers = {"host": "x", "content-length": str(len(self.body)), **self.headers, "connection": "close"}
        lines = [f"{self.method} {self.target()} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


def signing_key(secret: str, day: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    return key


def sign(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def chunked(asking: Asking, service: Service, pieces: Sequence[bytes]) -> Asking:
    """The request with its body in chunks, each of them signed."""
    size = sum(map(len, pieces))
    framed = sum(len(frame(each, "0" * 64)) for each in [*pieces, b""])
    headers = {
        **asking.headers,
        "content-encoding": "aws-chunked",
        "content-length": str(framed),
        "x-amz-decoded-content-length": str(size),
    }
    made = replace(asking, headers=headers, payload=CHUNKED).signed(service)
    stamp = made.headers["x-amz-date"]
    last, body = made.headers["authorization"].rpartition("=")[2], b""
    for piece in [*pieces, b""]:
        digest = hashlib.sha256(piece).hexdigest()
        scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{last}\n{NOTHING}\n{digest}"
        last = sign(signing_key(service.secret, stamp[:8]), text)
        body += frame(piece, last)
    return replace(made, body=body)


def frame(piece: bytes, signature: str) -> bytes:
    return b"%x;chunk-signature=%s\r\n%s\r\n" % (len(piece), signature.encode(), piece)


def send(service: Service, data: bytes, *, end: bool = False) -> Answer:
    """Send it over a connection of its own; `end` closes our half behind it."""
    there = urlsplit(service.s3_url)
    came = b""
    with socket.create_connection((there.hostname or "", there.port or 0), timeout=60) as connection:
        try:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
        except ConnectionError:  # refused before all of it was read
            pass
        while more := connection.recv(65536):
            came += more
    while came.startswith(b"HTTP/1.1 100"):
        came = came.partition(b"\r\n\r\n")[2]
    head, _, body = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1."), came[:200]
    found = re.search(rb"<Code>(\w+)</Code>", body)
    return Answer(int(head[9:12]), found[1].decode() if found else "", body)
