"""A TCP proxy that cuts connections after so many bytes of what the server says."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Listens at `url`. Each connection is cut after the next of `cuts` bytes; the last of them is for ever.

    None does not cut. `asked` is what clients sent first on each connection.
    """

    def __init__(self, port: int, cuts: list[int | None]) -> None:
        self._port = port
        self._cuts = cuts
        self.asked: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(30)
        self._listener.close()

    def _serve(self) -> None:
        """One connection after another: a client that resumes has given up the one before."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                cut = self._cuts.pop(0) if len(self._cuts) > 1 else self._cuts[0]
                with client, socket.create_connection(("127.0.0.1", self._port)) as server:
                    self._carry(client, server, cut)

    def _carry(self, client: socket.socket, server: socket.socket, cut: int | None) -> None:
        self.asked.append(b"")
        asking = threading.Thread(target=self._ask, args=(client, server))
        asking.start()
        try:
            left = float("inf") if cut is None else cut
            for data in _received(server):
                client.sendall(data[: int(min(left, len(data)))])
                left -= len(data)
                if left <= 0:
                    break
        finally:
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            asking.join(30)

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for data in _received(client):
                self.asked[-1] += data
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)  # the client has left


def _received(end: socket.socket) -> Iterator[bytes]:
    while data := end.recv(65536):
        yield data
