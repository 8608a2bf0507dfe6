"""Onlookers: clients over kept connections that ask for a few URLs again and again, and note the answers."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Sequence
from itertools import cycle, islice
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from tests.service import PATIENCE


class Sight(NamedTuple):
    """One answer: when it was asked for, on the monotonic clock, for which path, its status and the digest of
    a 200's body, whether a worker had it in memory, and which, as its request id tells."""

    asked: float
    path: str
    status: int
    digest: str
    memory: bool
    worker: str


class Onlookers:
    """Used as a context, they ask until it ends. What they see is noted in the order of the answers."""

    def __init__(self, url: str, paths: Sequence[str], *, clients: int = 16) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self._place = (address.hostname, address.port)
        self._requests = [(each, _request(each, address.netloc)) for each in paths]
        self._clients = clients
        self._sights: list[Sight] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._look_all()))
        self._failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join()
        if kind is None:
            assert self._failure is None, self._failure

    def forget(self) -> None:
        """What was seen until now."""
        self._sights.clear()

    def since(self, moment: float, fewest: int) -> list[Sight]:
        """What was asked for after that moment and is not forgotten, as soon as there is that much."""
        found, looked_at, grown = list[Sight](), 0, time.monotonic()
        while True:
            new = self._sights[looked_at:]
            looked_at += len(new)
            found += [each for each in new if each.asked > moment]
            if len(found) >= fewest:
                return found
            assert self._thread.is_alive(), self._failure
            grown = time.monotonic() if new else grown
            assert time.monotonic() < grown + PATIENCE, f"{len(found)} answers of {fewest}"
            time.sleep(0.02)

    async def _look_all(self) -> None:
        try:
            await asyncio.gather(*(self._look(number) for number in range(self._clients)))
        except BaseException as error:
            self._failure = error
            raise

    async def _look(self, number: int) -> None:
        reader, writer = await asyncio.open_connection(*self._place)
        try:
            for path, request in islice(cycle(self._requests), number % len(self._requests), None):
                if self._ends.is_set():
                    return
                asked = time.monotonic()
                writer.write(request)
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                body = await reader.readexactly(int(_field(head, "content-length")))
                self._sights.append(_sight(asked, path, head, body))
        finally:
            writer.close()


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _request(path: str, host: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _sight(asked: float, path: str, head: str, body: bytes) -> Sight:
    status, memory = int(head[9:12]), "detail=memory" in head
    worker = _field(head, "x-request-id")[:8]
    return Sight(asked, path, status, digest_of(body) if status == 200 else "", memory, worker)


def _field(head: str, name: str) -> str:
    return head.partition(f"\r\n{name}:")[2].partition("\r\n")[0].strip()
