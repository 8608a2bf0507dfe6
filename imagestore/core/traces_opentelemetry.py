"""The tracer that sends: OpenTelemetry's SDK and its exporter, which nothing else imports."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, get_current_span

from imagestore import __version__
from imagestore.core.errors import ImagestoreError, Unavailable
from imagestore.core.logs import Redactor
from imagestore.core.traces import Incoming, Serving, Tracer

FLUSH_SECONDS = 5.0
"""Longest that the end of a worker waits for its last spans to be sent."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
STEPS = {"alias": "redis", "redis": "redis", "mongo": "mongodb", "gridfs": "mongodb"}
"""Step → the database that it asks, by its name in the conventions (`db.system.name`)."""

LONGEST_AGENT = 256


class SendingTracer(Tracer):
    """Makes spans after OpenTelemetry's semantic conventions for HTTP servers (stable since 1.23)."""

    enabled = True

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("imagestore", __version__)
        self._redactor = Redactor(())

    @classmethod
    def open(cls, exporter: str) -> Self:
        """One that sends by `exporter`, otlp or console. Raises ValueError for what it cannot be told so."""
        ours: dict[str, Any] = {
            "service.name": "imagestore",
            "service.version": __version__,
            "process.pid": os.getpid(),
        }
        theirs = OTELResourceDetector().detect().attributes
        provider = TracerProvider(resource=Resource.create({**ours, **theirs}), shutdown_on_exit=False)
        sink: SpanExporter = ConsoleSpanExporter() if exporter == "console" else OTLPSpanExporter()
        provider.add_span_processor(BatchSpanProcessor(sink))
        return cls(provider)

    @contextmanager
    def serve(self, incoming: Incoming) -> Iterator[Serving]:
        with self._tracer.start_as_current_span(
            _named(incoming.method),
            context=extract(incoming.headers, context=Context()),
            kind=SpanKind.SERVER,
            attributes=self._attributes(incoming),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            serving = _ServingSpan(span)
            try:
                yield serving
            except BaseException as error:
                serving.fail(type(error).__name__)
                raise

    def name_route(self, method: str, route: str) -> None:
        span = get_current_span()
        span.set_attribute("http.route", route)
        span.update_name(f"{_named(method)} {route}")

    def trace_id(self) -> str:
        context = get_current_span().get_span_context()
        return format_trace_id(context.trace_id) if context.is_valid else ""

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        system = STEPS.get(name)
        with self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT if system else SpanKind.INTERNAL,
            attributes={"db.system.name": system} if system else {},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                if _is_fault(error):
                    span.set_attribute("error.type", type(error).__name__)
                    span.set_status(StatusCode.ERROR)
                raise

    def close(self) -> None:
        # The processor's own wait is half a minute, and the exporter's tries have none that could be set.
        last = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        last.start()
        last.join(FLUSH_SECONDS)

    def _attributes(self, incoming: Incoming) -> dict[str, Any]:
        known = incoming.method in METHODS
        found = {
            "http.request.method": incoming.method if known else "_OTHER",
            "http.request.method_original": None if known else incoming.method[:32],
            "url.path": self._redactor.hide(incoming.path),
            "url.scheme": incoming.scheme,
            "network.protocol.version": incoming.version,
            "client.address": incoming.client or None,
            "server.address": incoming.host or None,
            "server.port": incoming.port,
            "user_agent.original": incoming.headers.get("user-agent", "")[:LONGEST_AGENT] or None,
        }
        return {name: value for name, value in found.items() if value is not None}


class _ServingSpan(Serving):
    def __init__(self, span: Span) -> None:
        self._span = span
        self._failed = False

    def answer(self, status: int) -> None:
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self.fail(str(status))

    def fail(self, kind: str) -> None:
        if not self._failed:
            self._failed = True
            self._span.set_attribute("error.type", kind)
            self._span.set_status(StatusCode.ERROR)


def _is_fault(error: Exception) -> bool:
    """Not what is wrong with the request, such as the name of an image that is not there."""
    return isinstance(error, Unavailable) or not isinstance(error, ImagestoreError)


def _named(method: str) -> str:
    return method if method in METHODS else "HTTP"
