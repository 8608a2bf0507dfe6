"""The front under a real gunicorn: answers, their ends, and clients of every pace."""

from __future__ import annotations

import hashlib
import http.client
import json
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.edge.gunicorn_server import PATIENCE, Server, await_that, read_answer, read_to_end, serve
from tests.edge.pattern import pattern, pattern_digest

MB = 1024 * 1024


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two threads."""
    with serve(tmp_path_factory.mktemp("narrow"), SAMPLE_THREADS="2") as running:
        yield running


def get(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_fast_parser_is_in_use(server: Server) -> None:
    assert server.request("/parser").body == b"EdgeParser"


def test_environ_reaches_the_application(server: Server) -> None:
    headers = {"X-Name": "value", "X_Forged": "no", "Proxy": "http://evil"}
    answer = server.request("/a%20b/%C3%A9?q=%31", headers=headers)
    environ = json.loads(answer.body)
    assert environ["PATH_INFO"] == "/a b/\xc3\xa9"
    assert environ["RAW_URI"] == "/a%20b/%C3%A9?q=%31"
    assert environ["QUERY_STRING"] == "q=%31"
    assert environ["REMOTE_ADDR"] == "127.0.0.1"
    assert environ["HTTP_HOST"] == f"127.0.0.1:{server.port}"
    assert environ["HTTP_X_NAME"] == "value"
    assert "HTTP_PROXY" not in environ
    assert "HTTP_X_FORGED" not in environ


@pytest.mark.parametrize(
    ("target", "path"),
    [("/%00", "/\0"), ("/%", "/%"), ("/%zz", "/%zz"), ("/%ff%fe", "/\xff\xfe"), ("//x/../y", "//x/../y")],
)
def test_odd_paths_arrive_as_bytes(server: Server, target: str, path: str) -> None:
    answer = server.exchange(get(target))
    assert answer.status == 200
    assert json.loads(answer.body)["PATH_INFO"] == path


@pytest.mark.parametrize("target", [b"/\0", b"/a b", b"/\xe9\x01", b"/\r"])
def test_targets_with_control_characters_are_refused(server: Server, target: bytes) -> None:
    answer = server.exchange(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["code"] == "invalid_request"


def test_an_overlong_target_and_head_are_refused_in_our_shape(server: Server) -> None:
    target = server.exchange(get("/" + "a" * 10_000))
    assert (target.status, json.loads(target.body)["error"]["code"]) == (414, "url_too_long")
    head = server.exchange(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 200 + b"\r\n")
    assert (head.status, json.loads(head.body)["error"]["code"]) == (431, "headers_too_large")


def test_a_websocket_is_not_spoken(server: Server) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    key = b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    answer = server.exchange(head + key)
    assert answer.status == 200
    assert json.loads(answer.body)["PATH_INFO"] == "/"


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 261_120, 3_000_000])
@pytest.mark.parametrize("view", ["large", "whole"])
def test_answers_of_every_size_arrive_whole(server: Server, view: str, size: int) -> None:
    answer = server.request(f"/{view}?bytes={size}")
    assert (answer.status, answer.headers["content-length"]) == (200, str(size))
    assert sha256(answer.body) == pattern_digest(size)


def test_an_answer_without_a_length_is_chunked(server: Server) -> None:
    answer = server.request("/stream")
    assert (answer.headers["transfer-encoding"], answer.body) == ("chunked", b"one two")


def test_head_has_the_headers_and_no_body(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"HEAD /whole?bytes=70000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = read_to_end(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 70000" in head.lower()
    assert body == b""


@pytest.mark.parametrize("status", ["204%20No%20Content", "304%20Not%20Modified"])
def test_answers_without_a_body_keep_the_connection_in_step(server: Server, status: str) -> None:
    with server.connect() as client:
        client.sendall(get(f"/nothing?status={status}"))
        answer = read_answer(client)
        assert (answer.status, answer.headers["etag"], answer.body) == (int(status[:3]), '"x"', b"")
        client.sendall(get("/stream"))
        assert read_answer(client).body == b"one two"


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    post = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    last = b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with server.connect() as client:
        client.sendall(get("/whole?bytes=5") + post + get("/raise") + last)
        with client.makefile("rb") as file:
            everything = file.read()
    statuses = [answer[:3] for answer in everything.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"500", b"200"]
    assert everything.index(b"00000") < everything.index(sha256(b"abc").encode()) < everything.index(b"two")


def test_an_error_before_the_answer_is_a_500_and_logged(server: Server) -> None:
    answer = server.request("/raise")
    assert answer.status == 500
    assert json.loads(answer.body)["error"]["code"] == "internal_error"
    await_that(lambda: "before the answer" in server.log.read_text())
    assert server.request("/raise", "HEAD").status == 500


@pytest.mark.parametrize("target", ["/break?after=200000", "/break?after=300000", "/short"])
def test_an_answer_that_breaks_off_is_cut_short_of_its_length(server: Server, target: str) -> None:
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        server.request(target)


def test_a_broken_answer_is_closed_and_logged(server: Server) -> None:
    before = server.notes().count("closed break")
    with server.connect() as client:
        client.sendall(get("/break?after=50000"))
        assert len(read_to_end(client)) < 60_000
    await_that(lambda: server.notes().count("closed break") == before + 1)
    await_that(lambda: "amid the answer" in server.log.read_text())


@pytest.mark.parametrize("target", ["/endless", "/large?bytes=100000000"])
def test_the_application_is_closed_when_the_client_leaves(server: Server, target: str) -> None:
    name = target[1:].partition("?")[0]
    notes = server.notes()
    with server.connect() as client:
        client.sendall(get(target))
        assert client.recv(100)
    await_that(lambda: server.notes().count(f"closed {name}") == notes.count(f"closed {name}") + 1)
    assert server.notes().count(f"ended {name}") == notes.count(f"ended {name}")


def test_the_application_is_closed_when_the_client_leaves_before_the_answer(
    server: Server, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    with server.connect() as client:
        client.sendall(get(f"/late?for={flag}"))
        await_that(lambda: server.notes()[-1] == "ran late")
    assert server.request("/pid").status == 200
    flag.touch()
    await_that(lambda: server.notes()[-1] == "closed late")
    assert "ended late" not in server.notes()


def test_slow_readers_hold_no_thread(narrow: Server) -> None:
    size = 20 * MB
    with ExitStack() as stack:
        readers = [stack.enter_context(narrow.connect()) for _ in range(8)]
        for reader in readers:
            reader.sendall(get(f"/large?bytes={size}"))
            assert reader.recv(16, socket.MSG_PEEK)
        for _ in range(20):
            assert narrow.request("/pid").status == 200
        assert "ended large" not in narrow.notes()
        for reader in readers:
            assert sha256(read_answer(reader).body) == pattern_digest(size)


def test_a_reader_that_stops_is_cut_off(tmp_path: Path) -> None:
    with serve(tmp_path, IMAGESTORE_SEND_TIMEOUT="0.5") as server, server.connect(64 * 1024) as client:
        client.sendall(get(f"/large?bytes={20 * MB}"))
        await_that(lambda: "closed large" in server.notes())
        assert "ended large" not in server.notes()
        assert len(read_to_end(client)) < 20 * MB


def test_little_of_an_answer_waits_in_the_kernel(server: Server) -> None:
    with server.connect(64 * 1024) as client:
        client.sendall(get(f"/large?bytes={20 * MB}"))
        most = 0
        for _ in range(40):
            client.recv(16 * 1024)
            most = max(most, unsent_bytes(server.port, client.getsockname()[1]))
            time.sleep(0.01)
    assert 0 < most < MB


def unsent_bytes(local: int, remote: int) -> int:
    """The send queue of a connection on the loopback, from the kernel's table (proc(5), /proc/net/tcp)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, _, queues, *_ = line.split()
        if (int(here[-4:], 16), int(there[-4:], 16)) == (local, remote):
            return int(queues.partition(":")[0], 16)
    raise LookupError("no such connection")


