"""The services of one worker, opened from settings."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagestore.services import Services
from imagestore.settings import Settings
from tests.service import PATIENCE

pytestmark = pytest.mark.quick

THREADS = 48


def test_every_thread_may_ask_redis_at_once(tmp_path: Path) -> None:
    with ExitStack() as closing:
        server = closing.enter_context(socket.create_server(("127.0.0.1", 0), backlog=2 * THREADS))
        server.settimeout(PATIENCE)
        services = Services(
            Settings(
                mongo_url="mongodb://127.0.0.1:1/?connect=false",
                redis_url=f"redis://127.0.0.1:{server.getsockname()[1]}/0",
                redis_timeout=PATIENCE,
                threads=THREADS,
                secret_key="k" * 32,
                data=tmp_path,
            )
        )
        closing.callback(services.close)
        callers = [threading.Thread(target=services.tier.ping) for _ in range(THREADS)]
        for caller in callers:
            caller.start()
        # None of them is answered before all are connected, so none can take the connection of another.
        connections = [closing.enter_context(server.accept()[0]) for _ in callers]
        for connection in connections:
            connection.settimeout(PATIENCE)
            assert b"PING" in connection.recv(
                1024
            )  # an answer before the question would be taken for a leftover
            connection.sendall(b"+PONG\r\n")
        for caller in callers:
            caller.join(PATIENCE)
        assert not any(caller.is_alive() for caller in callers)
        assert services.tier.stats().errors == 0
