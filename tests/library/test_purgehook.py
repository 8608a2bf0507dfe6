"""The purge hook on a real HTTP server: what it tells, when, how often, and what of it nobody reads."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imagestore.core.metrics import PURGE_HOOK, Metrics
from imagestore.library import purgehook
from imagestore.library.purgehook import PurgeHook, Receiver
from tests.service import await_that
from tests.serving import serving

pytestmark = pytest.mark.quick

SECRET = "a-secret-of-the-operator"


class Cache(ThreadingHTTPServer):
    """Answers with the statuses given, the last of them for ever; None is silence until it ends."""

    daemon_threads = True

    def __init__(self) -> None:
        self.statuses: list[int | None] = [200]
        self.got: list[list[str]] = []
        self.fields: dict[str, str] = {}
        self.enough = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/{SECRET}"

    def told(self) -> list[str]:
        return [key for each in self.got for key in each]


class Handler(BaseHTTPRequestHandler):
    server: Cache

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        statuses = self.server.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        self.server.fields = dict(self.headers)
        self.server.got.append(json.loads(body)["keys"])
        if status is None:
            self.server.enough.wait()
            return
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cache]:
    monkeypatch.setattr(purgehook, "FIRST_PAUSE", 0.02)
    with serving(Cache()) as server:
        yield server
        server.enough.set()


Open = Callable[..., PurgeHook]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def opened(caplog: pytest.LogCaptureFixture, metrics: Metrics) -> Iterator[Open]:
    """Opens a hook. Whatever happens, none of the secrets is in a log line."""
    hooks = list[PurgeHook]()

    def open_hook(url: str, gather: float = 0.01) -> PurgeHook:
        hooks.append(PurgeHook(Receiver(url, token=SECRET), metrics, gather=gather))
        return hooks[-1]

    with caplog.at_level(logging.DEBUG):
        yield open_hook
        for hook in hooks:
            hook.close()
        assert SECRET not in "".join(
            each.getMessage() for each in caplog.records if "imagestore" in each.name
        )


def counted(metrics: Metrics, result: str) -> float:
    found = [
        line
        for line in metrics.text().decode().splitlines()
        if f'{PURGE_HOOK.name}{{result="{result}"' in line
    ]
    return float(found[0].split()[-1]) if found else 0.0


def test_changes_of_one_moment_are_told_together(cache: Cache, opened: Open, metrics: Metrics) -> None:
    hook = opened(cache.url, gather=0.2)
    for key in ("a", "b", "a"):
        hook.drop([f"image/shop/{key}", f"version/shop/7/{key}", "credential/ABC"])
    await_that(lambda: bool(cache.got))
    assert cache.got == [["image~shop~a", "any~shop", "image~shop~b"]]
    assert cache.fields["Imagestore-Signature"].startswith("t=")
    await_that(lambda: counted(metrics, "sent") == 3)


def test_credentials_are_nobody_elses(cache: Cache, opened: Open) -> None:
    hook = opened(cache.url)
    hook.drop(["credential/ABC"])
    hook.close()
    assert cache.got == []


def test_many_are_told_in_parts(cache: Cache, opened: Open) -> None:
    opened(cache.url).drop(f"bucket/{number}" for number in range(250))
    await_that(lambda: len(cache.told()) == 250)
    assert [len(each) for each in cache.got] == [100, 100, 50]


def test_more_than_can_wait_is_everything(
    cache: Cache, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purgehook, "MOST_WAITING", 100)
    opened(cache.url, gather=0.1).drop(f"bucket/{number}" for number in range(101))
    await_that(lambda: bool(cache.got))
    assert cache.got == [["imagestore"]]


def test_a_change_while_another_is_told_is_told_again(cache: Cache, opened: Open) -> None:
    cache.statuses = [503, 503, 200]
    hook = opened(cache.url)
    hook.drop(["bucket/shop"])
    await_that(lambda: bool(cache.got))
    hook.drop(["bucket/shop"])
    await_that(lambda: len(cache.got) == 4)
    assert cache.got == [["bucket~shop"]] * 4


def test_a_cache_in_trouble_is_told_again(
    cache: Cache, opened: Open, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    cache.statuses = [503, 429, 500, 200]
    opened(cache.url).drop(["bucket/shop"])
    await_that(lambda: counted(metrics, "sent") == 1)
    assert cache.got == [["bucket~shop"]] * 4
    assert counted(metrics, "retried") == 3
    assert "503 Service Unavailable" in caplog.text


@pytest.mark.parametrize("status", [301, 401, 404, 413])
def test_what_a_cache_refuses_is_not_told_again(
    cache: Cache, opened: Open, metrics: Metrics, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    cache.statuses = [status]
    opened(cache.url).drop(["bucket/shop"])
    await_that(lambda: counted(metrics, "failed") == 1)
    assert len(cache.got) == 1
    assert f"to drop bucket~shop: <Response [{status} " in caplog.text


def test_nobody_there_is_given_up_in_the_end(
    opened: Open, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(purgehook, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(purgehook, "GIVE_UP_SECONDS", 0.3)
    opened("http://127.0.0.1:9/").drop(["bucket/shop"])
    await_that(lambda: counted(metrics, "failed") == 1)
    assert "ConnectError" in caplog.text


def test_telling_never_waits(cache: Cache, opened: Open) -> None:
    cache.statuses = [None]
    hook = opened(cache.url)
    hook.drop(["bucket/one"])
    await_that(lambda: bool(cache.got))
    hook.drop(["bucket/two"])  # while the first waits for its answer
    assert cache.got == [["bucket~one"]]
    cache.statuses = [200]
    cache.enough.set()
    await_that(lambda: "bucket~two" in cache.told())


def test_what_waits_at_the_end_is_tried_once(cache: Cache, opened: Open) -> None:
    hook = opened(cache.url, gather=60)
    hook.drop(["bucket/shop"])
    hook.close()
    assert cache.got == [["bucket~shop"]]
    cache.statuses = [503]
    hook = opened(cache.url, gather=60)
    hook.drop(["bucket/shop"])
    hook.close()
    assert len(cache.got) == 2


def test_a_cache_that_hangs_does_not_hold_the_end(
    cache: Cache, opened: Open, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purgehook, "LAST_SECONDS", 0.3)
    cache.statuses = [None]
    hook = opened(cache.url, gather=60)
    hook.drop(["bucket/shop"])
    hook.close()
    assert counted(metrics, "failed") == 1
