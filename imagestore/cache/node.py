"""The conversation with one Redis server: short timeouts, no retries, a breaker, nothing raised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from imagestore.cache.breaker import Breaker, State
from imagestore.cache.scripts import Command, taught
from imagestore.cache.stats import Tally

POOL_WAIT_SECONDS = 0.01
SLOW_SHARE = 0.8
"""A call that took this share of the timeout counts as a failure for the breaker, though it was answered."""


class Unreached(Exception):
    """Stands in the place of an answer not got: Redis is off, away, late, or left alone by the breaker."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """`timeout` seconds to connect, to send, and for each piece of an answer; `connections` to a server."""

    timeout: float
    connections: int


def open_client(url: str, seconds: float, **options: Any) -> Redis:
    """A client that waits `seconds` at most, to connect and for each answer, and tries nothing twice.

    Raises ValueError for a `url` that cannot be used.
    """
    return Redis.from_url(
        url,
        socket_timeout=seconds,
        socket_connect_timeout=seconds,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        **options,
    )


class Node:
    """Asks one server. An answer is what it said, a ResponseError if it refused, or an Unreached.

    Every wait is bounded: as Bounds has it, and 10 ms for a free connection. Nothing is tried twice, since
    redis-py's own retries make one call of a hung server cost seconds. Raises ValueError for a `url` that is
    no redis://, rediss:// or unix:// URL. `primary`: a replica is not talked to.
    """

    def __init__(self, url: str, bounds: Bounds, tally: Tally, *, primary: bool = False) -> None:
        self._breaker = Breaker(told=lambda is_open: tally.note_breaker(id(self), is_open))
        self._tally = tally
        self._slow = bounds.timeout * SLOW_SHARE
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=bounds.connections,
            timeout=POOL_WAIT_SECONDS,
            socket_timeout=bounds.timeout,
            socket_connect_timeout=bounds.timeout,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 0),
            # RESP2 and no driver info: a new connection asks nothing before its first command.
            protocol=2,
            driver_info=None,
            redis_connect_func=_meet_primary if primary else None,
        )
        self._redis: Redis | None = Redis(connection_pool=pool)

    @property
    def state(self) -> State:
        """Of the breaker."""
        return self._breaker.state

    def ask(self, commands: Sequence[Command], *, insist: bool = False, asking: bool = False) -> list[object]:
        """The answers to commands, in their order: one round trip, two if a script has to be taught first.

        Not a transaction. `insist` makes the call even while the breaker is open. `asking` has the server of
        a cluster answer for what it is just taking over (ASKING).
        """
        answers = self._exchange(commands, insist, asking)
        lost = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if lost:
            again = [taught(commands[place]) for place in lost]
            for place, answer in zip(lost, self._exchange(again, insist, asking), strict=True):
                answers[place] = answer
        return answers

    def close(self) -> None:
        """Close every connection. From then on the server is not reached any more."""
        redis, self._redis = self._redis, None
        if redis is not None:
            redis.connection_pool.disconnect()
            self._tally.note_breaker(id(self), False)

    def _exchange(self, commands: Sequence[Command], insist: bool, asking: bool) -> list[object]:
        """One round trip."""

        def talk(redis: Any) -> list[object]:
            if len(commands) == 1 and not asking:
                return [redis.execute_command(*commands[0])]
            with redis.pipeline(transaction=False) as pipeline:
                for command in commands:
                    if asking:
                        pipeline.execute_command("ASKING")
                    pipeline.execute_command(*command)
                answers: list[object] = pipeline.execute(raise_on_error=False)
            return answers[1::2] if asking else answers

        return self._guarded(talk, len(commands), insist=insist)

    def _guarded(self, talk: Callable[[Any], list[object]], count: int, *, insist: bool) -> list[object]:
        redis = self._redis
        if redis is None:
            return [Unreached()] * count
        if not self._breaker.admits() and not insist:
            self._tally.add("shunned")
            return [Unreached()] * count
        began = time.monotonic()
        try:
            answers = talk(redis)
        except ResponseError as refusal:
            # Redis is there and answers, so this is nothing for the breaker.
            answers = [refusal] * count
        except Exception:  # noqa: BLE001 - Redis is a cache, never a dependency: whatever its driver raises is a miss
            self._tally.add("errors")
            self._breaker.failed(began if self._is_slow(began) else None)
            return [Unreached()] * count
        if self._is_slow(began):
            self._breaker.failed(began)
        else:
            self._breaker.succeeded()
        return answers

    def _is_slow(self, began: float) -> bool:
        return time.monotonic() - began >= self._slow


def is_primary(told: object) -> bool:
    """Whether that is what a primary answers to INFO replication."""
    return isinstance(told, bytes) and b"role:master" in told


def _meet_primary(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("INFO", "replication")
    if not is_primary(connection.read_response()):
        raise NotConnected("This server is no primary.")
