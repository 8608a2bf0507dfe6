"""The conversation with one Redis server from an event loop: in batches, with bounds, nothing raised."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hiredis import HiredisError, Reader, pack_command
from redis.asyncio import ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import AskError, MovedError, RedisError, ResponseError

from imagestore.cache.breaker import Breaker, State
from imagestore.cache.node import Unreached
from imagestore.cache.scripts import Command
from imagestore.cache.stats import Tally

MOST_WAITING = 2000
"""Calls on their way at once; further ones are not made."""

MOST_UNSENT_BYTES = 4 * 1024 * 1024
"""The same, of what the server has not taken yet."""

LONGEST = 10
"""Timeouts after which a call ends, though pieces of answers go on coming."""

_NOTHING = object()


class LoopNode:
    """Asks one server over one connection, for one event loop. An answer is as a Node has it.

    Not redis-py's own client for asyncio: that takes a connection from a pool for each call, with locks and
    tasks around it, writes for each call, and reads through a StreamReader, which together cost several times
    what Redis does. Here all calls of one round of the loop go out in one write, and their answers are parsed
    by hiredis as they come.

    No answer waits longer than `timeout` seconds for a piece of it, to connect included; then the connection
    is given up, and what waits on it is unreached. The breaker is as that of a Node, but that it takes no
    offence at answers that are late: it may be the loop that stood still. Raises ValueError as Node does.
    """

    def __init__(self, url: str, timeout: float, tally: Tally) -> None:
        self._endpoint = _Endpoint(url)
        self._timeout = timeout
        self._tally = tally
        self._breaker = Breaker(told=lambda is_open: tally.note_breaker(id(self), is_open))
        self._unsent: list[_Call] = []
        self._talk: _Talk | None = None
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
        call, talk = _Call(loop.create_future(), commands, asking), self._talk
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
        talk = _Talk(self._timeout, self._succeeded, self._ended)
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

    def _succeeded(self, talk: _Talk) -> None:
        if self._talk is talk:
            self._breaker.succeeded()

    def _ended(self, talk: _Talk, waited_since: float | None) -> None:
        """A connection is over: `waited_since` when it was given up for silence."""
        if self._talk is talk:
            self._talk = None
            if talk.waiting:
                self._tally.add("errors")
                self._breaker.failed(waited_since)
        for call in talk.waiting:
            call.give_up()
        talk.waiting.clear()

    def _give_up(self) -> None:
        calls, self._unsent = self._unsent, []
        for call in calls:
            call.give_up()


class _Endpoint:
    """Where a URL leads, and what is said first there: as redis-py reads URLs."""

    def __init__(self, url: str) -> None:
        self._pool: Any = ConnectionPool.from_url(url)

    async def connect(self, talk: _Talk) -> None:
        """Raises OSError, and RedisError, TypeError or ValueError for options that are none."""
        loop, at = asyncio.get_running_loop(), self._pool.make_connection()
        if isinstance(at, UnixDomainSocketConnection):
            await loop.create_unix_connection(lambda: talk, at.path)
        elif isinstance(at, SSLConnection):
            tls = at.ssl_context.get()
            await loop.create_connection(lambda: talk, at.host, at.port, ssl=tls, server_hostname=at.host)
        else:
            await loop.create_connection(lambda: talk, at.host, at.port)
        said = _greeting(at)
        if said:
            call = _Call(loop.create_future(), said)
            talk.send([call])
            for answer in await call.future:
                if isinstance(answer, Exception):
                    raise ConnectionError(str(answer))


def _greeting(at: Any) -> list[Command]:
    """What a server wants to hear first."""
    said: list[Command] = []
    if at.password or at.username:
        said.append(("AUTH", *((at.username,) if at.username else ()), at.password or ""))
    if at.db:
        said.append(("SELECT", int(at.db)))
    return said


@dataclass(slots=True, eq=False)
class _Call:
    future: asyncio.Future[list[object]]
    commands: Sequence[Command]
    asking: bool = False
    since: float = field(default_factory=time.monotonic)
    answers: list[object] = field(default_factory=list)

    def pack(self) -> bytes:
        pack: Callable[[Any], bytes] = pack_command
        if not self.asking:
            return b"".join([pack(command) for command in self.commands])
        return b"".join([pack(("ASKING",)) + pack(command) for command in self.commands])

    def take(self, answer: object) -> bool:
        """Whether it was the last one."""
        self.answers.append(answer)
        if len(self.answers) < len(self.commands) * (1 + self.asking):
            return False
        if not self.future.done():
            self.future.set_result(self.answers[1::2] if self.asking else self.answers)
        return True

    def give_up(self) -> None:
        if not self.future.done():
            self.future.set_result([Unreached() for _ in self.commands])


class _Talk(asyncio.Protocol):
    """One connection: commands go out, and answers come in, in their order."""

    def __init__(
        self,
        timeout: float,
        succeeded: Callable[[_Talk], None],
        told_end: Callable[[_Talk, float | None], None],
    ) -> None:
        self.waiting: deque[_Call] = deque()
        self.ended = False
        self._timeout = timeout
        self._succeeded = succeeded
        self._told_end = told_end
        self._reader = Reader(replyError=_refusal, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is not derived from it

    def send(self, calls: Sequence[_Call]) -> None:
        if self._transport is None or self.ended:
            for call in calls:
                call.give_up()
        elif calls:
            self.waiting.extend(calls)
            self._transport.write(b"".join([call.pack() for call in calls]))
            if self._timer is None:
                self._watch(self._timeout)

    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def data_received(self, data: bytes) -> None:
        self._heard = time.monotonic()
        done = False
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _NOTHING:
                if not self.waiting:
                    self.abort()  # this server says what nobody asked: it may be none
                    return
                if self.waiting[0].take(answer):
                    self.waiting.popleft()
                    done = True
        except HiredisError:
            self.abort()
            return
        if done:
            self._succeeded(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(None)

    def abort(self, waited_since: float | None = None) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._end(waited_since)

    def _end(self, waited_since: float | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.ended:
            self.ended = True
            self._told_end(self, waited_since)

    def _watch(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        """Nothing may be silent for `timeout` while something is waited for."""
        self._timer = None
        if not self.waiting or self.ended:
            return
        now, since = time.monotonic(), self.waiting[0].since
        left = max(self._heard, since) + self._timeout - now
        if left <= 0 or now - since > LONGEST * self._timeout:
            self.abort(since)
        else:
            self._watch(left)


def _refusal(text: str) -> ResponseError:
    kind, _, rest = text.partition(" ")
    if kind in ("MOVED", "ASK"):
        return (MovedError if kind == "MOVED" else AskError)(rest)
    return ResponseError(text)
