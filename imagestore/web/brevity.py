"""Errors that shared caches may keep for a moment: what is not there, and what cannot be made."""

from __future__ import annotations

from flask import Response, request

from imagestore.library.aliases import transformation_ground
from imagestore.library.readings import grounds_of_absence
from imagestore.web.frontdoor import services
from imagestore.web.renditions import Asked

BRIEF_SECONDS = 10
BRIEF = f"public, max-age=0, s-maxage={BRIEF_SECONDS}"
"""Many who ask for what is not there, or for what costs much and fails, are then one request in so many
seconds; a browser asks again. `s-maxage` forbids all caches to go on with it when it is stale (RFC 9111,
section 5.2.2.10)."""

BRIEF_STATUSES = frozenset({404, 422})


def shorten(response: Response, asked: Asked) -> None:
    """Have an error kept for a moment that is the same for everybody: one of an open bucket, for a URL that
    bears no signature. It has the keys by which an upload drops it."""
    bucket = asked.permission.open_bucket
    signed = asked.wanted.signature is not None or "signature" in request.args
    if response.status_code not in BRIEF_STATUSES or bucket is None or signed or asked.reveals:
        return
    response.headers["Cache-Control"] = BRIEF
    wanted = asked.wanted.transformation
    keys = (asked.wanted.key, *asked.expanded.layer_keys(), asked.expanded.output.default)
    grounds = [ground for key in keys if key for ground in grounds_of_absence(bucket, key)]
    grounds += [transformation_ground(bucket.name, name, 0) for name in wanted.names()]
    for name, value in services().settings.surrogate_headers.write(ground.name for ground in grounds):
        response.headers[name] = value
