"""Renders that hang, and workers that die over them: who waits holds nobody up, and everybody is answered."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from PIL import Image

from imagestore.embedded import Server
from tests import pictures
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, connect, running_node
from tests.faults.test_decoders import decoders_of
from tests.service import Service, await_that
from tests.web.watch import decoders_in, workers

THREADS = 4
WAITING = 30
PATH = f"/{BUCKET}/image/upload"


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_server: Server
) -> Iterator[Service]:
    """One worker with few threads and room for two renders, which may take a minute."""
    settings = {
        "workers": 1,
        "threads": THREADS,
        "render_queue": 1,
        "render_timeout": 60,
        "redis_timeout": 5,
    }
    folder = tmp_path_factory.mktemp("renders")
    with running_node(folder / "node", mongo, redis_server.url, **settings) as running:
        with running.client() as client:
            client.upload(BUCKET, pictures.jpeg(640, 480), "ada")
        yield running


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=120, limits=httpx.Limits(max_connections=100)) as client:
        yield client


@contextmanager
def standing_still(service: Service) -> Iterator[None]:
    """The decoder is there and does nothing."""
    (pid,) = decoders_of(service)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def size_of(answer: httpx.Response) -> tuple[int, int]:
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as opened:
        return opened.size


def test_many_that_wait_for_a_render_leave_the_threads_to_others(
    service: Service, http: httpx.Client
) -> None:
    known = http.get(f"{PATH}/c_scale,w_20/ada.jpg")
    before = Metrics(service)
    with ThreadPoolExecutor(WAITING) as threads:
        with standing_still(service):
            asked = [threads.submit(http.get, f"{PATH}/c_scale,w_30/ada.jpg") for _ in range(WAITING)]
            await_that(lambda: Metrics(service).since(before, "imagestore_renditions_total") >= WAITING - 1)
            for _ in range(20):
                hit = http.get(f"{PATH}/c_scale,w_20/ada.jpg")
                assert hit.headers["Cache-Status"] == "imagestore; hit; detail=redis"
                assert hit.content == known.content
                assert http.get(f"{PATH}/ada").content == pictures.jpeg(640, 480)
            assert not any(each.done() for each in asked)
        assert {size_of(each.result()) for each in asked} == {(30, 23)}
    made = 'imagestore_decoder_jobs_total{result="rendered"}'
    assert Metrics(service).since(before, made) == 1


def test_a_full_queue_is_refused_at_once_and_nothing_else_is(service: Service, http: httpx.Client) -> None:
    http.get(f"{PATH}/c_scale,w_20/ada.jpg")
    with ThreadPoolExecutor(8) as threads:
        with standing_still(service):
            asked = [threads.submit(http.get, f"{PATH}/c_scale,w_{width}/ada.jpg") for width in range(40, 48)]
            await_that(lambda: sum(each.done() for each in asked) == 6)
            for each in asked:
                if each.done():
                    answer = each.result()
                    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
                    assert int(answer.headers["Retry-After"]) >= 1
            assert http.get(f"{PATH}/c_scale,w_20/ada.jpg").status_code == 200
            assert http.get(f"{PATH}/ada").status_code == 200
        assert sorted(each.result().status_code for each in asked) == [200] * 2 + [503] * 6


def test_a_client_that_leaves_ends_no_render(service: Service, http: httpx.Client) -> None:
    before = Metrics(service)
    with standing_still(service):
        with connect(service) as gone:
            gone.sendall(f"GET {PATH}/c_scale,w_50/ada.jpg HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            await_that(lambda: busy(service))
        with ThreadPoolExecutor(1) as thread:
            other: Future[httpx.Response] = thread.submit(http.get, f"{PATH}/c_scale,w_50/ada.jpg")
            await_that(lambda: Metrics(service).since(before, "imagestore_renditions_total") >= 1)
            os.kill(next(iter(decoders_of(service))), signal.SIGCONT)
            assert size_of(other.result()) == (50, 38)


def busy(service: Service) -> bool:
    with service.client() as client:
        return "imagestore_decoders_busy 1.0" in client.metrics()


def test_a_worker_that_dies_at_a_render_is_followed_by_another(
    tmp_path: Path, mongo: Server, redis_server: Server
) -> None:
    settings = {"workers": 2, "render_timeout": 120, "redis_timeout": 5}
    with running_node(tmp_path / "two", mongo, redis_server.url, **settings) as service:
        with service.client() as client:
            client.upload(BUCKET, pictures.jpeg(640, 480), "ada")
        dying, living = workers(service)
        request = f"GET {PATH}/c_scale,w_60/ada.jpg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        with connect(service, worker=dying) as first, connect(service, worker=living) as second:
            stopped = decoders_in(dying)
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            first.sendall(request)
            await_that(lambda: busy(service))
            second.sendall(request)
            os.kill(dying, signal.SIGKILL)
            got = b""
            while piece := second.recv(65536):
                got += piece
            for pid in stopped:
                os.kill(pid, signal.SIGKILL)
        assert got.startswith(b"HTTP/1.1 200 ")
