"""What a worker answers from its memory, or from Redis without the application, is what that would answer."""

from __future__ import annotations

import contextlib
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from redis import Redis

from tests import pictures
from tests.service import PATIENT_REDIS, Service, await_that, running_service
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
    common = {"secret_key": "k" * 40, "workers": 1, "edge_ttl": 3600, "surrogate_headers": "xkey,Cache-Tag"}
    common |= {"redis_timeout": PATIENT_REDIS}
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


@pytest.mark.parametrize("accept", ACCEPTS)
@pytest.mark.parametrize(
    ("level", "target"),
    # No alias tells for long that an image is missing, so what stands in for it is not found by Redis.
    [("memory", each) for each in TARGETS]
    + [("redis", each) for each in TARGETS if not each.startswith("d_")],
)
def test_what_is_made_is_the_same(
    services: dict[str, Service], subjects: dict[str, Subject], target: str, accept: str, level: str
) -> None:
    del subjects  # the image is there
    with httpx.Client(headers={"Accept": accept} if accept else {}, timeout=30) as client:
        made, *_, kept = (
            client.get(f"{services[name].url}/default/image/upload/{target}")
            for name in ("application", level, level, level)
        )
        assert lasting(kept) == lasting(made)
        assert from_level(kept, level)
        keys = kept.headers["Cache-Tag"].split(",")
        assert {"bucket~default", "image~default~table%2Fconditions.jpg"} <= set(keys)
        assert ("image~default~missing.jpg" in keys) == target.startswith("d_")
        again = client.get(str(kept.url), headers={"If-None-Match": kept.headers["ETag"]})
        assert (again.status_code, again.headers["Cache-Tag"]) == (304, kept.headers["Cache-Tag"])
        assert again.headers.get("Vary") == kept.headers.get("Vary") == made.headers.get("Vary")


@pytest.mark.parametrize("level", ["memory", "redis"])
def test_whatever_the_query_it_is_the_same_answer(
    services: dict[str, Service], subjects: dict[str, Subject], level: str
) -> None:
    """And who makes queries up fills neither memory nor Redis."""
    del subjects  # the image is there
    url = f"{services[level].url}/default/image/upload/w_33/table/conditions.jpg"
    with httpx.Client(timeout=30) as client, Redis.from_url(services["memory"].redis_url) as redis:
        first = client.get(f"{url}?first=1")
        await_that(lambda: from_level(client.get(url), level))
        keys = redis.dbsize()
        for number in range(20):
            for query in (f"?{number}", "?", f"?signature={number}&expires=1", "?explain"):
                kept = client.get(url + query)
                assert from_level(kept, level)
                assert lasting(kept) == lasting(first)
        assert redis.dbsize() <= keys


def test_another_node_hears_of_a_change(services: dict[str, Service]) -> None:
    """Each has answers in memory that would be good for an hour."""
    with services["memory"].client() as client, httpx.Client(timeout=30) as http:
        client.upload("default", pictures.png(seed=1), key="heard.png")
        target = "/default/image/upload/heard.png"
        for _ in range(2):
            known = http.get(services["memory"].url + target)
        assert from_level(known, "memory")
        with services["application"].client() as other:
            other.upload("default", pictures.png(seed=2), key="heard.png")
        await_that(lambda: http.get(services["memory"].url + target).content == pictures.png(seed=2))
        with services["application"].client() as other:
            other.delete("default", "heard.png")
        await_that(lambda: http.get(services["memory"].url + target).status_code == 404)


def test_the_workers_of_a_node_know_of_a_change_when_it_is_answered(tmp_path: Path) -> None:
    with (
        running_service(tmp_path, workers=3, edge_ttl=3600, redis_timeout=PATIENT_REDIS) as service,
        service.client() as client,
        contextlib.ExitStack() as stack,
    ):
        # One after the other, each worker gets its share of the connections.
        readers = [stack.enter_context(httpx.Client(timeout=30)) for _ in range(9)]
        url = f"{service.url}/default/image/upload/seen.png"
        levels = Counter[str]()
        for round in range(30):
            data = pictures.png(seed=round)
            client.upload("default", data, key="seen.png")
            for reader in readers * 2:
                answer = reader.get(url)
                assert answer.content == data
                levels[answer.headers["Cache-Status"].rpartition("=")[2]] += 1
        assert levels["memory"] > 100
        bucket, auth = f"{service.url}/v1/buckets/default", (service.access_key, service.secret)
        assert httpx.patch(bucket, json={"access": "private"}, auth=auth).status_code == 200
        assert {reader.get(url).status_code for reader in readers} == {401}


def test_large_answers_reach_clients_of_any_pace(services: dict[str, Service]) -> None:
    """Several requests at once on a connection, whose client takes a little at a time."""
    memory = services["memory"]
    data = pictures.jpeg(900, 600, quality=95)
    assert 64 * 1024 < len(data) < 256 * 1024
    with memory.client() as client:
        client.upload("default", data, key="table/large.jpg")
    path = "/default/image/upload/table/large.jpg"
    await_that(lambda: from_level(httpx.get(memory.url + path), "memory"))
    there = urlsplit(memory.url)
    head = f"GET {path} HTTP/1.1\r\nHost: {there.netloc}\r\n"
    requests = [f"{head}\r\n", f"{head}Range: bytes=9-99\r\n\r\n"] * 6
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        slow.settimeout(60)
        slow.connect((there.hostname, there.port))
        slow.sendall("".join(requests).encode())
        reader = slow.makefile("rb", buffering=4096)
        for number in range(len(requests)):
            answer = b"".join(iter(reader.readline, b"\r\n")).lower()
            length = int(answer.partition(b"content-length: ")[2].split()[0])
            assert reader.read(length) == (data if number % 2 == 0 else data[9:100])
