"""The application of the S3 door: every request's way in, and every error's way out."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, Response, g, request

from imagestore.core.ahead import AHEAD, ANSWERED, GO_ON, BodyWanted
from imagestore.core.errors import ImagestoreError, Unavailable
from imagestore.core.headers import SAFE_HEADERS
from imagestore.services import Services
from imagestore.web import journal
from imagestore.web.s3 import cors
from imagestore.web.s3.call import read_call
from imagestore.web.s3.errors import S3Error, of_ours
from imagestore.web.s3.identity import identify
from imagestore.web.s3.operations import choose
from imagestore.web.s3.xml import Child, render_plain

log = logging.getLogger(__name__)

RETRY_AFTER = "2"


class Door(Flask):
    """Has no routes of Flask's: what a request is after is in its raw target, its host and its query."""

    def __init__(self, services: Services) -> None:
        super().__init__("imagestore.s3", static_folder=None)
        self.extensions["imagestore"] = services
        self.config["FACE"] = "s3"
        self._services = services
        journal.install(self, services.metrics, services.tracer)
        self.before_request(self._enter)
        self.after_request(_leave)
        self.register_error_handler(S3Error, _answer)
        self.register_error_handler(ImagestoreError, _answer_own)
        self.register_error_handler(BodyWanted, lambda _: Response(status=GO_ON))
        self.register_error_handler(Exception, _answer_bug)

    def dispatch_request(self) -> Response:
        call = read_call(self._services, request, self._services.settings.s3_domains)
        g.call = call
        g.subject = {"bucket": call.bucket, "key": call.key}
        g.resource = call.asked.path
        name, handler = choose(call)
        g.operation = name
        if call.method != "OPTIONS":  # which is signed by nobody, whatever is in its query
            identify(call)
        g.principal = call.principal
        return handler(call)

    def _enter(self) -> None:
        if request.environ.get(AHEAD) != ANSWERED:  # it was met before
            self._services.rate_limits.meet_address(request.remote_addr or "")


def _leave(response: Response) -> Response:
    response.headers["x-amz-request-id"] = journal.request_id()
    response.headers["x-amz-id-2"] = secrets.token_urlsafe(24)
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Referrer-Policy"):
        response.headers.setdefault(name, SAFE_HEADERS[name])
    if "call" in g:
        cors.add_headers(g.call, response)
    if response.status_code in (204, 304):
        del response.headers["Content-Type"]
    return response


def _answer(error: S3Error) -> Response:
    g.error_code = error.code
    children: list[Child] = [("Code", error.code), ("Message", error.message), *error.extra.items()]
    children += [("Resource", g.get("resource", "/")), ("RequestId", journal.request_id())]
    response = Response(render_plain("Error", children), error.status, content_type="application/xml")
    response.headers.update(error.headers)
    if error.status == 503:
        response.headers["Retry-After"] = RETRY_AFTER
    if error.status in (304, 412) or request.method == "HEAD":
        response.headers["x-amz-error-code"] = error.code
    return response


def _answer_own(error: ImagestoreError) -> Response:
    if isinstance(error, Unavailable):
        log.warning("%s: %s", error.code, error.message)
    return _answer(of_ours(error))


def _answer_bug(error: Exception) -> Response:
    log.error("the request failed", exc_info=error)
    return _answer(
        S3Error("InternalError", "We encountered an internal error. Please try again; it was logged.")
    )
