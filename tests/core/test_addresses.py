"""Networks and names are read, refused and looked into."""

from __future__ import annotations

import pytest

from imagestore.core.addresses import HostNames, Networks, client_name, parse_address

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_an_address_has_one_form(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "unknown",
        "_hidden",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4:80",
        "[::1]",
        "²",
        "1" * 99,
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert parse_address(text) is None


def test_one_client_is_an_ipv4_address_or_the_64_bits_of_an_ipv6_network() -> None:
    assert client_name("192.0.2.1") == client_name("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_name("2001:db8::1") == client_name("2001:db8::ffff:2") == "2001:db8::/64"
    assert client_name("2001:db8::1") != client_name("2001:db8:0:1::1")
    assert client_name("") == ""


def test_networks_are_looked_into() -> None:
    networks = Networks.parse("10.0.0.0/8, 192.0.2.7,fd00::/8")
    assert Networks.parse(str(networks)) == networks
    for text, within in (
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.0.2.7", True),
        ("fd12::1", True),
    ):
        address = parse_address(text)
        assert address is not None
        assert (address in networks) is within
        assert address not in Networks()
    for text in ("11.0.0.0", "192.0.2.8", "::1", "fc00::1"):
        assert parse_address(text) not in networks


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0.0/8 fd00::/8", ",", "*"])
def test_what_are_no_networks_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wants addresses and networks"):
        Networks.parse(text)


def test_names_admit_hosts() -> None:
    names = HostNames.parse("img.example.com, .Example.net,web_1,127.0.0.1")
    assert HostNames.parse(str(names)) == names
    for host in (
        "img.example.com",
        "IMG.example.com:8000",
        "img.example.com.",
        "example.net",
        "a.b.example.net:1",
    ):
        assert names.admits(host), host
    for host in (
        "example.com",
        "a.img.example.com",
        "badexample.net",
        "example.net.evil",
        "[::1]:80",
        "",
        ":80",
    ):
        assert not names.admits(host), host
    assert names.admits("web_1:8000")
    assert names.admits("127.0.0.1:80")
    assert HostNames().admits("anything")


@pytest.mark.parametrize(
    "text", ["https://a", "a:80", "a/b", "*.a", "a b", ".", "a..b", "[::1]", "a,", "bücher.example"]
)
def test_what_are_no_names_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="wants names"):
        HostNames.parse(text)
