"""Whose word about client, scheme and Host counts: that of trusted proxies, and nobody else's."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from imagestore.core.addresses import Networks
from imagestore.edge.asgi import Scope
from imagestore.edge.forwarded import MOST_PROXIES, resolve
from tests.edge.gunicorn_server import Server, serve

PROXIES = Networks.parse("10.0.0.0/8,fd00::/8")
OTHERS = (
    ("x-forwarded-for", "192.0.2.1"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-port", "444"),
    ("x-forwarded-prefix", "/evil"),
    ("x-forwarded-ssl", "on"),
    ("forwarded", "for=192.0.2.1;proto=https;host=evil.example"),
)

quick = pytest.mark.quick


def resolved(*fields: tuple[str, str], peer: str = "10.0.0.1", trusted: Networks = PROXIES) -> Scope:
    scope: Scope = {
        "client": (peer, 1234),
        "scheme": "http",
        "headers": [(b"host", b"img.example"), (b"accept", b"*/*")]
        + [(name.encode(), value.encode("latin-1")) for name, value in fields],
    }
    resolve(scope, trusted)
    return scope


def client_of(*lines: str, peer: str = "10.0.0.1") -> str:
    client: str = resolved(*(("x-forwarded-for", line) for line in lines), peer=peer)["client"][0]
    return client


@quick
@pytest.mark.parametrize("trusted", [PROXIES, Networks()], ids=["some", "nobody"])
@pytest.mark.parametrize("peer", ["192.0.2.99", "127.0.0.1", "::1", "2001:db8::1"])
def test_nobody_else_is_believed(peer: str, trusted: Networks) -> None:
    scope = resolved(*OTHERS, peer=peer, trusted=trusted)
    assert scope == {
        "client": (peer, 1234),
        "scheme": "http",
        "headers": [(b"host", b"img.example"), (b"accept", b"*/*")],
    }


@quick
def test_a_trusted_proxy_is_believed_and_its_headers_end_here() -> None:
    scope = resolved(*OTHERS)
    assert scope["client"] == ("192.0.2.1", 0)
    assert scope["scheme"] == "https"
    assert scope["headers"] == [(b"accept", b"*/*"), (b"host", b"evil.example")]


@quick
@pytest.mark.parametrize(
    ("lines", "client"),
    [
        ([], "10.0.0.1"),
        (["192.0.2.1"], "192.0.2.1"),
        (["203.0.113.9, 192.0.2.1"], "192.0.2.1"),
        (["203.0.113.9", "192.0.2.1"], "192.0.2.1"),
        (["203.0.113.9, 192.0.2.1, 10.7.7.7"], "192.0.2.1"),
        (["203.0.113.9,192.0.2.1", "10.7.7.7 ,\t10.8.8.8"], "192.0.2.1"),
        (["10.7.7.7, 10.8.8.8"], "10.7.7.7"),
        (["192.0.2.1:443"], "192.0.2.1"),
        (["2001:db8::1"], "2001:db8::1"),
        (["[2001:db8::1]"], "2001:db8::1"),
        (["[2001:db8::1]:443"], "2001:db8::1"),
        (["192.0.2.1, [fd00::1]:80"], "192.0.2.1"),
        (["::ffff:192.0.2.1"], "192.0.2.1"),
        (["192.0.2.1, ::ffff:10.1.1.1"], "192.0.2.1"),
    ],
)
def test_the_client_is_the_last_address_that_is_not_trusted(lines: list[str], client: str) -> None:
    assert client_of(*lines) == client


@quick
@pytest.mark.parametrize(
    "entry",
    ["", "unknown", "_hidden", "1.2.3.4.5", "1.2.3.4:", "1.2.3.4:999999", "[2001:db8::1", "2001:db8::1]:80",
     "for=1.2.3.4", '"192.0.2.1"', "<script>", "192.0.2.1 192.0.2.2", "\x85", "9" * 5000],
)  # fmt: skip
def test_what_is_no_address_is_whom_it_came_from(entry: str) -> None:
    assert client_of(entry) == "10.0.0.1"
    assert client_of(f"192.0.2.1, {entry}, 10.7.7.7") == "10.7.7.7"
    assert client_of(f"{entry}, 192.0.2.1") == "192.0.2.1"


@quick
def test_no_length_of_the_list_matters() -> None:
    assert client_of(", ".join(["203.0.113.9"] * 1000 + ["192.0.2.1"])) == "192.0.2.1"
    assert client_of("," * 8000) == "10.0.0.1"
    assert (
        client_of(", ".join(f"10.0.0.{number}" for number in range(2, 200))) == f"10.0.0.{200 - MOST_PROXIES}"
    )


@quick
@pytest.mark.parametrize("value", ["ftp", "", "https,http", "https https", "HTTPS\x85", "wss", "on"])
def test_another_scheme_does_not_count(value: str) -> None:
    assert resolved(("x-forwarded-proto", value))["scheme"] == "http"


@quick
@pytest.mark.parametrize(
    "value", ["", "a/b", "a b", "me@a", "a,b", "a:99999", "<script>", "b\xfccher", "a" * 300]
)
def test_another_host_does_not_count(value: str) -> None:
    assert (b"host", b"img.example") in resolved(("x-forwarded-host", value))["headers"]


@quick
def test_of_two_values_none_counts() -> None:
    twice = resolved(
        *[("x-forwarded-proto", "https")] * 2,
        ("x-forwarded-host", "one.example"),
        ("x-forwarded-host", "two.example"),
    )
    assert twice["scheme"] == "http"
    assert twice["headers"] == [(b"host", b"img.example"), (b"accept", b"*/*")]


@quick
def test_a_mapped_peer_has_its_own_address() -> None:
    assert resolved(peer="::ffff:10.0.0.1")["client"] == ("10.0.0.1", 1234)
    assert client_of("192.0.2.1", peer="::ffff:10.0.0.1") == "192.0.2.1"


@quick
def test_a_connection_without_an_address_is_nobody() -> None:
    scope: Scope = {"client": None, "scheme": "http", "headers": [(b"x-forwarded-for", b"10.0.0.1")]}
    resolve(scope, Networks.parse("0.0.0.0/0"))
    assert scope == {"client": None, "scheme": "http", "headers": []}


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind a proxy on this machine."""
    with serve(tmp_path_factory.mktemp("proxied"), IMAGESTORE_TRUSTED_PROXIES="127.0.0.0/8") as running:
        yield running


def seen(server: Server) -> dict[str, str]:
    """What the application sees of a request with all of these headers."""
    environ: dict[str, str] = json.loads(server.request("/", headers=dict(OTHERS)).body)
    assert not [name for name in environ if name.startswith(("HTTP_X_FORWARDED", "HTTP_FORWARDED"))]
    return {name: environ[name] for name in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST")}


def test_over_a_connection_the_application_sees_what_holds(server: Server, proxied: Server) -> None:
    assert seen(proxied) == {
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.url_scheme": "https",
        "HTTP_HOST": "evil.example",
    }
    assert seen(server) == {
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": f"127.0.0.1:{server.port}",
    }
