"""Delivery URLs: every key has a path that is read back as that key, and signatures that do not bend."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagestore.core.errors import InvalidKey, RouteNotFound, SignatureExpired, SignatureInvalid
from imagestore.core.image import check_key
from imagestore.core.urls import (
    DeliveryRequest,
    check_signature,
    delivery_path,
    parse_delivery,
    sign,
    signed_query,
)

pytestmark = pytest.mark.quick

FRONT = "/pictures/image/upload/"


def is_key(text: str) -> bool:
    try:
        return check_key(text) == text
    except InvalidKey:
        return False


SEGMENTS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"v[0-9]{1,17}", fullmatch=True),
    st.sampled_from(["v1", "v", "v٣", "s--abcdefgh--", "", "...", "%2F", "?", "#", "+", ";"]),
)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join).filter(is_key)
VERSIONS = st.one_of(st.none(), st.integers(1, 10**15 - 1))


@given(KEYS, VERSIONS)
@example("v1", None)
@example("v1/", None)
@example("v1/v2/a", None)
@example("v12/a", 7)
@example("v٣/a", None)
@example("s--abcdefgh--/a", None)
@example("a//b", None)
def test_a_path_is_read_back_as_the_key_it_was_made_for(key: str, version: int | None) -> None:
    path = delivery_path("pictures", key, version)
    assert path.startswith(FRONT)
    assert path.isascii()
    assert not set(path) & set(' ?#"<>\\^`{|}')
    found = parse_delivery("pictures", unquote(path.removeprefix(FRONT)))
    assert (found.bucket, found.key) == ("pictures", key)
    if version is not None:
        assert found.version == version
    else:
        assert found.version in (None, 1)


@pytest.mark.parametrize(
    ("rest", "key", "version"),
    [
        ("a.jpg", "a.jpg", None),
        ("v1/a.jpg", "a.jpg", 1),
        ("v1700000000/a/b.jpg", "a/b.jpg", 1700000000),
        ("v0/a", "a", 0),
        ("v007/a", "a", 7),
        ("v1/v2/a", "v2/a", 1),
        ("v1", "v1", None),
        ("v1/", "v1/", None),
        ("V1/a", "V1/a", None),
        ("va/b", "va/b", None),
        ("v/b", "v/b", None),
        ("v-1/b", "v-1/b", None),
        ("v٣/b", "v٣/b", None),
        ("v" + "9" * 15 + "/a", "a", 10**15 - 1),
        ("v" + "9" * 16 + "/a", "v" + "9" * 16 + "/a", None),
        ("x/v1/a", "x/v1/a", None),
    ],
)
def test_what_a_url_asks_for(rest: str, key: str, version: int | None) -> None:
    assert parse_delivery("pictures", rest) == DeliveryRequest("pictures", key, version)


@pytest.mark.parametrize(
    ("rest", "error"),
    [
        ("", RouteNotFound),
        ("/a", InvalidKey),
        ("v1/../a", InvalidKey),
        ("v1//a", InvalidKey),
        ("a\0", InvalidKey),
    ],
)
def test_what_no_url_can_ask_for(rest: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_delivery("pictures", rest)


PATH, EXPIRES = "/pictures/image/upload/日本 1.jpg", 2_000_000_000


def test_a_signature_holds_until_its_second() -> None:
    signature = sign("secret", PATH, EXPIRES)
    check_signature("secret", PATH, EXPIRES, signature, now=0)
    check_signature("secret", PATH, EXPIRES, signature, now=EXPIRES - 0.001)
    with pytest.raises(SignatureExpired):
        check_signature("secret", PATH, EXPIRES, signature, now=EXPIRES)


@pytest.mark.parametrize(
    ("secret", "path", "expires"),
    [
        ("Secret", PATH, EXPIRES),
        ("", PATH, EXPIRES),
        ("secret", PATH + "x", EXPIRES),
        ("secret", PATH.replace("1", "2"), EXPIRES),
        ("secret", "", EXPIRES),
        ("secret", PATH, EXPIRES + 1),
        ("secret", f"{PATH}\n{EXPIRES}", 1),
    ],
)
@pytest.mark.parametrize("now", [0.0, EXPIRES + 10.0])
def test_a_signature_fits_nothing_else(secret: str, path: str, expires: int, now: float) -> None:
    with pytest.raises(SignatureInvalid):
        check_signature(secret, path, expires, sign("secret", PATH, EXPIRES), now=now)


@pytest.mark.parametrize("change", [str.lower, str.swapcase, lambda text: text[:-1], lambda text: text + "="])
def test_an_altered_signature_does_not_hold(change: object) -> None:
    with pytest.raises(SignatureInvalid):
        check_signature("secret", PATH, EXPIRES, change(sign("secret", PATH, EXPIRES)), now=0)


@given(st.text(max_size=60))
@example("\ud800")
@example("é" * 43)
def test_a_guess_is_refused_and_breaks_nothing(guess: str) -> None:
    with pytest.raises(SignatureInvalid):
        check_signature("secret", PATH, EXPIRES, guess, now=0)


def test_a_signed_query_says_who_until_when_and_the_proof() -> None:
    query = parse_qs(signed_query("IS KEY&x", "secret", PATH, EXPIRES), strict_parsing=True)
    assert query == {
        "access_key": ["IS KEY&x"],
        "expires": [str(EXPIRES)],
        "signature": [sign("secret", PATH, EXPIRES)],
    }
