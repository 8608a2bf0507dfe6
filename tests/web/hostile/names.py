"""Methods and hosts that are not meant, and headers that other servers believe."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import IMAGES, PUBLIC, Row, ask, send_json

METHODS = (
    "TRACE",
    "TRACK",
    "CONNECT",
    "PROPFIND",
    "MKCOL",
    "MOVE",
    "COPY",
    "LOCK",
    "PURGE",
    "DEBUG",
    "BREW",
    "get",
    "Get",
    "GETS",
    "G",
    "X" * 300,
    "GET\x00",
    "G\xc9T",
    "GET,POST",
    "<script>",
)
HOSTS = (
    "",
    " ",
    "a b",
    "a/b",
    "a\\b",
    "me@x",
    "x:99999",
    "x:80:80",
    "x, y",
    "[::1",
    "[:::]",
    "::1",
    "x\x00",
    "<script>",
    "a" * 300,
    "x\tevil.example",
    "bücher",
    "x#y",
    "x?y",
    '"x"',
    "x;y",
    "127.0.0.1:-1",
)


def names() -> Iterator[Row]:
    for method in METHODS:
        for target in (f"{IMAGES}/there.jpg", PUBLIC):
            yield Row(f"{method[:20]!r} of {target}", ask(target, method.encode("latin-1")))
    for field in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        yield Row(f"{field} DELETE", ask(f"{IMAGES}/there.jpg", "POST", f"{field}: DELETE", body=b""))
        yield Row(
            f"{field} DELETE of GET", ask(f"{IMAGES}/there.jpg", "GET", f"{field}: DELETE"), frozenset({200})
        )
    yield Row("_method=DELETE", ask(f"{IMAGES}/there.jpg?_method=DELETE", "POST", body=b"_method=DELETE"))
    for host in HOSTS:
        yield Row(f"Host {host[:20]!r}", ask("/v1/buckets", host=host), absent=b"evil.example")
    yield Row("no Host", b"GET /v1/docs HTTP/1.1\r\n\r\n")
    yield Row("two Hosts", ask("/v1/docs", "GET", "Host: evil.example"), absent=b"evil.example")
    yield Row("two equal Hosts", ask("/v1/docs", "GET", "Host: x"))
    yield Row("a folded Host", ask("/v1/docs", "GET", host="x\r\n evil.example"), absent=b"evil.example")
    for target in (
        "http://evil.example/v1/docs",
        "https://x@evil.example/",
        "http://evil.example:80",
        "ftp://evil.example/",
    ):
        yield Row(f"target {target}", ask(target), absent=b"evil.example")
    for target in ("*", "evil.example:443", "v1/docs", "?x", "\\", "http:/x"):
        yield Row(f"target {target}", ask(target))
    for field in (
        "X-Forwarded-Host",
        "X-Forwarded-Server",
        "X-Host",
        "X-Original-Host",
        "Forwarded: host=evil.example;x",
    ):
        request = send_json("/v1/buckets/default/signed-urls", {"key": "there.jpg"})
        request = request.replace(b"\r\n\r\n", f"\r\n{field}: evil.example\r\n\r\n".encode(), 1)
        yield Row(f"{field}", request, frozenset({201}), absent=b"evil.example")
    for field in (
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Prefix",
        "X-Forwarded-Path",
        "X-Accel-Redirect",
    ):
        yield Row(f"{field}", ask("/nope", "GET", f"{field}: /v1/docs", auth=False), frozenset({404}))
    for field in (
        "X-Forwarded-For",
        "X-Real-IP",
        "Client-IP",
        "True-Client-IP",
        "X-Forwarded-User",
        "X-Remote-User",
    ):
        yield Row(f"{field}", ask("/v1/buckets", "GET", f"{field}: 127.0.0.1", auth=False), frozenset({401}))
