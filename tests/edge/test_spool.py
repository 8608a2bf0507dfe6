"""Request bodies, by real clients of a real gunicorn, and the spool's own bounds."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.core.errors import Overloaded, RequestTimeout, UploadTooLarge
from imagestore.edge import spool as module
from imagestore.edge.spool import MEMORY_PER_BODY, Spool
from tests.edge.gunicorn_server import Server, await_that, read_answer, read_to_end, serve

LIMIT = 3 * 1024 * 1024
OVER = LIMIT + 1


def echoed(data: bytes) -> list[object]:
    return [len(data), hashlib.sha256(data).hexdigest(), str(len(data))]


@pytest.mark.parametrize("size", [1, 70_000, MEMORY_PER_BODY, MEMORY_PER_BODY + 1, LIMIT])
def test_body_with_a_length_arrives_whole(server: Server, size: int) -> None:
    data = os.urandom(size)
    answer = server.request("/echo", "POST", data)
    assert (answer.status, json.loads(answer.body)) == (200, echoed(data))


@pytest.mark.parametrize("size", [1, 70_000, MEMORY_PER_BODY + 1, LIMIT])
def test_chunked_body_arrives_whole_and_has_a_length(server: Server, size: int) -> None:
    data = os.urandom(size)
    parts = iter([data[start : start + 10_000] for start in range(0, size, 10_000)])
    answer = server.request("/echo", "PUT", parts, {"Transfer-Encoding": "chunked"}, chunked=True)
    assert (answer.status, json.loads(answer.body)) == (200, echoed(data))


def test_no_body_has_no_length(server: Server) -> None:
    nothing = hashlib.sha256().hexdigest()
    assert json.loads(server.request("/echo").body) == [0, nothing, None]


def test_expected_100_comes_when_the_body_is_wanted(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"data")
        assert json.loads(read_answer(client).body) == echoed(b"data")


def test_too_long_a_body_is_refused_by_its_length_without_a_100(server: Server) -> None:
    head = b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % OVER
    before = len(server.runs())
    with server.connect() as client:
        client.sendall(head)
        assert client.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 413"
        assert json.loads(read_answer(client).body)["error"]["code"] == "upload_too_large"
    assert server.runs()[before:] == []


def test_a_length_of_many_digits_is_too_long(server: Server) -> None:
    head = b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"0" * 17
    assert server.exchange(head + b"\r\n\r\n").status == 413
    assert server.exchange(head + b"0" * 5000 + b"\r\n\r\n").status in (400, 413)


@pytest.mark.parametrize("chunked", [False, True])
def test_client_that_sends_on_still_sees_the_refusal(server: Server, chunked: bool) -> None:
    data = bytes(LIMIT + 5_000_000)
    before = len(server.runs())
    if chunked:
        parts = iter([data[:LIMIT], data[LIMIT:]])
        answer = server.request("/echo", "PUT", parts, {"Transfer-Encoding": "chunked"}, chunked=True)
    else:
        answer = server.request("/echo", "PUT", data)
    assert answer.status == 413
    assert json.loads(answer.body)["error"]["code"] == "upload_too_large"
    assert answer.headers["connection"] == "close"
    assert server.runs()[before:] == []


@pytest.mark.parametrize(
    "start",
    [b"Content-Length: 1000\r\n\r\nshort", b"Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"],
    ids=["length", "chunked"],
)
def test_nothing_runs_for_a_body_that_ends_early(server: Server, start: bytes) -> None:
    before = len(server.runs())
    with server.connect() as client:
        client.sendall(b"PUT /echo HTTP/1.1\r\nHost: x\r\n" + start)
        client.shutdown(socket.SHUT_WR)
        answer = read_answer(client)
        assert read_to_end(client) == b""
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["code"] == "length_mismatch"
    assert answer.headers["connection"] == "close"
    server.request("/pid")
    assert server.runs()[before:] == ["ran pid"]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"Content-Length: 4\r\nContent-Length: 5"]
)
def test_ambiguous_length_is_refused(server: Server, framing: bytes) -> None:
    answer = server.exchange(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n0\r\n\r\nGET /pid")
    assert answer.status == 400
    assert json.loads(answer.body)["error"]["code"] == "invalid_request"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("hasty"), SAMPLE_BODY_TIMEOUT="0.5") as running:
        yield running


@pytest.mark.parametrize("head", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
@pytest.mark.parametrize("drip", [b"", b"1\r\nx\r\n"], ids=["silent", "dripping"])
def test_slow_body_is_answered_408_and_closed(hasty: Server, head: bytes, drip: bytes) -> None:
    before = len(hasty.runs())
    with hasty.connect() as client:
        client.sendall(b"PUT /echo HTTP/1.1\r\nHost: x\r\n" + head)
        client.settimeout(0.1)
        got = b""
        for _ in range(200):
            try:
                client.sendall(drip)
                got = client.recv(4096)
                break
            except TimeoutError:
                continue
        client.settimeout(10)
        got += read_to_end(client)
    assert got.startswith(b"HTTP/1.1 408 ")
    assert json.loads(got.partition(b"\r\n\r\n")[2])["error"]["code"] == "request_timeout"
    assert hasty.runs()[before:] == []


def test_slow_bodies_hold_no_thread(server: Server) -> None:
    clients = [server.connect() for _ in range(50)]
    try:
        for client in clients:
            client.sendall(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome")
        assert server.request("/echo", "POST", b"x").status == 200
    finally:
        for client in clients:
            client.close()


def test_spooled_files_have_no_name(server: Server) -> None:
    with server.connect() as client:
        client.sendall(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LIMIT)
        client.sendall(bytes(LIMIT - 1))
        worker = server.worker()
        folder = f"{server.record.parent}/"
        await_that(lambda: any(target.startswith(folder) for target in open_files(worker)))
        assert {path.name for path in server.record.parent.iterdir()} == {"record", "log"}


def open_files(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(link)
        except FileNotFoundError:
            continue
        if target.endswith(" (deleted)"):
            found.append(target)
    return found


def take(spool: Spool, parts: list[bytes], *headers: tuple[bytes, bytes]) -> module.Body | None:
    """Take a body whose parts are all there; after them the client is gone."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if messages:
        messages[-1]["more_body"] = False

    async def receive() -> dict[str, object]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return asyncio.run(spool.take(headers, receive))


