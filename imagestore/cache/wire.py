"""The conversation with one Redis server: short timeouts, no retries, a breaker, nothing raised."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from redis import BlockingConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError
from redis.retry import Retry

from imagestore.cache.breaker import Breaker
from imagestore.cache.scripts import Script
from imagestore.cache.stats import Tally

POOL_WAIT_SECONDS = 0.01
SLOW_SHARE = 0.8
"""A call that took this share of the timeout counts as a failure for the breaker, though it was answered."""

Command = tuple[bytes | str | int, ...]


class Unreached(Exception):
    """Stands in the place of an answer not got: Redis is off, away, late, or left alone by the breaker."""


class Wire:
    """Asks Redis. An answer is what Redis said, a ResponseError if it refused, or an Unreached: all returned,
    none raised.

    Every wait is bounded: `timeout` seconds to connect, to send, and for each piece of the answer; 10 ms for
    a free one of `connections`. Nothing is tried twice, since redis-py's own retries make one call of a hung
    server cost seconds. Made inside each worker process, used by all its threads. Raises ValueError for a
    `url` that is no redis://, rediss:// or unix:// URL; the URL "none" is a server that is never reached.
    """

    def __init__(self, url: str, *, timeout: float, connections: int, tally: Tally) -> None:
        self.breaker = Breaker(told=tally.note_breaker)
        self._tally = tally
        self._slow = timeout * SLOW_SHARE
        self._redis: Redis | None = None
        if url == "none":
            return
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=POOL_WAIT_SECONDS,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            health_check_interval=0,
            retry=Retry(NoBackoff(), 0),
            # RESP2 and no driver info: a new connection asks nothing before its first command.
            protocol=2,
            driver_info=None,
        )
        self._redis = Redis(connection_pool=pool)

    @property
    def enabled(self) -> bool:
        return self._redis is not None

    def command(self, *command: bytes | str | int, insist: bool = False) -> object:
        """The answer to one command. `insist` makes the call even while the breaker is open."""
        return self._ask(lambda redis: redis.execute_command(*command), insist=insist)

    def converse(self, commands: Sequence[Command], *, insist: bool = False) -> list[object]:
        """The answers to several commands, in their order, for one round trip; not a transaction.

        `insist` as with `command`.
        """
        if not commands:
            return []

        def talk(redis: Any) -> Any:
            with redis.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return pipeline.execute(raise_on_error=False)

        answers = self._ask(talk, insist=insist)
        if not isinstance(answers, list):
            return [answers] * len(commands)
        refusals = sum(isinstance(answer, Exception) for answer in answers)
        if refusals:
            self._tally.add("errors", refusals)
        return answers

    def run(self, script: Script, key: bytes, *arguments: bytes | str | int, insist: bool = False) -> object:
        """The answer of a script: one round trip, two when the server does not know the script yet.

        `insist` as with `command`.
        """

        def talk(redis: Any) -> Any:
            try:
                return redis.execute_command("EVALSHA", script.sha, 1, key, *arguments)
            except NoScriptError:
                return redis.execute_command("EVAL", script.source, 1, key, *arguments)

        return self._ask(talk, insist=insist)

    def close(self) -> None:
        """Close every connection. From then on the server is not reached any more."""
        redis, self._redis = self._redis, None
        if redis is not None:
            redis.connection_pool.disconnect()

    def _ask(self, talk: Callable[[Any], Any], *, insist: bool = False) -> object:
        redis = self._redis
        if redis is None:
            return Unreached()
        if not self.breaker.admits() and not insist:
            self._tally.add("shunned")
            return Unreached()
        began = time.monotonic()
        try:
            answer: object = talk(redis)
        except ResponseError as refusal:
            # Redis is there and answers, so this is nothing for the breaker.
            self._tally.add("errors")
            answer = refusal
        except Exception:  # noqa: BLE001 - Redis is a cache, never a dependency: whatever its driver raises is a miss
            self._tally.add("errors")
            self.breaker.failed(began if self._is_slow(began) else None)
            return Unreached()
        if self._is_slow(began):
            self.breaker.failed(began)
        else:
            self.breaker.succeeded()
        return answer

    def _is_slow(self, began: float) -> bool:
        return time.monotonic() - began >= self._slow


def is_wrong_type(answer: object) -> bool:
    """Whether Redis refused because the key holds another type of value, which nobody of ours stores."""
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")


def is_out_of_memory(answer: object) -> bool:
    """Whether Redis refused a write for want of memory, which it has no leave to make by eviction."""
    return isinstance(answer, OutOfMemoryError)
