"""Two nodes on one MongoDB and one Redis, each with its own memories: what one writes, the other answers."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest
from redis import Redis
from redis.exceptions import RedisError

from imagestore.cache.bulletin import CHANNEL
from tests import pictures
from tests.figures import Figures
from tests.service import PATIENT_REDIS, Service, await_that, running_service

KEPT_SECONDS = 3600
"""So long that only word of a change makes a node look again."""

WORKERS = 2


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    folder = tmp_path_factory.mktemp("nodes")
    common = {"secret_key": "k" * 40, "workers": WORKERS, "edge_ttl": KEPT_SECONDS}
    common |= {"redis_timeout": PATIENT_REDIS}
    with contextlib.ExitStack() as stack:

        def start(name: str, **settings: object) -> Service:
            (folder / name).mkdir()
            return stack.enter_context(running_service(folder / name, **common, **settings))

        here = start("here")
        servers = {"mongo_url": here.mongo_url, "redis_url": here.redis_url}
        there = start("there", admin_key=here.access_key, admin_secret=here.secret, **servers)
        await_listeners(here)
        yield here, there


def await_listeners(service: Service) -> None:
    """Until all workers of both nodes hear what is published, at a Redis that may have to start first."""

    def listening() -> bool:
        try:
            with Redis.from_url(service.redis_url) as redis:
                return bool(dict(redis.pubsub_numsub(CHANNEL))[CHANNEL] >= 2 * WORKERS)
        except RedisError:
            return False

    await_that(listening)


def upload(service: Service, key: str, seed: int) -> bytes:
    data = pictures.jpeg(64, 48, seed=seed)
    with service.client() as client:
        client.upload("default", data, key=key)
    return data


class Visitors:
    """Connections to a node, enough of them to meet all of its workers."""

    def __init__(self, service: Service, target: str) -> None:
        self._url = f"{service.url}/default/image/upload/{target}"
        self._clients = [httpx.Client(timeout=30) for _ in range(4 * WORKERS)]

    def __enter__(self) -> Visitors:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients:
            client.close()

    def see(self) -> list[bytes]:
        return [client.get(self._url).content for client in self._clients]

    def fill_memories(self) -> None:
        def filled() -> bool:
            told = [client.get(self._url).headers["Cache-Status"] for client in self._clients]
            return all("detail=memory" in status for status in told)

        await_that(filled)


def test_a_write_is_seen_by_its_node_at_once_and_by_the_other_when_it_hears_of_it(
    nodes: tuple[Service, Service], figures: Figures
) -> None:
    here, there = nodes
    upload(here, "news", 0)
    with Visitors(here, "news") as mine, Visitors(there, "news") as others:
        seconds = list[float]()
        for seed in range(1, 6):
            mine.fill_memories()
            others.fill_memories()
            new = upload(here, "news", seed)
            written = time.monotonic()
            assert set(mine.see()) == {new}
            await_that(lambda new=new: set(others.see()) == {new})  # type: ignore[misc]
            seconds.append(time.monotonic() - written)
    figures(seconds_until_the_other_node_has_it=max(seconds))


def test_word_that_was_lost_is_made_up_for_when_redis_is_back(nodes: tuple[Service, Service]) -> None:
    here, there = nodes
    upload(here, "lost", 0)
    with Visitors(there, "lost") as others:
        others.fill_memories()
        with Redis.from_url(here.redis_url) as redis:
            process = redis.info("server")["process_id"]
        os.kill(process, signal.SIGKILL)
        new = upload(here, "lost", 1)
        await_that(lambda: set(others.see()) == {new})
    await_listeners(here)
