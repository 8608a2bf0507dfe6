"""The gunicorn worker of the service: gunicorn's ASGI worker with EdgeProtocol for its connections."""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import resource
import signal
import socket
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.asgi.lifespan import LifespanManager
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from imagestore.core.metrics import SILENT, Metrics
from imagestore.edge.doorway import CROWD, MOST_WORKERS, Doorway
from imagestore.edge.filed import MOST_FILES
from imagestore.edge.protocol import EdgeProtocol
from imagestore.edge.replay import Replayer
from imagestore.edge.replaying import ReplayingProtocol
from imagestore.edge.s3 import S3Protocol
from imagestore.settings import Settings

UNSENT_BYTES = 128 * 1024
"""What the kernel may hold of an answer without having sent it, for each connection.

By default it takes megabytes, so that a slow reader's progress shows late or not at all. What is on its way
to the client does not count, so throughput does not suffer (the kernel's ip-sysctl, tcp_notsent_lowat).
"""

M_ARENA_MAX = -8
"""As malloc.h has it."""

OTHER_FILES = 512 + MOST_FILES
"""Open files that are not connections: listeners, databases, bodies on disk and in memory, decoders."""

STOP_LINGER = 0.5
"""Seconds after SIGTERM for which a kept-alive connection may still bring a request."""

RETIRE_SECONDS = 600.0
"""From SIGHUP to the end of requests that are still running: nobody waits for this worker's end."""

STOP_SHARE = 0.9
"""Of the time after which gunicorn kills a worker: the rest is for closing what is still open."""

DRAIN_ROUND = 0.05

DRAINING = frozenset({signal.SIGTERM, signal.SIGHUP})
"""Signals that make a worker drain. Who forks it blocks them before, so that none is lost until it serves."""


