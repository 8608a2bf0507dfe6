"""Formats are told by their bytes, and what is refused is named."""

from __future__ import annotations

import struct

import pytest

from imagestore.core.errors import UnsupportedFormat
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
