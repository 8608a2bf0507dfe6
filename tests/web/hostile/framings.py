"""Where a request ends, told in two ways, and lines that are none (RFC 9112)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import FOUND_NOTHING, IMAGES, Row, ask

INNER = b"GET /v1/docs HTTP/1.1\r\nHost: x\r\n\r\n"
SMUGGLED = b"0\r\n\r\n" + INNER
LENGTHS = ("-1", "+5", "0x5", "5 5", "5,5", "5, 6", "1e1", "5.0", "five", "", "٥", "5;5", "9" * 400, "5_0")
CODINGS = (
    "xchunked",
    "chunked, identity",
    "gzip, chunked",
    "identity, chunked",
    "identity, chunked, identity",
    "chunked, chunked",
    "chunked;q=1",
    "cow",
    '"chunked"',
    "chunk",
    "chunked\x0b",
    "\x00chunked",
    "identity\r\nTransfer-Encoding: chunked",
    "chunked chunked",
    "",
)
CHUNKS = (
    b"zz\r\nhello\r\n0\r\n\r\n",
    b"-1\r\n",
    b"0x5\r\nhello\r\n0\r\n\r\n",
    b"+5\r\nhello\r\n0\r\n\r\n",
    b"5 5\r\nhello\r\n0\r\n\r\n",
    b"5\nhello\n0\n\n",
    b"\r\nhello",
    b"FFFFFFFFFFFFFFFFF\r\nhello",
    b"7fffffffffffffff\r\nhello",
    b"5\r\nhelloworld\r\n0\r\n\r\n",
    b"5;\x00\r\nhello\r\n0\r\n\r\n",
    b"5;a=\rb\r\nhello\r\n0\r\n\r\n",
    b"5\r\nhello0\r\n\r\n",
    b"5" * 5000 + b"\r\n",
    b"5;" + b"x" * 20_000,
)
LINES = (
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\n",
    b"GET / HTTP/1.1\rHost: x\r\r",
    b"GET /\r\n\r\n",
    b"GET there.jpg HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET x://x/default/image/upload/there.jpg HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET x/y://x/default/image/upload/there.jpg HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    b"GET / http/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/11\r\nHost: x\r\n\r\n",
    b"GET / ICAP/1.0\r\nHost: x\r\n\r\n",
    b" GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(40),
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX\x00: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX(: y\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
    b"\x00" * 64,
    b"\r\n" * 200 + b"x",
)


ENDLESS = (
    b"7fffffffffffffff\r\nhello",
    b"GET / HTTP/1.1\rHost: x\r\r",
    b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(40),
    b"\x00" * 64,
)
"""After which more may come, for as long as the service waits: so our half of the connection ends."""


def framings() -> Iterator[Row]:
    chunked = "Transfer-Encoding: chunked"
    for method in ("POST", "PUT", "GET", "DELETE"):
        target = f"{IMAGES}/smuggled"
        both = (f"Content-Length: {len(SMUGGLED)}", chunked)
        yield Row(f"CL.TE by {method}", ask(target, method, *both) + SMUGGLED)
        yield Row(f"TE.CL by {method}", ask(target, method, *both[::-1]) + SMUGGLED)
        yield Row(f"TE.TE by {method}", ask(target, method, chunked, "Transfer-Encoding: cow") + SMUGGLED)
        lengths = ("Content-Length: 0", f"Content-Length: {len(INNER)}")
        yield Row(f"two lengths by {method}", ask(target, method, *lengths) + INNER)
        yield Row(
            f"two equal lengths by {method}", ask(target, method, *["Content-Length: 5"] * 2) + b"hello"
        )
    for length in LENGTHS:
        request = ask(f"{IMAGES}/smuggled", "PUT", f"Content-Length: {length}") + INNER
        yield Row(f"Content-Length {length[:20]!r}", request)
    for name in (
        "Content-Length ",
        "Content-Length\t",
        " Content-Length",
        "Transfer-Encoding ",
        "Content_Length",
    ):
        request = ask(f"{IMAGES}/smuggled", "PUT", f"{name}: 5", "Content-Length: 3") + b"abc"
        yield Row(f"field {name!r}", request)
    for coding in CODINGS:
        request = ask(f"{IMAGES}/smuggled", "PUT", f"Transfer-Encoding: {coding}") + SMUGGLED
        yield Row(f"Transfer-Encoding {coding!r}", request)
    for chunk in CHUNKS:
        yield Row(
            f"chunk {chunk[:20]!r}", ask(f"{IMAGES}/smuggled", "PUT", chunked) + chunk, end=chunk in ENDLESS
        )
    for trailer in (
        b"Host: y",
        b"Content-Length: 5",
        b"Authorization: Basic x",
        b"X Y: z",
        b"X\x00: y",
        b"x" * 20_000,
    ):
        request = ask(f"{IMAGES}/smuggled", "PUT", chunked) + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n"
        yield Row(f"trailer {trailer[:20]!r}", request)
    for line in LINES:
        yield Row(f"request {line[:40]!r}", line, end=line in ENDLESS)
    old = f"PUT {IMAGES}/smuggled HTTP/1.0\r\n{chunked}\r\n\r\n".encode() + SMUGGLED
    yield Row("chunks in HTTP/1.0", old)
    upgrade = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    )
    yield Row("an upgrade to HTTP/2", ask("/nope", "GET", *upgrade), FOUND_NOTHING)
    yield Row("an unknown expectation", ask("/nope", "GET", "Expect: 200-maybe"), FOUND_NOTHING | {417})
