"""A connection of the S3 listener: the application beside the first one, and refusals as AWS has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from imagestore.edge.asgi import Scope
from imagestore.edge.protocol import EdgeProtocol
from imagestore.edge.refusals import XML

if TYPE_CHECKING:
    from imagestore.edge.worker import EdgeWorker


class S3Protocol(EdgeProtocol):
    """Nothing is answered from memory here: S3's clients read what was written last, whoever wrote it."""

    refusals = XML

    def __init__(self, worker: EdgeWorker) -> None:
        super().__init__(worker)
        self.app = worker.beside

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        self._continue_without_body(request)
        return super()._build_http_scope(request, sockname, peername)

    def _continue_without_body(self, request: Any) -> None:
        """Who waits for a 100 before a body of no bytes gets one too (RFC 9110, section 10.1.1, lets us).

        botocore, if it hears a final status instead, takes that for the status of its next answer as well
        while the connection lasts, and loses what is in it.
        """
        receiver = self._body_receiver
        if receiver is None or request.content_length != 0 or request.chunked:
            return
        if receiver.expect_continue:
            receiver.expect_continue = False
            self._safe_write(b"HTTP/1.1 100 Continue\r\n\r\n")
