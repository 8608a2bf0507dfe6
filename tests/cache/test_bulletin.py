"""What one node writes, the memories of all others hear of; and when they cannot, they doubt everything."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redis import Redis

from imagestore.cache.bulletin import CHANNEL, MOST_NAMES, Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.tier import Tier
from imagestore.embedded import Server, start_redis
from tests.cache.conftest import MakeTier
from tests.redis_cluster import RedisCluster

NAMES = ["bucket/open", "image/open/\udcff ada"]
PATIENCE = 20.0


class Node:
    """A machine with its own memories."""

    def __init__(self, folder: Path, tier: Tier, url: str) -> None:
        folder.mkdir()
        self.generations = Generations(folder / "generations")
        self.bulletin = Bulletin(tier, self.generations, url)
        self.began = time.monotonic_ns()

    def doubts(self, *names: str) -> bool:
        return not self.generations.unchanged(self.generations.slots_of(names)[2:], self.began)

    def doubts_everything(self) -> bool:
        return not self.generations.unchanged(self.generations.slots_of(()), self.began)

    @asynccontextmanager
    async def listening(self, redis: Redis | None = None) -> AsyncIterator[None]:
        """From when it hears what is published; without a `redis` that tells so, from at once."""
        task = asyncio.create_task(self.bulletin.listen())
        try:
            if redis is not None:
                await until(lambda: dict(redis.pubsub_numsub(CHANNEL))[CHANNEL] > 0)
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def test_a_write_is_heard_by_the_other_node(
    make_tier: MakeTier, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    here, there = (Node(tmp_path / name, make_tier(redis_url), redis_url) for name in ("here", "there"))

    async def main() -> None:
        async with there.listening(redis):
            here.bulletin.touch(NAMES)
            assert here.doubts(NAMES[0]) and here.doubts(NAMES[1])
            await until(lambda: there.doubts(NAMES[0]) and there.doubts(NAMES[1]))
            assert not there.doubts("image/open/other")
            assert not there.doubts_everything()
            here.bulletin.touch_all()
            await until(there.doubts_everything)

    asyncio.run(main())


def test_a_node_does_not_hear_itself_nor_strangers(
    make_tier: MakeTier, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    node = Node(tmp_path / "here", make_tier(redis_url), redis_url)
    stranger = Node(tmp_path / "there", make_tier(redis_url, integrity_key=b"other"), redis_url)
    friend = Node(tmp_path / "friend", make_tier(redis_url), redis_url)

    async def main() -> None:
        async with node.listening(redis):
            node.bulletin.touch(["own"])
            node.began = time.monotonic_ns()
            stranger.bulletin.touch(["strange"])
            for nonsense in (b"", b"imgs\x01", b'["other", null]'):
                redis.publish(CHANNEL, nonsense)
            friend.bulletin.touch(["last"])
            await until(lambda: node.doubts("last"))
            assert not node.doubts("own", "strange")
            assert not node.doubts_everything()

    asyncio.run(main())


def test_many_names_are_told_as_everything(
    make_tier: MakeTier, redis_url: str, redis: Redis, tmp_path: Path
) -> None:
    here, there = (Node(tmp_path / name, make_tier(redis_url), redis_url) for name in ("here", "there"))

    async def main() -> None:
        async with there.listening(redis):
            for names in ([f"n{number}" for number in range(MOST_NAMES + 1)], ["x" * 2000] * 100):
                there.began = time.monotonic_ns()
                here.bulletin.touch(names)
                await until(there.doubts_everything)

    asyncio.run(main())


def test_a_node_that_was_cut_off_doubts_everything(make_tier: MakeTier, tmp_path: Path) -> None:
    async def main() -> None:
        with start_redis(tmp_path / "redis") as server:
            here, there = (
                Node(tmp_path / name, make_tier(server.url), server.url) for name in ("here", "there")
            )
            with Redis.from_url(server.url) as redis:
                async with there.listening(redis):
                    assert not there.doubts_everything()
                    os.kill(server.pid, signal.SIGKILL)
                    await until(lambda: not server.alive())
                    here.bulletin.touch(NAMES)
                    with start_redis(tmp_path / "again", port=server.port):
                        await until(there.doubts_everything)
                        there.began = time.monotonic_ns()
                        here.bulletin.touch(["after"])
                        await until(lambda: there.doubts("after"))

    asyncio.run(main())


def test_a_server_that_hangs_is_noticed(make_tier: MakeTier, own_server: Server, tmp_path: Path) -> None:
    node = Node(tmp_path / "node", make_tier(own_server.url), own_server.url)

    async def main() -> None:
        with Redis.from_url(own_server.url) as redis:
            async with node.listening(redis):
                os.kill(own_server.pid, signal.SIGSTOP)
                try:
                    await asyncio.sleep(4)
                finally:
                    os.kill(own_server.pid, signal.SIGCONT)
                await until(node.doubts_everything)

    asyncio.run(main())


def test_in_a_cluster_any_server_tells_all(
    redis_cluster: RedisCluster, make_tier: MakeTier, tmp_path: Path
) -> None:
    url = redis_cluster.url
    here, there = (Node(tmp_path / name, make_tier(url), url) for name in ("here", "there"))

    async def main() -> None:
        async with there.listening():
            end = time.monotonic() + PATIENCE
            while not there.doubts("name"):
                assert time.monotonic() < end
                here.bulletin.touch(["name"])
                await asyncio.sleep(0.05)
            assert not there.doubts_everything()

    asyncio.run(main())


def test_without_redis_a_node_is_alone(make_tier: MakeTier, tmp_path: Path) -> None:
    node = Node(tmp_path / "node", make_tier("none"), "none")
    asyncio.run(node.bulletin.listen())
    node.bulletin.touch(["name"])
    assert node.doubts("name")