CHUNKED = (b"transfer-encoding", b"chunked")


@pytest.mark.quick
def test_body_moves_to_a_file_beyond_its_share_of_memory(tmp_path: Path) -> None:
    spool = Spool(limit=10**8, timeout=5, directory=tmp_path)
    small = take(spool, [bytes(MEMORY_PER_BODY)], CHUNKED)
    large = take(spool, [bytes(MEMORY_PER_BODY), b"x"], CHUNKED)
    assert small is not None and not small.is_file()
    assert large is not None and large.is_file()
    assert large.stream.read() == bytes(MEMORY_PER_BODY) + b"x"
    small.close()
    large.close()
    assert spool._account._held == 0
    spool.close()


@pytest.mark.quick
def test_bodies_go_to_files_when_all_of_them_hold_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MEMORY_IN_ALL", 500_000)
    spool = Spool(limit=10**8, timeout=5, directory=tmp_path)
    bodies = [take(spool, [bytes(300_000)], CHUNKED) for _ in range(3)]
    assert [body is not None and body.is_file() for body in bodies] == [False, True, True]
    for body in bodies:
        assert body is not None
        body.close()
    assert spool._account._held == 0
    spool.close()


@pytest.mark.quick
def test_refused_bodies_leave_nothing_held(tmp_path: Path) -> None:
    spool = Spool(limit=100, timeout=5, directory=tmp_path)
    with pytest.raises(UploadTooLarge):
        take(spool, [bytes(60), bytes(60)], CHUNKED)
    with pytest.raises(UploadTooLarge):
        take(spool, [], (b"content-length", b"101"))
    with pytest.raises(RequestTimeout):
        take(spool, [], CHUNKED)
    spool.close()
    assert spool._account._held == 0


@pytest.mark.quick
def test_no_room_on_disk_is_an_overload(tmp_path: Path) -> None:
    spool = Spool(limit=10**8, timeout=5, directory=tmp_path / "missing")
    with pytest.raises(Overloaded):
        take(spool, [bytes(MEMORY_PER_BODY + 1)], CHUNKED)
    spool.close()
    assert spool._account._held == 0


@pytest.mark.quick
def test_nothing_is_read_where_no_body_is_announced() -> None:
    spool = Spool(limit=100, timeout=5, directory=None)
    assert take(spool, []) is None
    assert take(spool, [], (b"content-length", b"0")) is None
    spool.close()


@pytest.mark.quick
def test_a_drip_is_cut_by_the_pace_though_never_silent() -> None:
    spool = Spool(limit=10**8, timeout=0.2, directory=None)

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b"x", "more_body": True}

    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        asyncio.run(spool.take([CHUNKED], receive))
    assert time.monotonic() - began >= 0.2
    spool.close()
