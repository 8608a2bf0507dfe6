"""A Redis Cluster asked from an event loop, while slots move and a server of it dies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from redis.crc import key_slot

from imagestore.cache.loopwire import LoopWire
from imagestore.cache.node import Unreached
from imagestore.cache.stats import Tally
from tests.redis_cluster import RedisCluster, running_cluster

KEYS = [b"key %d" % number for number in range(60)]
PATIENCE = 30.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


async def fill(wire: LoopWire) -> None:
    end = time.monotonic() + PATIENCE
    while set(await wire.converse([("SET", key, b"value of " + key) for key in KEYS])) != {b"OK"}:
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def read(wire: LoopWire) -> list[object]:
    return await wire.converse([("GET", key) for key in KEYS])


def test_each_server_is_asked_for_its_own_while_slots_move_and_one_dies(cluster: RedisCluster) -> None:
    whole = [b"value of " + key for key in KEYS]

    async def main() -> None:
        wire = LoopWire(cluster.url, 1.0, Tally())
        await fill(wire)
        assert await read(wire) == whole
        slot = key_slot(KEYS[0])
        source = cluster.owner(slot)
        [target, *_] = [member for member in cluster.members if member is not source]
        for _ in cluster.move_slot(slot, target):
            assert await read(wire) == whole
        assert await read(wire) == whole
        published = await wire.tell(("PUBLISH", "channel", b"message"))
        assert published == 0
        lost = {place for place, key in enumerate(KEYS) if cluster.owner(key_slot(key)) is target}
        cluster.kill(target)
        answers = await read(wire)
        assert {place for place, answer in enumerate(answers) if isinstance(answer, Unreached)} == lost
        cluster.restart(target)
        await fill(wire)
        assert await read(wire) == whole
        wire.close()

    asyncio.run(main())
