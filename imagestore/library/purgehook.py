"""The purge hook: a shared cache that is told, in the background, what to drop after each change."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import httpx

from imagestore.core.metrics import PURGE_HOOK, Metrics
from imagestore.core.purges import HookHeaders, batch_of, compose
from imagestore.core.surrogates import EVERYTHING, keys_to_drop

log = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Keys that wait: where more would, the cache is told to drop everything of this service instead."""

GATHER_SECONDS = 1.0
"""Between a change and what is told of it: other nodes have heard of the change by then, so that what the
cache asks for anew is new, and changes of one moment are told together."""

TRY_SECONDS = 5.0
GIVE_UP_SECONDS = 600.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LAST_SECONDS = 3.0
"""At the end of the process, for all that still waits."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """The cache that is told, and how: see `core/purges.py`. Its URL, token and fields are secrets."""

    url: str
    form: str = "json"
    token: str = ""
    headers: HookHeaders = field(default_factory=HookHeaders)


class PurgeHook:
    """One queue of keys, and one thread that tells them, from the first change on. Telling never waits and
    never fails: what the cache does not take is tried again for GIVE_UP_SECONDS, then logged and counted.

    None of the receiver's secrets is in a log line.
    """

    def __init__(self, receiver: Receiver, metrics: Metrics, *, gather: float = GATHER_SECONDS) -> None:
        self._receiver = receiver
        self._metrics = metrics
        self._gather = gather
        self._batch = batch_of(receiver.form, receiver.url)
        self._waiting: dict[str, None] = {}
        self._change = threading.Condition()
        self._ends = threading.Event()
        self._last = math.inf
        self._thread: threading.Thread | None = None

    def drop(self, names: Iterable[str]) -> None:
        """Answers that depend on these alias names are out of date."""
        self._queue(keys_to_drop(names))

    def drop_all(self) -> None:
        self._queue([EVERYTHING])

    def close(self) -> None:
        """What waits is tried once more, within LAST_SECONDS."""
        self._last = time.monotonic() + LAST_SECONDS
        with self._change:
            self._ends.set()
            self._change.notify()
            thread = self._thread
        if thread is not None:
            thread.join(LAST_SECONDS + TRY_SECONDS)

    def _queue(self, keys: list[str]) -> None:
        if not keys:
            return
        with self._change:
            self._waiting.update(dict.fromkeys(keys))
            if len(self._waiting) > MOST_WAITING or EVERYTHING in self._waiting:
                self._waiting = {EVERYTHING: None}
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="purge-hook", daemon=True)
                self._thread.start()
            self._change.notify()

    def _run(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._ends.is_set())
            self._ends.wait(self._gather / 4)  # a write may have more than one change
            with self._change:
                due, self._waiting = list(self._waiting), {}
            if not due:
                return
            # What changes from now on is told in the next round, so that each change is as old as that.
            self._ends.wait(self._gather)
            give_up = time.monotonic() + GIVE_UP_SECONDS
            for start in range(0, len(due), self._batch):
                self._tell(due[start : start + self._batch], give_up)

    def _tell(self, keys: list[str], give_up: float) -> None:
        """Returns when the cache has taken it, or never will."""
        pause = FIRST_PAUSE
        while True:
            problem, again = asyncio.run(self._try(keys))
            if not problem:
                self._metrics.count(PURGE_HOOK, "sent", by=len(keys))
                log.debug("the purge hook was told of %d keys", len(keys))
                return
            if not again or self._ends.is_set() or time.monotonic() > give_up:
                self._fail(keys, problem)
                return
            self._metrics.count(PURGE_HOOK, "retried", by=len(keys))
            log.warning("the purge hook was not told of %d keys, and will be: %s", len(keys), problem)
            self._ends.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - it only spreads load
            pause = min(pause * 2, LONGEST_PAUSE)

    def _fail(self, keys: list[str], problem: str) -> None:
        self._metrics.count(PURGE_HOOK, "failed", by=len(keys))
        shown = " ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        log.error("the purge hook was not told to drop %s: %s", shown, problem)

    async def _try(self, keys: list[str]) -> tuple[str, bool]:
        """What went wrong, if anything, and whether it may go right the next time. No body is read."""
        to = self._receiver
        request = compose(to.form, to.url, to.token, to.headers, keys, time.time())
        try:
            async with (
                asyncio.timeout(min(TRY_SECONDS, self._last - time.monotonic())),
                httpx.AsyncClient(follow_redirects=False) as client,
                client.stream(
                    request.method, request.url, headers=request.fields, content=request.body
                ) as answer,
            ):
                again = answer.is_server_error or "Retry-After" in answer.headers
                return ("", False) if answer.is_success else (repr(answer), again)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # whose words may hold the URL
            return type(error).__name__, True
