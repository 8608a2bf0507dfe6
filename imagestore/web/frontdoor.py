"""Every request's way in and every error's way out: principal, common headers, error → answer."""

from __future__ import annotations

import logging
import math
from typing import cast
from urllib.parse import unquote_to_bytes

from flask import Flask, Request, Response, current_app, g, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from imagestore.access import circumstances as situations
from imagestore.access.circumstances import Circumstances
from imagestore.access.policies import (
    STRANGER,
    Action,
    Principal,
    decide,
    hinges_on_objects,
    require_credential,
)
from imagestore.core.errors import (
    ImagestoreError,
    InvalidParameter,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UploadTooLarge,
)
from imagestore.core.headers import SAFE_HEADERS
from imagestore.core.image import Bucket
from imagestore.core.objects import check_object_key
from imagestore.services import Services
from imagestore.web import journal, parking

log = logging.getLogger(__name__)

ANSWERS: dict[str, int] = {
    "invalid_parameter": 400,
    "invalid_key": 400,
    "invalid_bucket_name": 400,
    "invalid_transformation": 400,
    "faces_unavailable": 400,
    "not_an_image": 400,
    "bad_digest": 400,
    "invalid_part": 400,
    "invalid_part_order": 400,
    "part_too_small": 400,
    "length_mismatch": 400,
    "empty_upload": 400,
    "request_timeout": 408,
    "upload_too_large": 413,
    "unsupported_format": 415,
    "corrupt_image": 422,
    "image_limit_exceeded": 422,
    "decode_timeout": 422,
    "unauthenticated": 401,
    "forbidden": 403,
    "signature_invalid": 403,
    "signature_expired": 403,
    "bucket_not_found": 404,
    "image_not_found": 404,
    "version_not_found": 404,
    "credential_not_found": 404,
    "upload_not_found": 404,
    "transformation_not_found": 404,
    "route_not_found": 404,
    "bucket_exists": 409,
    "bucket_not_empty": 409,
    "precondition_failed": 412,
    "write_contention": 503,
    "store_unavailable": 503,
    "overloaded": 503,
    "decoder_lost": 503,
    "rate_limited": 429,
    "blob_damaged": 502,
    "service_unreachable": 503,
}
"""Error code → HTTP status, for the faces whose errors are JSON: REST, delivery, ops."""

HTTP_CODES: dict[int, str] = {
    400: "invalid_request",
    404: "route_not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "upload_too_large",
    414: "url_too_long",
    415: "unsupported_media_type",
    416: "range_not_satisfiable",
    421: "misdirected_request",
    431: "headers_too_large",
    500: "internal_error",
}
"""HTTP status → code, for what is refused before it gets to a verb of ours."""

PROBES = frozenset({"ops.healthz", "ops.readyz"})
"""The views that answer whoever asks however often: what watches the service must not be kept out."""

RETRY_AFTER = "2"
JSON_BYTES = 1024 * 1024
MOST_TOLD = 100
"""Errors of one body that pydantic may put into words: it does that for all, and a megabyte has 60,000."""
_NO_ROUTE = "Nothing is served under this path: /v1/docs lists the routes of REST."


def install(app: Flask, services: Services) -> None:
    """Put the front door in front of every view of `app`."""
    app.extensions["imagestore"] = services
    journal.install(app, services.metrics, services.tracer)
    app.before_request(_enter)
    app.after_request(_leave)
    app.register_error_handler(ImagestoreError, _answer_error)
    app.register_error_handler(HTTPException, _answer_http)
    app.register_error_handler(parking.Parked, parking.answer_nobody)
    app.register_error_handler(RecursionError, _answer_depth)
    app.register_error_handler(Exception, _answer_bug)


def services() -> Services:
    """The services behind the application that serves this request."""
    return cast(Services, current_app.extensions["imagestore"])


def principal() -> Principal:
    """Who sends this request, by HTTP Basic (RFC 7617).

    Raises Unauthenticated for a wrong credential, RateLimited for one that comes too often.
    """
    if "principal" not in g:
        g.principal = who = _identify(request)
        if who.access_key is not None:
            writes = request.method not in journal.SAFE_METHODS
            services().rate_limits.meet_credential(who.access_key, writes=writes)
    return cast(Principal, g.principal)


def circumstances() -> Circumstances:
    """What conditions can ask of this request."""
    if "circumstances" not in g:
        g.circumstances = situations.read(request.remote_addr or "", request.is_secure, request.headers.get)
    return cast(Circumstances, g.circumstances)


