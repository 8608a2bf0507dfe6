"""Which transfer codings pass (RFC 9112, section 6.1)."""

from __future__ import annotations

import json

import pytest

from imagestore.edge.framing import InvalidCoding, check_coding
from tests.edge.gunicorn_server import Server, read_to_end

FIELD = b"transfer-encoding"


@pytest.mark.quick
@pytest.mark.parametrize("values", [(), (b"chunked",), (b" Chunked\t",)])
def test_chunked_alone_passes(values: tuple[bytes, ...]) -> None:
    check_coding([(b"host", b"x"), *((FIELD, value) for value in values)])


@pytest.mark.quick
@pytest.mark.parametrize(
    "values",
    [
        (b"gzip, chunked",),
        (b"identity, chunked",),
        (b"identity", b"chunked"),
        (b"chunked", b"chunked"),
        (b"",),
    ],
)
def test_anything_else_does_not(values: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidCoding):
        check_coding([(b"Transfer-Encoding", value) for value in values])


@pytest.mark.parametrize("fields", [b"gzip, chunked", b"identity\r\nTransfer-Encoding: chunked"])
def test_what_follows_is_no_request(server: Server, fields: bytes) -> None:
    runs = server.runs()
    with server.connect() as client:
        head = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: " + fields + b"\r\n\r\n"
        client.sendall(head + b"0\r\n\r\nGET /pid HTTP/1.1\r\nHost: x\r\n\r\n")
        got = read_to_end(client)
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error"]["code"] == "invalid_request"
    assert server.runs() == runs
