"""A gunicorn with EdgeWorkers that serves the sample application, and raw connections to it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PATIENCE = 30.0
"""Seconds after which a test gives up waiting for something that must happen."""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    port: int
    process: subprocess.Popen[bytes]
    record: Path
    log: Path

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        client = socket.socket()
        client.settimeout(PATIENCE)
        if receive_buffer is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", self.port))
        return client

    def request(self, target: str, method: str = "GET", body=None, headers=None, chunked=False) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, target, body=body, headers=headers or {}, encode_chunked=chunked)
            with connection.getresponse() as response:
                return Answer(response.status, lower(response), response.read())

    def exchange(self, data: bytes, method: str = "GET") -> Answer:
        """Send raw bytes on a new connection and read one answer."""
        with self.connect() as client:
            client.sendall(data)
            return read_answer(client, method)

    def worker(self) -> int:
        return int(self.request("/pid").body)

    def notes(self) -> list[str]:
        return self.record.read_text().splitlines() if self.record.exists() else []

    def runs(self) -> list[str]:
        """The notes that say what the application was called for."""
        return [note for note in self.notes() if note.startswith("ran ")]


def lower(response: http.client.HTTPResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in response.getheaders()}


def read_answer(client: socket.socket, method: str = "GET") -> Answer:
    with http.client.HTTPResponse(client, method=method) as response:
        response.begin()
        return Answer(response.status, lower(response), response.read())


def read_to_end(client: socket.socket) -> bytes:
    """What still comes until the other side closes or resets."""
    got = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while data := client.recv(1 << 20):
            got += data
    return bytes(got)


def await_that(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@contextlib.contextmanager
def serve(folder: Path, *arguments: str, **environment: str) -> Iterator[Server]:
    """Run gunicorn with one EdgeWorker on a free port; `environment` are settings of worker and sample."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    record, log = folder / "record", folder / "log"
    command = [sys.executable, "-m", "gunicorn", "-k", "imagestore.edge.worker.EdgeWorker", "-w", "1"]
    command += ["--bind", f"127.0.0.1:{port}", "--no-control-socket", *arguments]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "tests.edge.sample:front"],
            env={**os.environ, "SAMPLE_RECORD": str(record), **environment},
            cwd=HERE.parent.parent,
            stdout=out,
            stderr=out,
        )
    server = Server(port, process, record, log)
    try:
        await_that(lambda: is_up(server))
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def is_up(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        return server.request("/pid").status == 200
    except OSError:
        return False
