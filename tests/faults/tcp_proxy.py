"""A TCP proxy in a process of its own, which can be slow, stand still, cut connections and change bytes.

Run by its path it is that process: it is given the port behind it, tells its own, and takes orders in JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from collections import deque
from types import TracebackType
from typing import Any, Self


class TcpProxy:
    """Listens at `port`. `order` changes what becomes of answers, on every connection and at once:

    `delay`: seconds before each piece. `cut`: bytes after which the connection is reset, -1 for never.
    `spoil`: the share of pieces in which one byte is changed. `refuse`: connections are closed at once.
    """

    def __init__(self, port: int) -> None:
        command = [sys.executable, __file__, str(port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()

    def order(self, **orders: float) -> None:
        """Returns when it is carried out. What is not named is as it would be without the proxy."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        self._process.stdout.readline()


class _Orders:
    def __init__(self) -> None:
        self.take({})

    def take(self, orders: dict[str, Any]) -> None:
        self.delay = float(orders.get("delay", 0.0))
        self.cut = int(orders.get("cut", -1))
        self.spoil = float(orders.get("spoil", 0.0))
        self.refuse = bool(orders.get("refuse", False))


class _Far(asyncio.Protocol):
    """The connection to the server. Pieces of answers leave in their order, each no sooner than its delay."""

    transport: asyncio.Transport

    def __init__(self, near: _Near, orders: _Orders) -> None:
        self._near = near
        self._orders = orders
        self._passed = 0
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._random = random.Random(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._random.random() < self._orders.spoil:
            place = self._random.randrange(len(data))
            data = data[:place] + bytes([data[place] ^ 1 << self._random.randrange(8)]) + data[place + 1 :]
        if not self._orders.delay and not self._waiting:
            self._pass_on(data)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + self._orders.delay
        if self._waiting:
            due = max(due, self._waiting[-1][0])
        self._waiting.append((due, data))
        loop.call_at(due, self._pass_next)

    def _pass_next(self) -> None:
        self._pass_on(self._waiting.popleft()[1])

    def _pass_on(self, data: bytes) -> None:
        self._passed += len(data)
        if 0 <= self._orders.cut < self._passed:
            self._near.transport.abort()
            self.transport.abort()
        else:
            self._near.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.transport.close()


class _Near(asyncio.Protocol):
    """The connection of a client. What it sends is passed on as it is."""

    transport: asyncio.Transport

    def __init__(self, port: int, orders: _Orders) -> None:
        self._port = port
        self._orders = orders
        self._held: list[bytes] = []
        self._far: _Far | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self._orders.refuse:
            transport.abort()
        else:
            self._joining = asyncio.get_running_loop().create_task(self._join())

    async def _join(self) -> None:
        try:
            _, far = await asyncio.get_running_loop().create_connection(
                lambda: _Far(self, self._orders), "127.0.0.1", self._port
            )
        except OSError:
            self.transport.abort()
            return
        self._far = far
        for data in self._held:
            far.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self._far is None:
            self._held.append(data)
        else:
            self._far.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._far is not None:
            self._far.transport.close()


async def serve(port: int) -> None:
    """Until standard input ends."""
    orders, loop = _Orders(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Near(port, orders), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        orders.take(json.loads(line))
        print(flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
