"""One client connection: gunicorn's own ASGI protocol with the deadlines and bounds that it lacks."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gunicorn.asgi.protocol import ASGIProtocol

from imagestore.core.ahead import MET
from imagestore.core.errors import LengthMismatch, Overloaded, RequestTimeout
from imagestore.core.metrics import EDGE_CONNECTIONS, EDGE_REFUSALS
from imagestore.edge.asgi import ABORT, Scope
from imagestore.edge.forwarded import resolve
from imagestore.edge.framing import check_coding
from imagestore.edge.host import check_host
from imagestore.edge.refusals import JSON, Refusal, Refusals
from imagestore.edge.sending import SERVER

if TYPE_CHECKING:
    from imagestore.edge.worker import EdgeWorker

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time to linger: closing resets, and what is unsent goes with it."""


class EdgeProtocol(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """A connection that nobody can hold by being slow.

    - The head of a request arrives within `worker.header_timeout` seconds of the connection's beginning or,
      for a later request, of its own first byte: otherwise 408. Between requests, `keepalive` counts.
    - A connection beyond `worker.connections` gets 503 and is closed.
    - A kept-alive connection is not closed while a request lies unread in the kernel.
    - A closed connection that does not take its last bytes within `worker.send_timeout` seconds is reset.
    - A scope carries `abort` under `ABORT`, and of client, scheme and Host what trusted proxies say of them.
    - What the HTTP parser refuses is answered in our error shape, and so are a request without a valid Host
      (RFC 9112, section 3.2), a transfer coding other than chunked (section 6.1), and a body that ends short
      of its Content-Length (section 8).
    """

    worker: EdgeWorker
    transport: asyncio.Transport
    refusals: Refusals = JSON
    _keepalive_handle: asyncio.TimerHandle | None

    def __init__(self, worker: EdgeWorker) -> None:
        super().__init__(worker)
        self._head_timer: asyncio.TimerHandle | None = None
        self._flush_timer: asyncio.TimerHandle | None = None
        self._answering = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.worker.protocols.add(self)
        self.worker.metrics.count(EDGE_CONNECTIONS, by=1)
        if self.worker.nr_conns >= self.worker.connections:
            self.worker.nr_conns += 1
            self.transport = transport
            error = Overloaded("Too many connections: try again in a second.")
            self.worker.metrics.count(EDGE_REFUSALS, error.code)
            self._send_refusal(self.refusals.refuse(error, close=True))
            self._close_transport()
            return
        self._arm_head_timer()
        super().connection_made(transport)
        self.worker.tell_crowd()

    def connection_lost(self, exc: Exception | None) -> None:
        self.worker.protocols.discard(self)
        self.worker.metrics.count(EDGE_CONNECTIONS, by=-1)
        self._cancel_head_timer()
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        super().connection_lost(exc)
        self.worker.tell_crowd()

    def eof_received(self) -> None:
        """The client sends no more; one that did so in the middle of a body may still read our answer."""
        receiver = self._body_receiver
        if receiver is not None and not (receiver._complete or self._answering or self._closed):
            error = LengthMismatch(
                "The body ended before all that was announced had come: send it again, whole."
            )
            self.worker.metrics.count(EDGE_REFUSALS, error.code)
            self._send_refusal(self.refusals.refuse(error, close=True))
            self._close_transport()

    def abort(self) -> None:
        """Reset the connection now: the unsent is dropped, and the client sees that the answer was cut."""
        if self._conn_lost_handled:
            return
        self._closed = True
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def close_if_idle(self) -> None:
        """Close a kept-alive connection on which no request has begun."""
        begun = self._current_request is not None or self._head_timer is not None
        if self._awaiting_request and self.req_count > 1 and not begun:
            self._keepalive_timeout()

    def _keepalive_timeout(self) -> None:
        """After a long round of the loop timers may run before the sockets are looked at."""
        if self._has_unread():
            self._arm_keepalive_timer()
        else:
            super()._keepalive_timeout()

    def _has_unread(self) -> bool:
        try:
            unread = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4))
        except (OSError, ValueError):  # it is closed
            return False
        return unread != bytes(4)

    def _will_close(self, request: Any, response_requires_close: bool) -> bool:
        will: bool = super()._will_close(request, response_requires_close)
        return will or self.worker.draining

    def _feed_callback_parser(self, data: bytes) -> bool:
        alive: bool = super()._feed_callback_parser(data)
        if alive:
            self._note_fed()
        return alive

    def _note_fed(self) -> None:
        """A part of a request at least has come."""
        # At once: the task that serves the connection cancels it only in the loop's next round.
        self._cancel_keepalive_timer()
        if self._current_request is None and self._head_timer is None:
            self._arm_head_timer()

    def _http1_buffered(self) -> int:
        """Bytes that nobody has taken yet, by which gunicorn decides to stop reading."""
        buffered: int = super()._http1_buffered()
        return buffered + len(getattr(self._callback_parser, "held", b""))

    def _on_headers_complete(self) -> bool:
        self._cancel_head_timer()
        self._answering = False
        parser = self._callback_parser
        check_host(parser.http_version, parser.headers, parser.path)
        check_coding(parser.headers)
        skip_body: bool = super()._on_headers_complete()
        return skip_body

    def _is_websocket_upgrade(self, request: Any) -> bool:
        """Nobody speaks WebSocket here: who asks for it is answered in HTTP (RFC 9110, section 7.8)."""
        return False

    def _arm_keepalive_timer(self) -> None:
        if self._head_timer is None:
            super()._arm_keepalive_timer()

    def _arm_head_timer(self) -> None:
        self._head_timer = self.worker.loop.call_later(self.worker.header_timeout, self._head_timeout)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_timeout(self) -> None:
        error = RequestTimeout("The head of the request came too slowly: send it again, faster.")
        self.worker.metrics.count(EDGE_REFUSALS, error.code)
        self._send_refusal(self.refusals.refuse(error, close=True))
        super()._keepalive_timeout()

    def _build_http_scope(self, request: Any, sockname: Any, peername: Any) -> Scope:
        scope: Scope = super()._build_http_scope(request, sockname, peername)
        scope.setdefault("extensions", {}).update({ABORT: self.abort, MET: time.time()})
        resolve(scope, self.worker.trusted_proxies)
        return scope

    def _send_response_start(
        self, status: int, headers: list[tuple[bytes, bytes]], *arguments: Any, **options: Any
    ) -> None:
        self._answering = True
        super()._send_response_start(status, [*headers, SERVER], *arguments, **options)

    def _send_error_response(self, status: int, message: str, extra_headers: Any = ()) -> None:
        if status != 500:
            self.worker.metrics.count(EDGE_REFUSALS, "malformed")
        refusals = self.refusals
        broken = status == 500
        refusal = refusals.refuse_broken(close=True) if broken else refusals.refuse_malformed(status, message)
        refusal.headers.extend((name.lower().encode(), value.encode()) for name, value in extra_headers)
        self._send_refusal(refusal)

    def _send_refusal(self, refusal: Refusal) -> None:
        lines = [f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}".encode()]
        lines += [name + b": " + value for name, value in refusal.headers]
        self._safe_write(b"\r\n".join([*lines, b"", refusal.body]))

    def _close_transport(self) -> None:
        if self._closed:
            return
        super()._close_transport()
        self._cancel_head_timer()
        # close() waits for what is still unsent: without an end, where the client does not read.
        self._flush_timer = self.worker.loop.call_later(self.worker.send_timeout, self.abort)
