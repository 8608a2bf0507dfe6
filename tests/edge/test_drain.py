"""How a worker ends: what it accepted is answered, and nothing is closed that may bring a request."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagestore.edge.worker import STOP_LINGER
from tests.edge.gunicorn_server import PATIENCE, Server, await_that, read_answer, read_to_end, serve
from tests.sockets import held_by, listeners

REQUEST = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"
LONG_KEPT = ("--keep-alive", "60")


def ask(client: socket.socket, request: bytes = REQUEST) -> dict[str, str]:
    """Send a request; the headers of its answer, which is good."""
    client.sendall(request)
    answer = read_answer(client)
    assert answer.status == 200
    return answer.headers


def ended(server: Server) -> bool:
    return server.process.poll() is not None


def exists(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_last_answer_says_that_it_is_the_last(tmp_path: Path, number: signal.Signals) -> None:
    with serve(tmp_path, *LONG_KEPT) as server, server.connect() as client:
        assert "connection" not in ask(client)
        os.kill(server.worker(), number)
        await_that(lambda: listeners_of(server) == 1)
        assert ask(client)["connection"] == "close"
        assert client.recv(1) == b""


def test_an_answer_that_did_not_say_so_is_not_the_last(tmp_path: Path) -> None:
    """Its client may have sent another request by the time it could learn of the end."""
    flag, large = tmp_path / "flag", b"GET /large?bytes=3000000 HTTP/1.1\r\nHost: x\r\n\r\n"
    with serve(tmp_path, *LONG_KEPT) as server, ExitStack() as stack:
        reader, waiter = (stack.enter_context(server.connect(16 * 1024)) for _ in range(2))
        reader.sendall(large)
        head = reader.recv(1000)
        waiter.sendall(f"GET /wait?for={flag} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await_that(lambda: "ran wait" in server.notes())
        server.process.send_signal(signal.SIGTERM)
        await_that(lambda: listeners_of(server) == 0)
        assert b"connection: close" not in head.lower()
        left = 3_000_000 - len(head.partition(b"\r\n\r\n")[2])
        while left:
            left -= len(reader.recv(min(left, 1 << 16)))
        assert ask(reader)["connection"] == "close"
        flag.touch()
        assert read_answer(waiter).headers["connection"] == "close"
        await_that(lambda: ended(server))


def test_an_idle_connection_may_bring_a_request_for_a_moment_after_sigterm(tmp_path: Path) -> None:
    with serve(tmp_path, *LONG_KEPT) as server, ExitStack() as stack:
        quick, idle = (stack.enter_context(server.connect()) for _ in range(2))
        ask(quick)
        ask(idle)
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await_that(lambda: listeners_of(server) == 0)
        assert ask(quick)["connection"] == "close"
        assert idle.recv(1) == b""
        assert time.monotonic() - began >= STOP_LINGER
        await_that(lambda: ended(server))


def test_an_idle_connection_keeps_its_time_after_sighup(tmp_path: Path) -> None:
    with serve(tmp_path, *LONG_KEPT) as server, server.connect() as client:
        ask(client)
        old = server.worker()
        os.kill(old, signal.SIGHUP)
        time.sleep(STOP_LINGER + 1)
        assert ask(client)["connection"] == "close"
        await_that(lambda: not exists(old))
        assert server.worker() != old


def test_sigterm_shortens_what_sighup_began(tmp_path: Path) -> None:
    with serve(tmp_path, *LONG_KEPT) as server, server.connect() as client:
        ask(client)
        os.kill(server.worker(), signal.SIGHUP)
        server.process.send_signal(signal.SIGTERM)
        assert client.recv(1) == b""
        await_that(lambda: ended(server))


def test_a_worker_whose_arbiter_is_gone_ends_without_losing_a_request(tmp_path: Path) -> None:
    with serve(tmp_path, *LONG_KEPT) as server, server.connect() as client:
        ask(client)
        worker = server.worker()
        server.process.kill()
        server.process.wait()
        assert client.recv(1) == b""
        await_that(lambda: not exists(worker))
        assert server.notes()[-1] == "shut down"


def test_connections_that_nobody_has_looked_at_yet_are_answered(tmp_path: Path) -> None:
    """The kernel accepts for a busy worker, and resets what it holds when the last listener closes."""
    with serve(tmp_path) as server, ExitStack() as stack:
        worker = server.worker()
        os.kill(worker, signal.SIGSTOP)
        clients = [stack.enter_context(server.connect()) for _ in range(200)]
        for client in clients:
            client.sendall(REQUEST.replace(b"/pid", b"/live"))
        stop = threading.Thread(target=server.process.terminate)
        stop.start()
        await_that(lambda: not listens(server.process.pid, server.port))
        os.kill(worker, signal.SIGCONT)
        assert [read_answer(client).status for client in clients] == [200] * 200
        stop.join(PATIENCE)
        await_that(lambda: ended(server))


def test_what_lies_unread_when_the_idle_time_ends_is_answered(tmp_path: Path) -> None:
    with serve(tmp_path, "--keep-alive", "1") as server, server.connect() as client:
        ask(client)
        worker = server.worker()
        os.kill(worker, signal.SIGSTOP)
        client.sendall(REQUEST)
        time.sleep(1.5)
        os.kill(worker, signal.SIGCONT)
        assert read_answer(client).status == 200
        ask(client)
        assert read_to_end(client) == b""


def listeners_of(server: Server) -> int:
    """How many processes of the server listen."""
    arbiter = server.process.pid
    workers = Path(f"/proc/{arbiter}/task/{arbiter}/children").read_text().split()
    return sum(listens(pid, server.port) for pid in (arbiter, *map(int, workers)))


def listens(pid: int, port: int) -> bool:
    return held_by(pid, listeners(port)) > 0
