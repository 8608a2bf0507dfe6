"""The least that answers pictures out of Redis by Flask: what anybody would write first."""

from __future__ import annotations

import os

from flask import Flask, Response, abort
from redis import Redis

app = Flask(__name__)
redis = Redis.from_url(os.environ["BENCH_REDIS"])


@app.get("/<name>")
def show(name: str) -> Response:
    data = redis.get(name)
    if data is None:
        abort(404)
    return Response(data, mimetype="image/jpeg")
