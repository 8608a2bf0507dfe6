"""What workers keep in their memory outlives the stores, is told from what is fresh, and gives way to it."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagestore.embedded import Server, start_redis
from tests import pictures
from tests.faults import motifs
from tests.faults.caller import Answer
from tests.faults.ledger import Ledger
from tests.faults.load import Load, fetch
from tests.faults.node import running_node
from tests.faults.site import BUSY_MACHINE, Site, kill
from tests.figures import Figures
from tests.service import Service, await_that

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "1"))
DOWN_SECONDS = 2.0
RECOVERY_SECONDS = 5.0


def seconds_left(answer: Answer) -> int:
    """Of freshness, as the answer from memory says (RFC 9211, section 2.6): below 0 for a stale one."""
    found = re.fullmatch(r"imagestore; hit; ttl=(-?\d+); detail=memory", answer.headers["cache-status"])
    assert found, answer.headers["cache-status"]
    return int(found[1])


@dataclass
class Shielded:
    """A node on the site's members and with what it has by default in memory, fresh for a second."""

    service: Service
    folder: Path
    redis: Server

    def start_redis(self) -> None:
        """At the same port, after it was stopped."""
        self.redis.stop()
        self.redis = start_redis(self.folder, port=self.redis.port)


@pytest.fixture(scope="module")
def shielded(started_site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shielded]:
    folder = tmp_path_factory.mktemp("shielded")
    settings = {
        "mongo_url": started_site.members.url,
        "mongo_database": "imagestore",
        "secret_key": secrets.token_hex(16),
        "edge_bytes": 64 << 20,
        "edge_ttl": 1,
        "alias_ttl": 1,
    }
    started_site.mend()
    redis = start_redis(folder / "redis")
    with (
        running_node(folder / "node", started_site.members.servers[0], redis.url, **settings) as service,
        ExitStack() as stack,
    ):
        made = Shielded(service, folder / "redis", redis)
        stack.callback(lambda: made.redis.stop())
        yield made


def test_memory_outlives_both_stores(
    site: Site, shielded: Shielded, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    small, caller = motifs.tiny(), site.caller(shielded.service)
    for key in ("kept", "other"):
        assert ledger.note(bucket, key, small, caller.put(bucket, key, small))
    await_that(lambda: "detail=memory" in caller.get(bucket, "kept").headers["cache-status"])
    os.kill(shielded.redis.pid, signal.SIGKILL)
    for server in site.members.servers:
        kill(server)
    time.sleep(2.5)
    kept, other = caller.get(bucket, "kept"), caller.get(bucket, "other")
    figures(kept_seconds=kept.seconds, refused_seconds=other.seconds)
    assert (kept.status, kept.body) == (200, small), str(kept)
    assert seconds_left(kept) < 0 < int(kept.headers["age"])
    assert (other.status, int(other.headers["retry-after"]) > 0) == (503, True)
    assert max(kept.seconds, other.seconds) <= 2.0 + BUSY_MACHINE / 2
    site.mend()
    await_that(lambda: caller.delete(bucket, "kept").status == 204)
    assert caller.get(bucket, "kept").status == 404
    assert caller.get(bucket, "other").body == small
    shielded.start_redis()


def test_stores_that_stop_and_start_again_and_again_cost_no_answer(
    site: Site, shielded: Shielded, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    """Rows 4 and 17, ROUNDS times, for images that are asked for all the time."""
    recovered, uploaded = list[float](), list[float]()
    caller, asks = site.caller(shielded.service), []
    for number in range(8):
        data = pictures.png(16, 16, seed=number)
        assert ledger.note(bucket, str(number), data, caller.put(bucket, str(number), data))
        asks.append(fetch(bucket, str(number), hashlib.sha256(data).hexdigest()))
    load = Load(shielded.service.url, asks, clients=8, pause=0.005)
    load.run(2)
    with load:
        for _ in range(ROUNDS):
            shielded.redis.stop()
            time.sleep(DOWN_SECONDS)
            shielded.start_redis()
            began = time.monotonic()
            await_that(lambda: "redis" in fresh(caller.get(bucket, "0", **NO_CACHE)))
            recovered.append(time.monotonic() - began)
        for number in range(ROUNDS):
            for server in site.members.servers:
                kill(server)
            time.sleep(DOWN_SECONDS)
            site.mend()
            began, data = time.monotonic(), pictures.png(16, 16, seed=100 + number)
            await_that(lambda data=data: caller.put(bucket, "new", data).status == 201)
            uploaded.append(time.monotonic() - began)
    figures(
        answers=len(load.record.answers),
        errors=load.record.errors,
        redis_recovery=max(recovered),
        mongo_recovery=max(uploaded),
    )
    assert load.record.faults() == []
    assert load.record.errors == 0
    assert max(*recovered, *uploaded) <= RECOVERY_SECONDS + BUSY_MACHINE


NO_CACHE = {"Cache-Control": "no-cache"}


def fresh(answer: Answer) -> str:
    assert answer.status == 200, str(answer)
    return answer.headers["cache-status"]
