"""A crowd of slow and idle clients in one cheap process: run by its path, it takes its orders in JSON."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

SPARE_FILES = 256
RECEIVE_BUFFER = 16 * 1024
PACE = 1.0
"""Seconds for each byte."""

SPREAD = 2.0
"""Seconds over which slow clients come, so that they do not come back all at once either."""

GROUP = 50
GROUP_PAUSE = 0.02


@dataclass(frozen=True)
class Ending:
    """How the service ended one client: seconds since it set out, or fell idle, and status (0: none)."""

    seconds: float
    status: int


class Crowd:
    """Of each `kind`, so many clients as `counts` says; one that the service closes is followed by another,
    but for the idle ones. `requests` are what they send, whole or in part:

    - `head`: sends it byte by byte. `body`: sends its head, then a body byte by byte.
    - `reader`: sends it, and takes the answer byte by byte. `idle`: sends it, takes the answer, then waits.
    """

    def __init__(self, port: int, requests: Mapping[str, bytes], counts: Mapping[str, int]) -> None:
        texts = {kind: request.decode("latin-1") for kind, request in requests.items()}
        given = json.dumps({"port": port, "requests": texts, "counts": counts})
        self._process = subprocess.Popen(
            [sys.executable, __file__, given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def come(self) -> None:
        """Returns when all of them are there."""
        self._order("come")

    def leave(self, *, when_closed: bool = False) -> dict[str, list[Ending]]:
        """All leave, at once or when the service has closed as many as they are of each kind.

        Returns what ended by the service's will since they came.
        """
        told = self._order("wait" if when_closed else "leave")
        return {kind: [Ending(*each) for each in endings] for kind, endings in told.items()}

    def _order(self, order: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@dataclass
class _Members:
    port: int
    requests: dict[str, str]
    counts: dict[str, int]
    endings: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    there: int = 0
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def come(self) -> None:
        self.endings.clear()
        self.there = wanted = 0
        for kind, count in self.counts.items():  # one after the other, so that none waits for another to come
            wanted += count
            for number in range(count):
                self.tasks.append(asyncio.create_task(self._stay(kind)))
                if (
                    number % GROUP == 0
                ):  # more at once than the kernel queues would try again only after seconds
                    await asyncio.sleep(GROUP_PAUSE)
            while self.there < wanted:
                await asyncio.sleep(GROUP_PAUSE)

    async def leave(self, *, when_closed: bool) -> None:
        while when_closed and any(len(self.endings[kind]) < count for kind, count in self.counts.items()):
            await asyncio.sleep(GROUP_PAUSE)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def _stay(self, kind: str) -> None:
        if kind != "idle":
            await asyncio.sleep(random.uniform(0, SPREAD))
        await self._visit(kind, first=True)
        while kind != "idle":
            await self._visit(kind)

    async def _visit(self, kind: str, *, first: bool = False) -> None:
        loop, request = asyncio.get_running_loop(), self.requests[kind].encode("latin-1")
        with socket.socket() as end:
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            began, got = time.monotonic(), b""
            await loop.sock_connect(end, ("127.0.0.1", self.port))
            if kind != "head":
                await loop.sock_sendall(end, request)
            if kind == "idle":
                await loop.sock_recv(end, RECEIVE_BUFFER)
                began = time.monotonic()
            self.there += first
            with suppress(OSError):
                got = await self._dawdle(kind, end, request)
            status = int(got[9:12]) if got.startswith(b"HTTP/1.1 ") and kind != "reader" else 0
            self.endings[kind].append((time.monotonic() - began, status))

    async def _dawdle(self, kind: str, end: socket.socket, request: bytes) -> bytes:
        """Until the service closes; what it said then."""
        loop = asyncio.get_running_loop()
        if kind == "idle":
            return await loop.sock_recv(end, RECEIVE_BUFFER)
        if kind == "reader":
            # What had come before a reset can still be read after it.
            while await loop.sock_recv(end, 1) and not end.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                await asyncio.sleep(PACE)
            return b""
        said = asyncio.create_task(loop.sock_recv(end, RECEIVE_BUFFER))
        try:
            for place in range(1_000_000):
                byte = request[place : place + 1] if kind == "head" else b"x"
                await loop.sock_sendall(end, byte)
                if (await asyncio.wait([said], timeout=PACE))[0]:
                    return said.result()
            return b""
        finally:
            said.cancel()
            with suppress(OSError, asyncio.CancelledError):
                await said


async def main(given: str) -> None:
    members, loop = _Members(**json.loads(given)), asyncio.get_running_loop()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = sum(members.counts.values()) + SPARE_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard < 0 else min(wanted, hard), hard))
    while order := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if order == "come":
            await members.come()
        else:
            await members.leave(when_closed=order == "wait")
        print(json.dumps(members.endings), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
