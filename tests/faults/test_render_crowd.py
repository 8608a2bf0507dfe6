"""A thousand at once who want one new rendition: it is made once, for all of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from imagestore.embedded import Server
from tests import pictures
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, running_node
from tests.figures import Figures
from tests.service import Service

CLIENTS = 1000
PATIENCE = 60.0
RENDERED = 'imagestore_decoder_jobs_total{result="rendered"}'


@pytest.fixture
def service(tmp_path: Path, mongo: Server, redis_server: Server) -> Iterator[Service]:
    """Two workers, which do without reduced copies: those are renders too."""
    settings = {"workers": 2, "proof_pixels": 0, "redis_timeout": 5, "rate_limit_address": "off"}
    with running_node(tmp_path / "node", mongo, redis_server.url, **settings) as running:
        with running.client() as client:
            client.upload(BUCKET, pictures.jpeg(2000, 1500, noise=True), "ada")
        yield running


async def get(service: Service, path: str, arrived: asyncio.Semaphore, go: asyncio.Event) -> tuple[int, str]:
    """Status and digest of the body, for a client that is connected before any of them asks."""
    parts = urlsplit(service.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    arrived.release()
    await go.wait()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    data = await reader.read()
    writer.close()
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head[9:12]), hashlib.sha256(body).hexdigest()


async def ask_at_once(service: Service, path: str) -> Counter[tuple[int, str]]:
    arrived, go = asyncio.Semaphore(0), asyncio.Event()
    asked = [asyncio.create_task(get(service, path, arrived, go)) for _ in range(CLIENTS)]
    for _ in range(CLIENTS):
        await arrived.acquire()
    go.set()
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
