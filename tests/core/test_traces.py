"""When traces are made, and what a span says: in this process, with OpenTelemetry's exporter into memory."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from imagestore.core.errors import ImageNotFound, StoreUnavailable
from imagestore.core.telemetry import Timings
from imagestore.core.traces import SILENT, Incoming, open_tracer, secrets_in
from imagestore.core.traces_opentelemetry import SendingTracer

pytestmark = pytest.mark.quick

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
INCOMING = Incoming(
    method="GET",
    path="/b/image/upload/a%20b.jpg",
    scheme="https",
    version="1.1",
    client="192.0.2.7",
    host="img.example",
    port=8443,
    headers={"user-agent": "curl/8"},
)
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


class Recorded:
    """A tracer, and the spans that it has made, by their names."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = SendingTracer(provider)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}

    def only(self) -> ReadableSpan:
        [span] = self._exporter.get_finished_spans()
        return span


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    recording = Recorded()
    yield recording
    recording.tracer.close()


def attributes_of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.parametrize(
    ("environment", "made"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "images"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, False),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, True),
    ],
)
def test_traces_are_made_when_opentelemetry_is_configured(
    environment: Mapping[str, str], made: bool, caplog: pytest.LogCaptureFixture
) -> None:
    tracer = open_tracer(environment)
    assert tracer.enabled == made
    assert (tracer is SILENT) == (not made)
    tracer.close()
    assert not caplog.records


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "zipkin"),
        (ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
    ],
)
def test_what_is_not_spoken_is_told(
    environment: Mapping[str, str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert open_tracer(environment) is SILENT
    assert told in caplog.text


def test_a_configuration_that_cannot_be_used_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "1")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
    assert open_tracer(ENDPOINT) is SILENT
    assert "No traces are sent" in caplog.text


@pytest.mark.parametrize("wanted", [{}, ENDPOINT])
def test_without_the_library_everything_works(wanted: Mapping[str, str]) -> None:
    """As where the extra is not installed; and where it is not configured, it is not even looked for."""
    program = f"""
import logging, sys
sys.modules["opentelemetry"] = None
logging.basicConfig()
from imagestore.cli import server
from imagestore.core.traces import SILENT, open_tracer
assert open_tracer({dict(wanted)!r}) is SILENT
assert [name for name in sys.modules if name.startswith("opentelemetry.")] == []
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert ("pip install 'imagestore[otel]'" in done.stderr) == bool(wanted)


def test_secrets_of_the_configuration_are_known_to_the_log() -> None:
    environment = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cr3t,other = also"}
    assert [each for each in secrets_in(environment) if each] == ["s3cr3t", "also"]


def test_a_span_says_what_the_conventions_ask_for(recorded: Recorded) -> None:
    with recorded.tracer.serve(INCOMING) as serving:
        recorded.tracer.name_route("GET", "/{bucket}/image/upload/{rest}")
        serving.answer(200)
    span = recorded.only()
    assert (span.name, span.kind) == ("GET /{bucket}/image/upload/{rest}", SpanKind.SERVER)
    assert attributes_of(span) == {
        "http.request.method": "GET",
        "http.route": "/{bucket}/image/upload/{rest}",
        "http.response.status_code": 200,
        "url.path": "/b/image/upload/a%20b.jpg",
        "url.scheme": "https",
        "network.protocol.version": "1.1",
        "client.address": "192.0.2.7",
        "server.address": "img.example",
        "server.port": 8443,
        "user_agent.original": "curl/8",
    }
    assert span.status.status_code is StatusCode.UNSET
    assert span.parent is None


def test_only_a_fault_of_ours_is_an_error(recorded: Recorded) -> None:
    for status in (404, 503):
        with recorded.tracer.serve(replace(INCOMING, method=f"M{status}")) as serving:
            recorded.tracer.name_route("GET", f"/{status}")
            serving.answer(status)
            serving.fail("aborted") if status == 503 else None
    spans = recorded.spans()
    assert spans["GET /404"].status.status_code is StatusCode.UNSET
    assert "error.type" not in attributes_of(spans["GET /404"])
    assert spans["GET /503"].status.status_code is StatusCode.ERROR
    assert attributes_of(spans["GET /503"])["error.type"] == "503"


def test_what_is_raised_is_noted_and_passes(recorded: Recorded) -> None:
    with pytest.raises(ZeroDivisionError), recorded.tracer.serve(INCOMING):
        raise ZeroDivisionError("with a secret in its words")
    span = recorded.only()
    assert attributes_of(span)["error.type"] == "ZeroDivisionError"
    assert not span.events


def test_a_trace_goes_on_that_the_request_names(recorded: Recorded) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=x"}
    with recorded.tracer.serve(replace(INCOMING, headers=headers)):
        assert recorded.tracer.trace_id() == TRACE
        with recorded.tracer.serve(INCOMING):  # as another request's, whose context this is by mistake
            assert recorded.tracer.trace_id() not in ("", TRACE)
    own, given = sorted(recorded._exporter.get_finished_spans(), key=lambda span: span.parent is not None)
    assert own.parent is None
    assert given.parent is not None
    assert f"{given.parent.span_id:016x}" == PARENT
    assert given.parent.is_remote
    assert recorded.tracer.trace_id() == ""


@pytest.mark.parametrize("value", ["", "00-xyz", f"00-{'0' * 32}-{PARENT}-01", "x" * 10_000])
def test_a_trace_that_is_none_begins_anew(value: str, recorded: Recorded) -> None:
    with recorded.tracer.serve(replace(INCOMING, headers={"traceparent": value})):
        assert len(recorded.tracer.trace_id()) == 32
    assert recorded.only().parent is None


def test_a_strange_method_and_a_signature_stay_out_of_the_names(recorded: Recorded) -> None:
    path = "/b/image/upload/s--abcdefgh--/k.jpg"
    incoming = replace(INCOMING, method="BREW" * 20, path=path, headers={"user-agent": "x" * 1000})
    with recorded.tracer.serve(incoming):
        pass
    span = recorded.only()
    found = attributes_of(span)
    assert (span.name, found["http.request.method"]) == ("HTTP", "_OTHER")
    assert len(found["http.request.method_original"]) == 32
    assert found["url.path"] == "/b/image/upload/s--***--/k.jpg"
    assert len(found["user_agent.original"]) == 256


def test_each_measured_step_is_a_span_below_the_request(recorded: Recorded) -> None:
    timings = Timings(recorded.tracer)
    with recorded.tracer.serve(INCOMING):
        with timings.measure("alias"):
            pass
        with timings.measure("mongo"), timings.measure("decode"):
            pass
        with pytest.raises(ImageNotFound), timings.measure("redis"):
            raise ImageNotFound("no such image")
        with pytest.raises(StoreUnavailable), timings.measure("gridfs"):
            raise StoreUnavailable("away")
    spans = recorded.spans()
    assert list(timings.steps) == ["alias", "decode", "mongo", "redis", "gridfs"]
    assert {name: spans[name].kind for name in ("alias", "decode")} == {
        "alias": SpanKind.CLIENT,
        "decode": SpanKind.INTERNAL,
    }
    assert attributes_of(spans["alias"]) == {"db.system.name": "redis"}
    assert attributes_of(spans["mongo"]) == {"db.system.name": "mongodb"}
    assert spans["decode"].parent == spans["mongo"].get_span_context()
    assert spans["alias"].parent == spans["GET"].get_span_context()
    assert spans["redis"].status.status_code is StatusCode.UNSET
    assert spans["gridfs"].status.status_code is StatusCode.ERROR
    assert attributes_of(spans["gridfs"])["error.type"] == "StoreUnavailable"


def test_nothing_is_done_where_nothing_is_wanted() -> None:
    with SILENT.serve(INCOMING) as serving, SILENT.step("mongo"):
        serving.answer(500)
        serving.fail("x")
        SILENT.name_route("GET", "/")
        assert SILENT.trace_id() == ""
    SILENT.close()
