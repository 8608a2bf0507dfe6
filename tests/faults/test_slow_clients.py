"""Clients that send or read a byte a second, and thousands that are idle: nobody else waits for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from imagestore.edge.spool import PACE
from imagestore.embedded import Server
from tests import pictures
from tests.faults.caller import delivery_path
from tests.faults.crowd import Crowd, Ending
from tests.faults.load import Load, Record, fetch
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, running_node, upload_head
from tests.figures import Figures
from tests.service import Service, await_that

SECONDS = float(os.environ.get("FAULT_SECONDS", "1"))
LONG = SECONDS >= 30
ROUND = 3.0 if LONG else 2.0
"""Seconds of a phase with the crowd, and of one without it."""

SLOW = {"head": 67, "body": 67, "reader": 66}
IDLE = 2000 if LONG else 500
BODY = 8192
HEAD_SECONDS, SILENCE_SECONDS, SEND_SECONDS, IDLE_SECONDS = (6, 7, 8, 30) if LONG else (2, 2.5, 3, 5)
SETTINGS = {
    "header_timeout": HEAD_SECONDS,
    "body_timeout": SILENCE_SECONDS,
    "send_timeout": SEND_SECONDS,
    "keepalive": IDLE_SECONDS,
}
DEADLINES = {
    "head": HEAD_SECONDS,
    "body": SILENCE_SECONDS + BODY / PACE,
    "reader": SEND_SECONDS,
    "idle": IDLE_SECONDS,
}
ROOM = 0.02 if LONG else 1.0
"""Seconds that a loaded machine may add to the 99th percentile."""

EARLY, LATE = 1.0, 4.0
"""Seconds by which a loaded machine may be wrong about a closing; slow clients look once a second."""

pytestmark = [pytest.mark.timed, pytest.mark.timeout(180 + 4 * SECONDS)]


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_server: Server
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("slow")
    with running_node(folder / "node", mongo, redis_server.url, **SETTINGS) as running:
        yield running


def test_slow_and_idle_clients_delay_nobody_and_are_closed_at_their_deadline(
    service: Service, figures: Figures
) -> None:
    small, large = pictures.jpeg(80, 80, noise=True), pictures.jpeg(2000, 1500, noise=True, quality=95)
    with service.client() as client:
        client.upload(BUCKET, small, "small.jpg")
        client.upload(BUCKET, large, "large.jpg")
    load = Load(
        service.url,
        [fetch(BUCKET, "small.jpg", hashlib.sha256(small).hexdigest())],
        clients=4,
        pause=0.01,
    )
    load.run(1.0)
    without, within = Record(), Record()
    endings: dict[str, list[Ending]] = {kind: [] for kind in DEADLINES}
    with crowd_of(service) as crowd:
        for number in range(rounds := max(1, round(SECONDS / ROUND))):
            without.add(load.run(ROUND))
            crowd.come()
            within.add(load.run(ROUND))
            for kind, ended in crowd.leave(when_closed=number == rounds - 1).items():
                endings[kind] += ended
    longest = {kind: max(each.seconds for each in ended) for kind, ended in endings.items()}
    figures(
        slow=sum(SLOW.values()),
        idle=IDLE,
        answers=len(within.answers),
        p50_ms=1000 * without.percentile(0.5),
        p50_with_the_crowd_ms=1000 * within.percentile(0.5),
        p99_ms=1000 * without.percentile(0.99),
        p99_with_the_crowd_ms=1000 * within.percentile(0.99),
        closed={kind: len(ended) for kind, ended in endings.items()},
        longest_seconds={kind: round(seconds, 2) for kind, seconds in longest.items()},
        deadlines=DEADLINES,
    )
    assert without.faults() + within.faults() == []
    assert (within.refused, within.retried) == (0, [])
    assert within.percentile(0.99) <= 2 * without.percentile(0.99) + ROOM
    for kind, deadline in DEADLINES.items():
        assert all(deadline - EARLY <= each.seconds <= deadline + LATE for each in endings[kind]), kind
        assert {each.status for each in endings[kind]} == {408 if kind in ("head", "body") else 0}
    assert all(len(endings[kind]) >= count for kind, count in {**SLOW, "idle": IDLE}.items())
    await_that(lambda: Metrics(service).total("imagestore_edge_connections") == 1)


def crowd_of(service: Service) -> Crowd:
    port = urlsplit(service.url).port
    assert port is not None
    requests = {
        "head": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 60_000,
        "body": upload_head(service, "slow.jpg", BODY),
        "reader": f"GET {delivery_path(BUCKET, 'large.jpg')} HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
        "idle": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    }
    return Crowd(port, requests, {"idle": IDLE, **SLOW})