def test_requests_beyond_the_queue_are_refused(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with serve(tmp_path, SAMPLE_THREADS="1") as server, ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(25)]
        for client in clients:
            client.sendall(get(f"/wait?for={flag}"))
        await_that(lambda: len(readable(clients)) == 25 - 1 - 16)
        refused = readable(clients)
        answers = [read_answer(client) for client in refused]
        for answer in answers:
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert json.loads(answer.body)["error"]["code"] == "overloaded"
        live = server.request("/live", headers={"Connection": "close"})
        assert (live.status, live.body) == (200, b"alive")
        head = server.request("/live", "HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, "5", b"")
        assert server.request("/live", "POST").status == 503
        flag.touch()
        assert [read_answer(client).body for client in clients if client not in refused] == [b"waited"] * 17


def readable(clients: list[socket.socket]) -> list[socket.socket]:
    """Those of the clients to whom something has come."""
    return select.select(clients, [], [], 0)[0]


def test_sigterm_lets_what_is_in_flight_finish_and_closes_what_is_idle(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    settings = ("--graceful-timeout", "100", "--keep-alive", "100")
    with serve(tmp_path, *settings) as server, ExitStack() as stack:
        idle, waiting, reading, sending = (stack.enter_context(server.connect()) for _ in range(4))
        idle.sendall(get("/pid"))
        read_answer(idle)
        waiting.sendall(get(f"/wait?for={flag}"))
        reading.sendall(get(f"/large?bytes={20 * MB}"))
        sending.sendall(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nhalf")
        await_that(lambda: {"ran wait", "ran large"} <= set(server.notes()))
        server.process.send_signal(signal.SIGTERM)
        assert idle.recv(1) == b""
        sending.sendall(b"half")
        assert json.loads(read_answer(sending).body)[0] == 8
        assert sha256(read_answer(reading).body) == pattern_digest(20 * MB)
        flag.touch()
        assert read_answer(waiting).body == b"waited"
        assert server.process.wait(PATIENCE) == 0
        assert server.notes()[-1] == "shut down"


def test_memory_does_not_grow_with_a_body(tmp_path: Path) -> None:
    size = 60 * MB
    with serve(tmp_path, SAMPLE_BODY_LIMIT=str(64 * MB)) as server:
        worker = server.worker()
        before = peak_memory(worker)
        up = server.request("/echo", "PUT", pattern(size), {"Content-Length": str(size)})
        assert json.loads(up.body)[1] == pattern_digest(size)
        after_up = peak_memory(worker)
        assert sha256(server.request(f"/large?bytes={size}").body) == pattern_digest(size)
        after_down = peak_memory(worker)
    print(f"peak memory grew by {after_up - before} bytes up, {after_down - after_up} more down")
    assert after_down - before < 24 * MB


def peak_memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def test_requests_that_wait_hold_no_thread(narrow: Server, tmp_path: Path) -> None:
    landing = tmp_path / "landed"
    with ExitStack() as closing:
        waiting = [closing.enter_context(narrow.connect()) for _ in range(20)]
        gone = closing.enter_context(narrow.connect())
        for client in (*waiting, gone):
            client.sendall(get(f"/parked?until={landing}"))
        await_that(lambda: narrow.runs().count("ran parked") == 21)
        gone.close()
        assert narrow.request("/pid").status == 200
        landing.touch()
        assert [read_answer(client).body for client in waiting] == [b"note"] * 20
