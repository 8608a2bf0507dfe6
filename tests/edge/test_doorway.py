"""Connections that are kept are spread over the workers, however few of these are awake."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagestore.edge.doorway import Crowd
from tests.edge.gunicorn_server import Server, await_that, read_answer, serve

REQUEST = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTIONS = 32
WORKERS = 3


def spread(server: Server) -> Counter[bytes]:
    """How many of the connections each worker has, one after the other being opened and kept."""
    workers: Counter[bytes] = Counter()
    with ExitStack() as stack:
        for _ in range(CONNECTIONS):
            client = stack.enter_context(server.connect())
            client.sendall(REQUEST)
            workers[read_answer(client).body] += 1
    return workers


def test_each_worker_gets_its_share(tmp_path: Path) -> None:
    with serve(tmp_path, "-w", str(WORKERS)) as server:
        # A busy machine may hold up one of them for longer than the others defer to it.
        await_that(lambda: min((*spread(server).values(), 0)[:WORKERS]) >= CONNECTIONS // WORKERS // 2)


@pytest.mark.quick
def test_a_crowd_is_compared_with_the_mean_of_the_living() -> None:
    crowd = Crowd()
    crowd.join(0)
    assert not crowd.has_many(0, 5), "there is nobody else"
    crowd.join(1)
    crowd.join(2)
    crowd.note(1, 2)
    crowd.note(2, 4)
    assert crowd.has_many(0, 4)
    assert not crowd.has_many(0, 3)
    crowd.leave(2)
    assert crowd.has_many(0, 3)


@pytest.mark.quick
def test_a_worker_that_died_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd()
    crowd.join(0)
    with monkeypatch.context() as patched:
        patched.setattr("os.getpid", lambda: 2**22 + 1)  # above what Linux gives to a process
        crowd.join(1)
    assert not crowd.has_many(0, 5)
