"""Workers killed, replaced and stopped under load, and clients that vanish: nobody else is affected."""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient

from imagestore.embedded import Server
from tests import pictures, sockets
from tests.faults.caller import Caller, delivery_path
from tests.faults.ledger import Ledger
from tests.faults.load import Ask, Load, Record, fetch, upload
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, WORKERS, connect, running_node, upload_head
from tests.figures import Figures
from tests.service import PATIENCE, Service, await_that
from tests.web.watch import workers

SECONDS = float(os.environ.get("FAULT_SECONDS", "1"))
WHILE = 1.0
"""Seconds of load before and after a worker is killed; a body may be silent for so long."""

MiB = 1 << 20
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, with no time to linger: a close is a reset, as of a client that is gone."""

MEMORY = 64 << 20
"""Of each worker for answers, as it is by default: what comes from there must end as well as all else."""

pytestmark = pytest.mark.timeout(300 + 4 * SECONDS)


@pytest.fixture(scope="module")
def large() -> bytes:
    """A picture that no socket buffer takes whole."""
    return pictures.jpeg(2000, 1500, noise=True, quality=95)


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_server: Server
) -> Iterator[Service]:
    """Outlives all tests here but the stop, which has its own."""
    folder = tmp_path_factory.mktemp("workers") / "node"
    with running_node(folder, mongo, redis_server.url, edge_bytes=MEMORY) as running:
        yield running


def fill(service: Service) -> list[Ask]:
    asks = []
    with service.client() as client:
        for number in range(12):
            data = pictures.jpeg(60 + 20 * number, 80, seed=number, noise=True)
            client.upload(BUCKET, data, f"{number}.jpg")
            asks.append(fetch(BUCKET, f"{number}.jpg", hashlib.sha256(data).hexdigest()))
    return asks


def fresh_uploads(service: Service, count: int, method: str) -> list[Ask]:
    """Uploads of small pictures, no two of which are alike, each under a key of its own."""
    images, asks = f"/v1/buckets/{BUCKET}/images", []
    for _ in range(count):
        key = f"{method}-{secrets.token_hex(4)}.png"
        data = pictures.png(8, 8, noise=True, seed=random.randrange(1 << 30))
        path = f"{images}?key={key}" if method == "POST" else f"{images}/{key}"
        asks.append(upload(service, method, path, data))
    return asks


@contextmanager
def all_kinds_of_load(service: Service) -> Iterator[list[Load]]:
    """Readers on kept connections and on fresh ones, some that take breaks, and uploads by POST and PUT."""
    asks = fill(service)
    loads = [
        Load(service.url, asks, clients=6),
        Load(service.url, asks, clients=2, fresh=True),
        Load(service.url, asks, clients=4, pause=0.3),
        Load(service.url, fresh_uploads(service, 400, "POST"), clients=2, pause=0.02),
        Load(service.url, fresh_uploads(service, 100, "PUT"), clients=4),
    ]
    with ExitStack() as stack:
        for load in loads:
            stack.enter_context(load)
        yield loads


def whole(loads: list[Load]) -> Record:
    record = Record()
    for load in loads:
        record.add(load.record)
    return record


class SlowClients:
    """One that reads a large image and one that sends one, at a pace that lasts for some seconds."""

    def __init__(self, service: Service, large: bytes, seconds: float) -> None:
        self.read = b""
        self.answer = b""
        self._large = large
        self._pause = seconds / 20
        self._reader, self._sender = connect(service, receive_buffer=64 << 10), connect(service)
        self._reader.sendall(f"GET {delivery_path(BUCKET, 'large.jpg')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self._sender.sendall(upload_head(service, "slow.jpg", len(large)))
        self._threads = [threading.Thread(target=work) for work in (self._read, self._send)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        for _ in range(20):
            self.read += self._reader.recv(64 << 10)
            time.sleep(self._pause)
        while self._missing() and (data := self._reader.recv(1 << 20)):
            self.read += data
        self._reader.close()

    def _missing(self) -> bool:
        return len(self.read.partition(b"\r\n\r\n")[2]) < len(self._large)

    def _send(self) -> None:
        step = len(self._large) // 20 + 1
        for start in range(0, len(self._large), step):
            self._sender.sendall(self._large[start : start + step])
            time.sleep(self._pause)
        self.answer = self._sender.recv(64 << 10)
        self._sender.close()

    def end(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE)
        head, _, body = self.read.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert body == self._large
        assert self.answer.startswith(b"HTTP/1.1 201 "), self.answer


def test_a_hang_up_under_load_fails_nobody(service: Service, large: bytes, figures: Figures) -> None:
    with service.client() as client:
        client.upload(BUCKET, large, "large.jpg")
    hang_ups = 0
    with all_kinds_of_load(service) as loads:
        time.sleep(SECONDS / 2)
        began = time.monotonic()
        while time.monotonic() < began + SECONDS or hang_ups < 2:
            slow = SlowClients(service, large, 1.0)
            hang_up(service)
            hang_ups += 1
            slow.end()
        ended = time.monotonic()
        await_that(lambda: len(workers(service)) == WORKERS)
        time.sleep(0.5)
    record = whole(loads)
    figures(
        hang_ups=hang_ups,
        answers=len(record.answers),
        uploads=len(record.acknowledged),
        failed=len(record.faults()) + record.refused + len(record.retried),
        last_on_their_connection=record.closed,
        p99_before_ms=1000 * record.percentile(0.99, until=began),
        p99_meanwhile_ms=1000 * record.percentile(0.99, since=began, until=ended),
        slowest_ms=1000 * max(record.seconds()),
    )
    assert record.faults() + record.retried == []
    assert record.refused == 0
    verdict = judge(service, record)
    assert verdict.clean, verdict


def hang_up(service: Service) -> None:
    """Returns when all new workers have taken connections."""
    before = set(workers(service))
    service.process.send_signal(signal.SIGHUP)

    def done() -> bool:
        young = set(workers(service)) - before
        return len(young) == WORKERS and serve(service, young)

    await_that(done)


def serve(service: Service, pids: set[int]) -> bool:
    """Whether these workers have all taken connections."""
    port = urlsplit(service.url).port
    assert port is not None
    return all(sockets.held_by(pid, sockets.connections(port)) for pid in pids)


def judge(service: Service, record: Record):
    ledger = Ledger()
    ledger.entries += record.acknowledged
    return ledger.judge(service)


def test_a_stop_under_load_cuts_nothing_short(
    tmp_path: Path, mongo: Server, redis_server: Server, large: bytes, figures: Figures
) -> None:
    same = {"mongo_database": f"test_{secrets.token_hex(8)}", "secret_key": secrets.token_hex(16)}
    same |= {"edge_bytes": MEMORY}
    with running_node(tmp_path / "node", mongo, redis_server.url, **same) as service:
        with service.client() as client:
            client.upload(BUCKET, large, "large.jpg")
        with all_kinds_of_load(service) as loads:
            time.sleep(1)
            slow = SlowClients(service, large, 2.0)
            time.sleep(0.2)
            began = time.monotonic()
            service.process.send_signal(signal.SIGTERM)
            status = service.process.wait(PATIENCE)
            stopped = time.monotonic() - began
            slow.end()
        log = service.log.read_text()
    record = whole(loads)
    figures(
        answers=len(record.answers),
        uploads=len(record.acknowledged),
        last_on_their_connection=record.closed,
        sent_again=len(record.retried),
        lost=len(record.lost),
        seconds_to_stop=stopped,
    )
    assert status == 0
    assert "Traceback" not in log
    assert record.faults() == []
    with running_node(tmp_path / "next", mongo, redis_server.url, **same) as again:
        verdict = judge(again, record)
    assert verdict.clean, verdict


def test_a_killed_worker_fails_only_what_it_had(service: Service, large: bytes, figures: Figures) -> None:
    victim, other = workers(service)
    half = len(large) // 2
    with all_kinds_of_load(service) as loads, ExitStack() as stack:
        ends = {
            key: stack.enter_context(connect(service, worker=pid))
            for key, pid in (("victims.jpg", victim), ("others.jpg", other))
        }
        for key, end in ends.items():
            end.sendall(upload_head(service, key, len(large)) + large[:half])
        time.sleep(WHILE)
        os.kill(victim, signal.SIGKILL)
        assert until_closed(ends["victims.jpg"]) == b""
        ends["others.jpg"].sendall(large[half:])
        answer = ends["others.jpg"].recv(64 << 10)
        await_that(lambda: len(workers(service)) == WORKERS and victim not in workers(service))
        time.sleep(WHILE)
    record = whole(loads)
    caller = Caller(service)
    lost, kept = (caller.get(BUCKET, key) for key in ends)
    caller.close()
    figures(
        answers=len(record.answers),
        held_up=len(record.complaints),
        sent_again=len(record.retried),
        cut=len(record.cut),
        without_an_answer=len(record.lost),
        upload_at_the_victim=lost.status,
        upload_at_the_other=int(answer[9:12]),
    )
    assert (lost.status, kept.status, kept.digest) == (404, 200, hashlib.sha256(large).hexdigest())
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert record.wrong == []
    # Each client had one connection: no more can have met the end of the worker in the middle of something.
    met = [*record.cut, *record.lost, *record.retried]
    assert len(met) <= sum(load.clients for load in loads)
    # A transaction that the worker had begun keeps its key until MongoDB gives it up.
    for complaint in record.complaints:
        assert ": 503 " in complaint
        assert any(each.startswith(complaint.partition(":")[0]) for each in met), complaint
    verdict = judge(service, record)
    assert verdict.clean, verdict


def until_closed(end: socket.socket) -> bytes:
    got = b""
    try:
        while data := end.recv(64 << 10):
            got += data
    except ConnectionResetError:
        pass
    return got


def vanish(end: socket.socket) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    end.close()


def upload_and_vanish(service: Service, large: bytes, number: int) -> None:
    end = connect(service)
    end.sendall(
        upload_head(service, f"vanished-{number}.jpg", len(large))
        + large[: (number % 10 + 1) * len(large) // 11]
    )
    vanish(end)


def download_and_vanish(service: Service, large: bytes, number: int) -> None:
    end = connect(service, receive_buffer=64 << 10)
    end.sendall(f"GET {delivery_path(BUCKET, 'large.jpg')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    for _ in range(number % 5):
        end.recv(64 << 10)
    vanish(end)


@pytest.mark.parametrize("leave", [upload_and_vanish, download_and_vanish])
def test_clients_that_vanish_leave_nothing(
    service: Service,
    mongo: Server,
    large: bytes,
    figures: Figures,
    leave: Callable[[Service, bytes, int], None],
) -> None:
    with service.client() as client:
        client.upload(BUCKET, large, "large.jpg")
    crowd = max(24, int(4 * SECONDS))
    for number in range(crowd):  # so that pools and arenas have the size that they need
        leave(service, large, number)
    await_that(lambda: edge_connections(service) == 1)
    pids = workers(service)
    before, cursors = {pid: (open_of(pid), resident(pid)) for pid in pids}, open_cursors(mongo)
    for number in range(2 * crowd):
        leave(service, large, number)
    await_that(lambda: edge_connections(service) == 1)
    await_that(lambda: all(open_of(pid) <= before[pid][0] for pid in pids), lambda: str(map(open_of, pids)))
    await_that(lambda: open_cursors(mongo) <= cursors)
    grown = max(resident(pid) - before[pid][1] for pid in pids)
    caller = Caller(service)
    seen = {caller.get(BUCKET, f"vanished-{number}.jpg").status for number in range(2 * crowd)}
    caller.close()
    spooled = list((service.data / "spool").iterdir())
    figures(
        clients=2 * crowd,
        grown_kib=grown // 1024,
        open_cursors=open_cursors(mongo),
        left_in_spool=len(spooled),
    )
    assert seen == {404}
    assert spooled == []
    assert workers(service) == pids
    assert grown < 24 * MiB


def edge_connections(service: Service) -> float:
    """With the one that asks."""
    return Metrics(service).total("imagestore_edge_connections")


def open_of(pid: int) -> int:
    """Open files that are no sockets: those of drivers and of clients come and go."""
    targets = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            targets.append(str(link.readlink()))
    return sum(not target.startswith("socket:") for target in targets)


def resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:"))) * 1024


def open_cursors(mongo: Server) -> int:
    with MongoClient(mongo.url) as client:
        return int(client.admin.command("serverStatus")["metrics"]["cursor"]["open"]["total"])
