"""Messages between the service and a decoder."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from imagestore.imaging.channel import MAX_HEAD_BYTES, Disconnected, receive, send

pytestmark = pytest.mark.quick


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


def test_a_message_arrives_as_it_was_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    body = bytes(range(256)) * 8192
    sender = threading.Thread(target=send, args=(pair[0], {"path": "ä\udcff"}, body))
    sender.start()
    assert receive(pair[1], deadline=time.monotonic() + 30) == ({"path": "ä\udcff"}, body)
    sender.join()


def test_the_end_of_the_stream(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].sendall(struct.pack("!II", 10, 0) + b"{")
    pair[0].shutdown(socket.SHUT_WR)
    with pytest.raises(Disconnected):
        receive(pair[1])


@pytest.mark.parametrize(
    "message",
    [
        struct.pack("!II", MAX_HEAD_BYTES + 1, 0),
        struct.pack("!II", 2, 0xFFFFFFFF),
        struct.pack("!II", 4, 0) + b"\xff\xfe{}",
        struct.pack("!II", 2, 0) + b"[]",
    ],
)
def test_what_is_no_message(pair: tuple[socket.socket, socket.socket], message: bytes) -> None:
    pair[0].sendall(message)
    with pytest.raises(Disconnected):
        receive(pair[1])


def test_a_silent_side_is_waited_for_until_the_deadline(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        receive(pair[1], deadline=time.monotonic() + 0.05)
    with pytest.raises(TimeoutError):
        send(pair[0], {}, bytes(32 * 1024 * 1024), deadline=time.monotonic() + 0.05)
