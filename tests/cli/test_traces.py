"""Traces of a real service with two workers, sent to a receiver of OTLP over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests import pictures
from tests.service import await_that, running_service
from tests.serving import serving

PICTURE = pictures.jpeg(noise=True)
API_KEY = "k3y-0f-the-collector"
BATCH = 8


@dataclass
class Receiver:
    """What came, span by span: its name, trace, parent, attributes, and those of its process."""

    url: str = ""
    spans: list[dict[str, Any]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        told = ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            process = plain(resource.resource.attributes)
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        {
                            "name": span.name,
                            "trace": span.trace_id.hex(),
                            "id": span.span_id.hex(),
                            "parent": span.parent_span_id.hex(),
                            "process": process,
                            **plain(span.attributes),
                        }
                    )

    def of(self, trace: str) -> dict[str, dict[str, Any]]:
        return {span["name"]: span for span in list(self.spans) if span["trace"] == trace}


def plain(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def receiving() -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            received.take(self.rfile.read(int(self.headers["Content-Length"])))
            received.headers.append(self.headers["api-key"])
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        received.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield received


def trace_of(number: int) -> str:
    return f"{number + 1:032x}"


def test_both_workers_send_what_they_did_and_their_last_spans_when_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as received:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"api-key={API_KEY}")
        monkeypatch.setenv(
            "OTEL_RESOURCE_ATTRIBUTES", "service.namespace=test,deployment.environment.name=ci"
        )
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000")  # by batches alone, and at the end
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", str(BATCH))
        settings = {"workers": 2, "log_format": "json", "access_log": "on", "log_level": "debug"}
        with running_service(tmp_path, **settings) as service:
            auth = (service.access_key, service.secret)

            def ask(number: int, method: str, path: str, **what: Any) -> httpx.Response:
                headers = {"traceparent": f"00-{trace_of(number)}-{'b' * 16}-01"}
                return httpx.request(method, f"{service.url}{path}", headers=headers, auth=auth, **what)

            assert ask(0, "PUT", "/v1/buckets/default/images/a.jpg", content=PICTURE).status_code == 201
            assert ask(1, "GET", "/default/image/upload/a.jpg?x=secret-query").content == PICTURE
            assert ask(2, "GET", "/default/image/upload/nothing.jpg").status_code == 404
            asked = iter(range(3, 10_000))

            def both_have_sent() -> bool:
                assert ask(next(asked), "GET", "/v1/buckets").status_code == 200
                return len({span["process"]["process.pid"] for span in received.spans}) == 2

            await_that(both_have_sent)
            last = next(asked)
            assert ask(last, "GET", "/healthz").status_code == 200
            assert ask(last + 1, "GET", "/v1/buckets").status_code == 200
            assert not received.of(trace_of(last + 1))
        log = service.log.read_text()
        assert received.of(trace_of(last + 1))
        assert not received.of(trace_of(last))
    upload, fetch, missing = (received.of(trace_of(number)) for number in range(3))
    assert set(upload) == {"PUT /v1/buckets/{bucket}/images/{key}", "mongo", "decode"}
    assert {"GET /{bucket}/image/upload/{rest}", "alias", "redis", "gridfs"} <= set(fetch)
    served = fetch["GET /{bucket}/image/upload/{rest}"]
    assert (served["http.route"], served["url.path"]) == (
        "/{bucket}/image/upload/{rest}",
        "/default/image/upload/a.jpg",
    )
    assert (served["parent"], served["http.response.status_code"]) == ("b" * 16, 200)
    assert fetch["gridfs"]["parent"] == served["id"]
    assert missing["GET /{bucket}/image/upload/{rest}"]["http.response.status_code"] == 404
    process = served["process"]
    assert (process["service.name"], process["service.namespace"]) == ("imagestore", "test")
    assert set(received.headers) == {API_KEY}
    assert "secret-query" not in str(received.spans)
    assert API_KEY not in log
    lines = [json.loads(line) for line in log.splitlines()]
    assert {trace_of(0), trace_of(1)} <= {line.get("trace_id") for line in lines}


def test_a_collector_that_is_away_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    with running_service(tmp_path, workers=1) as service:
        for _ in range(5):
            assert httpx.get(f"{service.url}/default/image/upload/x").status_code == 404
        assert service.stop() == 0
