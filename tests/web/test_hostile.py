"""Hundreds of hostile requests over sockets: each is answered as the table says, and nothing comes of any."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx
import pymongo
import pytest

from tests import pictures
from tests.service import Service
from tests.web.answers import SAFE
from tests.web.hostile import TABLE
from tests.web.hostile.rows import PRIVATE, Row
from tests.web.watch import State, spooled, workers

FIELDS = {
    "accept-ranges",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "cache-status",
    "connection",
    "content-disposition",
    "content-length",
    "content-range",
    "content-security-policy",
    "content-type",
    "cross-origin-resource-policy",
    "date",
    "etag",
    "last-modified",
    "location",
    "referrer-policy",
    "retry-after",
    "server",
    "server-timing",
    "timing-allow-origin",
    "www-authenticate",
    "x-content-type-options",
    "x-request-id",
}
"""Every field that an answer may have: another one was smuggled in."""
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: the-next-one\r\nConnection: close\r\n\r\n"


@dataclass
class Answer:
    status: int
    fields: list[tuple[str, str]]
    body: bytes
    raw: bytes

    def values(self, name: str) -> list[str]:
        return [value for each, value in self.fields if each.lower() == name]


@dataclass
class Connection:
    """A socket from which answers are read one by one, and nothing that follows one is lost."""

    socket: socket.socket
    received: bytes = field(default=b"")

    def receive(self) -> bool:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def answer(self, method: bytes) -> Answer | None:
        """The next final answer; None when the connection ends before it begins."""
        while b"\r\n\r\n" not in self.received:
            if not self.receive():
                assert self.received == b"", self.received
                return None
        head, _, rest = self.received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        assert status.startswith(("HTTP/1.1 ", "HTTP/1.0 ")), status
        fields = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        answer = Answer(int(status[9:12]), fields, b"", head)
        length = int((answer.values("content-length") or ["0"])[0]) if method != b"HEAD" else 0
        if answer.status < 200:
            self.received = rest
            return self.answer(method)
        while len(rest) < length:
            assert self.receive(), "the body is cut short"
            rest = self.received.partition(b"\r\n\r\n")[2]
        answer.body, self.received = rest[:length], rest[length:]
        answer.raw = head + answer.body
        return answer


@dataclass
class Target:
    service: Service
    tokens: dict[bytes, bytes]
    mongo: pymongo.MongoClient

    def state(self) -> State:
        database = self.mongo["imagestore"]
        counts = {name: database[name].count_documents({}) for name in database.list_collection_names()}
        return State(counts, frozenset(workers(self.service)), spooled(self.service))

    def connect(self) -> Connection:
        parts = urlsplit(self.service.url)
        return Connection(socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=60))


@pytest.fixture(scope="module")
def target(strict: Service) -> Iterator[Target]:
    """The strict service with one image in a public and in a private bucket, and a signature for that."""
    auth = (strict.access_key, strict.secret)
    with httpx.Client(base_url=strict.url, auth=auth, trust_env=False, timeout=60) as client:
        client.post("/v1/buckets", json={"name": "closed"})
        for bucket in ("default", "closed"):
            put = client.put(f"/v1/buckets/{bucket}/images/there.jpg", content=pictures.jpeg())
            assert put.status_code == 201
        signed = client.post("/v1/buckets/closed/signed-urls", json={"key": "there.jpg"}).json()["url"]
        assert httpx.get(signed, trust_env=False).status_code == 200
    query = parse_qs(urlsplit(signed).query)
    assert urlsplit(signed).path == PRIVATE
    tokens = {
        b"@BASIC@": base64.b64encode(":".join(auth).encode()),
        b"@KEY@": auth[0].encode(),
        b"@EXPIRES@": query["expires"][0].encode(),
        b"@SIGNATURE@": query["signature"][0].encode(),
    }
    with pymongo.MongoClient(strict.mongo_url) as mongo:
        yield Target(strict, tokens, mongo)


def test_the_table_is_long_and_has_no_row_twice() -> None:
    rows = [row for group in TABLE.values() for row in group]
    assert len(rows) >= 300
    assert len({row.request for row in rows}) == len(rows)


@pytest.mark.parametrize("group", TABLE)
def test_nothing_comes_of_it(target: Target, group: str) -> None:
    before = target.state()
    wrong = []
    for row in TABLE[group]:
        try:
            send_row(target, row)
        except AssertionError as error:
            wrong.append(f"{row.name}: {str(error)[:400]}")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(TABLE[group])}", *wrong])
    assert target.state() == before


def send_row(target: Target, row: Row) -> None:
    request = row.request
    for token, value in target.tokens.items():
        request = request.replace(token, value)
    connection = target.connect()
    with connection.socket:
        send(connection, request, end=row.end)
        answer = connection.answer(request.partition(b" ")[0])
        if answer is None:
            assert row.end, "no answer, though nothing was missing"
        else:
            check_answer(answer, row)
            check_connection(connection, answer, row)


def send(connection: Connection, request: bytes, *, end: bool) -> None:
    try:
        connection.socket.sendall(request)
        if end:
            connection.socket.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it was refused by its beginning


def check_answer(answer: Answer, row: Row) -> None:
    assert answer.status in row.expected, answer.raw
    names = [name.lower() for name, _ in answer.fields]
    assert set(names) <= FIELDS, answer.raw
    assert len(names) == len(set(names)), answer.raw
    for name, value in SAFE.items():
        assert name == "content-security-policy" or answer.values(name) == [value], answer.raw
    if row.absent:
        assert row.absent not in answer.raw


def check_connection(connection: Connection, answer: Answer, row: Row) -> None:
    """It ends, or goes on with the answer to the next request that we send: never with another one."""
    closed = [value.lower() for value in answer.values("connection")] == ["close"]
    send(connection, b"" if closed or row.end else ALIVE, end=closed or row.end)
    following = connection.answer(b"GET")
    if closed:
        assert following is None, following
    elif following is not None:
        assert (following.status, following.values("x-request-id")) == (200, ["the-next-one"]), following.raw
    while connection.receive():
        pass
    assert connection.received == b""
