"""A client connection that answers what is kept by itself: no task of gunicorn, no thread wakes up for it."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

from gunicorn.http.errors import ParseException

from imagestore.core.metrics import EDGE_ABORTS
from imagestore.edge.asked import Asked, Peer
from imagestore.edge.filed import Filed
from imagestore.edge.forwarded import is_trusted
from imagestore.edge.front import PIECE
from imagestore.edge.protocol import EdgeProtocol
from imagestore.edge.sending import Reply

if TYPE_CHECKING:
    from imagestore.edge.worker import EdgeWorker

log = logging.getLogger(__name__)

JOINED_BYTES = 16 * 1024
"""A body up to this is copied behind its head, which costs less than a second buffer does."""


class ReplayingProtocol(EdgeProtocol):
    """Looks for an answer as soon as a request's head is complete: in memory at once, in Redis with a wait.

    What is found goes straight to the transport, before gunicorn hears of the request; what is not takes its
    usual way. One request of a connection is answered after the other, as ever.
    """

    def __init__(self, worker: EdgeWorker) -> None:
        super().__init__(worker)
        self._reply: Reply | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._active = 0.0
        self._take_timer: asyncio.TimerHandle | None = None
        self._untaken = 0
        self._trusted: bool | None = None
        self._socket: socket.socket | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._take_timer is not None:
            self._take_timer.cancel()
        if self._fetching is not None:
            self._fetching.cancel()
        if self._socket is not None:
            self._socket.detach()  # the transport closes it
        super().connection_lost(exc)

    def close_if_idle(self) -> None:
        if self._fetching is None:
            self._active = 0.0
            super().close_if_idle()

    def _keepalive_timeout(self) -> None:
        """The timer was set at an earlier answer: replies set none of their own."""
        idle = self.worker.loop.time() - self._active
        if self._fetching is not None or self._flow_control.write_paused:
            self._arm_keepalive_timer()
        elif idle < self._keepalive:
            later = self._keepalive - idle
            self._keepalive_handle = self.worker.loop.call_later(later, self._keepalive_timeout)
        else:
            super()._keepalive_timeout()

    def _feed_callback_parser(self, data: bytes) -> bool:
        while True:
            alive = super()._feed_callback_parser(data)
            if not alive or self._reply is None:
                return alive
            data = self._send_reply(self._reply)
            if not data:
                return not self._closed

    def _note_fed(self) -> None:
        if self._reply is None and self._fetching is None:
            super()._note_fed()

    def _on_headers_complete(self) -> bool:
        found = self._look_up()
        if isinstance(found, Reply):
            self._reply = found
        elif found is not None:
            self._cancel_head_timer()
            self._fetching = self.worker.loop.create_task(self._fetch(found))
        else:
            return super()._on_headers_complete()
        return False

    def _look_up(self) -> Reply | Asked | None:
        """None too for a client that has not yet taken what was sent before, so that its pace is looked at,
        and from a worker that is about to end, so that the answer says so."""
        replayer, parser = self.worker.replayer, self._callback_parser
        if replayer is None or self.worker.draining or self._flow_control.write_paused:
            return None
        if parser.method not in (b"GET", b"HEAD"):
            return None
        if self._trusted is None:
            self._trusted = is_trusted(self.transport.get_extra_info("peername"), self.worker.trusted_proxies)
        peer = Peer(self._trusted, keeps=parser.http_version >= (1, 1))
        return replayer.reply(parser.method, parser.path, _fields(parser), self.worker.loop.time(), peer)

    async def _fetch(self, asked: Asked) -> None:
        replayer, parser = self.worker.replayer, self._callback_parser
        assert replayer is not None
        reply = None
        try:
            reply = await replayer.fetch(parser.method, parser.path, asked, self.worker.loop.time)
        except Exception:  # logged; the application answers, and nobody waits for ever
            log.exception("looking into Redis for %s failed", ascii(parser.path)[2:-1])
        self._fetching = None
        if reply is not None and not self.worker.draining:
            rest = self._send_reply(reply)
            if rest:
                self._feed_callback_parser(rest)
        elif not self._closed:
            self._pass_on()
        self._resume_reading()

    def _pass_on(self) -> None:
        """Let gunicorn have the request, which it refuses as it would have when the head was complete."""
        try:
            super()._on_headers_complete()
        except ParseException as error:
            self._send_error_response(400, str(error))
            self._close_transport()
            return
        self._on_message_complete()
        self._note_fed()

    def _send_reply(self, reply: Reply) -> bytes:
        """Send what was found for the request just read; returns what came behind that request."""
        self._reply = None
        parser = self._callback_parser
        rest: bytes = parser.remaining()
        parser.reset()
        self._cancel_head_timer()
        self._active = self.worker.loop.time()
        self.req_count += 1
        if isinstance(reply.body, Filed):
            self._send_filed(reply.head, reply.body)
        elif len(reply.body) > JOINED_BYTES:
            self.transport.writelines((reply.head, reply.body))
        else:
            self.transport.write(reply.head + reply.body if reply.body else reply.head)
        if self._flow_control.write_paused and self._take_timer is None:
            self._watch_taking()
        if reply.last:
            self._close_transport()
            return b""
        if self._keepalive_handle is None:
            self._arm_keepalive_timer()
        return rest

    def _send_filed(self, head: bytes, body: Filed) -> None:
        """By the kernel alone what the connection takes at once; what is left waits as ever."""
        sent = 0
        if self.transport.get_write_buffer_size() == 0:
            if self._socket is None:
                self._socket = socket.socket(fileno=self.transport.get_extra_info("socket").fileno())
            sent = body.send(self._socket, head)
        if sent < len(head):
            self.transport.writelines((head[sent:], body[:]))
        elif sent < len(head) + len(body):
            self.transport.write(body[sent - len(head) :])

    def _watch_taking(self) -> None:
        """The client has more before it than the kernel takes: it must take PIECE of that in time."""
        self._untaken = self.transport.get_write_buffer_size()
        self._take_timer = self.worker.loop.call_later(self.worker.send_timeout, self._check_taking)

    def _check_taking(self) -> None:
        self._take_timer = None
        if self._closed or not self._flow_control.write_paused:
            return
        if self.transport.get_write_buffer_size() > self._untaken - PIECE:
            self.worker.metrics.count(EDGE_ABORTS, "slow_reader")
            self.abort()
        else:
            self._watch_taking()


def _fields(parser: Any) -> list[tuple[bytes, bytes]]:
    """With lower-case names, from either of gunicorn's parsers."""
    fields: list[tuple[bytes, bytes]] = getattr(parser, "asgi_headers", None) or parser.headers
    return fields
