"""The load: clients over kept-alive connections, which hold every answer against what they know."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.faults.caller import PATIENCE, delivery_path
from tests.faults.ledger import Entry
from tests.service import Service

PIECE = 256 * 1024
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})


@dataclass(frozen=True)
class Ask:
    """One request, and what its answer must be: this status, with bytes of this digest.

    `told`: the digest is that in the answer's JSON, as an upload's, and not that of the body.
    """

    method: str
    path: str
    digest: str
    body: bytes = b""
    headers: str = ""
    status: int = 200
    told: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def on_the_wire(self, host: str) -> bytes:
        length = f"Content-Length: {len(self.body)}\r\n" if self.body else ""
        return (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: {host}\r\n{length}{self.headers}\r\n".encode()
            + self.body
        )

    def is_right(self, headers: bytes, body: bytes) -> bool:
        if self.told:
            return bool(json.loads(body)["digest"] == self.digest)
        return hashlib.sha256(body).hexdigest() == self.digest and self.digest.encode() in headers


def fetch(bucket: str, key: str, digest: str, version: int | None = None) -> Ask:
    """GET of an original, as a stranger sends it. Its ETag is the digest."""
    return Ask("GET", delivery_path(bucket, key, version), digest)


def upload(service: Service, method: str, path: str, data: bytes) -> Ask:
    """With the first credential."""
    headers = f"Authorization: {authorization(service)}\r\n"
    return Ask(method, path, hashlib.sha256(data).hexdigest(), data, headers, status=201, told=True)


def authorization(service: Service) -> str:
    """HTTP Basic with the first credential (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{service.access_key}:{service.secret}".encode()).decode()


@dataclass
class Record:
    """What the clients saw.

    `wrong`: a complete answer with other bytes. `cut`: an answer that had begun and ended short. `lost`: a
    request that was sent and got no answer. `complaints`: answers of the client and server error classes.
    `retried`: idempotent requests that met the end of a kept-alive connection and were sent again on another
    (RFC 9112, section 9.3.1). `refused` counts connections that could not be made, `closed` answers that said
    that their connection ends, `acknowledged` holds uploads with a 201.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    answers: list[tuple[float, float]] = field(default_factory=list)
    """When each answer ended, on the monotonic clock, and how many seconds it took."""
    wrong: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    acknowledged: list[Entry] = field(default_factory=list)
    refused: int = 0
    closed: int = 0

    @property
    def errors(self) -> int:
        """Answers of the server class."""
        return sum(count for status, count in self.statuses.items() if status >= 500)

    def seconds(self, since: float = 0.0, until: float = float("inf")) -> list[float]:
        return [seconds for ended, seconds in self.answers if since <= ended < until]

    def percentile(self, share: float, since: float = 0.0, until: float = float("inf")) -> float:
        """Seconds within which this share of the answers came."""
        return percentile(self.seconds(since, until), share)

    def faults(self) -> list[str]:
        """All that no fault whatsoever excuses, and requests without an answer."""
        return [*self.wrong, *self.cut, *self.lost, *self.complaints]

    def add(self, other: Record) -> None:
        self.statuses += other.statuses
        self.refused += other.refused
        self.closed += other.closed
        for name in ("answers", "wrong", "cut", "lost", "complaints", "retried", "acknowledged"):
            getattr(self, name).extend(getattr(other, name))


def percentile(seconds: Sequence[float], share: float) -> float:
    assert seconds, "nothing was answered"
    ranked = sorted(seconds)
    return ranked[min(len(ranked) - 1, int(len(ranked) * share))]


class _Closed(Exception):
    """The connection ended; `begun` says whether a part of the answer had come."""

    def __init__(self, begun: bool) -> None:
        super().__init__(begun)
        self.begun = begun


class Load:
    """Clients in one thread, each with one connection, who ask for one thing after another.

    Used as a context, they ask until it ends; `run` lets them ask for some seconds. `pause` is what each
    waits between an answer and its next request. `fresh`: a new connection for each request.
    """

    def __init__(
        self, url: str, asks: Sequence[Ask], *, clients: int = 8, pause: float = 0.0, fresh: bool = False
    ) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self.record = Record()
        self._address = (address.hostname, address.port)
        self._asks = [(ask, ask.on_the_wire(address.netloc)) for ask in asks]
        self.clients = clients
        self._pause = pause
        self._fresh = fresh
        self._ends = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._ends.clear()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve_all()))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        assert self._thread is not None
        self._thread.join()

    def run(self, seconds: float) -> Record:
        """Returns the record of these seconds alone."""
        before, self.record = self.record, Record()
        with self:
            time.sleep(seconds)
        part = self.record
        before.add(part)
        self.record = before
        return part

    async def _serve_all(self) -> None:
        await asyncio.gather(*(self._client(number) for number in range(self.clients)))

    async def _client(self, number: int) -> None:
        """From its own place in the list on, so that no two clients go in step."""
        place, end = number * len(self._asks) // self.clients, None
        while not self._ends.is_set():
            ask, data = self._asks[place % len(self._asks)]
            place += 1
            end = await self._ask(ask, data, end)
            if self._fresh and end is not None:
                end.close()
                end = None
            if self._pause:
                await asyncio.sleep(self._pause)
        if end is not None:
            end.close()

    async def _ask(self, ask: Ask, data: bytes, end: socket.socket | None) -> socket.socket | None:
        """Send one request and note its answer; the connection for the next one."""
        began, reused = time.monotonic(), end is not None
        try:
            end = end or await self._connect()
        except OSError:
            self.record.refused += 1
            await asyncio.sleep(0.05)
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._exchange(ask, data, end, began)
        except _Closed as closed:
            end.close()
            if closed.begun:
                self.record.cut.append(str(ask))
            elif reused and ask.method in IDEMPOTENT:
                self.record.retried.append(str(ask))
                return await self._ask(ask, data, None)
            else:
                self.record.lost.append(f"{ask} on a {'kept' if reused else 'new'} connection")
        except TimeoutError:
            end.close()
            self.record.lost.append(f"{ask} had no answer for {PATIENCE} s")
        return None

    async def _connect(self) -> socket.socket:
        end = socket.socket()
        try:
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(end, self._address)
        except BaseException:
            end.close()
            raise
        return end

    async def _exchange(
        self, ask: Ask, data: bytes, end: socket.socket, began: float
    ) -> socket.socket | None:
        loop, got = asyncio.get_running_loop(), bytearray()
        with suppress(OSError):  # the answer may be there all the same
            await loop.sock_sendall(end, data)
        while (head := got.find(b"\r\n\r\n")) < 0:
            await _receive(end, got)
        status, headers = int(got[9:12]), bytes(got[:head]).lower()
        length = int(headers.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        while len(got) < head + 4 + length:
            await _receive(end, got)
        ended = time.monotonic()
        self.record.answers.append((ended, ended - began))
        self.record.statuses[status] += 1
        body = bytes(got[head + 4 :])
        if status == 201 and ask.told:
            told = json.loads(body)
            entry = Entry(told["bucket"], told["key"], told["version"], ask.digest, ended)
            self.record.acknowledged.append(entry)
        if status >= 400:
            self.record.complaints.append(f"{ask}: {status} {body[:200]!r}")
        if status == ask.status and not ask.is_right(headers, body):
            self.record.wrong.append(f"{ask}: {bytes(got[:1000])!r}")
        if b"\r\nconnection: close" in headers:
            self.record.closed += 1
            end.close()
            return None
        return end


async def _receive(end: socket.socket, got: bytearray) -> None:
    try:
        data = await asyncio.get_running_loop().sock_recv(end, PIECE)
    except OSError:
        data = b""
    if not data:
        raise _Closed(bool(got))
    got += data
