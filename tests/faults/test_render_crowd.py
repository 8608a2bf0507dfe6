"""A thousand at once who want one new rendition: it is made once, for all of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from imagestore.embedded import Server
from tests import pictures
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, connect, running_node
from tests.figures import Figures
from tests.service import Service, await_that
from tests.web.watch import decoders_in, workers

CLIENTS = 1000
PATIENCE = 60.0
RENDERED = 'imagestore_decoder_jobs_total{result="rendered"}'


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_server: Server
) -> Iterator[Service]:
    """Four workers, which do without reduced copies: those are renders too."""
    settings = {"workers": 4, "proof_pixels": 0, "redis_timeout": 5, "rate_limit_address": "off"}
    folder = tmp_path_factory.mktemp("crowd")
    with running_node(folder / "node", mongo, redis_server.url, **settings) as running:
        with running.client() as client:
            client.upload(BUCKET, pictures.jpeg(2000, 1500, noise=True), "ada")
        yield running


async def get(service: Service, path: str, arrived: asyncio.Semaphore, go: asyncio.Event) -> tuple[int, str]:
    """Status and digest of the body, for a client that is connected before any of them asks. The status is 0
    for one whose worker has died."""
    parts = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    arrived.release()
    await go.wait()
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = await reader.read()
    except ConnectionError:
        data = b""
    writer.close()
    if not data:
        return 0, ""
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head[9:12]), hashlib.sha256(body).hexdigest()


async def ask_at_once(
    service: Service, path: str, meanwhile: Callable[[], None] = lambda: None
) -> Counter[tuple[int, str]]:
    """What all of them got. `meanwhile` is called once they have asked, in a thread."""
    arrived, go = asyncio.Semaphore(0), asyncio.Event()
    asked = [asyncio.create_task(get(service, path, arrived, go)) for _ in range(CLIENTS)]
    for _ in range(CLIENTS):
        await arrived.acquire()
    go.set()
    await asyncio.to_thread(meanwhile)
    return Counter(await asyncio.gather(*asked))


def test_a_thousand_who_want_one_new_rendition_get_one(service: Service, figures: Figures) -> None:
    before = Metrics(service)
    path = f"/{BUCKET}/image/upload/c_scale,w_900/e_oil_paint/ada.jpg"
    answers = asyncio.run(asyncio.wait_for(ask_at_once(service, path), PATIENCE))
    ((status, _),) = answers
    renders = Metrics(service).since(before, RENDERED)
    figures(answers=dict(Counter({status: sum(answers.values())})), renders=renders)
    assert status == 200
    assert renders == 1


def test_if_its_maker_dies_one_other_makes_it(service: Service, figures: Figures) -> None:
    """Of two renders that are begun, one is ended: all whose worker lives get what the other makes."""
    dying, *_ = workers(service)
    decoders = decoders_in(dying)
    path = f"/{BUCKET}/image/upload/c_scale,w_700/e_oil_paint/ada.jpg"
    before = Metrics(service)
    with connect(service, worker=dying) as first:
        for pid in decoders:
            os.kill(pid, signal.SIGSTOP)  # its render is not done before the others have come
        first.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await_that(lambda: Metrics(service).total("imagestore_decoders_busy") == 1)

        def kill() -> None:
            time.sleep(1)
            os.kill(dying, signal.SIGKILL)
            for pid in decoders:
                os.kill(pid, signal.SIGKILL)

        answers = asyncio.run(asyncio.wait_for(ask_at_once(service, path, kill), PATIENCE))
    renders = 1 + Metrics(service).since(before, RENDERED)
    statuses = Counter[int]()
    for (status, _), number in answers.items():
        statuses[status] += number
    figures(answers=dict(statuses), renders=renders)
    assert renders == 2
    assert statuses.keys() <= {0, 200}
    assert len(answers) <= 2, "all got the same bytes"
    assert 0 < statuses[0] < CLIENTS / 2
