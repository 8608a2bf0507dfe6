"""A download that is read as slowly as a test wants: nothing beyond small buffers is taken in ahead."""

from __future__ import annotations

import hashlib
import socket
import time
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.faults.caller import PATIENCE
from tests.service import Service

BUFFER = 16 * 1024


class Reader:
    """One GET of a path on a connection of its own. `status` and `headers` are known once it is made."""

    def __init__(self, service: Service, path: str, **headers: str) -> None:
        address = urlsplit(service.url)
        self._socket = socket.socket()
        # Before the connection is made, since the window that is offered with it depends on that.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self._socket.settimeout(PATIENCE)
        self._socket.connect((address.hostname, address.port))
        fields = {"Host": address.netloc, "Connection": "close", **headers}
        lines = [f"GET {path} HTTP/1.1", *(f"{name}: {text}" for name, text in fields.items())]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head, self._ahead = self._read_head()
        first, *rest = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): text for name, _, text in (field.partition(": ") for field in rest)}
        self.size = int(self.headers["content-length"])
        self.received = 0
        self.longest_silence = 0.0
        self._found = hashlib.sha256()

    def _read_head(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            more = self._socket.recv(BUFFER)
            if not more:
                raise ConnectionError(f"no answer, only {received!r}")
            received += more
        head, _, ahead = received.partition(b"\r\n\r\n")
        return head, ahead

    def read(self, size: int | None = None) -> int:
        """Take in the next `size` bytes, by default all that are left; how many came."""
        wanted = self.size - self.received if size is None else size
        came = 0
        while came < wanted:
            data, self._ahead = self._ahead, b""
            began = time.monotonic()
            try:
                data = data or self._socket.recv(min(BUFFER, wanted - came))
            except ConnectionError:  # a reset is an end before the announced one
                break
            self.longest_silence = max(self.longest_silence, time.monotonic() - began)
            if not data:
                break
            self._found.update(data)
            came += len(data)
        self.received += came
        return came

    @property
    def whole(self) -> bool:
        """Whether all that was announced has come. Bytes beyond it would be a fault of their own."""
        assert self.received <= self.size
        return self.received == self.size

    @property
    def digest(self) -> str:
        """Of what came until now."""
        return self._found.hexdigest()

    @property
    def etag(self) -> str:
        return self.headers["etag"].strip('"')

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
