"""The client's errors: what it makes of answers that are none, wrong or cut short."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from imagestore.client import NO_RETRIES, Client
from imagestore.client.failures import ERRORS
from imagestore.core.errors import (
    BlobDamaged,
    ImagestoreError,
    InvalidParameter,
    ServiceUnreachable,
    leaves,
)

pytestmark = pytest.mark.quick

Handler = Callable[[httpx.Request], httpx.Response]


def client_of(handler: Handler) -> Client:
    transport = httpx.MockTransport(handler)
    return Client("http://service", "KEY", "secret", retries=NO_RETRIES, transport=transport)


def error(status: int, code: str) -> Handler:
    return lambda request: httpx.Response(status, json={"error": {"code": code, "message": "Do this."}})


@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.code)
def test_every_code_is_raised_as_its_own_exception(leaf: type[ImagestoreError]) -> None:
    with client_of(error(400, leaf.code)) as client, pytest.raises(leaf, match="Do this"):
        client.buckets()


def test_no_two_errors_share_a_code() -> None:
    assert len(ERRORS) == len(leaves())


@pytest.mark.parametrize(("status", "expected"), [(405, InvalidParameter), (500, ServiceUnreachable)])
def test_an_unknown_code_is_kept_in_the_message(status: int, expected: type[ImagestoreError]) -> None:
    with client_of(error(status, "news_to_us")) as client, pytest.raises(expected, match="news_to_us"):
        client.buckets()


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": 1}', b""])
def test_an_error_that_is_not_in_our_words_says_so(body: bytes) -> None:
    with client_of(lambda request: httpx.Response(502, content=body)) as client:
        with pytest.raises(ServiceUnreachable, match="502"):
            client.buckets()
        with pytest.raises(ServiceUnreachable, match="502"), client.get("bucket", "key"):
            pytest.fail("there is nothing to get")


def test_a_success_that_is_no_json_says_so() -> None:
    with (
        client_of(lambda request: httpx.Response(200, text="hello")) as client,
        pytest.raises(ServiceUnreachable, match="no imagestore"),
    ):
        client.buckets()


def test_a_service_that_is_not_there() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with Client(url, "KEY", "secret", retries=NO_RETRIES) as client:
            with pytest.raises(ServiceUnreachable, match=url):
                client.buckets()
            with pytest.raises(ServiceUnreachable, match=url), client.get("bucket", "key"):
                pytest.fail("there is nothing to get")


@pytest.mark.parametrize("url", ["http://[", "ftp://service", "service:port"])
def test_a_url_that_is_none(url: str) -> None:
    with (
        pytest.raises((InvalidParameter, ServiceUnreachable)),
        Client(url, "KEY", "secret", retries=NO_RETRIES) as client,
    ):
        client.buckets()


def test_bytes_with_another_digest_are_refused_at_their_end() -> None:
    tag = {"ETag": f'"{hashlib.sha256(b"right").hexdigest()}"'}
    answer = httpx.Response(200, content=iter([b"wrong"]), headers=tag)
    with client_of(lambda request: answer) as client, client.get("bucket", "key") as download:
        chunks = iter(download)
        assert next(chunks) == b"wrong"
        with pytest.raises(BlobDamaged):
            next(chunks)


def test_a_body_that_is_cut_short_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answerer = threading.Thread(target=_answer_half, args=(listener,))
        answerer.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Client(url, "KEY", "secret", retries=NO_RETRIES) as client,
            client.get("bucket", "key") as download,
            pytest.raises(ServiceUnreachable),
        ):
            list(download)
        answerer.join()


def _answer_half(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nETag: "x"\r\n\r\nhalf')


def test_the_credential_goes_with_every_request_and_only_to_the_service() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(302, headers={"Location": "http://elsewhere/"})

    with client_of(answer) as client, pytest.raises(ServiceUnreachable):
        client.buckets()
    assert [request.url.host for request in seen] == ["service"]
    assert seen[0].headers["Authorization"].startswith("Basic ")


def test_text_that_is_no_utf8_is_not_sent() -> None:
    with client_of(lambda request: pytest.fail("it was sent")) as client:
        with pytest.raises(InvalidParameter, match="UTF-8"):
            client.warm("bucket", ["\udcff"])
        with pytest.raises(InvalidParameter, match="UTF-8"):
            list(client.images("bucket", prefix="\udcff"))
