"""gunicorn in this process: its settings, the application in each worker, our log, our signals."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from imagestore.app import FORM_SLACK, create_app, create_s3_app
from imagestore.core.errors import DecoderLost
from imagestore.edge.front import Front
from imagestore.edge.memory import Memory
from imagestore.edge.refusals import XML
from imagestore.edge.replay import Replayer
from imagestore.edge.traced import TracedFront
from imagestore.edge.worker import DRAINING, EdgeWorker
from imagestore.embedded import EmbeddedError
from imagestore.services import Services
from imagestore.settings import Settings
from imagestore.web.ops import LIVENESS

log = logging.getLogger(__name__)

GRACE_SECONDS = 30
"""From SIGTERM to the end of requests that are still running."""

SILENCE_SECONDS = 60
"""A worker whose event loop stands still for so long is replaced."""


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Serves `listeners`, which it takes over, until a signal; `run` then ends in SystemExit.

    The first is for all faces but S3, which has the second, if there is one.

    Workers get `settings` by the fork, since the environment of their children should hold no secret.
    `on_listening` is called in this process, before the first fork; `on_worker_end` after the end of each
    worker, with its process id and those of the others; `look` about once a second, with those of all. An
    EmbeddedError that `look` raises ends the service, with status 1.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[socket.socket],
        on_listening: Callable[[], None],
        on_worker_end: Callable[[int, Collection[int]], None] | None = None,
        look: Callable[[Collection[int]], None] = lambda workers: None,
    ) -> None:
        self.look = look
        self._settings = settings
        self._on_listening = on_listening
        self._on_worker_end = on_worker_end
        self._listeners = [f"fd://{listener.detach()}" for listener in listeners]
        super().__init__()

    def load_config(self) -> None:
        level = self._settings.log_level
        choices = {
            "bind": self._listeners,
            "workers": self._settings.workers,
            "worker_class": _Worker,
            "keepalive": self._settings.keepalive,
            "graceful_timeout": GRACE_SECONDS,
            "timeout": SILENCE_SECONDS,
            "limit_request_line": 8190,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "forwarder_headers": "",
            # Signatures cover names with underscores, too; `edge/gateway.py` keeps them from the environment.
            "header_map": "dangerous",
            "control_socket_disable": True,
            "proc_name": "imagestore",
            "logger_class": _Log,
            "loglevel": "warning" if level == "info" else level,
            "when_ready": lambda _: self._on_listening(),
            "child_exit": self._end_worker,
        }
        for name, value in choices.items():
            self.cfg.set(name, value)

    def load(self) -> Front | TracedFront:
        services = Services(self._settings)
        with suppress(DecoderLost):  # then they start with the first upload, and what is stored is served
            services.decoders.warm()
        front = Front(
            create_app(services),
            threads=self._settings.threads,
            body_limit=self._settings.upload_bytes + FORM_SLACK,
            body_timeout=self._settings.body_timeout,
            send_timeout=self._settings.send_timeout,
            spool_directory=self._settings.data / "spool",
            unqueued=frozenset({LIVENESS}),
            on_shutdown=services.close,
            replayer=_open_replayer(self._settings, services),
            metrics=services.metrics,
            beside=_open_beside(self._settings, services) if len(self._listeners) > 1 else None,
        )
        return TracedFront(front, services.tracer) if services.tracer.enabled else front

    def _end_worker(self, arbiter: Arbiter, worker: EdgeWorker) -> None:
        if self._on_worker_end is None:
            return
        try:
            self._on_worker_end(worker.pid, set(arbiter.WORKERS))
        except Exception:  # a full disk, say: the service matters more than its counters
            log.exception("the counters of worker %s stay where they are", worker.pid)

    def run(self) -> None:
        # What is loaded by now stays to the end. The collector of each worker would look through it again and
        # again, and so touch and copy what workers share by the fork: at its end, for tenths of a second.
        gc.freeze()
        _Arbiter(self).run()


def _open_replayer(settings: Settings, services: Services) -> Replayer | None:
    if settings.edge == "off":
        return None
    memory = Memory(settings.edge_bytes, services.generations)
    answers = services.open_answers()
    return Replayer(memory, settings.edge_ttl, answers, services.bulletin, services.hottest)


def _open_beside(settings: Settings, services: Services) -> Front:
    """The S3 door, with threads and bounds of its own."""
    return Front(
        create_s3_app(services),
        threads=settings.threads,
        body_limit=settings.object_bytes + FORM_SLACK,
        body_timeout=settings.body_timeout,
        send_timeout=settings.send_timeout,
        spool_directory=settings.data / "spool",
        metrics=services.metrics,
        refusals=XML,
        looks_ahead=True,
    )


class _Arbiter(Arbiter):  # type: ignore[misc]
    def __init__(self, app: Server) -> None:
        super().__init__(app)
        self._retiring: set[int] = set()
        self._told: set[int] = set()

    def spawn_worker(self) -> int:
        """A signal for a worker that starts waits until it can take it, and would else be lost on the way.

        So it was when the service was told to stop at that moment: it stopped after GRACE_SECONDS.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, DRAINING)
        try:
            pid: int = super().spawn_worker()  # returns in this process only
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, DRAINING)

    def handle_hup(self) -> None:
        """New workers start; once they serve, those that there were drain, and nothing waits for their end.

        gunicorn's own reload ends the old ones while the new ones still start, so that nobody accepts
        connections for a while, and then looks neither for signals nor after anything else until the last
        request of the old ones is over.
        """
        self._retiring |= self.WORKERS.keys()
        self._count_workers()

    def reap_workers(self) -> None:
        super().reap_workers()
        if not self._retiring <= self.WORKERS.keys():
            self._retiring &= self.WORKERS.keys()
            self._told &= self._retiring
            self._count_workers()

    def _count_workers(self) -> None:
        """The number that gunicorn keeps up. Of more it would end the oldest, as if the service stopped."""
        self.num_workers = self.cfg.workers + len(self._retiring)

    def _retire(self) -> None:
        """Tell the old workers, once there are enough new ones and each of these has shown up."""
        young = [worker for pid, worker in self.WORKERS.items() if pid not in self._retiring]
        if len(young) >= self.cfg.workers and all(map(_serves, young)):
            for pid in self._retiring - self._told:
                self.kill_worker(pid, signal.SIGHUP)
            self._told |= self._retiring

    def handle_int(self) -> None:
        """Ctrl-C drains as SIGTERM does; a second one, which gunicorn looks for while it waits, does not."""
        self.handle_term()

    def manage_workers(self) -> None:
        """Called in every round of gunicorn's loop, of which none takes much longer than a second."""
        super().manage_workers()
        self._retire()
        try:
            self.app.look(set(self.WORKERS))
        except EmbeddedError as error:
            log.error("%s", error)
            self.stop()
            sys.exit(1)


def _serves(worker: EdgeWorker) -> bool:
    """Whether it has come to its loop, where a worker first sets the time of its file to a monotonic one."""
    updated: float = worker.tmp.last_update()
    return updated <= time.monotonic()


class _Worker(EdgeWorker):
    def init_signals(self) -> None:
        super().init_signals()
        # The terminal sends Ctrl-C to the whole group: what it means is for the arbiter to tell.
        self.loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's own records, in the form and place of all others."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def listen(address: str) -> socket.socket:
    """A socket that listens on `HOST:PORT`; an IPv6 host has brackets. Raises OSError."""
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL by which this machine reaches what is served there."""
    host, port = listener.getsockname()[:2]
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - it is what is replaced
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def run_beside(work: Callable[[], None]) -> None:
    """Run `work` in a process of its own, which the signals meant for us end at once.

    Not in a thread: a process with threads must not fork, and this one forks its workers.
    """
    if os.fork() != 0:
        return
    status = 1
    try:
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(each, signal.SIG_DFL)
        work()
        status = 0
    finally:
        os._exit(status)  # nothing of the parent's unwinding is for this process
