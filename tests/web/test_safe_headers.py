"""Every answer, whoever gives it and whatever it says, has the fields that keep browsers from running it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable

import httpx
import pytest

from imagestore.core.headers import SAFE_HEADERS
from imagestore.web.brevity import BRIEF
from tests import pictures
from tests.rules.tables import make_app
from tests.service import Service, running_service
from tests.web.answers import SAFE
from tests.web.watch import parse_answer, talk

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
PAGES = {"/v1/docs": "text/html; charset=utf-8", "/v1/docs/redoc.js": "text/javascript; charset=utf-8"}
"""The one page that runs a script, and the script."""
TYPES = {"application/json", "text/plain; version=0.0.4; charset=utf-8"}


def check_safe(answer: httpx.Response, path: str = "") -> None:
    fields = dict(answer.headers)
    expected = dict(SAFE)
    page = answer.status_code == 200 and path in PAGES and answer.request.method in ("GET", "HEAD")
    if page and path == "/v1/docs":
        policy = fields["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "base-uri 'none'; frame-ancestors 'none'" in policy
        assert "script-src 'self' 'unsafe" not in policy
        expected["content-security-policy"] = policy
    assert {name: fields.get(name) for name in SAFE} == expected, (path, answer.status_code)
    brief = answer.status_code in (404, 422) and "access-control-allow-origin" in fields  # of delivery
    allowed = {SAFE_HEADERS["Cache-Control"], *([BRIEF] if brief else [])}
    assert fields["cache-control"] in allowed or answer.is_success or answer.status_code == 304
    kind = fields.get("content-type")
    if answer.status_code in (204, 304) or not kind:
        assert (answer.content, kind) == (b"", None)
    elif page:
        assert kind == PAGES[path]
    else:
        assert kind in TYPES or (answer.is_success and str(kind).startswith("image/")), (path, kind)


@pytest.mark.parametrize("who", ["rest", "stranger"])
def test_every_route_by_every_method(request: pytest.FixtureRequest, who: str) -> None:
    client: httpx.Client = request.getfixturevalue(who)
    paths = {re.sub(r"<int:\w+>", "1", rule.rule) for rule in make_app().url_map.iter_rules()}
    paths = {re.sub(r"<(?:\w+:)?\w+>", "no-such-thing", path) for path in paths} | {"/", "/nope"}
    assert len(paths) > 15
    statuses = set()
    for path in sorted(paths):
        for method in METHODS:
            answer = client.request(method, path)
            check_safe(answer, path)
            statuses.add(answer.status_code)
    assert statuses >= ({200, 400, 404, 405} if who == "rest" else {200, 401, 404, 405})
    assert max(statuses) < 500


def test_what_is_delivered(rest: httpx.Client, stranger: httpx.Client, bucket: str, images: str) -> None:
    assert rest.patch(f"/v1/buckets/{bucket}", json={"access": "public-read"}).status_code == 200
    for format in pictures.FORMATS:
        put = rest.put(f"{images}/{format}", content=pictures.picture(format))
        check_safe(put)
        path, etag = f"/{bucket}/image/upload/{format}", put.headers["ETag"]
        given: dict[int, dict[str, str]] = {
            200: {},
            206: {"Range": "bytes=0-9"},
            304: {"If-None-Match": etag},
            412: {"If-Match": '"x"'},
            416: {"Range": "bytes=99999999-"},
        }
        for status, headers in given.items():
            for method in ("GET", "HEAD"):
                answer = stranger.request(method, path, headers=headers)
                assert answer.status_code in (status, 200), answer.text
                check_safe(answer)
        assert stranger.get(path).headers["Content-Type"] == put.json()["media_type"]


def as_html() -> bytes:
    script = b"<!doctype html><script>alert(document.domain)</script>"
    return pictures.with_comment(script)


def as_script() -> bytes:
    return pictures.with_comment(b"*/=alert(1)/*")


def as_archive() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", "<script>alert(1)</script>")
    return pictures.jpeg() + packed.getvalue()


POLYGLOTS: dict[str, Callable[[], bytes]] = {
    "html": as_html,
    "script": as_script,
    "archive": as_archive,
    "php": lambda: pictures.with_comment(b"<?php system($_GET['c']); ?>"),
    "svg": lambda: pictures.with_comment(b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
    "pdf": lambda: pictures.with_comment(
        b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>"
    ),
}


@pytest.mark.parametrize("name", POLYGLOTS)
@pytest.mark.parametrize("claimed", ["text/html", "image/svg+xml", "application/javascript"])
def test_a_picture_that_is_also_something_else_is_served_as_a_picture(
    rest: httpx.Client, stranger: httpx.Client, bucket: str, images: str, name: str, claimed: str
) -> None:
    rest.patch(f"/v1/buckets/{bucket}", json={"access": "public-read"})
    data = POLYGLOTS[name]()
    put = rest.put(f"{images}/page.html", content=data, headers={"Content-Type": claimed})
    assert put.status_code == 201
    answer = stranger.get(f"/{bucket}/image/upload/page.html", headers={"Accept": "text/html"})
    assert answer.content == data
    assert answer.headers["Content-Type"] == "image/jpeg"
    check_safe(answer)


HEAD = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
REFUSED = {
    "no request": b"nonsense\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /" + HEAD + b"Host: y\r\n\r\n",
    "another host in the target": b"GET http://y/" + HEAD + b"\r\n",
    "a long target": b"GET /" + b"x" * 9000 + HEAD + b"\r\n",
    "many headers": b"GET /" + HEAD + b"X: y\r\n" * 200 + b"\r\n",
    "another protocol": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two lengths": b"POST /" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "an unknown coding": b"POST /" + HEAD + b"Transfer-Encoding: x\r\n\r\n",
    "a body too large": b"PUT /x" + HEAD + b"Content-Length: 99999999999\r\n\r\n",
    "half a body": b"PUT /x" + HEAD + b"Content-Length: 10\r\n\r\nx",
    "a websocket": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_edge_refuses(service: Service, name: str) -> None:
    answer = parse_answer(talk(service, REFUSED[name], end="a body" in name))
    assert 400 <= answer.status_code < 500 or answer.status_code == 501
    check_safe(answer)
    assert "error" in answer.json()


def test_who_is_slow_and_who_finds_no_room(tmp_path, mongo, mongo_database: str) -> None:
    named = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    settings = {"header_timeout": 1, "connections": 1, "workers": 1}
    with running_service(tmp_path, **named, **settings) as service:
        slow = parse_answer(talk(service, b"GET / HTTP/1.1\r\nHo"))
        assert slow.status_code == 408
        check_safe(slow)
        with httpx.Client(base_url=service.url) as client:
            assert client.get("/healthz").status_code == 200
            crowded = parse_answer(talk(service, b""))
        assert crowded.status_code == 503
        check_safe(crowded)
