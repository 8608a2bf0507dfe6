"""The conversation with one Redis server from an event loop: in batches, with bounds, nothing raised."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from redis.exceptions import RedisError

from imagestore.cache.breaker import Breaker, State
from imagestore.cache.looptalk import Call, Endpoint, Talk
from imagestore.cache.scripts import Command
from imagestore.cache.stats import Tally

MOST_WAITING = 2000
"""Calls on their way at once; further ones are not made."""

MOST_UNSENT_BYTES = 4 * 1024 * 1024
"""The same, of what the server has not taken yet."""


class LoopNode:
    """Asks one server over one connection, for one event loop. An answer is as a Node has it.

    Not redis-py's own client for asyncio: that takes a connection from a pool for each call, with locks and
    tasks around it, writes for each call, and reads through a StreamReader, which together cost several times
    what Redis does. Here all calls of one round of the loop go out in one write, and their answers are parsed
    by hiredis as they come.

    No answer waits longer than `timeout` seconds for a piece of it, to connect included; then the connection
    is given up, and what waits on it is unreached. The breaker is as that of a Node, but that it takes no
    offence at answers that are late: it may be the loop that stood still. Raises ValueError as Node does.
    `primary` as Node has it.
    """

    def __init__(self, url: str, timeout: float, tally: Tally, *, primary: bool = False) -> None:
        self._endpoint = Endpoint(url, primary=primary)
        self._timeout = timeout
        self._tally = tally
        self._breaker = Breaker(told=lambda is_open: tally.note_breaker(id(self), is_open))
        self._unsent: list[Call] = []
        self._talk: Talk | None = None
        self._opening: asyncio.Task[None] | None = None
        self._flush: asyncio.Handle | None = None
        self._closed = False

    @property
    def state(self) -> State:
        """Of the breaker."""
        return self._breaker.state

    def ask(self, commands: Sequence[Command], *, asking: bool = False) -> asyncio.Future[list[object]]:
        """The answers to commands, in their order; `asking` as a Node has it."""
        loop = asyncio.get_running_loop()
        call, talk = Call(loop.create_future(), commands, asking), self._talk
        waiting = len(self._unsent) + (len(talk.waiting) if talk else 0)
        if self._closed or waiting >= MOST_WAITING or (talk and talk.unsent_bytes() > MOST_UNSENT_BYTES):
            call.give_up()
        elif not self._breaker.admits():
            self._tally.add("shunned")
            call.give_up()
        else:
            self._unsent.append(call)
            if self._flush is None:
                self._flush = loop.call_soon(self._send)
        return call.future

    def close(self) -> None:
        """End the connection. From then on the server is not reached any more."""
        self._closed = True
        if self._opening is not None:
            self._opening.cancel()
        talk, self._talk = self._talk, None
        if talk is not None:
            talk.abort()
        self._give_up()
        self._tally.note_breaker(id(self), False)

    def _send(self) -> None:
        self._flush = None
        if self._talk is not None:
            calls, self._unsent = self._unsent, []
            self._talk.send(calls)
        elif self._opening is None and self._unsent:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        talk = Talk(self._timeout, succeeded=self._succeeded, told_end=self._ended)
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                await self._endpoint.connect(talk)
            self._talk = talk
            self._send()
        except (OSError, RedisError, TypeError, ValueError) as error:
            self._tally.add("errors")
            self._breaker.failed(began if isinstance(error, TimeoutError) else None)
            self._give_up()
        finally:
            self._opening = None
            if self._talk is not talk:
                talk.abort()

    def _succeeded(self, talk: Talk) -> None:
        if self._talk is talk:
            self._breaker.succeeded()

    def _ended(self, talk: Talk, waited_since: float | None) -> None:
        """A connection is over: `waited_since` when it was given up for silence."""
        if self._talk is talk:
            self._talk = None
            if talk.waiting:
                self._tally.add("errors")
                self._breaker.failed(waited_since)

    def _give_up(self) -> None:
        calls, self._unsent = self._unsent, []
        for call in calls:
            call.give_up()
