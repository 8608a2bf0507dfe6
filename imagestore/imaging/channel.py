"""Messages between the service and a decoder process: a JSON head and some bytes, over a socket."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

# JSON and not pickle: a decoder that a picture has taken over must not be able to run code over here.
_LENGTHS = struct.Struct("!II")
MAX_HEAD_BYTES = 1024 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024


class Disconnected(Exception):
    """The other side is gone, or does not keep to the form."""


def send(
    sock: socket.socket, head: dict[str, Any], body: bytes = b"", *, deadline: float | None = None
) -> None:
    """Send one message. `deadline` is in terms of time.monotonic(); past it TimeoutError is raised."""
    text = json.dumps(head).encode()
    try:
        _set_timeout(sock, deadline)
        sock.sendall(_LENGTHS.pack(len(text), len(body)) + text + body)
    except TimeoutError:
        raise
    except OSError as error:
        raise Disconnected(str(error)) from None


def receive(sock: socket.socket, *, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
    """The next message. Raises Disconnected at the end of the stream, TimeoutError past the deadline."""
    text_size, body_size = _LENGTHS.unpack(_read(sock, _LENGTHS.size, deadline))
    if text_size > MAX_HEAD_BYTES or body_size > MAX_BODY_BYTES:
        raise Disconnected("a message is larger than any that is sent here")
    text, body = _read(sock, text_size, deadline), _read(sock, body_size, deadline)
    try:
        head = json.loads(text)
    except ValueError:
        raise Disconnected("a message has no JSON head") from None
    if not isinstance(head, dict):
        raise Disconnected("a message's head is no object")
    return head, body


def _read(sock: socket.socket, size: int, deadline: float | None) -> bytes:
    read = bytearray()
    while len(read) < size:
        try:
            _set_timeout(sock, deadline)
            data = sock.recv(min(size - len(read), 1024 * 1024))
        except TimeoutError:
            raise
        except OSError as error:
            raise Disconnected(str(error)) from None
        if not data:
            raise Disconnected("the other side closed")
        read += data
    return bytes(read)


def _set_timeout(sock: socket.socket, deadline: float | None) -> None:
    # A timeout of zero would make the socket non-blocking, which raises another error.
    sock.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
