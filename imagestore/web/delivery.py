"""Delivery: `GET, HEAD /<bucket>/image/upload/[<transformation>/][v<n>/]<key>`, for browsers and CDNs."""

from __future__ import annotations

from flask import Blueprint, Response, g, request

from imagestore.core.errors import ImageNotFound
from imagestore.core.metrics import CACHE_ANSWERS, CACHE_BYTES, FETCH_BYTES
from imagestore.core.telemetry import Timings
from imagestore.core.urls import find_stray_parameter, parse_delivery
from imagestore.library.fetch import Outcome
from imagestore.library.readings import Found
from imagestore.web import explain, parking, renditions
from imagestore.web.brevity import shorten
from imagestore.web.fields import STALE_STATUS, describe, name_status, respond_bodiless
from imagestore.web.frontdoor import services
from imagestore.web.renditions import Asked
from imagestore.web.responses import Representation, answer, judge

delivery = Blueprint("delivery", __name__)

CACHE_STATUS = {
    Outcome.HIT: "imagestore; hit; detail=redis",
    Outcome.WAIT: "imagestore; fwd=uri-miss; collapsed",
    Outcome.MAKE: "imagestore; fwd=uri-miss",
    Outcome.BYPASS: "imagestore; fwd=bypass",
}
"""RFC 9211: the states of `library/fetch.py` in its words. Bypassed is what is too large for Redis, and a
range of what Redis does not have."""
REFUSED_STATUS = "imagestore; fwd=bypass"
FAILED_STATUS = "imagestore; fwd=miss"
"""Of errors: for a refusal no cache is asked for the image; anything else was looked for in MongoDB too."""

SOURCES = {
    "detail=redis": "redis",
    "detail=alias": "alias",
    "detail=stale": "stale",
    "detail=gridfs": "gridfs",
    "collapsed": "collapsed",
    "fwd=bypass": "bypass",
}
"""What Cache-Status has → the label of the metric."""

CROSS_ORIGIN = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Timing-Allow-Origin": "*",
}
"""Images are for any page to show and read: no cookie of ours exists that this could give away."""


@delivery.route(
    "/<bucket>/image/upload/<path:rest>", methods=["GET", "HEAD"], provide_automatic_options=False
)
def deliver(bucket: str, rest: str) -> Response:
    """Name → verdict → bytes; a 304 or 412 leaves before any byte is fetched or made."""
    note = parking.resumed()
    if note is not None:
        return renditions.resume(note, g.timings)
    timings = g.timings = Timings(services().tracer)
    g.varies = "f_auto" in rest  # until it is known what that is a part of
    asked = g.asked = Asked(parse_delivery(bucket, rest, _as_sent()))
    explained = explain.is_wanted()
    found = _resolve(asked, timings)
    if explained:
        return explain.explain(asked, found, timings)
    if asked.is_plain(found):
        return _deliver_original(asked, found, timings)
    return renditions.deliver(asked, found, timings)


def _as_sent() -> str:
    """What follows `/<bucket>/image/upload/`, not percent-decoded: of it a signature may be."""
    return _raw_path().partition("/image/upload/")[2]


def _raw_path() -> str:
    path: str = request.environ.get("RAW_URI", request.path)
    return path.partition("?")[0]


def _resolve(asked: Asked, timings: Timings) -> Found:
    """The version that the URL names, or that of the default image which it names for want of one."""

    fetch, wanted = services().fetch, asked.wanted
    try:
        found = fetch.resolve(wanted.bucket, wanted.key, wanted.version, asked.admit, timings)
    except ImageNotFound as error:
        asked.permission.know_absence(wanted.key)
        default = asked.expanded.output.default
        if default is None:
            if stray := find_stray_parameter(wanted.key):
                error.message += (
                    f" No parameter of a transformation is called as in {stray[:40]!r}, so it was read as a "
                    "part of the key."
                )
            raise
        asked.substitute = True
        found = fetch.resolve(wanted.bucket, default, None, asked.admit, timings)
    asked.permission.allow(found)
    return found


def _deliver_original(asked: Asked, found: Found, timings: Timings) -> Response:
    version = found.version
    shown = renditions.show_original(asked, found)
    subject = Representation(version.digest, asked.dated(version.modified), version.blob.length)
    verdict = judge(request.method, request.headers, subject)
    if verdict.status in (304, 412, 416) or request.method == "HEAD":
        response = respond_bodiless(verdict, subject)
        response.headers["Cache-Status"] = name_status(found)
    else:
        partial = verdict.status == 206
        blob, outcome = services().fetch.open(version.blob, partial=partial, timings=timings)
        response = answer(verdict, subject, blob)
        if not partial:
            asked.note_source(found, shown, found.grounds, services().fetch.kept_as(version.blob))
        services().metrics.count(FETCH_BYTES, outcome, by=verdict.stop - verdict.start)
        stale = found.stale and outcome is Outcome.HIT
        response.headers["Cache-Status"] = STALE_STATUS if stale else CACHE_STATUS[outcome]
    describe(response, found, verdict, shown)
    asked.mark(response, found, shown, found.grounds)
    if not version.is_image:  # it may be a page, which must not act in the name of this service
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return response


@delivery.after_request
def _tell_source(response: Response) -> Response:
    """The fields of every answer, errors included: any page may read it, and it says where it came from.

    A refusal has no timings: they could tell a stranger whether there is such an image.
    """
    response.headers.extend(CROSS_ORIGIN)
    if g.get("varies"):
        response.vary.add("Accept")
    if response.status_code in (400, 401, 403):
        response.headers["Cache-Status"] = REFUSED_STATUS
        return response
    if response.status_code >= 400:
        response.headers.setdefault("Cache-Status", FAILED_STATUS)
        if "asked" in g:
            shorten(response, g.asked)
    if "timings" in g and (measured := g.timings.header()):
        response.headers["Server-Timing"] = measured
    if response.status_code in (200, 206, 304) and "parked" not in g and not explain.is_wanted():
        _count_source(response)
    return response


def _count_source(response: Response) -> None:
    said = response.headers.get("Cache-Status", "")
    source = next((source for words, source in SOURCES.items() if words in said), "miss")
    services().metrics.count(CACHE_ANSWERS, source)
    services().hottest.add({_raw_path(): 1})
    if request.method == "GET":
        services().metrics.count(CACHE_BYTES, source, by=response.content_length or 0)


@delivery.route("/<bucket>/image/upload/<path:rest>", methods=["OPTIONS"])
def preflight(bucket: str, rest: str) -> Response:
    """The Fetch standard's CORS preflight: any page may GET. The answer is the same for all paths."""
    del bucket, rest
    response = Response(status=204)
    response.headers["Allow"] = "GET, HEAD, OPTIONS"
    response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
    response.headers["Access-Control-Allow-Headers"] = (
        "Authorization, If-Match, If-None-Match, If-Modified-Since, If-Range, If-Unmodified-Since, Range"
    )
    response.headers["Access-Control-Max-Age"] = "86400"
    return response
