"""A request to the S3 door: which bucket and key it names, what its query and headers say, who sends it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Request

from imagestore.access.circumstances import Circumstances
from imagestore.access.policies import STRANGER, Principal
from imagestore.access.signed import Asked
from imagestore.access.sigv4 import Claim
from imagestore.core.addresses import HostNames
from imagestore.core.ahead import MET
from imagestore.core.checksums import Sums
from imagestore.core.replay import SENT_HEADERS
from imagestore.core.streams import READ_SIZE
from imagestore.services import Services
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.payload import Payload, checks_of, open_payload
from imagestore.web.s3.xml import MOST_BYTES

_PORT = re.compile(r":[0-9]*$")
_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(slots=True)
class Call:
    """`bucket` and `key` are empty where the request names none; of a `query` that names something twice the
    first counts; `headers` are as they were sent, those with underscores in their names among them.

    `asked` is the request as it was sent, which signatures are of. `host_bucket`: the host named the bucket.
    `claim` is what a signature of version 4 said, and `signing_key` what chunks of the body are signed with.
    """

    services: Services
    request: Request
    asked: Asked
    method: str
    bucket: str
    key: str
    query: Mapping[str, str]
    headers: Headers
    host_bucket: bool = False
    principal: Principal = STRANGER
    claim: Claim | None = None
    signing_key: bytes = b""
    circumstances: Circumstances | None = None

    @property
    def owner(self) -> str | None:
        """In whose name the sender acts; None for a stranger."""
        return self.principal.owner or None

    @property
    def stream(self) -> IO[bytes]:
        """The body as it was sent."""
        return self.request.environ["wsgi.input"]  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """Of the body as it was sent, in bytes."""
        return int(self.request.environ.get("CONTENT_LENGTH") or 0)

    @property
    def met(self) -> float:
        """When its head had come, in seconds since the epoch."""
        met: float = self.request.environ.get(MET) or time.time()
        return met

    @property
    def version_id(self) -> str | None:
        """Raises S3Error for one that is empty."""
        given = self.query.get("versionId")
        if given == "":
            raise S3Error(
                "InvalidArgument", "Version id cannot be the empty string", ArgumentName="versionId"
            )
        return given

    def number(self, name: str, default: int, *, least: int = 0, most: int) -> int:
        """A number of the query, no greater than `most`. Raises S3Error InvalidArgument."""
        given = self.query.get(name, "")
        if given == "":
            return default
        if not _NUMBER.fullmatch(given) or int(given) < least:
            message = f"Argument {name} must be an integer between {least} and 2147483647"
            raise S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=given[:100])
        return min(int(given), most)

    def text(self, name: str, default: str = "") -> str:
        return self.query.get(name, default)


def read_call(services: Services, request: Request, domains: HostNames) -> Call:
    """Parse a request as it was sent. Raises S3Error InvalidURI for what is no UTF-8."""
    environ = request.environ
    path, _, raw_query = str(environ.get("RAW_URI", "")).partition("?")
    if not path.startswith("/"):  # in absolute form (RFC 9112, section 3.2.2)
        path = "/" + path.partition("://")[2].partition("/")[2]
    sent = _sent_headers(request)
    headers = Headers(sent)
    host_bucket = _bucket_of(headers.get("host", ""), domains)
    named = path[1:] if not host_bucket else f"{host_bucket}{path}"
    bucket, _, key = named.partition("/")
    asked = Asked(request.method, path, raw_query, sent)
    return Call(
        services,
        request,
        asked,
        request.method,
        _decode(bucket),
        _decode(key),
        _read_query(raw_query),
        headers,
        host_bucket=bool(host_bucket),
    )


def read_document(call: Call) -> bytes:
    """A body that is a document, whole. Raises S3Error where it is too long."""
    payload = open_body(call)
    checks = checks_of(call.headers, payload)
    sums, pieces, size = Sums(checks.algorithms), list[bytes](), 0
    while data := payload.read(READ_SIZE):
        size += len(data)
        if size > MOST_BYTES:
            raise S3Error(
                "MaxMessageLengthExceeded", f"Your request was too big: at most {MOST_BYTES} bytes."
            )
        sums.update(data)
        pieces.append(data)
    checks.hold(sums)
    return b"".join(pieces)


def open_body(call: Call) -> Payload:
    """The body as it is meant. Raises S3Error, as reading it does, and BodyWanted (core/ahead.py)."""
    call.stream.read(0)
    return open_payload(call.stream, call.headers, call.claim, call.signing_key)


def _sent_headers(request: Request) -> list[tuple[str, str]]:
    sent = request.environ.get(SENT_HEADERS)
    if sent is None:  # another WSGI server: what is left of them
        return [(name.lower(), value) for name, value in request.headers]
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in sent]


def _bucket_of(authority: str, domains: HostNames) -> str:
    """The bucket that a host names, in virtual-host style; empty for one that names none."""
    host = _PORT.sub("", authority).lower()
    for name in domains.names:
        end = f".{name.removeprefix('.')}"
        if host.endswith(end):
            return host.removesuffix(end)
    return ""


def _decode(text: str) -> str:
    try:
        return unquote_to_bytes(text.encode("latin-1")).decode()
    except UnicodeDecodeError:
        raise S3Error("InvalidURI", "Couldn't parse the specified URI: it is not UTF-8.") from None


def _read_query(raw: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for part in raw.replace("+", "%20").split("&"):
        if part:
            name, _, value = part.partition("=")
            query.setdefault(_decode(name), _decode(value))
    return query
