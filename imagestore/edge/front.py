"""The ASGI callable in front of a WSGI application: threads never wait for a client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

from imagestore.core.ahead import AHEAD, ANSWERED, ASKED, GO_ON, Unread
from imagestore.core.errors import ImagestoreError, Overloaded, RequestTimeout
from imagestore.core.metrics import EDGE_ABORTS, EDGE_REFUSALS, SILENT, Metrics
from imagestore.core.replay import REMEMBERS
from imagestore.edge.asgi import ABORT, Receive, Scope, Send
from imagestore.edge.calls import Call
from imagestore.edge.gateway import Chunk, Exchange
from imagestore.edge.recording import Recording
from imagestore.edge.refusals import JSON, Refusal, Refusals
from imagestore.edge.replay import Replayer
from imagestore.edge.spool import MEMORY_PER_BODY, Spool, discard_rest

log = logging.getLogger(__name__)

PIECE = 64 * 1024
"""Most bytes handed to a client's connection at once."""

WAITING_PER_THREAD = 16
"""Requests that may wait for each thread; more are refused."""


@dataclass(eq=False)
class Front:
    """Serves `wsgi_app` over ASGI 3 (http and lifespan), in an EdgeWorker.

    A request's body is taken in whole before the application runs, in one of `threads` threads. The answer
    is pulled chunk by chunk, each a short stay in a thread, and sent between these stays: a client that has
    not taken the next 64 KiB within `send_timeout` seconds is cut off. So is an answer that cannot be
    finished, short of its Content-Length. The application's iterable is always closed, in a thread.

    An application that waits for something may leave its thread meanwhile: see `core/parking.py`.

    Where it `looks_ahead`, the application is asked before a large body is taken in, or one that waits for
    100 (Continue): see `core/ahead.py`.

    GET and HEAD of the paths in `unqueued` run in the event loop, so that they are answered however busy the
    threads are: for what never waits for anything.

    What the `replayer` may keep of the answers it is given; it answers within EdgeProtocol, before this is
    called. Where the application cannot answer, one that is out of date may serve (RFC 5861, section 4).

    `body_limit` is bytes; `body_timeout` is seconds of silence, and a whole body gets that plus a second for
    each 16 KiB. Bodies over 1 MiB go to unnamed files in `spool_directory` (None: the system's).
    `on_shutdown` is called in a thread when the last request is over. What is `beside` this one serves the
    second listener, if there is one, and is shut down with it. `refusals` are those of the face. Each request
    has a context of its own (contextvars), which all steps of its application and its log lines share.
    """

    wsgi_app: WSGIApplication
    _: KW_ONLY
    threads: int
    body_limit: int
    body_timeout: float
    send_timeout: float
    spool_directory: Path | None
    unqueued: frozenset[str] = frozenset()
    on_shutdown: Callable[[], None] | None = None
    replayer: Replayer | None = None
    metrics: Metrics = SILENT
    refusals: Refusals = JSON
    beside: Front | None = None
    looks_ahead: bool = False

    def __post_init__(self) -> None:
        self._spool = Spool(limit=self.body_limit, timeout=self.body_timeout, directory=self.spool_directory)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="request")
        self._most_steps = self.threads * (1 + WAITING_PER_THREAD)
        self._steps = 0
        self._more = {} if self.replayer is None else {REMEMBERS: self.replayer.remembers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                await self._serve(scope, receive, send)
            except _TooSlow:
                self.metrics.count(EDGE_ABORTS, "slow_reader")
                log.info("%s: the client stopped reading, and was cut off", _named(scope))
                scope["extensions"][ABORT]()
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        if self.replayer is not None:
            self.replayer.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self.replayer is not None:
            self.replayer.close()
        if self.beside is not None:
            await asyncio.to_thread(self.beside.shut_down)
        await asyncio.to_thread(self.shut_down)
        await send({"type": "lifespan.shutdown.complete"})

    def shut_down(self) -> None:
        """Wait for what runs in threads, and let go of everything."""
        self._pool.shutdown()
        self._spool.close()
        if self.on_shutdown is not None:
            self.on_shutdown()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        # With a full queue there is nobody to ask: what comes is refused as ever.
        ahead = self.looks_ahead and not self._is_full() and _is_worth_a_look(scope["headers"])
        if ahead and not await self._look_ahead(scope, receive, send):
            return
        try:
            body = await self._spool.take(scope["headers"], receive)
        except ImagestoreError as error:
            self.metrics.count(EDGE_REFUSALS, error.code)
            await self._send_whole(scope, send, self.refusals.refuse(error, close=True))
            if not isinstance(error, RequestTimeout):
                await discard_rest(receive)
            return
        queued = scope["path"] not in self.unqueued or scope["method"] not in ("GET", "HEAD")
        more = {**self._more, AHEAD: ANSWERED} if ahead else self._more
        call = Call(self._pool, Exchange(self.wsgi_app, scope, body, more), queued=queued)
        try:
            if queued and self._is_full():
                await self._send_whole(scope, send, self._stand_in(scope) or self._refuse_overload())
            else:
                await self._answer(scope, call, send)
        finally:
            call.end()

    def _is_full(self) -> bool:
        return self._steps >= self._most_steps

    async def _look_ahead(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the application wants the body; where it does not, it has answered."""
        more = {**self._more, AHEAD: ASKED, "wsgi.input": Unread()}
        call = Call(self._pool, Exchange(self.wsgi_app, scope, None, more), queued=True)
        try:
            chunk = await self._step(call, call.exchange.begin)
            if call.exchange.status == GO_ON:
                return True
            headers = [*call.exchange.headers, (b"connection", b"close")]
            await send({"type": "http.response.start", "status": call.exchange.status, "headers": headers})
            while await self._send_chunk(send, chunk):
                chunk = await self._step(call, call.exchange.proceed)
            await discard_rest(receive)
            return False
        finally:
            call.end()

    async def _answer(self, scope: Scope, call: Call, send: Send) -> None:
        exchange, recording = call.exchange, self._record(scope)
        try:
            chunk = await self._step(call, exchange.begin)
            while exchange.parked is not None:
                await _landing(exchange.parked)
                chunk = await self._step(call, exchange.begin)
        except Exception:  # noqa: BLE001 - logged, as the request's own
            call.context.run(log.exception, "%s failed", _named(scope))
            self.metrics.count(EDGE_ABORTS, "broken")
            await self._send_whole(scope, send, self.refusals.refuse_broken())
            return
        if recording is not None and exchange.status >= 500 and (stale := recording.stale()) is not None:
            await self._send_whole(scope, send, stale)
            return
        await send({"type": "http.response.start", "status": exchange.status, "headers": exchange.headers})
        if recording is not None:
            recording.begin(exchange.status, exchange.headers, exchange.source)
        elif self.replayer is not None and exchange.status < 400:
            self.replayer.doubt(scope)
        try:
            while not chunk.last:
                # While a chunk is on its way to the client, the next one is read.
                coming = asyncio.ensure_future(self._step(call, exchange.proceed))
                try:
                    await self._send_chunk(send, chunk)
                    if recording is not None:
                        recording.add(chunk.data)
                    chunk = await coming
                finally:
                    _abandon(coming)
            await self._send_chunk(send, chunk)
            if recording is not None:
                recording.end(chunk.data)
        except _TooSlow:
            raise
        except Exception:  # noqa: BLE001 - logged, as the request's own
            call.context.run(log.exception, "%s: the answer broke off", _named(scope))
            self.metrics.count(EDGE_ABORTS, "broken")
            scope["extensions"][ABORT]()

    def _stand_in(self, scope: Scope) -> Refusal | None:
        """What may be sent of before, without a thread."""
        recording = self._record(scope)
        return recording.stale() if recording is not None else None

    def _refuse_overload(self) -> Refusal:
        overload = Overloaded("Every thread is busy and the queue is full: try again in a second.")
        self.metrics.count(EDGE_REFUSALS, overload.code)
        return self.refusals.refuse(overload)

    def _record(self, scope: Scope) -> Recording | None:
        """What may become of the answer to this request in memory."""
        return None if self.replayer is None else self.replayer.record(scope, asyncio.get_running_loop().time)

    async def _step(self, call: Call, step: Callable[[], Chunk]) -> Chunk:
        self._steps += 1
        try:
            return await call.run(step)
        finally:
            self._steps -= 1

    async def _send_chunk(self, send: Send, chunk: Chunk) -> bool:
        """Send a chunk piece by piece, and tell whether another follows."""
        data, last = chunk
        for start in range(0, len(data) - PIECE, PIECE):
            await self._send_piece(send, data[start : start + PIECE], more=True)
        rest = len(data) % PIECE or min(len(data), PIECE)
        await self._send_piece(send, data[len(data) - rest :], more=not last)
        return not last

    async def _send_piece(self, send: Send, data: bytes, *, more: bool) -> None:
        try:
            async with asyncio.timeout(self.send_timeout):
                await send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError:
            raise _TooSlow from None

    async def _send_whole(self, scope: Scope, send: Send, refusal: Refusal) -> None:
        body = b"" if scope["method"] == "HEAD" else refusal.body
        await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers})
        await self._send_piece(send, body, more=False)


def _is_worth_a_look(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body is large, may be, or waits to be asked for."""
    sent = dict(headers)
    length = sent.get(b"content-length", b"")
    if b"transfer-encoding" in sent or len(length) > 9 or int(length or 0) > MEMORY_PER_BODY:
        return True
    return b"expect" in sent and int(length or 0) > 0


def _named(scope: Scope) -> str:
    return f"{scope['method']} {ascii(scope['path'])[1:-1]}"


def _abandon(coming: asyncio.Future[Chunk]) -> None:
    """Nobody waits for it any more, unless it is done: if it fails, that was for a client that has left."""
    coming.cancel()
    coming.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _landing(future: Future[Any]) -> None:
    """Until the future is done, however it ends: others may wait for the same one, so it is left alone."""
    loop = asyncio.get_running_loop()
    landed = asyncio.Event()

    def tell(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(landed.set)

    future.add_done_callback(tell)
    await landed.wait()


class _TooSlow(Exception):
    """The client did not take a piece in time."""
