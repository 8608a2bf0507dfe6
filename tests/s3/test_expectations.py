"""Requests that wait for a 100 before their bodies: who gets one, and what comes behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.service import Service


@pytest.fixture
def line(s3_service: Service) -> Iterator[socket.socket]:
    there = urlsplit(s3_service.s3_url)
    with socket.create_connection((there.hostname or "", there.port or 0), timeout=30) as connection:
        yield connection


def head(method: str, size: int, version: str = "1.1") -> bytes:
    lines = [
        f"{method} /no-such-bucket/k HTTP/{version}",
        "Host: x",
        f"Content-Length: {size}",
        "Expect: 100-continue",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def statuses(line: socket.socket, answers: int) -> list[bytes]:
    """The status lines up to and with that many final ones, none of which may close the connection."""
    came, ends = b"", b"</Error>"
    while came.count(ends) < answers:
        data = line.recv(65536)
        assert data, came
        came += data
    return [each for each in came.replace(ends, b"\r\n").split(b"\r\n") if each.startswith(b"HTTP/")]


GO_ON, REFUSED = b"HTTP/1.1 100 Continue", b"HTTP/1.1 404 Not Found"


def test_a_body_of_no_bytes_is_waited_for_too(line: socket.socket) -> None:
    """The aws cli takes a final status that comes instead for that of its next answer as well, and loses
    what is in it: a file of 60 MB then failed behind an empty one."""
    for _ in range(2):
        line.sendall(head("PUT", 0))
        assert statuses(line, 1) == [GO_ON, REFUSED]


def test_a_body_that_nobody_wants_is_not_waited_for(line: socket.socket) -> None:
    """Who is refused by the head of his request need not send the rest (RFC 9110, section 10.1.1)."""
    line.sendall(head("PUT", 3))
    answer = line.recv(65536)
    assert answer.startswith(REFUSED) and b"connection: close" in answer.lower()


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("size", [10_000_000, 5_000_000_000])
def test_a_large_body_is_refused_before_it_is_sent(line: socket.socket, size: int, waits: bool) -> None:
    """Who is refused by the head of his request need not send the rest, and does, if he cannot be told."""
    asked = head("PUT", size)
    line.sendall(asked if waits else asked.replace(b"Expect: 100-continue\r\n", b""))
    answer = line.recv(65536)
    assert answer.startswith(REFUSED) and b"connection: close" in answer.lower()


def test_nobody_else_gets_one(line: socket.socket) -> None:
    """HTTP/1.0 has no 100 (RFC 9110, section 10.1.1). Two requests at once get theirs in their turns."""
    line.sendall(head("PUT", 0) + head("PUT", 0))
    assert statuses(line, 2) == [GO_ON, REFUSED, GO_ON, REFUSED]
    line.sendall(head("PUT", 0, "1.0"))
    assert statuses(line, 1) == [b"HTTP/1.0 404 Not Found"]
