"""The gunicorn worker of the service: gunicorn's ASGI worker with EdgeProtocol for its connections."""

from __future__ import annotations

import asyncio
import resource
import socket

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from imagestore.core.metrics import SILENT, Metrics
from imagestore.edge.protocol import EdgeProtocol
from imagestore.settings import Settings

UNSENT_BYTES = 128 * 1024
"""What the kernel may hold of an answer without having sent it, for each connection.

By default it takes megabytes, so that a slow reader's progress shows late or not at all. What is on its way
to the client does not count, so throughput does not suffer (the kernel's ip-sysctl, tcp_notsent_lowat).
"""

OTHER_FILES = 512
"""Open files that are not connections: listeners, databases, bodies on disk, decoders."""


class EdgeWorker(gasgi.ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """For gunicorn's `worker_class`. Deadlines and bounds come from the environment (`Settings`)."""

    loop: asyncio.AbstractEventLoop
    nr_conns: int

    def init_process(self) -> None:
        settings = Settings.load()
        self.header_timeout = settings.header_timeout
        self.send_timeout = settings.send_timeout
        self.trusted_proxies = settings.trusted_proxies
        self.connections = min(settings.connections, raise_file_limit(settings.connections))
        self.protocols: set[EdgeProtocol] = set()
        # Asked of a subclass, this would note its answer where the parent does not look for it, and the slow
        # parser would be taken.
        if ASGIProtocol._check_h1c_protocol_available():
            from imagestore.edge.parser import EdgeParser  # the extra `fast` may not be installed

            ASGIProtocol._h1c_protocol_class = EdgeParser
        # The parent names the class of its connections nowhere but in this global.
        gasgi.ASGIProtocol = EdgeProtocol
        # A request whose client has left is cancelled at once, not after seconds of work for nobody.
        self.cfg.set("asgi_disconnect_grace_period", 0)
        # gunicorn would believe any peer on loopback about the scheme: whom to believe is for `forwarded`.
        self.cfg.set("forwarded_allow_ips", "")
        self.cfg.set("secure_scheme_headers", {})
        for listener in self.sockets:
            limit_unsent(listener.sock)
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self.metrics: Metrics = getattr(self.asgi, "metrics", SILENT)

    async def _shutdown(self) -> None:
        for protocol in tuple(self.protocols):
            protocol.close_if_idle()
        await super()._shutdown()


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
