"""The bulletin: what changed, told to the answers that this node keeps in memory, and to all other nodes."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from itertools import cycle

from redis.exceptions import RedisError

from imagestore.cache.generations import Generations
from imagestore.cache.looptalk import Endpoint, Talk
from imagestore.cache.names import PREFIX
from imagestore.cache.tier import Tier
from imagestore.core.clusters import ClusterUrl, is_cluster

CHANNEL = f"{PREFIX}bulletin".encode()

MOST_NAMES = 500
MOST_BYTES = 64 * 1024
"""Of one message: a change of more is told as one of everything."""

PING_SECONDS = 1.0
TIMEOUT_SECONDS = 2.0
"""For an answer to that: a loop may be busy, and a new beginning costs all that is kept in memory."""

RETRY_SECONDS = 0.5


class Bulletin:
    """What `touch` tells holds for this node when it returns (see Generations), and is then published; every
    worker of another node that listens learns of it within moments.

    Messages are sealed, so nobody else's are believed. One that is lost is not told again: a listener that
    was cut off looks at everything anew when it is back, and what a node keeps has an end of its own.
    Where sentinels watch Redis, it listens to the primary that they name. `tier` is that of the
    same Redis.
    """

    def __init__(self, tier: Tier, generations: Generations, url: str) -> None:
        self._tier = tier
        self._generations = generations
        self._sentinels = tier.wire.sentinels
        self._urls = [url] if url != "none" and self._sentinels is None else []
        if is_cluster(url):
            parsed = ClusterUrl.parse(url)
            self._urls = [parsed.of(seed) for seed in parsed.seeds]

    def touch(self, names: Iterable[str]) -> None:
        """These names have just changed."""
        changed = list(names)
        self._generations.touch(changed)
        self._publish(changed)

    def touch_all(self) -> None:
        """Anything may have changed."""
        self._generations.touch_all()
        self._publish(None)

    async def listen(self) -> None:
        """Hear what other nodes publish, until cancelled. In each worker; at once done without a Redis."""
        missed = False
        async for url in self._places():
            with suppress(OSError, RedisError, TypeError, ValueError):
                await self._attend(url, missed)
            missed = True
            await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - it only spreads load

    async def _places(self) -> AsyncIterator[str]:
        """Where to listen, one place after the other; empty while sentinels have not told."""
        while self._sentinels is not None:
            primary = await asyncio.to_thread(self._sentinels.primary, TIMEOUT_SECONDS)
            yield primary or ""
        for url in cycle(self._urls):
            yield url

    def _is_place(self, url: str) -> bool:
        return self._sentinels is None or self._sentinels.primary() == url

    async def _attend(self, url: str, missed: bool) -> None:
        """Listen there for as long as that goes well. `missed`: messages may have been, before."""
        endpoint = Endpoint(url, primary=self._sentinels is not None)
        ended = asyncio.Event()
        talk = Talk(TIMEOUT_SECONDS, told_end=lambda *_: ended.set(), heard=self._hear)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await endpoint.connect(talk)
            if isinstance(await talk.ask(("SUBSCRIBE", CHANNEL)), Exception):
                return
            if missed:
                self._generations.doubt_all()
            while not ended.is_set() and self._is_place(url):
                await talk.ask(("PING",))
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), PING_SECONDS)
        finally:
            talk.abort()

    def _publish(self, names: list[str] | None) -> None:
        if not self._tier.enabled or names == []:
            return
        whole = names if names is None or len(names) <= MOST_NAMES else None
        body = json.dumps([self._generations.node, whole]).encode()
        if len(body) > MOST_BYTES:
            body = json.dumps([self._generations.node, None]).encode()
        self._tier.publish(CHANNEL, self._tier.envelope.seal(b"m", CHANNEL, body))

    def _hear(self, message: object) -> None:
        opened = self._tier.envelope.open(CHANNEL, message) if isinstance(message, bytes) else None
        if opened is None or opened[0] != b"m":
            return
        node, names = json.loads(opened[1])
        if node == self._generations.node:
            return
        if names is None:
            self._generations.touch_all()
        else:
            self._generations.touch(names)
