"""Connections on which answers come from memory: pipelined, slow, idle, half-sent, or under another name."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests import pictures
from tests.service import Service, await_that, running_service
from tests.web.watch import workers

SMALL = pictures.png(seed=3)
LARGE = pictures.jpeg(460, 370, noise=True)
TARGET = "/default/image/upload/small.png"
LARGE_TARGET = "/default/image/upload/large.jpg"
KEEPALIVE = 2
SEND_TIMEOUT = 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"workers": 1, "edge_ttl": 3600, "keepalive": KEEPALIVE, "send_timeout": SEND_TIMEOUT}
    with running_service(
        tmp_path_factory.mktemp("connections"), allowed_hosts="127.0.0.1,other.example", **settings
    ) as running:
        with running.client() as client:
            client.upload("default", SMALL, "small.png")
            client.upload("default", LARGE, "large.jpg")
        for target in (TARGET, LARGE_TARGET):
            await_that(lambda target=target: is_kept(running, target))
        yield running


def is_kept(service: Service, target: str) -> bool:
    return "detail=memory" in httpx.get(service.url + target).headers["Cache-Status"]


def resident(pid: int) -> int:
    """Bytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def connect(service: Service, **options: int) -> socket.socket:
    address = urlsplit(service.url)
    end = socket.socket()
    if "receive_buffer" in options:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options["receive_buffer"])
    end.settimeout(30)
    end.connect((address.hostname, address.port))
    return end


def request(target: str = TARGET, method: str = "GET", host: str = "127.0.0.1", **fields: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n".encode()


class Reader:
    """Reads one answer after the other from a connection."""

    def __init__(self, end: socket.socket) -> None:
        self._file = end.makefile("rb")

    def read(self, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        status = int(self._file.readline().split()[1])
        fields = {}
        while line := self._file.readline().strip():
            name, _, value = line.decode().partition(": ")
            fields[name.lower()] = value
        length = 0 if method == "HEAD" or status == 304 else int(fields.get("content-length", "0"))
        return status, fields, self._file.read(length)

    def is_over(self) -> bool:
        return self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()


def test_many_requests_at_once_are_answered_in_order(served: Service) -> None:
    asked = [
        (request(), "GET", 200, SMALL),
        (request(method="HEAD"), "HEAD", 200, b""),
        (request("/default/image/upload/none.png"), "GET", 404, None),
        (request(Range="bytes=1-3"), "GET", 206, SMALL[1:4]),
        (request(LARGE_TARGET), "GET", 200, LARGE),
        (request(If_None_Match="*"), "GET", 304, b""),
        (request(Cache_Control="no-cache"), "GET", 200, SMALL),
        (request("/v1/buckets"), "GET", 401, None),
    ] * 40
    with connect(served) as end:
        end.sendall(b"".join(each[0] for each in asked[:160]))
        reader = Reader(end)
        for number, (_, method, status, body) in enumerate(asked):
            if number == 20:
                end.sendall(b"".join(each[0] for each in asked[160:]))
            got = reader.read(method)
            assert got[0] == status, (number, got)
            assert body is None or got[2] == body
        reader.close()


def test_a_request_in_pieces_is_answered(served: Service) -> None:
    with connect(served) as end:
        reader = Reader(end)
        for _ in range(2):
            for byte in request():
                end.sendall(bytes([byte]))
            assert reader.read()[2] == SMALL
        end.sendall(request() + request()[:20])
        assert reader.read()[2] == SMALL
        time.sleep(0.2)
        end.sendall(request()[20:])
        assert reader.read()[2] == SMALL
        reader.close()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET %s HTTP/1.1\r\n\r\n", 400),
        (b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (b"GET %s HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n", 421),
        (b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Host: elsewhere.example\r\n\r\n", 200),
        (b"GET %s HTTP/1.1\r\nHost: other.example\r\n\r\n", 200),
        (b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nRange: bytes=0-0\r\nRange: bytes=1-1\r\n\r\n", 200),
        (b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n\r\nabc", 200),
        (b"GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 200),
        (b"GET http://127.0.0.1%s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 200),
        (b"DELETE %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
    ],
    ids=lambda value: str(value)[6:70],
)
def test_what_is_not_plain_is_judged_as_ever(served: Service, sent: bytes, status: int) -> None:
    with connect(served) as end:
        end.sendall(sent % TARGET.encode())
        reader = Reader(end)
        assert reader.read()[0] == status
        if b"HTTP/1.0" in sent or status == 400:
            assert reader.is_over()
        reader.close()


def test_the_end_of_a_connection_is_announced(served: Service) -> None:
    with connect(served) as end:
        end.sendall(request(Connection="close"))
        reader = Reader(end)
        status, fields, body = reader.read()
        assert (status, fields["connection"], body) == (200, "close", SMALL)
        assert reader.is_over()
        reader.close()


def test_an_idle_connection_is_closed_and_a_busy_one_is_not(served: Service) -> None:
    with connect(served) as idle, connect(served) as busy:
        one, other = Reader(idle), Reader(busy)
        idle.sendall(request())
        assert one.read()[0] == 200
        for _ in range(3 * KEEPALIVE):
            busy.sendall(request())
            assert other.read()[0] == 200
            time.sleep(0.5)
        assert one.is_over()
        one.close()
        other.close()


def test_who_does_not_read_holds_little_and_not_for_long(served: Service) -> None:
    (worker,) = workers(served)
    before = resident(worker)
    with connect(served, receive_buffer=4096) as end:
        end.setblocking(False)
        data, sent = request(LARGE_TARGET) * 1000, 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                sent += end.send(data[sent % len(request(LARGE_TARGET)) :][:65536])
            except BlockingIOError:
                time.sleep(0.05)
            except (ConnectionResetError, BrokenPipeError):
                break
        else:
            pytest.fail("it was never cut off")
        assert resident(worker) - before < 32 * 1024 * 1024


def test_a_worker_that_drains_says_so(tmp_path: Path) -> None:
    with running_service(tmp_path, workers=1, edge_ttl=3600, keepalive=60) as service:
        with service.client() as client:
            client.upload("default", SMALL, "small.png")
        await_that(lambda: is_kept(service, TARGET))
        address = urlsplit(service.url)
        kept = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
        kept.request("GET", TARGET)
        kept.getresponse().read()
        (worker,) = workers(service)
        service.process.send_signal(signal.SIGHUP)
        await_that(lambda: worker not in workers(service) or len(workers(service)) > 1)
        await_that(lambda: asked_close(kept))
        kept.close()


def asked_close(kept: http.client.HTTPConnection) -> bool:
    kept.request("GET", TARGET)
    answer = kept.getresponse()
    assert answer.read() == SMALL
    time.sleep(0.05)
    return answer.getheader("Connection") == "close"
