"""The webhook on a real HTTP server: what it sends, what counts as taken, and how long it waits."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagestore.core.logs import Redactor
from imagestore.core.metrics import WEBHOOK, Metrics
from imagestore.library import webhook as webhook_module
from imagestore.library.webhook import Webhook
from tests.serving import serving

pytestmark = pytest.mark.quick

PATH = "/hooks/a-secret-of-the-operator"


class Receiver(ThreadingHTTPServer):
    """Answers with the statuses given, the last of them for ever; 0 is silence."""

    daemon_threads = True

    def __init__(self) -> None:
        self.statuses = [204]
        self.got: list[tuple[str, str, bytes]] = []
        self.enough = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}{PATH}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Content-Type"], body))
        status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        if not status:  # a byte now and then, so that no single wait is long
            while not self.server.enough.wait(0.1):
                self.wfile.write(b"HTTP/1.1 "[:1])
            return
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{PATH}/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        self.server.got.append((self.path, "", b""))

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(webhook_module, "PAUSE_SECONDS", 0.01)
    with serving(Receiver()) as server:
        yield server
        server.enough.set()


Post = Callable[[str], bool]


@pytest.fixture
def post(caplog: pytest.LogCaptureFixture) -> Iterator[Post]:
    """Posts to a URL. Whatever happens, the URL is in no log line."""
    with caplog.at_level(logging.WARNING):
        yield lambda url: Webhook(url, Metrics()).post({"alert": "disk_used", "level": "warning"})
        assert "a-secret-of-the-operator" not in caplog.text
        assert "127.0.0.1" not in caplog.text


def test_it_is_json(receiver: Receiver, post: Post) -> None:
    assert post(receiver.url)
    [(path, kind, body)] = receiver.got
    assert (path, kind) == (PATH, "application/json")
    assert json.loads(body) == {"alert": "disk_used", "level": "warning"}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_success_is_one(receiver: Receiver, post: Post, status: int) -> None:
    receiver.statuses = [status]
    assert post(receiver.url)
    assert len(receiver.got) == 1


def test_a_server_in_trouble_is_asked_again(receiver: Receiver, post: Post) -> None:
    receiver.statuses = [500, 503, 200]
    assert post(receiver.url)
    assert len(receiver.got) == 3


@pytest.mark.parametrize(("status", "tries"), [(302, 1), (404, 1), (400, 1), (500, 3)])
def test_what_is_no_success_is_a_failure_that_the_log_tells(
    receiver: Receiver, post: Post, caplog: pytest.LogCaptureFixture, status: int, tries: int
) -> None:
    receiver.statuses = [status]
    assert not post(receiver.url)
    assert [path for path, _, _ in receiver.got] == [PATH] * tries
    assert f"the webhook could not be told of the alert disk_used: <Response [{status}" in caplog.text


def test_a_server_that_drips_is_not_waited_for(
    receiver: Receiver, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "TRY_SECONDS", 0.3)
    receiver.statuses = [0]
    began = time.monotonic()
    assert not post(receiver.url)
    assert time.monotonic() - began < 30
    assert len(receiver.got) == 3


@pytest.mark.parametrize("url", [f"http://127.0.0.1:1{PATH}", f"http://no.such.host.invalid{PATH}"])
def test_nobody_there_is_a_failure(
    post: Post, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(webhook_module, "PAUSE_SECONDS", 0.01)
    assert not post(url)
    assert "ConnectError" in caplog.text


def test_what_comes_of_it_is_counted(receiver: Receiver) -> None:
    metrics = Metrics()
    receiver.statuses = [404, 200]
    for _ in range(2):
        Webhook(receiver.url, metrics).post({"alert": "x"})
    text = metrics.text().decode()
    assert f'{WEBHOOK.name}{{result="sent"}} 1.0' in text
    assert f'{WEBHOOK.name}{{result="failed"}} 1.0' in text


def test_the_url_is_a_secret_of_the_log() -> None:
    assert Redactor(["https://hooks.example.com/abc"]).hide("to https://hooks.example.com/abc!") == "to ***!"
