"""Delivery: `GET, HEAD /<bucket>/image/upload/[v<n>/]<key>`, for browsers and CDNs."""

from __future__ import annotations

import time
from urllib.parse import quote

from flask import Blueprint, Response, g, request

from imagestore.access.policies import Action, Principal, decide, is_open
from imagestore.core.errors import InvalidParameter
from imagestore.core.image import Bucket
from imagestore.core.metrics import FETCH_BYTES
from imagestore.core.telemetry import Timings
from imagestore.core.urls import parse_delivery
from imagestore.imaging.formats import media_type
from imagestore.library.fetch import Found, Outcome
from imagestore.web.frontdoor import error_response, principal, services
from imagestore.web.responses import Representation, Verdict, answer, judge

delivery = Blueprint("delivery", __name__)

PLAIN_MAX_AGE = 60
IMMUTABLE = "public, max-age=31536000, immutable"
STALE_MAX_AGE = 5
"""Of an answer that may be out of date already: so caches look again soon."""
STALE = f"public, max-age={STALE_MAX_AGE}, stale-if-error=86400"
PLAIN = f"public, max-age={PLAIN_MAX_AGE}, stale-while-revalidate=300, stale-if-error=86400"
CACHE_STATUS = {
    Outcome.HIT: "imagestore; hit; detail=redis",
    Outcome.WAIT: "imagestore; fwd=uri-miss; collapsed",
    Outcome.MAKE: "imagestore; fwd=uri-miss",
    Outcome.BYPASS: "imagestore; fwd=bypass",
}
"""RFC 9211: the states of `library/fetch.py` in its words. Bypassed is what is too large for Redis, and a
range of what Redis does not have."""
STALE_STATUS = "imagestore; hit; detail=stale"
"""The name was answered from what Redis knew last, since MongoDB could not be asked (RFC 5861, section 4)."""
REFUSED_STATUS = "imagestore; fwd=bypass"
FAILED_STATUS = "imagestore; fwd=miss"
"""Of errors: for a refusal no cache is asked for the image; anything else was looked for in MongoDB too."""

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
    """Name → version → verdict → bytes; a 304 or 412 leaves before any byte is fetched."""
    timings = g.timings = Timings(services().tracer)
    wanted = parse_delivery(bucket, rest)
    found = services().fetch.resolve(wanted.bucket, wanted.key, wanted.version, _allow, timings)
    version = found.version
    subject = Representation(version.digest, version.modified, version.blob.length)
    verdict = judge(request.method, request.headers, subject)
    if verdict.status in (304, 412, 416) or request.method == "HEAD":
        refused = verdict.status in (412, 416)
        response = _refuse(verdict, subject) if refused else answer(verdict, subject, None)
        response.headers["Cache-Status"] = _name_status(found)
    else:
        partial = verdict.status == 206
        blob, outcome = services().fetch.open(version.blob, partial=partial, timings=timings)
        response = answer(verdict, subject, blob)
        services().metrics.count(FETCH_BYTES, outcome, by=verdict.stop - verdict.start)
        stale = found.stale and outcome is Outcome.HIT
        response.headers["Cache-Status"] = STALE_STATUS if stale else CACHE_STATUS[outcome]
    _describe(response, found, verdict)
    return response


@delivery.after_request
def _tell_source(response: Response) -> Response:
    """The fields of every answer, errors included: any page may read it, and it says where it came from.

    A refusal has no timings: they could tell a stranger whether there is such an image.
    """
    response.headers.extend(CROSS_ORIGIN)
    if response.status_code in (400, 401, 403):
        response.headers["Cache-Status"] = REFUSED_STATUS
        return response
    if response.status_code >= 400:
        response.headers.setdefault("Cache-Status", FAILED_STATUS)
    if "timings" in g and (measured := g.timings.header()):
        response.headers["Server-Timing"] = measured
    return response


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


def _allow(bucket: Bucket) -> None:
    """As the bucket's policy says: everybody, who signed the URL, or who shows a credential."""
    if is_open(Action.GET_IMAGE, bucket):
        return
    who = _signer() if "signature" in request.args else principal()
    decide(who, Action.GET_IMAGE, bucket)


def _signer() -> Principal:
    expires = request.args.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        raise InvalidParameter("expires wants the Unix time in seconds that was signed.")
    return services().keyring.identify_signed(
        request.args.get("access_key", ""), request.path, int(expires), request.args["signature"]
    )


def _name_status(found: Found) -> str:
    """The Cache-Status of an answer for which no bytes were asked for."""
    if found.stale:
        return STALE_STATUS
    return "imagestore; hit; detail=alias" if found.remembered else "imagestore; fwd=uri-miss"


def _refuse(verdict: Verdict, subject: Representation) -> Response:
    if verdict.status == 412:
        return error_response(412, "precondition_failed", "If-Match or If-Unmodified-Since does not hold.")
    response = error_response(
        416, "range_not_satisfiable", f"No range asked for lies within the {subject.size} bytes."
    )
    response.headers["Content-Range"] = f"bytes */{subject.size}"
    return response


def _describe(response: Response, found: Found, verdict: Verdict) -> None:
    """The fields of every answer about an image that was found, a 304 included (RFC 9110, 15.4.5)."""
    if verdict.status in (412, 416):
        return
    response.headers.add("Cache-Control", _cache_control(found))
    if verdict.status != 304:
        response.headers["Content-Type"] = media_type(found.version.facts.format)
        response.headers.add("Content-Disposition", _disposition(found))


def _cache_control(found: Found) -> str:
    """RFC 9111, 5861, 8246: a year for what cannot change, a minute for a name, seconds for what may be out
    of date, unshared if private."""
    if is_open(Action.GET_IMAGE, found.bucket):
        if found.stale:
            return STALE
        return IMMUTABLE if found.immutable else PLAIN
    lifetime = STALE_MAX_AGE if found.stale else PLAIN_MAX_AGE
    if "signature" in request.args:
        lifetime = max(0, min(lifetime, int(request.args["expires"]) - int(time.time())))
    return f"private, max-age={lifetime}"


def _disposition(found: Found) -> str:
    """`inline` with the key's last segment as file name (RFC 6266), and nothing of it unescaped.

    The plain form keeps letters, digits and a few marks; the extended one (RFC 8187) has the name as it is.
    """
    name = found.version.key.rstrip("/").rpartition("/")[2] or "image"
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "._- ") else "_" for each in name)
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
