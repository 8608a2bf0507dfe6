"""Formats are told by their bytes, and what is refused is named."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagestore.core.errors import UnsupportedFormat
from imagestore.core.transformation.model import Output
from imagestore.imaging import formats
from tests import pictures

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_each_format_is_told_by_its_bytes(name: str) -> None:
    assert formats.sniff(pictures.picture(name)[:512]).name == name


def test_the_test_pictures_cover_the_whole_table() -> None:
    assert {each.name for each in formats.FORMATS} == set(pictures.FORMATS)


def test_an_animated_avif_is_an_avif() -> None:
    assert formats.sniff(pictures.avif(frames=2)[:512]) is formats.AVIF


def _iso(*brands: bytes) -> bytes:
    body = b"ftyp" + brands[0] + bytes(4) + b"".join(brands[1:])
    return struct.pack(">I", len(body) + 4) + body + bytes(64)


def test_avif_and_heic_are_told_apart_by_any_of_their_brands() -> None:
    assert formats.sniff(_iso(b"mif1", b"miaf", b"avif")) is formats.AVIF
    for brands in ((b"heic", b"mif1"), (b"mif1", b"heic"), (b"mif1",)):
        with pytest.raises(UnsupportedFormat, match="HEIC"):
            formats.sniff(_iso(*brands))


def test_a_brand_behind_the_file_type_box_does_not_count() -> None:
    with pytest.raises(UnsupportedFormat, match="video"):
        formats.sniff(_iso(b"isom", b"mp42") + b"avif" * 20)


@pytest.mark.parametrize(
    ("head", "likeness"),
    [
        (b"", "is empty"),
        (pictures.svg(), "SVG"),
        (b"\xef\xbb\xbf <svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (pictures.html(), "HTML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"%!PS-Adobe-3.0", "PostScript"),
        (b"8BPS\0\1", "Photoshop"),
        (b"PK\x03\x04", "ZIP"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"\xff\x0a\0", "JPEG XL"),
        (b"II+\0", "BigTIFF"),
        (_iso(b"qt  "), "video"),
        (b"\x1aE\xdf\xa3", "video"),
        (b"RIFF\0\0\0\0WAVE", "WAV"),
        ("Ein schöner Text, mit Umlauten.\n".encode(), "text"),
        (b"BM is how this letter begins", "text"),
        (bytes(range(256)), "no format that is known"),
    ],
)
def test_what_is_refused_is_named_with_what_is_accepted(head: bytes, likeness: str) -> None:
    with pytest.raises(UnsupportedFormat, match=likeness) as caught:
        formats.sniff(head)
    assert "JPEG, PNG, GIF, WebP, AVIF, TIFF and BMP" in caught.value.message


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_no_head_however_short_is_more_than_refused(name: str) -> None:
    data = pictures.picture(name)
    for length in range(40):
        try:
            found = formats.sniff(data[:length])
        except UnsupportedFormat:
            continue
        assert found.name == name


def test_extensions_and_media_types() -> None:
    assert formats.by_extension("JPG") is formats.JPEG
    assert formats.by_extension(".tif") is formats.TIFF
    assert formats.by_extension("svg") is None
    assert formats.media_type("webp") == "image/webp"
    with pytest.raises(UnsupportedFormat, match="heic"):
        formats.by_name("heic")


CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
SAFARI = "image/webp,image/avif,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
FIREFOX_65 = "image/webp,*/*"
OLD = "image/png,image/*;q=0.8,*/*;q=0.5"


@pytest.mark.parametrize(
    ("accept", "opaque", "transparent", "moving"),
    [
        (CHROME, "avif", "avif", "webp"),
        (SAFARI, "avif", "avif", "webp"),
        (FIREFOX_65, "webp", "webp", "webp"),
        ("", "jpeg", "png", "gif"),
        ("*/*", "jpeg", "png", "gif"),
        ("image/*", "jpeg", "png", "gif"),
        ("IMAGE/AVIF", "avif", "avif", "gif"),
        ("image/avif;q=0, image/webp, */*", "webp", "webp", "webp"),
        ("image/avif; q=0.000, */*", "jpeg", "png", "gif"),
        ("image/avif;q=0.5, image/webp;q=0.9, */*;q=0.1", "webp", "webp", "webp"),
        # What a client weighs lighter than the rest is not what it is sent.
        ("image/webp;q=0.2, image/jpeg, image/png, image/gif", "jpeg", "png", "gif"),
        ("image/webp;q=0.8, */*;q=0.8", "webp", "webp", "webp"),
        # The most specific range decides, wherever it stands.
        ("*/*, image/jpeg;q=0", "png", "png", "gif"),
        ("image/*;q=0, */*", "jpeg", "png", "gif"),
        ("image/png", "png", "png", "gif"),
        ("text/html", "jpeg", "png", "gif"),
        ('image/avif;profile="a,b;c";q=0.9, */*;q=0.1', "avif", "avif", "gif"),
        ("image/avif;q=2, */*", "jpeg", "png", "gif"),
        ("image/avif;q=nan, */*;q=0.1", "jpeg", "png", "gif"),
        ("image/avif;q=, ;;,,/,", "jpeg", "png", "gif"),
        ("image/avifx, ximage/webp", "jpeg", "png", "gif"),
        ("image/avif ; q = 0.7 , image/webp ;q=0.6", "avif", "avif", "webp"),
        (OLD, "jpeg", "png", "gif"),
        ("image/webp;q=0.5;q=0, */*;q=0.1", "jpeg", "png", "gif"),
    ],
)
def test_a_client_is_sent_the_best_of_what_it_names(
    accept: str, opaque: str, transparent: str, moving: str
) -> None:
    def answer(**situation: bool) -> str:
        chosen = {"has_alpha": False, "animated": False, **situation}
        return formats.negotiate(accept, original="jpeg", **chosen).name

    assert answer() == opaque
    assert answer(has_alpha=True) == transparent
    assert answer(animated=True) == moving


def test_the_original_decides_between_the_last_resorts() -> None:
    def answer(accept: str, original: str, animated: bool) -> str:
        return formats.negotiate(accept, has_alpha=False, animated=animated, original=original).name

    assert answer("*/*", "gif", False) == "png"
    assert answer("image/jpeg", "gif", False) == "jpeg"
    assert answer("image/apng,*/*", "png", True) == "png"
    assert answer("image/apng,*/*", "gif", True) == "gif"
    assert answer("image/png,*/*", "png", True) == "gif"


def test_what_avif_cannot_hold_is_sent_as_the_next_best() -> None:
    def answer(accept: str, pixels: int) -> str:
        return formats.negotiate(accept, has_alpha=False, animated=False, original="jpeg", pixels=pixels).name

    assert answer(CHROME, formats.AVIF_PIXELS) == "avif"
    assert answer(CHROME, formats.AVIF_PIXELS + 1) == "webp"
    assert answer("image/avif,*/*", formats.AVIF_PIXELS + 1) == "jpeg"


def test_transparency_is_preserved_as_png_where_that_is_asked() -> None:
    flags = frozenset({"preserve_transparency"})

    def answer(has_alpha: bool) -> str:
        chosen = formats.negotiate(CHROME, has_alpha=has_alpha, animated=False, original="png", flags=flags)
        return chosen.name

    assert answer(True) == "png"
    assert answer(False) == "avif"


ACCEPTS = st.lists(
    st.tuples(
        st.sampled_from(
            [*(f"image/{name}" for name in ("avif", "webp", "jpeg", "png", "gif", "apng", "*")), "*/*"]
        ),
        st.sampled_from(["", ";q=0", ";q=0.3", ";q=0.7", ";q=1"]),
    ),
    max_size=5,
).map(lambda parts: ",".join(name + weight for name, weight in parts))


@given(
    accepts=st.tuples(ACCEPTS, ACCEPTS),
    has_alpha=st.booleans(),
    animated=st.booleans(),
    original=st.sampled_from(pictures.FORMATS),
    pixels=st.sampled_from([0, 10**6, formats.AVIF_PIXELS, 5 * 10**7]),
)
def test_headers_of_one_class_get_the_same_answer(
    accepts: tuple[str, str], has_alpha: bool, animated: bool, original: str, pixels: int
) -> None:
    first, second = (
        formats.negotiate(each, has_alpha=has_alpha, animated=animated, original=original, pixels=pixels)
        for each in accepts
    )
    if formats.accept_class(accepts[0]) == formats.accept_class(accepts[1]):
        assert first == second


def test_browsers_that_take_the_same_are_of_one_class() -> None:
    assert formats.accept_class(FIREFOX_65) == formats.accept_class("image/webp,image/png,*/*;q=0.9")
    assert formats.accept_class("*/*") == formats.accept_class("") == formats.accept_class(OLD)
    assert len({formats.accept_class(each) for each in (CHROME, FIREFOX_65, OLD)}) == 3


@given(st.text(max_size=200))
def test_no_header_is_too_broken_to_be_answered(accept: str) -> None:
    assert formats.accept_class(accept)


@pytest.mark.parametrize(
    ("target", "asked", "flags", "page", "expected"),
    [
        ("gif", "gif", set(), None, True),
        ("gif", "gif", set(), 2, False),
        ("webp", "webp", set(), None, False),
        ("webp", "webp", {"awebp"}, None, True),
        ("webp", "webp", {"animated"}, None, True),
        ("webp", "auto", set(), None, True),
        ("webp", "webp", {"apng"}, None, False),
        ("png", "png", {"apng"}, None, True),
        ("avif", "avif", {"animated"}, None, True),
        ("jpeg", "auto", set(), None, False),
        ("tiff", "tiff", {"animated"}, None, False),
    ],
)
def test_what_still_moves_in_another_format(
    target: str, asked: str, flags: set[str], page: int | None, expected: bool
) -> None:
    output = Output(format=asked, flags=frozenset(flags), page=page)
    assert formats.animates(formats.by_name(target), output, formats.GIF) is expected


def test_what_moves_keeps_moving_in_its_own_format() -> None:
    for format in (formats.GIF, formats.WEBP, formats.PNG, formats.AVIF):
        assert formats.animates(format, Output(), format)
