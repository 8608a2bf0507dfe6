"""The WSGI gateway, step by step, without a server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from imagestore.core.parking import PARK, RESUMED
from imagestore.edge.gateway import Chunk, Exchange, build_environ

pytestmark = pytest.mark.quick


def scope_of(target: bytes = b"/", method: str = "GET", headers: tuple[tuple[bytes, bytes], ...] = ()) -> Any:
    path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
        "server": ("10.0.0.1", 8000),
        "client": ("10.0.0.2", 1234),
    }


class Answer:
    """An application whose answer has these chunks; an exception among them is raised in its place."""

    def __init__(self, *chunks: bytes | Exception, length: int | None = None, status: str = "200 OK") -> None:
        self.chunks = chunks
        self.headers = [] if length is None else [("Content-Length", str(length))]
        self.status = status
        self.pulled = 0
        self.closed = 0

    def __call__(self, environ: Any, start_response: Callable[..., Any]) -> Answer:
        start_response(self.status, self.headers)
        return self

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.pulled += 1
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def close(self) -> None:
        self.closed += 1


def steps(exchange: Exchange) -> list[Chunk]:
    chunks = [exchange.begin()]
    while not chunks[-1].last:
        chunks.append(exchange.proceed())
    return chunks


def test_one_chunk_that_fills_the_length_ends_in_its_own_step() -> None:
    app = Answer(b"whole", length=5)
    assert steps(Exchange(app, scope_of(), None)) == [Chunk(b"whole", True)]
    assert app.closed == 1


def test_a_list_of_one_gets_a_length_and_ends_in_its_own_step() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-Name", "value")])
        return [b"whole"]

    exchange = Exchange(app, scope_of(), None)
    assert exchange.begin() == Chunk(b"whole", True)
    assert exchange.headers == [(b"x-name", b"value"), (b"content-length", b"5")]


def test_chunks_come_one_by_one_and_empty_ones_not_at_all() -> None:
    app = Answer(b"", b"one", b"", b"two")
    exchange = Exchange(app, scope_of(), None)
    assert exchange.begin() == Chunk(b"one", False)
    assert app.pulled == 2
    assert exchange.proceed() == Chunk(b"two", False)
    assert exchange.proceed() == Chunk(b"", True)
    assert app.closed == 1


def test_the_end_is_reached_before_the_last_chunk_leaves() -> None:
    app = Answer(b"first", b"last", ValueError("the digest does not fit"), length=9)
    exchange = Exchange(app, scope_of(), None)
    assert exchange.begin() == Chunk(b"first", False)
    with pytest.raises(ValueError, match="digest"):
        exchange.proceed()
    assert app.closed == 1


def test_an_answer_short_of_its_length_raises() -> None:
    app = Answer(b"four", length=5)
    exchange = Exchange(app, scope_of(), None)
    exchange.begin()
    with pytest.raises(ValueError, match="1 bytes short"):
        exchange.proceed()
    assert app.closed == 1


def test_an_answer_beyond_its_length_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    app = Answer(b"four", b"more", length=3)
    with caplog.at_level(logging.ERROR):
        assert steps(Exchange(app, scope_of(), None)) == [Chunk(b"fou", True)]
    assert "5 bytes beyond" in caplog.text


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No"), ("GET", "304 Not")])
def test_an_answer_without_a_body_is_not_pulled(method: str, status: str) -> None:
    app = Answer(b"never", length=5, status=status)
    exchange = Exchange(app, scope_of(method=method), None)
    assert steps(exchange) == [Chunk(b"", True)]
    assert (app.pulled, app.closed) == (0, 1)
    assert exchange.headers == [(b"content-length", b"5")]


def test_an_application_that_is_a_generator_may_start_late() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"late"

    exchange = Exchange(app, scope_of(), None)
    assert steps(exchange) == [Chunk(b"late", False), Chunk(b"", True)]
    assert exchange.status == 200
    assert steps(Exchange(app, scope_of(method="HEAD"), None)) == [Chunk(b"", True)]


def test_an_application_that_never_starts_is_an_error_and_closed() -> None:
    app = Answer(b"data")
    app.__class__ = type("Silent", (Answer,), {"__call__": lambda self, environ, start_response: self})
    with pytest.raises(RuntimeError, match="start_response"):
        Exchange(app, scope_of(), None).begin()
    assert app.closed == 1


def test_starting_again_needs_an_error_to_report() -> None:
    def twice(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("500 Oh", [])
        return []

    def corrected(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        error = ValueError("changed its mind")
        start_response("500 Oh", [("Content-Length", "2")], (ValueError, error, None))
        return [b"oh"]

    with pytest.raises(RuntimeError, match="twice"):
        Exchange(twice, scope_of(), None).begin()
    exchange = Exchange(corrected, scope_of(), None)
    assert exchange.begin() == Chunk(b"oh", True)
    assert exchange.status == 500


def test_starting_again_after_the_first_chunk_raises_the_error() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"some"
        error = ZeroDivisionError("too late")
        start_response("500 Oh", [], (ZeroDivisionError, error, None))

    exchange = Exchange(app, scope_of(), None)
    exchange.begin()
    with pytest.raises(ZeroDivisionError):
        exchange.proceed()


def test_closing_that_fails_is_logged_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(Answer):
        def close(self) -> None:
            raise ZeroDivisionError("will not close")

    assert steps(Exchange(Stubborn(b"data", length=4), scope_of(), None)) == [Chunk(b"data", True)]
    assert "will not close" in caplog.text


def test_environ_says_what_the_client_sent() -> None:
    environ = build_environ(scope_of(b"/a%2Fb/%C3%A9%00%zz+?x=%20&y", "PUT"), None)
    assert environ["PATH_INFO"] == "/a/b/\xc3\xa9\x00%zz+"
    assert environ["REQUEST_URI"] == environ["RAW_URI"] == "/a%2Fb/%C3%A9%00%zz+?x=%20&y"
    assert environ["QUERY_STRING"] == "x=%20&y"
    assert environ["REQUEST_METHOD"] == "PUT"
    assert (environ["REMOTE_ADDR"], environ["SERVER_NAME"], environ["SERVER_PORT"]) == (
        "10.0.0.2",
        "10.0.0.1",
        "8000",
    )
    assert environ["wsgi.url_scheme"] == "http"
    assert environ["wsgi.input"].read() == b""
    assert "CONTENT_LENGTH" not in environ


def test_environ_of_an_absolute_target_has_its_path_only() -> None:
    assert build_environ(scope_of(b"http://host:1/a/b%20c?q"), None)["PATH_INFO"] == "/a/b c"
    assert build_environ(scope_of(b"http://host"), None)["PATH_INFO"] == "/"
    assert build_environ(scope_of(b"/http://host/a"), None)["PATH_INFO"] == "/http://host/a"
    assert build_environ(scope_of(b"x/http://host/a"), None)["PATH_INFO"] == "x/http://host/a"


def test_headers_join_and_unsafe_ones_are_left_out() -> None:
    headers = (
        (b"accept", b"a/b"),
        (b"accept", b"c/d"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"content-type", b"image/png"),
        (b"x_forwarded_for", b"spoofed"),
        (b"proxy", b"http://evil"),
        (b"transfer-encoding", b"chunked"),
    )
    environ = build_environ(scope_of(headers=headers), None)
    assert environ["HTTP_ACCEPT"] == "a/b,c/d"
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["CONTENT_TYPE"] == "image/png"
    assert {name for name in environ if name.startswith("HTTP_")} == {"HTTP_ACCEPT", "HTTP_COOKIE"}


def test_an_application_that_parks_is_called_again_with_its_note() -> None:
    landed: Future[str] = Future()
    notes: list[object] = []
    parked = Answer(b"never sent", length=10, status="500 Not this")

    def app(environ: Any, start_response: Any) -> Any:
        notes.append(environ[RESUMED])
        if environ[RESUMED] is None:
            environ[PARK](landed, "where I was")
            return parked(environ, start_response)
        start_response("200 OK", [])
        return [landed.result().encode()]

    exchange = Exchange(app, scope_of(), None)
    exchange.begin()
    assert (exchange.parked, exchange.status, exchange.headers) == (landed, 0, [])
    assert (parked.pulled, parked.closed) == (0, 1)
    landed.set_result("at last")
    assert exchange.begin() == Chunk(b"at last", True)
    assert (exchange.parked, exchange.status) == (None, 200)
    assert notes == [None, "where I was"]
