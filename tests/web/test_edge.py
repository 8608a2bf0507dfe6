"""What a worker answers from its memory, or from Redis without the application, is what that would answer."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service import Service, running_service
from tests.web.exchanges import EXCHANGES, Exchange
from tests.web.test_conditions import Subject, check, lasting, make_subject

ACCEPTS = ["image/avif,image/webp,*/*", "image/webp,*/*;q=0.8", "*/*", "", "image/png", "image/avif;q=0.1"]
TARGETS = [
    "c_fill,w_64,h_48/f_auto/table/conditions.jpg",
    "c_fill,w_64,h_48/table/conditions.jpg",
    "w_50/table/conditions.jpg.webp",
    "fl_attachment:name/table/conditions.jpg",
    "d_table:conditions.jpg,w_40/missing.jpg",
]


@contextlib.contextmanager
def three_ways(folder: Path) -> Iterator[dict[str, Service]]:
    """One store and one Redis, and before them a service that answers from memory, one that answers from
    Redis, and one whose application answers all."""
    common = {"secret_key": "k" * 40, "workers": 1, "edge_ttl": 3600}
    with contextlib.ExitStack() as stack:

        def start(name: str, **settings: object) -> Service:
            (folder / name).mkdir()
            return stack.enter_context(running_service(folder / name, **common, **settings))

        memory = start("memory")
        servers = {"mongo_url": memory.mongo_url, "redis_url": memory.redis_url}
        keys = {"admin_key": memory.access_key, "admin_secret": memory.secret}
        yield {
            "memory": memory,
            "redis": start("redis", edge_bytes=0, **servers, **keys),
            "application": start("application", edge="off", **servers, **keys),
        }


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    with three_ways(tmp_path_factory.mktemp("three")) as running:
        yield running


@pytest.fixture(scope="module")
def subjects(services: dict[str, Service]) -> Iterator[dict[str, Subject]]:
    """The same image, known to all of them already."""
    made = make_subject(services["memory"])
    found = {
        name: Subject(made.url.replace(services["memory"].url, each.url), made.data, made.client, made.names)
        for name, each in services.items()
    }
    time.sleep(2.5)  # until its date tells it from what else could have been uploaded in that second
    for subject in found.values():
        subject.client.get(subject.url, headers={"Cache-Control": "no-cache"})
        subject.client.get(subject.url)
    yield found
    made.client.close()


@pytest.mark.parametrize("level", ["memory", "redis"])
@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_an_exchange_is_the_same(subjects: dict[str, Subject], exchange: Exchange, level: str) -> None:
    kept, made = subjects[level].send(exchange), subjects["application"].send(exchange)
    check(exchange, kept, subjects[level].data)
    assert lasting(kept) == lasting(made)
    if kept.status_code in (200, 206, 304):
        assert from_level(kept, level)


def from_level(answer: httpx.Response, level: str) -> bool:
    """Whether that level gave it: the application says what it took its time for."""
    told = f"detail={level}" in answer.headers["Cache-Status"]
    return told and "Server-Timing" not in answer.headers and ("Age" in answer.headers) == (level == "memory")


@pytest.mark.parametrize("level", ["memory", "redis"])
@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize("target", TARGETS)
def test_what_is_made_is_the_same(
    services: dict[str, Service], subjects: dict[str, Subject], target: str, accept: str, level: str
) -> None:
    del subjects  # the image is there
    if level == "redis" and target.startswith("d_"):
        pytest.skip("no alias tells that an image is missing")
    with httpx.Client(headers={"Accept": accept} if accept else {}, timeout=30) as client:
        made, *_, kept = (
            client.get(f"{services[name].url}/default/image/upload/{target}")
            for name in ("application", level, level, level)
        )
        assert lasting(kept) == lasting(made)
        assert from_level(kept, level)
        again = client.get(str(kept.url), headers={"If-None-Match": kept.headers["ETag"]})
        assert again.status_code == 304
        assert again.headers.get("Vary") == kept.headers.get("Vary") == made.headers.get("Vary")
