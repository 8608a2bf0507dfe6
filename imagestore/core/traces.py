"""Traces: a span for each request and for its steps, sent by OpenTelemetry where that is configured.

They are configured by the variables that OpenTelemetry itself defines, and by nothing else. Without any of
these nothing is imported and nothing is done, and the library need not be installed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

log = logging.getLogger(__name__)

SECRET_VARIABLES = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""What may hold the key of a service that takes traces in, as `NAME=VALUE,…`."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


@dataclass(frozen=True, slots=True)
class Incoming:
    """A request as it came, without its query, which may hold a signature. Headers have lower-case names."""

    method: str
    path: str
    scheme: str
    version: str
    client: str
    host: str
    port: int | None
    headers: Mapping[str, str]


class Serving:
    """The span of a request that is being served."""

    def answer(self, status: int) -> None:
        """What was answered, as HTTP counts it. Only a fault of ours makes the span an error."""

    def fail(self, kind: str) -> None:
        """It ended otherwise than it should. The first reason stands."""


class Tracer:
    """Makes the spans of one worker. This one makes none, at next to no cost; see `open_tracer`."""

    enabled = False

    def serve(self, incoming: Incoming) -> AbstractContextManager[Serving]:
        """The span of a request, the current one inside. It goes on with the trace that the request names.

        What is raised inside makes it an error, and passes.
        """
        del incoming
        return nullcontext(Serving())

    def name_route(self, method: str, route: str) -> None:
        """Call the current request's span by its route, a template such as `/v1/buckets/{bucket}`."""

    def trace_id(self) -> str:
        """The current trace, 32 hexadecimal digits; empty where there is none."""
        return ""

    def step(self, name: str) -> AbstractContextManager[object]:
        """A span below the current one, for one of the steps that a request takes."""
        del name
        return nullcontext()

    def close(self) -> None:
        """Send what is left, within a few seconds: nobody waits for a collector that is away."""


SILENT = Tracer()


def open_tracer(environment: Mapping[str, str] = os.environ) -> Tracer:
    """A tracer as the environment says; one that makes nothing where it says nothing, or cannot be followed.

    It has a thread that sends, so open it after the fork. OpenTelemetry reads the process' own environment.
    """
    exporter = exporter_wanted(environment)
    if exporter is None:
        return SILENT
    try:
        from imagestore.core.traces_opentelemetry import SendingTracer

        return SendingTracer.open(exporter)
    except ImportError as error:
        log.warning(
            "OpenTelemetry is configured, and not installed (%s): pip install 'imagestore[otel]'", error
        )
    except (ValueError, OSError) as error:
        log.warning("No traces are sent, since OpenTelemetry cannot be configured so: %s", error)
    return SILENT


def exporter_wanted(environment: Mapping[str, str]) -> str | None:
    """`otlp` or `console`; None for no traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    chosen = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if not chosen:
        chosen = "otlp" if any(environment.get(each) for each in _ENDPOINTS) else "none"
    protocol = next((environment[each] for each in _PROTOCOLS if environment.get(each)), "http/protobuf")
    if chosen not in ("otlp", "console", "none"):
        log.warning("OTEL_TRACES_EXPORTER=%s is not known here: use otlp, console or none", chosen)
        return None
    if chosen == "otlp" and protocol != "http/protobuf":
        log.warning("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not spoken here: use http/protobuf", protocol)
        return None
    return None if chosen == "none" else chosen


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """What must not get into the log of what the environment says to OpenTelemetry."""
    for variable in SECRET_VARIABLES:
        for pair in environment.get(variable, "").split(","):
            yield pair.partition("=")[2].strip()
