"""Which Host headers pass (RFC 9112, section 3.2; RFC 3986, section 3.2)."""

from __future__ import annotations

import pytest

from imagestore.edge.host import InvalidHost, check_host

pytestmark = pytest.mark.quick

GOOD = (
    b"localhost",
    b"img.example:8000",
    b"img.example:",
    b"imagestore_1:80",
    b"127.0.0.1",
    b"[::1]",
    b"[2001:db8::1]:65535",
    b"[::ffff:10.0.0.1]",
    b"xn--bcher-kva.example.",
)
BAD = (
    b"",
    b" ",
    b":80",
    b"a b",
    b"a/b",
    b"a\\b",
    b'"a"',
    b"a'b",
    b"me@a",
    b"me:secret@a",
    b"a?b",
    b"a#b",
    b"a,b",
    b"a:b",
    b"a:80:80",
    b"a:65536",
    b"a:-1",
    b"::1",
    b"[::1",
    b"[]",
    b"[:::]",
    b"[::1]x",
    b"[fe80::1%25eth0]",
    b"b\xc3\xbccher.example",
    b"a\n",
    b"a" * 256,
)


@pytest.mark.parametrize("host", GOOD)
def test_a_valid_host_passes(host: bytes) -> None:
    check_host((1, 1), [(b"accept", b"*/*"), (b"Host", host)], b"/")


@pytest.mark.parametrize("version", [(1, 1), (1, 0)])
@pytest.mark.parametrize("host", BAD)
def test_another_does_not(host: bytes, version: tuple[int, int]) -> None:
    with pytest.raises(InvalidHost):
        check_host(version, [(b"host", host)], b"/")


def test_there_is_one_and_not_two() -> None:
    with pytest.raises(InvalidHost):
        check_host((1, 1), [(b"accept", b"*/*")], b"/")
    with pytest.raises(InvalidHost):
        check_host((1, 0), [(b"host", b"a"), (b"host", b"a")], b"/")
    check_host((1, 0), [], b"/")


@pytest.mark.parametrize(
    "target", [b"/", b"/http://b/", b"*", b"http://a", b"HTTP://A/x", b"http://a?http://b/"]
)
def test_a_target_that_names_the_same_host_or_none_passes(target: bytes) -> None:
    check_host((1, 1), [(b"host", b"a")], target)


@pytest.mark.parametrize(
    "target", [b"http://b/", b"http://a:80/", b"http://me@a/", b"http://a@b", b"http:///a", b"ftp://b/a"]
)
def test_a_target_that_names_another_host_does_not(target: bytes) -> None:
    with pytest.raises(InvalidHost):
        check_host((1, 1), [(b"host", b"a")], target)
    with pytest.raises(InvalidHost):
        check_host((1, 0), [], target)


@pytest.mark.parametrize("target", [b"x", b"", b"x/y://a/z", b"a:80", b"://a/", b"httpx://a/", b"**", b" /"])
def test_a_target_that_is_none_does_not_pass(target: bytes) -> None:
    with pytest.raises(InvalidHost, match="target"):
        check_host((1, 1), [(b"host", b"a")], target)
