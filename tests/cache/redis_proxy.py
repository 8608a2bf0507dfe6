"""A TCP proxy before Redis that counts round trips, and can be slow or lie."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self


class RedisProxy:
    """Listens at `url`. A round trip is what a client sends until it is answered.

    `delay` is in seconds, before each piece of an answer; `instead` is said in its place.
    """

    def __init__(self, port: int, *, delay: float = 0.0) -> None:
        self.round_trips = 0
        self.delay = delay
        self.instead: bytes | None = None
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listener, *self._ends):
            end.close()

    def _run(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._port))
            self._ends += [client, server]
            asking = threading.Event()
            self._run(self._ask, client, server, asking)
            self._run(self._answer, client, server, asking)

    def _ask(self, client: socket.socket, server: socket.socket, asking: threading.Event) -> None:
        while data := _receive(client):
            if not asking.is_set():
                asking.set()
                self.round_trips += 1
            _send(server, data)
        _hang_up(server)

    def _answer(self, client: socket.socket, server: socket.socket, asking: threading.Event) -> None:
        while data := _receive(server):
            time.sleep(self.delay)
            asking.clear()
            if self.instead == b"":
                break
            _send(client, data if self.instead is None else self.instead)
        _hang_up(client)


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(1 << 20)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        end.sendall(data)


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
