"""The span around a request as the edge serves it: with an application, refused, cut off, given up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import httpx
import pytest
from opentelemetry.trace import StatusCode

from imagestore.core.logs import REQUEST
from imagestore.edge.front import Front
from imagestore.edge.traced import TracedFront
from tests.core.test_traces import PARENT, TRACE, Recorded, attributes_of
from tests.rules import tables

pytestmark = pytest.mark.quick

LIMIT = 1000


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    recording = Recorded()
    close = recording.tracer.close
    monkeypatch.setattr(recording.tracer, "close", lambda: None)  # by services that are never opened
    monkeypatch.setattr("imagestore.services.open_tracer", lambda: recording.tracer)
    yield recording
    close()


def front_of(recorded: Recorded) -> TracedFront:
    front = Front(
        tables.make_app(), threads=2, body_limit=LIMIT, body_timeout=5, send_timeout=5, spool_directory=None
    )
    return TracedFront(front, recorded.tracer)


def ask(traced: TracedFront, method: str, path: str, **what: Any) -> httpx.Response:
    async def one() -> httpx.Response:
        transport = httpx.ASGITransport(app=cast(Any, traced), client=("192.0.2.7", 1234))
        async with httpx.AsyncClient(transport=transport, base_url="http://img.example:81") as client:
            return await client.request(method, path, **what)

    return asyncio.run(one())


def test_a_request_is_one_span_named_by_its_route(recorded: Recorded) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    answer = ask(front_of(recorded), "GET", "/v1/openapi.json?signature=abc", headers=headers)
    assert answer.status_code == 200
    span = recorded.only()
    found = attributes_of(span)
    assert span.name == "GET /v1/openapi.json"
    assert (found["http.route"], found["url.path"]) == ("/v1/openapi.json", "/v1/openapi.json")
    assert (found["client.address"], found["server.address"], found["server.port"]) == (
        "192.0.2.7",
        "img.example",
        81,
    )
    assert "abc" not in str(found)
    assert f"{span.get_span_context().trace_id:032x}" == TRACE


def test_the_trace_is_known_to_the_log(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    traced = front_of(recorded)
    access = logging.getLogger("imagestore.access")
    monkeypatch.setattr(access, "isEnabledFor", lambda level: True)
    monkeypatch.setattr(access, "info", lambda *_, **__: seen.append(getattr(REQUEST.get(), "trace_id", "")))
    ask(traced, "GET", "/v1/openapi.json", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert seen == [TRACE]


def test_a_path_without_a_route_has_no_name_of_its_own(recorded: Recorded) -> None:
    assert ask(front_of(recorded), "GET", "/v1/nothing/of/that/kind").status_code == 404
    span = recorded.only()
    assert (span.name, attributes_of(span)["http.response.status_code"]) == ("GET", 404)
    assert "http.route" not in attributes_of(span)


def test_probes_are_not_traced(recorded: Recorded) -> None:
    traced = front_of(recorded)
    assert ask(traced, "GET", "/healthz").status_code == 200
    assert not recorded.spans()
    assert traced.metrics is traced.front.metrics


def test_what_the_edge_refuses_is_a_span_too(recorded: Recorded) -> None:
    answer = ask(front_of(recorded), "POST", "/v1/buckets/b/images", content=b"x" * (LIMIT + 1))
    assert answer.status_code == 413
    span = recorded.only()
    assert (span.name, attributes_of(span)["http.response.status_code"]) == ("POST", 413)
    assert span.status.status_code is StatusCode.UNSET


Serve = Callable[[Any, Any, Callable[[dict[str, Any]], Awaitable[None]]], Awaitable[None]]


async def breaks_off(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})


async def is_given_up(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(("serve", "kind"), [(breaks_off, "aborted"), (is_given_up, "client_disconnected")])
def test_an_answer_that_does_not_end_is_an_error(recorded: Recorded, serve: Serve, kind: str) -> None:
    traced = TracedFront(cast(Front, serve), recorded.tracer)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(b"host", b"[::1]:80")],
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        del message

    with suppress(asyncio.CancelledError):
        asyncio.run(traced(scope, receive, send))
    span = recorded.only()
    assert attributes_of(span)["error.type"] == kind
    assert (attributes_of(span)["server.address"], attributes_of(span)["server.port"]) == ("::1", 80)