def require(
    action: Action, bucket: str | None, key: str | None = None, *, asked: Circumstances | None = None
) -> Bucket | None:
    """Return the bucket, if there is one, if the sender may. Raises Unauthenticated or Forbidden.

    The object under the key is looked at where it has a say: that takes one more round trip.
    """
    who = principal()
    known = services().catalog.recall_bucket(bucket) if bucket is not None else None
    attributes = None
    if known is not None and key is not None and not action.is_of_names and hinges_on_objects(known):
        attributes = services().catalog.find_attributes(known.name, check_object_key(key))
    decide(who, action, known or bucket, asked or circumstances(), key, attributes)
    return known


def _identify(incoming: Request) -> Principal:
    if "Authorization" not in incoming.headers:
        return STRANGER
    try:
        given = incoming.authorization
    except ValueError:  # werkzeug lets through what base64 says of text that is not ASCII
        given = None
    if given is None or given.type != "basic" or given.username is None or given.password is None:
        raise Unauthenticated(
            "The Authorization header cannot be read: send HTTP Basic with access key and secret."
        )
    limits, address = services().rate_limits, request.remote_addr or ""
    limits.meet_secret(address, given.username)
    try:
        return services().keyring.identify(given.username, given.password)
    except Unauthenticated:
        limits.meet_wrong_secret(address, given.username)
        raise


def host() -> str:
    """The Host of this request, port included, which the edge has found to be valid."""
    return request.headers.get("Host", request.host)


def _enter() -> Response | None:
    if parking.resumed() is not None:
        return None  # all of this was done before
    if request.endpoint not in PROBES:
        services().rate_limits.meet_address(request.remote_addr or "")
    # Probes ask by address, and what they get has no URL in it.
    if request.blueprint != "ops" and not services().settings.allowed_hosts.admits(host()):
        return error_response(
            421,
            "misdirected_request",
            "This service has other names: ask for one of IMAGESTORE_ALLOWED_HOSTS.",
        )
    if request.blueprint is not None and request.blueprint not in journal.FACES:
        # REST: before anything else is looked at, so that strangers learn nothing from what is wrong with a
        # request, and the audit of a write that was refused has a name.
        require_credential(principal())
    if request.is_json and (request.content_length or 0) > JSON_BYTES:
        raise UploadTooLarge(f"A JSON body has at most {JSON_BYTES} bytes: send less at a time.")
    try:
        unquote_to_bytes(_checked_target()).decode()
    except UnicodeDecodeError:
        raise InvalidParameter("The URL is not UTF-8: percent-encode the UTF-8 bytes of the key.") from None
    return None


def _checked_target() -> str:
    """The part of the target that must be UTF-8: its path, and the query where REST reads names from it.

    Werkzeug would leave other bytes of a query percent-encoded, so that they name something else.
    """
    target: str = request.environ.get("RAW_URI", "")
    return target if request.path.startswith("/v1/") else target.partition("?")[0]


def _leave(response: Response) -> Response:
    response.headers["X-Request-Id"] = journal.request_id()
    if response.status_code == 204 or (request.method == "OPTIONS" and response.status_code < 400):
        del response.headers["Content-Type"]  # there is nothing, which werkzeug would call HTML
    for name, value in SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def error_response(status: int, code: str, message: str) -> Response:
    """The one shape of an error: `{"error": {"code": …, "message": …}}`."""
    g.error_code = code
    response = jsonify({"error": {"code": code, "message": message}})
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Basic realm="imagestore", charset="UTF-8"'
    if status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    return response


def validation_response(error: ValidationError) -> Response:
    """400 for a path, query or body that does not fit its schema, naming the first thing that is wrong."""
    if error.error_count() > MOST_TOLD:
        message = f"{error.error_count()} things are wrong with it: /v1/docs says what this route takes."
        return error_response(400, "invalid_parameter", message)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return error_response(400, "invalid_parameter", f"{where}: {first['msg']}.")


def _answer_error(error: ImagestoreError) -> Response:
    if isinstance(error, RateLimited):
        wait = max(1, math.ceil(error.wait))
        message = f"{error.message} Try again in {wait} seconds."
        response = error_response(ANSWERS[error.code], error.code, message)
        response.headers["Retry-After"] = str(wait)
        return response
    if isinstance(error, Unavailable):
        log.warning("%s: %s", error.code, error.message)
    return error_response(ANSWERS[error.code], error.code, error.message)


def _answer_http(error: HTTPException) -> Response:
    status = error.code or 500
    code = HTTP_CODES.get(status, "invalid_request")
    message = _NO_ROUTE if status == 404 else error.description or error.name
    response = error_response(status, code, message)
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            response.headers[name] = value
    return response


def _answer_depth(error: RecursionError) -> Response:
    """JSON nested so deep that the parser gives up: the only recursion that a request can drive."""
    log.warning("%s", error)
    return error_response(400, "invalid_parameter", "The body is nested too deeply to be read.")


def _answer_bug(error: Exception) -> Response:
    log.error("the request failed", exc_info=error)
    return error_response(
        500, "internal_error", "Something broke on our side; it was logged under the request id."
    )
