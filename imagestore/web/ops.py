"""Ops: is the process alive, can it serve, what is down, and its metrics for Prometheus."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response, jsonify

from imagestore.access.policies import Action
from imagestore.core.errors import RouteNotFound, StoreUnavailable
from imagestore.core.metrics import BLOB_DAMAGE, CONTENT_TYPE
from imagestore.library.survey import Level, Survey
from imagestore.web.frontdoor import require, services

ops = Blueprint("ops", __name__)

LIVENESS = "/healthz"
"""A view that waits for nothing, so that the edge may run it in its event loop, whatever the load."""

READY_SECONDS = 1.5
"""Longest that /readyz waits for MongoDB: probes give up after a few seconds, often after one or two."""


@ops.get(LIVENESS)
def healthz() -> Response:
    """200 while the process runs, whatever is down behind it."""
    return jsonify({"status": "alive"})


@ops.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 when it can serve, else 503; both name the state of each part. A missing Redis does not stop it."""
    deadline = time.monotonic() + READY_SECONDS
    mongodb, missing = _mongodb()
    parts = {"mongodb": mongodb, "redis": _redis()}
    details: dict[str, Any] = {
        "missing_indexes": missing,
        "redis_breaker": services().tier.stats().breaker,
        "decoders": services().decoders.load(),
    }
    damage = services().metrics.total(BLOB_DAMAGE)
    if damage is not None:
        details["damaged_reads"] = int(damage)
    ready = mongodb == "up"
    if ready:
        details |= _upkeep(max(0.1, deadline - time.monotonic()))
    answer = {"status": "ready" if ready else "not ready", "parts": parts, "details": details}
    return jsonify(answer), 200 if ready else 503


@ops.get("/metrics")
def metrics() -> Response:
    """Counters of all workers of this service, in Prometheus' text format."""
    who = services().settings.metrics
    if who == "off":
        raise RouteNotFound("Metrics are off: IMAGESTORE_METRICS=admin or public turns them on.")
    if who == "admin":
        require(Action.ADMINISTER, None)
    return Response(services().metrics.text(), content_type=CONTENT_TYPE)


def _mongodb() -> tuple[str, list[str]]:
    try:
        missing = services().mongo.missing_indexes(READY_SECONDS)
    except StoreUnavailable:
        return "down", []
    return f"lacks indexes: {'; '.join(missing)}" if missing else "up", missing


def _upkeep(seconds: float) -> dict[str, Any]:
    """What scheduled upkeep found last, on whichever node: as far as it is known, in `seconds` at most."""
    try:
        survey = Survey.read(services().diary, seconds)
    except StoreUnavailable:
        return {}
    standings = survey.standings().items()
    found: dict[str, Any] = {
        "alerts": {name: each.level for name, each in standings if each.level is not Level.OK}
    }
    if survey.check is not None:
        checked = survey.check.at.isoformat(timespec="seconds")
        found |= {"findings": survey.severities(), "checked": checked}
    return found


def _redis() -> str:
    if services().settings.redis_url == "none":
        return "off"
    return "up" if services().tier.ping() else "down"
