"""Ops: is the process alive, can it serve, and if not, what is down."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from imagestore.core.errors import StoreUnavailable
from imagestore.web.frontdoor import services

ops = Blueprint("ops", __name__)


@ops.get("/healthz")
def healthz() -> Response:
    """200 while the process runs, whatever is down behind it."""
    return jsonify({"status": "alive"})


@ops.get("/readyz")
def readyz() -> tuple[Response, int]:
    """200 when it can serve, else 503; both name the state of each part. A missing Redis does not stop it."""
    parts = {"mongodb": _mongodb(), "redis": "up" if services().tier.ping() else "down"}
    if services().settings.redis_url == "none":
        parts["redis"] = "off"
    ready = parts["mongodb"] == "up"
    return jsonify({"status": "ready" if ready else "not ready", "parts": parts}), 200 if ready else 503


def _mongodb() -> str:
    try:
        missing = services().mongo.missing_indexes()
    except StoreUnavailable:
        return "down"
    return f"lacks indexes: {'; '.join(missing)}" if missing else "up"
