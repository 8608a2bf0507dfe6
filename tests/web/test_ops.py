"""Metrics over all workers, whichever of them live; and readiness that names what is down, in time."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pymongo import MongoClient
from redis import Redis

from tests import pictures
from tests.service import Service, await_that, running_service
from tests.web.answers import check_error
from tests.web.watch import workers


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # Counted is what the application answers: see test_edge for the rest.
    settings = {"metrics": "public", "edge": "off"}
    settings |= {"read_timeout": 60, "store_timeout": 60, "send_timeout": 1}
    with running_service(tmp_path_factory.mktemp("ops"), **settings) as running:
        with running.client() as client:
            client.upload("default", pictures.jpeg(), "a.jpg")
        await_that(lambda: len(workers(running)) == 2)
        yield running


def read(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of one scrape, after a check of its form."""
    answer = httpx.get(f"{service.url}/metrics", timeout=60)
    assert (answer.status_code, answer.headers["Content-Type"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
    )
    found = {}
    for family in text_string_to_metric_families(answer.text):
        assert family.name.startswith("imagestore_")
        assert family.documentation
        for sample in family.samples:
            found[sample.name, frozenset(sample.labels.items())] = sample.value
    return found


def value(service: Service, name: str, **labels: str) -> float:
    return read(service).get((name, frozenset(labels.items())), 0.0)


def get_often(service: Service, count: int) -> None:
    """Each on a connection of its own, so that both workers get some."""
    for _ in range(count):
        assert httpx.get(f"{service.url}/default/image/upload/a.jpg", timeout=60).status_code == 200


def delivered(service: Service) -> float:
    labels = {"face": "delivery", "method": "GET", "status": "2xx"}
    return value(service, "imagestore_http_requests_total", **labels)


def test_the_workers_counters_add_up(served: Service) -> None:
    before = read(served)
    get_often(served, 30)
    after = read(served)

    def grew(name: str, **labels: str) -> float:
        place = (name, frozenset(labels.items()))
        return after.get(place, 0.0) - before.get(place, 0.0)

    assert grew("imagestore_http_requests_total", face="delivery", method="GET", status="2xx") == 30
    assert grew("imagestore_http_request_duration_seconds_count", face="delivery") == 30
    outcomes = ("hit", "wait", "make", "bypass")
    assert sum(grew("imagestore_fetch_total", outcome=each) for each in outcomes) == 30
    sent = sum(grew("imagestore_fetch_bytes_total", outcome=each) for each in outcomes)
    assert sent == 30 * len(pictures.jpeg())
    assert after["imagestore_workers", frozenset()] == 2


def test_what_happens_is_counted(served: Service) -> None:
    before = read(served)
    base = f"{served.url}/v1/buckets/default/images"
    with httpx.Client(auth=(served.access_key, served.secret), timeout=60) as client:
        picture = pictures.jpeg(seed=7)
        assert client.put(f"{base}/counted", content=picture).status_code == 201
        assert client.put(f"{base}/counted", content=picture).status_code == 201
        assert client.put(f"{base}/counted", content=b"no picture").status_code == 415
        assert client.put(f"{base}/counted", content=picture[:500]).status_code == 422
        assert client.request("PROPFIND", base).status_code == 405
        assert client.get(f"{served.url}/v1/nothing").status_code == 404
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\nHost: x\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    after = read(served)

    def grew(name: str, **labels: str) -> float:
        place = (name, frozenset(labels.items()))
        return after.get(place, 0.0) - before.get(place, 0.0)

    results = ("stored", "known", "refused", "failed")
    assert [grew("imagestore_uploads_total", result=each) for each in results] == [1, 1, 2, 0]
    assert grew("imagestore_upload_bytes_total") == 2 * len(picture) + len(b"no picture") + 500
    jobs = ("proven", "rejected", "overloaded", "lost")
    assert [grew("imagestore_decoder_jobs_total", result=each) for each in jobs] == [1, 1, 0, 0]
    assert grew("imagestore_decoder_job_seconds_count") == 2
    assert grew("imagestore_http_errors_total", code="unsupported_format") == 1
    assert grew("imagestore_http_requests_total", face="other", method="other", status="4xx") == 1
    assert grew("imagestore_http_errors_total", code="route_not_found") == 1
    assert grew("imagestore_edge_refusals_total", reason="malformed") == 1
    busy = ("imagestore_decoders_busy", "imagestore_decoder_waiting")
    assert [after[name, frozenset()] for name in busy] == [0, 0]


def test_reads_of_gridfs_are_counted(served: Service) -> None:
    with Redis.from_url(served.redis_url) as redis:
        redis.flushall()
    before = read(served)
    get_often(served, 1)
    after = read(served)
    for name, grown in (
        ("imagestore_gridfs_reads_total", 1),
        ("imagestore_gridfs_read_bytes_total", len(pictures.jpeg())),
    ):
        assert after[name, frozenset()] - before[name, frozenset()] == grown


def test_connections_are_counted_while_they_last(served: Service) -> None:
    place = ("127.0.0.1", int(served.url.rpartition(":")[2]))
    await_that(lambda: value(served, "imagestore_edge_connections") == 1)
    with socket.create_connection(place), socket.create_connection(place):
        await_that(lambda: value(served, "imagestore_edge_connections") == 3)
    await_that(lambda: value(served, "imagestore_edge_connections") == 1)


@pytest.mark.parametrize("how", ["kill", "hang-up"])
def test_counters_stay_when_workers_go(served: Service, how: str) -> None:
    get_often(served, 10)
    before, old = delivered(served), set(workers(served))
    if how == "kill":
        os.kill(next(iter(old)), signal.SIGKILL)
        await_that(lambda: len(workers(served)) == 2 and set(workers(served)) != old)
    else:
        served.process.send_signal(signal.SIGHUP)
        await_that(lambda: len(workers(served)) == 2 and not set(workers(served)) & old)
    # A worker that was just replaced may still be in the sum, but no counter goes back or counts twice.
    assert delivered(served) == before
    get_often(served, 10)
    assert delivered(served) == before + 10
    await_that(lambda: value(served, "imagestore_workers") == 2)
    names = {path.name for path in (served.data / "metrics").rglob("*.db")}
    pids = {int(name.rpartition("_")[2].removesuffix(".db")) for name in names if "ended" not in name}
    assert pids == set(workers(served))


def test_redis_in_trouble_shows(served: Service) -> None:
    with Redis.from_url(served.redis_url) as redis:
        server = int(redis.info("server")["process_id"])
    os.kill(server, signal.SIGSTOP)
    try:

        def shows() -> bool:
            get_often(served, 4)
            return value(served, "imagestore_redis_breaker_open") >= 1

        await_that(shows)
        assert value(served, "imagestore_redis_events_total", event="errors") >= 1
        ready = httpx.get(f"{served.url}/readyz", timeout=60)
        assert ready.status_code == 200
        assert ready.json()["parts"] == {"mongodb": "up", "redis": "down"}
    finally:
        os.kill(server, signal.SIGCONT)

    def is_over() -> bool:
        get_often(served, 4)
        return value(served, "imagestore_redis_breaker_open") == 0

    await_that(is_over)


def test_ready_names_a_missing_index(served: Service) -> None:
    with MongoClient(served.mongo_url) as client:
        client["imagestore"]["claims"].drop_index("file")
        try:
            ready = httpx.get(f"{served.url}/readyz", timeout=60)
            assert ready.status_code == 503
            assert ready.json()["parts"]["mongodb"] == "lacks indexes: claims: file_id"
            assert ready.json()["details"]["missing_indexes"] == ["claims: file_id"]
        finally:
            client["imagestore"]["claims"].create_index("file_id", name="file")
    assert httpx.get(f"{served.url}/readyz", timeout=60).status_code == 200


def test_ready_does_not_wait_for_a_database_that_hangs(served: Service) -> None:
    """Reads may take a minute here: a probe that waited as they do would take one too."""
    with MongoClient(served.mongo_url) as client:
        server = int(client.admin.command("serverStatus")["pid"])
    os.kill(server, signal.SIGSTOP)
    try:
        began = time.monotonic()
        ready = httpx.get(f"{served.url}/readyz", timeout=60)
        took = time.monotonic() - began
    finally:
        os.kill(server, signal.SIGCONT)
    assert (ready.status_code, ready.json()["parts"]["mongodb"]) == (503, "down")
    assert took < 20
    print(f"/readyz with a stopped mongod: {took:.2f} s")
    await_that(lambda: httpx.get(f"{served.url}/readyz", timeout=60).status_code == 200)


def test_damage_shows(served: Service) -> None:
    with served.client() as client:
        client.upload("default", pictures.jpeg(seed=99), "damaged")
        digest = client.image("default", "damaged")["digest"]
    with MongoClient(served.mongo_url) as mongo:
        file = mongo["imagestore"]["claims"].find_one({"_id": digest})
        assert file is not None
        mongo["imagestore"]["blobs.chunks"].update_one(
            {"files_id": file["file_id"]}, {"$set": {"data": b"x"}}
        )
    check_error(httpx.get(f"{served.url}/default/image/upload/damaged"), 502, "blob_damaged")
    assert value(served, "imagestore_blob_damage_total") == 1
    assert httpx.get(f"{served.url}/readyz").json()["details"]["damaged_reads"] == 1


def test_metrics_are_for_the_admin_unless_said_otherwise(rest: httpx.Client, stranger: httpx.Client) -> None:
    assert rest.get("/metrics").status_code == 200
    check_error(stranger.get("/metrics"), 401, "unauthenticated")
    made = rest.post("/v1/credentials", json={"scopes": ["read", "write"]}).json()
    check_error(rest.get("/metrics", auth=(made["access_key"], made["secret"])), 403, "forbidden")
    bound = rest.post("/v1/credentials", json={"scopes": ["admin"], "buckets": ["default"]}).json()
    check_error(rest.get("/metrics", auth=(bound["access_key"], bound["secret"])), 403, "forbidden")


def test_metrics_that_are_off(tmp_path: Path, mongo, mongo_database: str) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    with running_service(tmp_path, metrics="off", **settings) as service:
        auth = (service.access_key, service.secret)
        check_error(httpx.get(f"{service.url}/metrics", auth=auth), 404, "route_not_found")
        ready = httpx.get(f"{service.url}/readyz").json()
        assert ready["parts"] == {"mongodb": "up", "redis": "off"}
        assert "damaged_reads" not in ready["details"]
        assert not (service.data / "metrics").exists()


def test_metrics_begin_anew_with_the_service(tmp_path: Path, mongo, mongo_database: str) -> None:
    """Also after a kill, which leaves the folder of counters behind."""
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    for number in (signal.SIGKILL, signal.SIGTERM):
        with running_service(tmp_path, metrics="public", workers=1, **settings) as service:
            httpx.get(f"{service.url}/nowhere")
            labels = {"face": "other", "method": "GET", "status": "4xx"}
            assert value(service, "imagestore_http_requests_total", **labels) == 1
            assert len(list((service.data / "metrics").iterdir())) == 1
            service.stop(number)
    assert list((service.data / "metrics").iterdir()) == []
