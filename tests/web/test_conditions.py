"""The conditional and range rules, through a real socket and real gunicorn, with Redis and without."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from imagestore.embedded import start_redis
from tests import pictures
from tests.service import Service, running_service
from tests.web.exchanges import EXCHANGES, SIZE, Exchange

PASSING = ("date", "cache-status", "server-timing", "x-request-id", "age", "connection")
"""What may differ between two equal answers."""


@dataclass
class Subject:
    """An uploaded image with what its exchanges need to know of it."""

    url: str
    data: bytes
    client: httpx.Client
    names: dict[str, str]

    def send(self, exchange: Exchange) -> httpx.Response:
        fields = {name: value.format(**self.names).encode() for name, value in exchange.fields.items()}
        return self.client.request(exchange.method, self.url, headers=fields)


def picture_of(size: int) -> bytes:
    """A JPEG of exactly `size` bytes: comment segments (marker FE) fill it up."""
    data = pictures.jpeg(width=320, height=240)
    rest = size - len(data)
    while rest:
        part = min(rest, 65_000) if rest - min(rest, 65_000) not in range(1, 5) else rest // 2
        data = data[:2] + b"\xff\xfe" + (part - 2).to_bytes(2, "big") + b"\0" * (part - 4) + data[2:]
        rest -= part
    return data


def make_subject(service: Service) -> Subject:
    data = picture_of(SIZE)
    with service.client() as client:
        client.upload("default", data, key="table/conditions.jpg")
    url = f"{service.url}/default/image/upload/table/conditions.jpg"
    http = httpx.Client(timeout=30)
    first = http.get(url)
    modified = parsedate_to_datetime(first.headers["Last-Modified"])
    names = {"etag": first.headers["ETag"].strip('"')}
    for name, seconds in (("before", -1), ("modified", 0), ("after", 1)):
        names[name] = format_datetime(modified + timedelta(seconds=seconds), usegmt=True)
    return Subject(url, data, http, names)


@pytest.fixture(scope="module")
def subject(service: Service) -> Iterator[Subject]:
    made = make_subject(service)
    yield made
    made.client.close()


def check(exchange: Exchange, answer: httpx.Response, data: bytes) -> None:
    assert answer.status_code == exchange.status
    if exchange.method == "HEAD":
        assert answer.content == b""
        if exchange.status == 200:
            assert answer.headers["Content-Length"] == str(len(data))
    if exchange.body is not None:
        assert answer.content == data[slice(*exchange.body)]
        assert answer.headers["Content-Length"] == str(len(data[slice(*exchange.body)]))
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Accept-Ranges"] == "bytes"
    if exchange.status == 206:
        assert exchange.body is not None
        span = f"bytes {exchange.body[0]}-{exchange.body[1] - 1}/{len(data)}"
        assert answer.headers["Content-Range"] == span
    elif exchange.status == 416:
        assert answer.headers["Content-Range"] == f"bytes */{len(data)}"
        assert answer.json()["error"]["code"] == "range_not_satisfiable"
    else:
        assert "Content-Range" not in answer.headers
    if exchange.status == 304:
        # RFC 9110 15.4.5: what a 200 would have said of caching and validation.
        assert answer.content == b""
        assert "max-age" in answer.headers["Cache-Control"]
        assert "Content-Type" not in answer.headers
    if exchange.status in (200, 206, 304):
        assert answer.headers["ETag"].startswith('"')
        # RFC 9110 15.4.5: a 304 that has an ETag needs no Last-Modified.
        assert answer.status_code == 304 or "Last-Modified" in answer.headers
        assert answer.headers["Cache-Status"].startswith("imagestore; ")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_versions_of_the_same_second_are_told_apart_by_date(service: Service) -> None:
    """RFC 9110, 13.1.3 and 13.1.5: what a client has of the one must not pass for the other."""
    pictures_made = [pictures.png(seed=number) for number in range(4)]
    url = f"{service.url}/default/image/upload/hasty.png"
    with service.client() as client, httpx.Client(timeout=30) as http:
        client.upload("default", pictures_made[0], key="hasty.png")
        first = http.get(url).headers["Last-Modified"]
        for data in pictures_made[1:]:
            client.upload("default", data, key="hasty.png")
            answer = http.get(url, headers={"If-Modified-Since": first})
            assert (answer.status_code, answer.content) == (200, data)
            answer = http.get(url, headers={"If-Range": first, "Range": "bytes=10-"})
            assert (answer.status_code, answer.content) == (200, data)
            modified, date = (
                parsedate_to_datetime(answer.headers[name]) for name in ("Last-Modified", "Date")
            )
            assert modified <= date


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(EXCHANGES) >= 60
    assert len({str(exchange) for exchange in EXCHANGES}) == len(EXCHANGES)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=str)
def test_an_exchange_goes_by_the_rules(subject: Subject, exchange: Exchange) -> None:
    check(exchange, subject.send(exchange), subject.data)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_without_redis_every_answer_is_the_same(tmp_path: Path, how: signal.Signals) -> None:
    with (
        start_redis(tmp_path / "redis") as server,
        running_service(tmp_path, redis_url=server.url, edge_bytes=0) as service,
    ):
        subject = make_subject(service)
        with_redis = [subject.send(exchange) for exchange in EXCHANGES]
        assert any("hit; detail=redis" in answer.headers.get("Cache-Status", "") for answer in with_redis)
        os.kill(server.pid, how)
        try:
            without = [subject.send(exchange) for exchange in EXCHANGES]
        finally:
            if how is signal.SIGSTOP:
                os.kill(server.pid, signal.SIGCONT)
        subject.client.close()
    assert not any("hit; detail=redis" in answer.headers.get("Cache-Status", "") for answer in without)
    for exchange, one, other in zip(EXCHANGES, with_redis, without, strict=True):
        assert lasting(one) == lasting(other), str(exchange)


def lasting(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    fields = sorted((name, value) for name, value in answer.headers.items() if name not in PASSING)
    return answer.status_code, fields, answer.content
