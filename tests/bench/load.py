"""The load: plain HTTP/1.1 over sockets, so that the client costs little beside what it measures."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Pace:
    """How a loop went: calls a second, and within how many milliseconds half and 99 % of them ended."""

    per_second: float
    milliseconds: float
    slow: float


def without_times(cache_status: str) -> str:
    """What Cache-Status (RFC 9211) says of where an answer came from, alike for all that came from there."""
    return re.sub(r"; *(?:ttl|key)=[^;]*", "", cache_status)


class Connection:
    """One kept-alive connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._common = f"Host: {parts.netloc}\r\n"
        self._buffer = bytearray(256 * 1024)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: str = "", *, expect: int = 200
    ) -> float:
        """Send a request and read its answer to the end; returns the seconds to the answer's first byte."""
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        self._socket.sendall(f"{method} {path} HTTP/1.1\r\n{self._common}{length}{headers}\r\n".encode())
        if body:
            self._socket.sendall(body)
        began = time.perf_counter()
        head = b""
        while b"\r\n\r\n" not in head:
            head += self._receive()
        first = time.perf_counter() - began
        fields, _, rest = head.partition(b"\r\n\r\n")
        if int(fields[9:12]) != expect:
            raise RuntimeError(f"{method} {path}: {head[:2000]!r}")
        missing = int(fields.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]) - len(rest)
        while missing > 0:
            missing -= len(self._receive())
        return first

    def _receive(self) -> memoryview:
        got = self._socket.recv_into(self._buffer)
        if not got:
            raise RuntimeError("the service closed the connection")
        return memoryview(self._buffer)[:got]

    def close(self) -> None:
        self._socket.close()


def repeat(call: Callable[[], object], seconds: float) -> list[float]:
    """Call again and again for so long; the seconds that each call took."""
    taken = []
    end = time.perf_counter() + seconds
    while (began := time.perf_counter()) < end:
        call()
        taken.append(time.perf_counter() - began)
    return taken


def pace(calls: list[Callable[[], object]], seconds: float) -> Pace:
    """Run each of `calls` in a thread of its own, again and again for so long."""
    taken: list[list[float]] = []
    failures: list[BaseException] = []

    def work(call: Callable[[], object]) -> None:
        try:
            taken.append(repeat(call, seconds))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    every = sorted(each for part in taken for each in part)
    return Pace(len(every) / seconds, median(every) * 1000, every[int(len(every) * 0.99)] * 1000)
