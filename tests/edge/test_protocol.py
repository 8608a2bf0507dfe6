"""What the edge's connections add to gunicorn's: deadlines of heads, a bound, an end to every closing."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import sockets
from tests.edge.gunicorn_server import Server, await_that, read_answer, read_to_end, serve
from tests.sockets import held_by

REQUEST = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that waits a second for a head, and ever so long between requests."""
    folder = tmp_path_factory.mktemp("hasty")
    with serve(folder, "--keep-alive", "1000", IMAGESTORE_HEADER_TIMEOUT="1") as running:
        yield running


def assert_timed_out(got: bytes) -> None:
    assert got.startswith(b"HTTP/1.1 408 ")
    head, _, body = got.partition(b"\r\n\r\n")
    assert b"connection: close" in head
    assert json.loads(body)["error"]["code"] == "request_timeout"


@pytest.mark.parametrize("start", [b"", b"G", REQUEST[:-2]])
def test_a_head_that_does_not_come_is_answered_408_and_closed(hasty: Server, start: bytes) -> None:
    with hasty.connect() as client:
        client.sendall(start)
        assert_timed_out(read_to_end(client))


def test_a_head_that_drips_is_answered_408_and_closed(hasty: Server) -> None:
    with hasty.connect() as client:
        client.sendall(REQUEST[:-2])
        got = drip(client, b"X-Header: more\r\n")
        assert_timed_out(got + read_to_end(client))


def drip(client: socket.socket, data: bytes) -> bytes:
    """Send `data` byte by byte, again and again, until something comes back."""
    client.settimeout(0.05)
    for index in range(1000):
        client.sendall(data[index % len(data) :][:1])
        with contextlib.suppress(TimeoutError):
            got = client.recv(4096)
            client.settimeout(10)
            return got
    raise AssertionError("nothing came back")


def test_half_a_second_head_is_answered_408_and_closed(hasty: Server) -> None:
    with hasty.connect() as client:
        client.sendall(REQUEST)
        assert read_answer(client).status == 200
        client.sendall(REQUEST[:20])
        assert_timed_out(read_to_end(client))


def test_half_a_pipelined_head_is_answered_408_and_closed(hasty: Server) -> None:
    with hasty.connect() as client:
        client.sendall(REQUEST + REQUEST[:20])
        with client.makefile("rb") as file:
            everything = file.read()
    first, _, second = everything[1:].partition(b"HTTP/1.1 ")
    assert b"200 OK" in first
    assert_timed_out(b"HTTP/1.1 " + second)


def test_a_later_head_that_has_begun_is_not_an_idle_connection(tmp_path: Path) -> None:
    settings = {"IMAGESTORE_HEADER_TIMEOUT": "2"}
    with serve(tmp_path, "--keep-alive", "1", **settings) as server, ExitStack() as stack:
        apart, pipelined = (stack.enter_context(server.connect()) for _ in range(2))
        apart.sendall(REQUEST)
        pipelined.sendall(REQUEST + REQUEST[:20])
        for client in (apart, pipelined):
            assert read_answer(client).status == 200
        apart.sendall(REQUEST[:20])
        for client in (apart, pipelined):
            assert_timed_out(read_to_end(client))


def test_a_request_that_takes_its_time_is_not_a_slow_head(hasty: Server, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with hasty.connect() as client, hasty.connect() as other:
        client.sendall(f"GET /wait?for={flag} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert_timed_out(read_to_end(other))
        flag.touch()
        assert read_answer(client).body == b"waited"
        client.sendall(REQUEST)
        assert read_answer(client).status == 200


@pytest.mark.parametrize("hosts", [b"", b"Host:\r\n", b"host: a/b\r\n", b"Host: a\r\nHost: a\r\n"])
def test_a_request_without_one_valid_host_is_answered_400_and_closed(server: Server, hosts: bytes) -> None:
    runs = server.runs()
    with server.connect() as client:
        client.sendall(b"GET /pid HTTP/1.1\r\n" + hosts + b"\r\n" + REQUEST)
        assert_refused(read_to_end(client))
    assert server.runs() == runs


def test_a_later_request_without_host_is_answered_400_and_closed(server: Server) -> None:
    with server.connect() as client:
        client.sendall(REQUEST)
        assert read_answer(client).status == 200
        client.sendall(REQUEST.replace(b"Host: x\r\n", b""))
        assert_refused(read_to_end(client))


def test_the_slow_parser_asks_for_a_host_too(tmp_path: Path) -> None:
    with serve(tmp_path, "--http-parser", "python") as server, server.connect() as client:
        assert server.request("/parser").body == b"PythonProtocol"
        client.sendall(REQUEST.replace(b"Host: x\r\n", b""))
        assert_refused(read_to_end(client))


def assert_refused(got: bytes) -> None:
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head
    assert json.loads(body)["error"]["code"] == "invalid_request"


def test_http_1_0_needs_no_host(server: Server) -> None:
    assert server.exchange(b"GET /pid HTTP/1.0\r\n\r\n").status == 200


def test_an_idle_connection_is_closed_without_a_word(tmp_path: Path) -> None:
    with serve(tmp_path, "--keep-alive", "1") as server, server.connect() as client:
        client.sendall(REQUEST)
        assert read_answer(client).status == 200
        assert client.recv(1) == b""


def test_many_idle_and_slow_connections_delay_nobody(server: Server) -> None:
    with ExitStack() as stack:
        for number in range(200):
            client = stack.enter_context(server.connect())
            client.sendall(REQUEST[: number % len(REQUEST)])
        for _ in range(20):
            assert server.request("/pid").status == 200


def test_connections_beyond_the_bound_are_refused_until_one_ends(tmp_path: Path) -> None:
    with serve(tmp_path, IMAGESTORE_CONNECTIONS="5") as server:
        await_that(lambda: connections(server) == 0)
        with ExitStack() as stack:
            clients = [stack.enter_context(server.connect()) for _ in range(5)]
            for client in clients:
                client.sendall(REQUEST)
                assert read_answer(client).status == 200
            with server.connect() as sixth:
                answer = read_answer(sixth)
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert json.loads(answer.body)["error"]["code"] == "overloaded"
                assert sixth.recv(1) == b""
            clients[0].close()
            await_that(lambda: connections(server) == 4)
            assert server.request("/pid").status == 200


def test_a_closed_connection_that_is_not_read_is_reset(tmp_path: Path) -> None:
    settings = {"IMAGESTORE_SEND_TIMEOUT": "0.5"}
    with serve(tmp_path, "--keep-alive", "1", **settings) as server, ExitStack() as stack:
        for size in range(0, 2_000_000, 50_000):
            client = stack.enter_context(server.connect(16 * 1024))
            client.sendall(f"GET /whole?bytes={size} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await_that(lambda: server.notes().count("ran whole") == 40)
        await_that(lambda: connections(server) == 0)


def test_pipelined_requests_that_are_not_read_are_reset(tmp_path: Path) -> None:
    settings = {"IMAGESTORE_SEND_TIMEOUT": "0.5"}
    with serve(tmp_path, **settings) as server, server.connect(16 * 1024) as client:
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            for _ in range(100_000):
                client.send(b"PUT /whole?bytes=2000 HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        await_that(lambda: connections(server) == 0)


def connections(server: Server) -> int:
    """TCP connections that the server's processes hold open."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    (worker,) = children
    return held_by(int(worker), sockets.connections(server.port))
