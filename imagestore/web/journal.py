"""What is noted of every request: its id for the log, its metrics, and its lines of access and of audit."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import cast

from flask import Flask, Response, current_app, g, request

from imagestore.access.policies import STRANGER, Principal
from imagestore.core.ahead import GO_ON
from imagestore.core.logs import REQUEST, RequestNote
from imagestore.core.metrics import HTTP_ERRORS, HTTP_REQUESTS, HTTP_SECONDS, Metrics
from imagestore.core.traces import Tracer
from imagestore.web import parking

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
FACES = {"delivery": "delivery", "ops": "ops", "docs": "rest"}
"""Blueprint → face; those that are not named here are REST's."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_CONVERTED = re.compile(r"<(?:\w+:)?(\w+)>")
"""A part of a route as werkzeug writes it: `<path:key>`."""

access_log = logging.getLogger("imagestore.access")
audit_log = logging.getLogger("imagestore.audit")


def install(app: Flask, metrics: Metrics, tracer: Tracer) -> None:
    """Note every request to `app`. Comes before all else that does something before or after requests."""

    def enter() -> None:
        note = parking.resumed()
        if note is not None:
            parking.carry(note)
            return
        g.began = time.perf_counter()
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if is_request_id(given) else secrets.token_hex(8)
        REQUEST.set(RequestNote(g.request_id, request.method, request.path, tracer.trace_id()))
        if request.url_rule is not None:
            tracer.name_route(request.method, _CONVERTED.sub(r"{\1}", request.url_rule.rule))

    def leave(response: Response) -> Response:
        if "parked" in g or response.status_code == GO_ON:
            return response
        took = time.perf_counter() - g.began
        face = _face()
        method = request.method if request.method in METHODS else "other"
        metrics.count(HTTP_REQUESTS, face, method, f"{response.status_code // 100}xx")
        metrics.observe(HTTP_SECONDS, took, face)
        if "error_code" in g and response.status_code >= 400:
            metrics.count(HTTP_ERRORS, g.error_code)
        _write_lines(response, took)
        return response

    app.before_request(enter)
    app.after_request(leave)


def is_request_id(given: str) -> bool:
    """Whether a client's own id for its request will do."""
    return _REQUEST_ID.fullmatch(given) is not None


def note(**subject: str) -> None:
    """What a write is about, for the audit log, where the path does not say it: bucket, key, credential."""
    g.subject = g.get("subject", {}) | subject


def request_id() -> str:
    return cast(str, g.request_id)


def _face() -> str:
    if face := current_app.config.get("FACE"):
        return str(face)
    if request.blueprint is None:
        return "other"
    return FACES.get(request.blueprint, "rest")


def _write_lines(response: Response, took: float) -> None:
    status = response.status_code
    if access_log.isEnabledFor(logging.INFO):
        fields = {
            "status": status,
            "duration_ms": round(took * 1000, 2),
            "bytes": response.content_length,
            "address": request.remote_addr,
        }
        access_log.info("answered", extra={"fields": fields})
    what = cast(str | None, g.get("operation", request.endpoint))
    if request.method not in SAFE_METHODS and what and audit_log.isEnabledFor(logging.INFO):
        who = cast(Principal, g.get("principal", STRANGER)).access_key
        subject = {name: str(value) for name, value in (request.view_args or {}).items()}
        if "access_key" in subject:
            subject["credential"] = subject.pop("access_key")
        outcome = g.get("error_code", "ok") if status >= 400 else "ok"
        fields = {"who": who, **subject, **g.get("subject", {}), "outcome": outcome, "status": status}
        fields["address"] = request.remote_addr
        audit_log.info("%s", what.rpartition(".")[2], extra={"fields": fields})
