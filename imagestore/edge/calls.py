"""A call of the application, step by step in the threads that all calls share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context

from imagestore.edge.gateway import Chunk, Exchange


class Call:
    """An exchange in the thread pool: one step at a time, and its closing after the last of them.

    One that is not `queued` takes its steps at once, where it is.
    """

    def __init__(self, pool: ThreadPoolExecutor, exchange: Exchange, *, queued: bool) -> None:
        self.exchange = exchange
        self.queued = queued
        self.context = copy_context()
        self._pool = pool
        self._last: Future[Chunk] | None = None

    async def run(self, step: Callable[[], Chunk]) -> Chunk:
        if not self.queued:
            return self.context.run(step)
        self._last = self._pool.submit(self.context.run, step)
        return await asyncio.wrap_future(self._last)

    def end(self) -> None:
        """Close the exchange unless it is closed: in a thread, and after a step that still runs."""
        if self.exchange.closed:
            return
        if self._last is None:
            self._close()
        else:
            self._last.add_done_callback(lambda _: self._close())

    def _close(self) -> None:
        try:
            self._pool.submit(self.context.run, self.exchange.close)
        except RuntimeError:  # the pool has ended, and the process is about to
            self.exchange.close()
