"""One connection to Redis in an event loop: where it leads, and who waits for what on it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from hiredis import HiredisError, Reader, pack_command
from redis.asyncio import ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import AskError, MovedError, ReadOnlyError, ResponseError

from imagestore.cache.node import Unreached, is_primary
from imagestore.cache.scripts import Command

LONGEST = 10
"""Timeouts after which a call ends, though pieces of answers go on coming."""

SECOND_LOOK_SECONDS = 0.002

_NOTHING = object()


class Endpoint:
    """Where a URL leads, and what is said first there: as redis-py reads URLs. `primary` as a Node has it."""

    def __init__(self, url: str, *, primary: bool = False) -> None:
        self._pool: Any = ConnectionPool.from_url(url)
        self._primary = primary

    async def connect(self, talk: Talk) -> None:
        """Raises OSError, and RedisError, TypeError or ValueError for options that are none."""
        loop, at = asyncio.get_running_loop(), self._pool.make_connection()
        if isinstance(at, UnixDomainSocketConnection):
            await loop.create_unix_connection(lambda: talk, at.path)
        elif isinstance(at, SSLConnection):
            tls = at.ssl_context.get()
            await loop.create_connection(lambda: talk, at.host, at.port, ssl=tls, server_hostname=at.host)
        else:
            await loop.create_connection(lambda: talk, at.host, at.port)
        for command in _greeting(at):
            answer = await talk.ask(command)
            if isinstance(answer, Exception):
                raise ConnectionError(str(answer))
        if self._primary and not is_primary(await talk.ask(("INFO", "replication"))):
            raise ConnectionError("This server is no primary.")


def _greeting(at: Any) -> list[Command]:
    """What a server wants to hear first."""
    said: list[Command] = []
    if at.password or at.username:
        said.append(("AUTH", *((at.username,) if at.username else ()), at.password or ""))
    if at.db:
        said.append(("SELECT", int(at.db)))
    return said


@dataclass(slots=True, eq=False)
class Call:
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


class Talk(asyncio.Protocol):
    """Commands go out, and answers come in, in their order. Nothing is awaited in silence for longer than
    `timeout` seconds: then, as when the server hangs up or talks nonsense, the talk ends.

    `succeeded` is told of answers, `told_end` of the end and since when it was silent, if that was why, and
    `heard` of the messages of channels that were subscribed to.
    """

    def __init__(
        self,
        timeout: float,
        *,
        succeeded: Callable[[Talk], None] = lambda _: None,
        told_end: Callable[[Talk, float | None], None] = lambda *_: None,
        heard: Callable[[object], None] | None = None,
    ) -> None:
        self.waiting: deque[Call] = deque()
        self.ended = False
        self._timeout = timeout
        self._succeeded = succeeded
        self._told_end = told_end
        self._told = heard
        self._reader = Reader(replyError=_refusal, notEnoughData=_NOTHING)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._heard = 0.0
        self._doubted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is not derived from it

    def send(self, calls: Sequence[Call]) -> None:
        if self._transport is None or self.ended:
            for call in calls:
                call.give_up()
        elif calls:
            self.waiting.extend(calls)
            self._transport.write(b"".join([call.pack() for call in calls]))
            if self._timer is None:
                self._watch(self._timeout)

    async def ask(self, command: Command) -> object:
        """The answer to one command."""
        call = Call(asyncio.get_running_loop().create_future(), [command])
        self.send([call])
        return (await call.future)[0]

    def unsent_bytes(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def data_received(self, data: bytes) -> None:
        self._heard, self._doubted = time.monotonic(), False
        done = False
        try:
            self._reader.feed(data)
            while (answer := self._reader.gets()) is not _NOTHING:
                if self._told is not None and _is_message(answer):
                    self._told(answer[2])
                    continue
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
            for call in self.waiting:
                call.give_up()
            self.waiting.clear()

    def _watch(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        """Nothing may be silent for `timeout` while something is waited for."""
        self._timer = None
        if not self.waiting or self.ended:
            return
        now, since = time.monotonic(), self.waiting[0].since
        left = max(self._heard, since) + self._timeout - now
        if left > 0 and now - since <= LONGEST * self._timeout:
            self._watch(left)
        elif self._doubted:
            self.abort(since)
        else:
            # It may be the loop that stood still, and timers come before what has arrived meanwhile.
            self._doubted = True
            self._watch(SECOND_LOOK_SECONDS)


def _is_message(answer: Any) -> bool:
    return isinstance(answer, list) and len(answer) == 3 and answer[0] == b"message"


def _refusal(text: str) -> ResponseError:
    kind, _, rest = text.partition(" ")
    if kind in ("MOVED", "ASK"):
        return (MovedError if kind == "MOVED" else AskError)(rest)
    if kind == "READONLY":
        return ReadOnlyError(rest)
    return ResponseError(text)
