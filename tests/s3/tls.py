"""A proxy that ends TLS and passes bytes on as they come: requests arrive as their clients signed them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

READ = 256 * 1024


@contextlib.contextmanager
def tls_proxy(target: str, context: ssl.SSLContext) -> Iterator[str]:
    """The https URL, on this machine, of what `target`, a http URL, serves."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="tls-proxy")
    thread.start()
    proxy = Proxy(target)
    try:
        port = asyncio.run_coroutine_threadsafe(proxy.start(context), loop).result()
        yield f"https://127.0.0.1:{port}"
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Proxy:
    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._server: asyncio.Server | None = None
        # Held here, since asyncio itself holds them weakly.
        self._serving: set[asyncio.Task[None] | None] = set()

    async def start(self, context: ssl.SSLContext) -> int:
        """Returns the port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=context)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for each in others:
            each.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._serving.add(task)
        served, sink = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                await asyncio.gather(_pass(reader, sink), _pass(served, writer))
        finally:
            for each in (sink, writer):
                each.transport.abort()
            self._serving.discard(task)


async def _pass(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(READ):
        sink.write(data)
        await sink.drain()
    if sink.can_write_eof():
        sink.write_eof()
    else:  # TLS has no half of a connection
        sink.close()