class EdgeWorker(gasgi.ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """For gunicorn's `worker_class`. Deadlines and bounds come from the environment (`Settings`).

    SIGTERM and SIGHUP make it drain. It takes over what the kernel had accepted, listens no more, and says
    `Connection: close` in every answer that begins from now on; it ends when no connection is left. What
    differs is how it deals with connections that are idle meanwhile, and how long it has. A close may
    always cross with a request on its way, and a POST that was met by one cannot be sent again (RFC 9110,
    section 9.2.2). So after SIGHUP, when other workers serve already, an idle connection is closed no sooner
    than ever: by its keep-alive time. After SIGTERM it has STOP_LINGER seconds.
    """

    loop: asyncio.AbstractEventLoop
    nr_conns: int
    _quick_shutdown: bool
    draining = False

    def init_process(self) -> None:
        use_one_arena()
        settings = Settings.load()
        self.header_timeout = settings.header_timeout
        self.send_timeout = settings.send_timeout
        self.trusted_proxies = settings.trusted_proxies
        self.connections = min(settings.connections, raise_file_limit(settings.connections))
        self.protocols: set[EdgeProtocol] = set()
        self._main: asyncio.Task[None] | None = None
        self._idle_until = self._drained_by = math.inf
        # Asked of a subclass, this would note its answer where the parent does not look for it, and the slow
        # parser would be taken.
        if ASGIProtocol._check_h1c_protocol_available():
            from imagestore.edge.parser import EdgeParser  # the extra `fast` may not be installed

            ASGIProtocol._h1c_protocol_class = EdgeParser
        # A request whose client has left is cancelled at once, not after seconds of work for nobody.
        self.cfg.set("asgi_disconnect_grace_period", 0)
        # gunicorn would believe any peer on loopback about the scheme: whom to believe is for `forwarded`.
        self.cfg.set("forwarded_allow_ips", "")
        self.cfg.set("secure_scheme_headers", {})
        for listener in self.sockets:
            limit_unsent(listener.sock)
        self._place = self.age % MOST_WORKERS
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.metrics: Metrics = getattr(self.asgi, "metrics", SILENT)
        self.replayer: Replayer | None = getattr(self.asgi, "replayer", None)
        self.beside: Any = getattr(self.asgi, "beside", None)

    def init_signals(self) -> None:
        super().init_signals()
        self.loop.add_signal_handler(signal.SIGHUP, self.handle_hang_up_signal)

    def handle_exit_signal(self) -> None:
        self._drain_within(STOP_LINGER, self.cfg.graceful_timeout * STOP_SHARE)

    def handle_hang_up_signal(self) -> None:
        self._drain_within(math.inf, RETIRE_SECONDS)

    def notify(self) -> None:
        """gunicorn's sign of life, once a second as long as it serves."""
        super().notify()
        CROWD.look(self._place)
        if self.replayer is not None:
            self.replayer.tell(self.metrics)

    def tell_crowd(self) -> None:
        """The number of connections has changed."""
        CROWD.note(self._place, self.nr_conns)

    async def _serve(self) -> None:
        """As gunicorn's own, but with a Doorway for each listener."""
        self._main = asyncio.current_task()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, DRAINING)
        self.lifespan = LifespanManager(self.asgi, self.log, self.state)
        await self.lifespan.startup()
        CROWD.join(self._place)
        self.servers = [
            Doorway(each.sock, self._place, partial(self._converse, number), lambda: self.nr_conns)
            for number, each in enumerate(self.sockets)
        ]
        with suppress(asyncio.CancelledError):
            while self.alive and self.ppid == os.getppid():
                self.notify()
                await asyncio.sleep(1.0)
        await self._shutdown()

    def _converse(self, listener: int) -> EdgeProtocol:
        """For a connection that came by the listener of that number: the second one, if any, is S3's."""
        return S3Protocol(self) if listener > 0 and self.beside is not None else ReplayingProtocol(self)

    async def _shutdown(self) -> None:
        if not self.draining and not self._quick_shutdown:  # gunicorn saw that its arbiter is gone
            self._main = None
            self.handle_exit_signal()
            await self._drainage
        await super()._shutdown()

    def _drain_within(self, linger: float, grace: float) -> None:
        """Begin to drain; a later signal can only make it shorter."""
        now = self.loop.time()
        self._idle_until = min(self._idle_until, now + linger)
        self._drained_by = min(self._drained_by, now + grace)
        if not self.draining:
            self.draining = True
            self._drainage = self.loop.create_task(self._drain())

    async def _drain(self) -> None:
        try:
            for number, connection in self._stop_listening():
                with suppress(OSError):  # its client is gone
                    await self.loop.connect_accepted_socket(partial(self._converse, number), connection)
            await asyncio.sleep(DRAIN_ROUND)  # the loop may have accepted some that are not counted yet
            while self.nr_conns > 0 and self.loop.time() < self._drained_by:
                if self.loop.time() >= self._idle_until:
                    for protocol in tuple(self.protocols):
                        protocol.close_if_idle()
                await asyncio.sleep(DRAIN_ROUND)
            for protocol in tuple(self.protocols):
                protocol.abort()
        finally:
            # Not before: gunicorn's protocol closes connections of a worker that is not alive, and those
            # whose answer had begun earlier were told that they may send another request.
            self.alive = False
            if self._main is not None:
                self._main.cancel()  # gunicorn's own way out of its loop, which else looks once a second

    def _stop_listening(self) -> list[tuple[int, socket.socket]]:
        """Close the listeners; returns what the kernel had accepted, which the last close would reset, each
        with the number of its listener."""
        CROWD.leave(self._place)
        waiting = [
            (number, each)
            for number, listener in enumerate(self.sockets)
            for each in accept_all(listener.sock)
        ]
        for server in self.servers:
            server.close()
        return waiting


def accept_all(listener: socket.socket) -> list[socket.socket]:
    """The connections that wait in a non-blocking listener's queue."""
    accepted = []
    try:
        while True:
            accepted.append(listener.accept()[0])
    except OSError:  # none is left, or there is no descriptor for it
        return accepted


def use_one_arena() -> None:
    """Let all threads of this process take memory from one arena (glibc, mallopt(3), M_ARENA_MAX).

    By default each gets one of its own, up to eight a processor, and the holes in all of them stay resident:
    a worker grew for as long as it met new sizes. Threads of an interpreter with a lock of its own do not
    get in each other's way.
    """
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def raise_file_limit(connections: int) -> int:
    """Let this process open files for so many connections; returns how many it may really have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHER_FILES
    if soft < wanted and soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(soft - OTHER_FILES, soft // 2)


def limit_unsent(listener: socket.socket) -> None:
    """Bound what connections of this listener keep unsent in the kernel: they inherit it (Linux, TCP)."""
    if listener.family in (socket.AF_INET, socket.AF_INET6):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
