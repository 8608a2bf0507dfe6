"""The upkeep process of services that run: beside the workers, by turns, and no longer than its service."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from tests import pictures
from tests.service import Service, await_that, running_service
from tests.serving import serving
from tests.web.watch import children, command_of, workers

Start = Callable[..., AbstractContextManager[Service]]


@pytest.fixture
def start(mongo, mongo_database: str, tmp_path: Path) -> Start:
    """A node of a service: all are on one database. Upkeep is done each second."""

    def begin(name: str = "one", **settings: object) -> AbstractContextManager[Service]:
        given = {
            "mongo_url": mongo.url,
            "mongo_database": mongo_database,
            "redis_url": "none",
            "secret_key": "a server key of the test",
            "admin_key": "ADMIN",
            "workers": 1,
            "metrics": "public",
            "upkeep": "on",
            "upkeep_interval": 1,
            "upkeep_grace": 0,
            **settings,
        }
        (tmp_path / name).mkdir()
        return running_service(tmp_path / name, **given)

    return begin


@pytest.fixture
def database(mongo, mongo_database: str) -> Iterator[Database]:
    with MongoClient(mongo.url, tz_aware=True) as client:
        yield client[mongo_database]


def caretakers(service: Service) -> list[int]:
    return [pid for pid in children(service.process.pid) if b"caretaker" in command_of(pid)]


def the_caretaker(service: Service) -> int:
    await_that(lambda: bool(caretakers(service)), service.log.read_text)
    [pid] = caretakers(service)
    return pid


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def metric(service: Service, sample: str) -> float:
    for line in httpx.get(f"{service.url}/metrics", timeout=60).text.splitlines():
        if line.startswith(f"imagestore_{sample} "):
            return float(line.rpartition(" ")[2])
    return -1.0


def owner(database: Database) -> str:
    page = database["upkeep"].find_one({"_id": "lease"})
    return page["owner"] if page else ""


def test_it_works_beside_the_workers_and_is_started_again(start: Start, database: Database) -> None:
    with start() as service, service.client() as client:
        first = the_caretaker(service)
        low = min(os.getpriority(os.PRIO_PROCESS, service.process.pid) + 10, 19)
        await_that(lambda: os.getpriority(os.PRIO_PROCESS, first) == low)
        client.create_bucket("pictures")
        client.upload("pictures", pictures.jpeg(), "kept.jpg")
        client.upload("pictures", pictures.jpeg(seed=1), "gone.jpg")
        client.delete("pictures", "gone.jpg")
        await_that(lambda: metric(service, "upkeep_removed_bytes_total") == len(pictures.jpeg(seed=1)))
        await_that(lambda: metric(service, 'volume_bytes{kind="stored"}') == len(pictures.jpeg()))
        assert metric(service, "workers") == 1
        assert len(workers(service)) == 1
        os.kill(first, signal.SIGKILL)
        await_that(lambda: caretakers(service) not in ([], [first]), service.log.read_text)
        assert f"the upkeep process {first} ended by itself" in service.log.read_text()
        # What the dead one counted is kept, and what it showed is not shown twice.
        await_that(lambda: metric(service, 'volume_bytes{kind="stored"}') == len(pictures.jpeg()))
        assert metric(service, "upkeep_removed_bytes_total") == len(pictures.jpeg(seed=1))
        names = {path.name for path in (service.data / "metrics").rglob("*.db")}
        assert not any(f"_{first}." in name for name in names)
        os.kill(workers(service)[0], signal.SIGKILL)  # nor does the end of a worker touch its counters
        await_that(lambda: metric(service, "workers") == 1)
        [second] = caretakers(service)
        assert any(f"_{second}." in path.name for path in (service.data / "metrics").rglob("*.db"))
        assert service.stop() == 0
        assert not runs(second)
    assert "Traceback" not in service.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_service(start: Start, database: Database, number: signal.Signals) -> None:
    with start() as service:
        pid = the_caretaker(service)
        await_that(lambda: str(pid) in owner(database), service.log.read_text)
        service.process.send_signal(number)
        service.process.wait(60)
        await_that(lambda: not runs(pid))
    assert (owner(database) == "") == (number is signal.SIGTERM)


def test_nodes_take_turns(start: Start, database: Database) -> None:
    with start("one") as one:
        first = the_caretaker(one)
        await_that(lambda: str(first) in owner(database), one.log.read_text)
        with start("two") as two:
            second = the_caretaker(two)
            await_that(lambda: metric(two, 'volume_items{kind="buckets"}') == 0, two.log.read_text)
            assert str(first) in owner(database)
            assert (metric(one, "upkeep_lease"), metric(two, "upkeep_lease")) == (1, 0)
            assert one.stop() == 0
            await_that(lambda: str(second) in owner(database), two.log.read_text)
            await_that(lambda: metric(two, "upkeep_lease") == 1)


def test_a_service_may_do_without(start: Start, database: Database) -> None:
    with start(upkeep="off") as service:
        assert httpx.get(f"{service.url}/readyz").json()["details"]["alerts"] == {}
        assert caretakers(service) == []
    assert database["upkeep"].count_documents({}) == 0


class Hook(BaseHTTPRequestHandler):
    heard: list[bytes]

    def do_POST(self) -> None:
        self.heard.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, list[bytes]]]:
    """A URL, and what it was told."""
    heard: list[bytes] = []
    with serving(HTTPServer(("127.0.0.1", 0), type("Listening", (Hook,), {"heard": heard}))) as server:
        yield f"http://127.0.0.1:{server.server_port}/hush-this-is-secret", heard


def test_damage_is_told_by_all_who_tell(
    start: Start, database: Database, hook: tuple[str, list[bytes]]
) -> None:
    """A read meets it, the check finds it; the webhook's URL is nobody's business."""
    url, heard = hook
    settings = {"alert_webhook": url, "alert_disk_used": "off", "log_level": "debug"}
    with start(**settings) as service, service.client() as client:
        client.create_bucket("pictures", "public-read")
        client.upload("pictures", pictures.jpeg(), "photo.jpg")
        database["blobs.chunks"].update_one({}, {"$set": {"data": b"other bytes"}})
        assert httpx.get(f"{service.url}/pictures/image/upload/photo.jpg").status_code == 502
        database["upkeep"].update_one({"_id": "reading"}, {"$unset": {"ended": ""}, "$set": {"place": ""}})

        def details() -> dict:
            return httpx.get(f"{service.url}/readyz").json()["details"]

        expected = {"damage": "critical", "damaged_reads": "critical"}
        await_that(lambda: details()["alerts"] == expected, lambda: str(details()))
        assert details()["findings"]["lost"] == 1
        assert details()["checked"].endswith("+00:00")
        assert metric(service, 'findings{severity="lost"}') == 1
        await_that(lambda: metric(service, 'alert_level{alert="damage"}') == 2)
        await_that(lambda: len(heard) == 2)
        await_that(lambda: metric(service, 'webhook_total{result="sent"}') == 2)
        pid = the_caretaker(service)
        for place in ("environ", "cmdline"):
            assert b"hush" not in Path(f"/proc/{pid}/{place}").read_bytes()
        said = service.log.read_text()
        assert "lost: chunk_resized: file" in said
        assert "alert damage: critical" in said
        assert "hush" not in said
    assert all(b'"critical"' in each for each in heard)
