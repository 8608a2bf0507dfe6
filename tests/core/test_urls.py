"""Delivery URLs: every key has a path that is read back as that key, and signatures that do not bend."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagestore.core.errors import (
    InvalidKey,
    InvalidTransformation,
    RouteNotFound,
    SignatureExpired,
    SignatureInvalid,
)
from imagestore.core.image import check_key
from imagestore.core.transformation.parsing import parse
from imagestore.core.urls import (
    DeliveryRequest,
    check_signature,
    delivery_path,
    find_stray_parameter,
    is_signed,
    parse_delivery,
    sign,
    sign_delivery,
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
    st.sampled_from(["w_100", "c_fill,w_5", "$a_1", "if_end", "w_100,x", "a_folder", "l_text:Arial_20:x"]),
)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join).filter(is_key)
VERSIONS = st.one_of(st.none(), st.integers(1, 10**15 - 1))
TRANSFORMATIONS = st.sampled_from(
    ["", "w_100", "c_fill,w_5/e_sepia", "l_text:Arial_20:50%25 of%2C é?#/fl_layer_apply", "$a_!x y!,w_5"]
)
SIGNATURES = st.sampled_from(["", "abcdefgh", "-_" * 16])


@given(KEYS, VERSIONS, TRANSFORMATIONS, SIGNATURES)
@example("w_100", None, "", "")
@example("w_100/a", None, "", "")
@example("w_100/a", None, "w_5", "abcdefgh")
@example("w_100/", None, "w_5", "")
@example("v1", None, "", "abcdefgh")
@example("a", 7, "", "abcdefgh")
def test_all_that_a_path_says_is_read_back(
    key: str, version: int | None, transformation: str, signature: str
) -> None:
    path = delivery_path("pictures", key, version, transformation=transformation, signature=signature)
    assert path.isascii()
    assert not set(path) & set(' ?#"<>\\^`{|}')
    found = parse_delivery("pictures", unquote(path.removeprefix(FRONT)))
    assert (found.key, found.transformation) == (key, parse(transformation))
    assert found.signature == (signature or None)
    assert found.version == version or (version is None and found.version == 1)


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


@pytest.mark.parametrize(
    ("rest", "transformation", "version", "key"),
    [
        ("w_100/a.jpg", "w_100", None, "a.jpg"),
        ("w_100/v12/a.jpg", "w_100", 12, "a.jpg"),
        ("c_fill,w_5/e_sepia/a/b", "c_fill,w_5/e_sepia", None, "a/b"),
        ("w_100,folder/a", "", None, "w_100,folder/a"),
        ("my_folder/w_100/a", "", None, "my_folder/w_100/a"),
        ("w_100/folder/h_100/a", "w_100", None, "folder/h_100/a"),
        ("v1/w_100/a", "", 1, "w_100/a"),
        ("w_100", "", None, "w_100"),
        ("w_100/", "", None, "w_100/"),
        ("w_100/h_5", "w_100", None, "h_5"),
        ("w_100/v1", "w_100", None, "v1"),
        ("if_w_gt_5/w_5/if_end/a", "if_w_gt_5/w_5/if_end", None, "a"),
        ("$a_5/w_$a/a", "$a_5/w_$a", None, "a"),
        ("l_text:Arial_20:a%2Cb%2Fc/a", "l_text:Arial_20:a%2Cb%2Fc", None, "a"),
        ("W_100/a", "", None, "W_100/a"),
    ],
)
def test_where_the_key_begins(rest: str, transformation: str, version: int | None, key: str) -> None:
    found = parse_delivery("pictures", rest)
    assert (found.transformation, found.version, found.key) == (parse(transformation), version, key)
    assert found.signature is None


def test_a_folder_that_reads_as_a_component_is_told_from_one() -> None:
    with pytest.raises(InvalidTransformation, match="put v1/ before it"):
        parse_delivery("pictures", "a_folder/x.jpg")
    assert delivery_path("pictures", "a_folder/x.jpg") == FRONT + "v1/a_folder/x.jpg"
    with pytest.raises(InvalidTransformation) as raised:
        parse_delivery("pictures", "w_many,h_5/x.jpg")
    assert "v1/" not in raised.value.message


@pytest.mark.parametrize(
    ("key", "stray"),
    [
        ("cs_srgb/a.jpg", "cs_srgb"),
        ("w_5,cs_srgb/a.jpg", "cs_srgb"),
        ("$a/a.jpg", "$a"),
        ("cs_srgb", None),
        ("cs_srgb,x/a.jpg", None),
        ("holidays/a.jpg", None),
        ("my_folder/a.jpg", "my_folder"),
        ("long_name/a.jpg", None),
        ("w_5/a.jpg", None),
    ],
)
def test_what_may_have_been_meant_as_a_parameter(key: str, stray: str | None) -> None:
    assert find_stray_parameter(key) == stray


@pytest.mark.parametrize(
    ("key", "extension"),
    [
        ("a.jpg", "jpg"),
        ("a.tar.GZ", "gz"),
        ("a", ""),
        (".jpg", ""),
        ("a.b/c", ""),
        ("a.", ""),
        ("a.j pg", ""),
        ("a.jpg/", ""),
        ("a.verylongextension", ""),
    ],
)
def test_the_extension_of_a_key(key: str, extension: str) -> None:
    assert DeliveryRequest("pictures", key).extension == extension


SDK_URLS = [
    # secret, path as it is sent: made with cloudinary 1.46.3 of PyPI
    ("b", "s--Ai4Znfl3--/c_crop,h_20,w_10/image.jpg"),
    (
        "b",
        "s--tFmIF4nw--/l_text:Arial_20:Hi%252C%20%24%28n%29%20100%25%252Fx/v12/a%20b/%C3%A9.jpg.png",
    ),
    (
        "x",  # the SDK leaves the font's blank as it is, and a client makes %20 of it
        "s--ks2VtkXu--/l_text:Open%20Sans_20:50%25%20of%252C%20%C3%A9%252F%C3%BC%21/v1/people/ada",
    ),
    ("b", "s--GaUm4GQvyQPdszHTcXd8MzNGBTA7duTF--/w_5/v1/a%20b/%C3%A9.jpg"),
    ("b", "s--imGwGFPS--/c_scale,w_5/a"),
]


@pytest.mark.parametrize(("secret", "sent"), SDK_URLS)
def test_a_signature_made_by_the_sdk_holds(secret: str, sent: str) -> None:
    found = parse_delivery("pictures", unquote(sent), sent)
    assert is_signed(found, secret)
    assert not is_signed(found, secret + "x")


@pytest.mark.parametrize(
    ("sent", "altered"),
    [
        (SDK_URLS[0][1], SDK_URLS[0][1].replace("w_10", "w_11")),
        (SDK_URLS[0][1], SDK_URLS[0][1].replace("image", "other")),
        (SDK_URLS[0][1], SDK_URLS[0][1].replace("/c_crop,h_20,w_10", "")),
        (SDK_URLS[0][1], SDK_URLS[0][1].replace("Ai4Znfl3", "Ai4Znfl4")),
        (SDK_URLS[0][1], SDK_URLS[0][1].replace("Ai4Znfl3", "Ai4Znfl3A")),
        (SDK_URLS[3][1], SDK_URLS[3][1].replace("GaUm4GQvyQPdszHTcXd8MzNGBTA7duTF", "GaUm4GQv")),
    ],
)
def test_an_altered_delivery_url_is_not_signed(sent: str, altered: str) -> None:
    assert sent != altered
    found = parse_delivery("pictures", unquote(altered), altered)
    short_of_a_long_one = "GaUm4GQv--" in altered  # eight characters of SHA-256 are a signature too
    assert is_signed(found, "b") is short_of_a_long_one


@given(KEYS | st.text("%25Ca,", min_size=1).filter(is_key), TRANSFORMATIONS)
@example("a%2Cb", "l_text:Arial_20:a%2Cb,w_5")
@example("a,b", "l_a%2Cb")
def test_whatever_may_have_been_signed_is_what_the_url_asks_for(key: str, transformation: str) -> None:
    path = delivery_path("pictures", key, transformation=transformation, signature="abcdefgh")
    sent = path.removeprefix(FRONT)
    found = parse_delivery("pictures", unquote(sent), sent)
    assert found.signed
    asked = "/".join(filter(None, [transformation, key]))
    assert {unquote(text) for text in found.signed} == {asked}


@given(KEYS, VERSIONS, TRANSFORMATIONS)
def test_a_signature_of_ours_holds(key: str, version: int | None, transformation: str) -> None:
    signature = sign_delivery("secret", transformation, key)
    path = delivery_path("pictures", key, version, transformation=transformation, signature=signature)
    sent = path.removeprefix(FRONT)
    assert is_signed(parse_delivery("pictures", unquote(sent), sent), "secret")
    assert is_signed(parse_delivery("pictures", unquote(sent)), "secret")
    assert not is_signed(parse_delivery("pictures", unquote(sent), sent), "other")


def test_what_was_sent_signs_nothing_else_than_what_is_asked() -> None:
    asked = f"s--{sign_delivery('secret', 'w_5', 'a.jpg')}--/w_700/a.jpg"
    sent = f"Z/w_5/y://h/pictures/image/upload/{asked}"
    assert not is_signed(parse_delivery("pictures", asked, sent), "secret")
    assert not is_signed(parse_delivery("pictures", asked, asked), "secret")


def test_without_a_signature_a_url_is_not_signed() -> None:
    assert not is_signed(parse_delivery("pictures", "w_5/a"), "")


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
