"""The facts that a decode notes, and what it makes of damage that only a decoder sees."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imagestore.core.errors import CorruptImage, DecodeTimeout, ImageLimitExceeded
from imagestore.core.image import Facts
from imagestore.imaging import formats, sandbox
from imagestore.imaging.engine import verification
from imagestore.imaging.limits import Limits, Outline
from tests import pictures

pytestmark = pytest.mark.quick

WITH_EXIF = ["jpeg", "png", "webp", "avif", "tiff"]


def verify(data: bytes, **limits: int) -> Facts:
    return sandbox.verify(data, formats.sniff(data), Limits(**limits))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", WITH_EXIF)
def test_sides_are_noted_as_a_viewer_sees_them(name: str, orientation: int) -> None:
    facts = verify(pictures.picture(name, 60, 40, orientation=orientation))
    assert facts.orientation == orientation
    assert (facts.width, facts.height) == ((60, 40) if orientation < 5 else (40, 60))


@pytest.mark.parametrize("name", WITH_EXIF)
def test_a_position_in_exif_is_noted(name: str) -> None:
    assert verify(pictures.picture(name, gps=True)).has_gps
    assert not verify(pictures.picture(name, orientation=3)).has_gps


def test_a_position_in_xmp_is_noted() -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><exif:GPSLatitude>52,31N</exif:GPSLatitude></x:xmpmeta>'
    assert verify(pictures.webp(xmp=packet)).has_gps
    assert verify(pictures.jpeg(xmp=packet)).has_gps


@pytest.mark.parametrize("block", [b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"Exif\0\0nonsense", b"Exif\0\0"])
def test_broken_exif_spoils_no_picture(block: bytes) -> None:
    assert verify(pictures.jpeg(exif=block)).orientation == 1


def test_exif_that_cannot_be_read_at_all_may_hold_a_position(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Image.Image) -> None:
        raise ValueError("odd")

    data = pictures.jpeg(orientation=6)
    monkeypatch.setattr(Image.Image, "getexif", fail)
    facts = verify(data)
    assert (facts.orientation, facts.has_gps) == (1, True)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_orientation_that_means_nothing_is_none(orientation: int) -> None:
    facts = verify(pictures.jpeg(60, 40, orientation=orientation))
    assert (facts.orientation, facts.width) == (1, 60)


@pytest.mark.parametrize("name", ["png", "webp", "avif", "tiff"])
def test_transparency_is_noted(name: str) -> None:
    assert verify(pictures.picture(name, alpha=True)).has_alpha
    assert not verify(pictures.picture(name)).has_alpha


def test_a_transparent_colour_is_transparency() -> None:
    assert verify(pictures.gif(transparency=0)).has_alpha
    assert verify(pictures.png(mode="P", transparency=0)).has_alpha


@pytest.mark.parametrize("name", ["png", "gif", "webp", "avif", "tiff"])
def test_frames_are_noted(name: str) -> None:
    assert verify(pictures.picture(name, frames=4)).frames == 4


def test_a_jpeg_that_carries_others_is_one_picture() -> None:
    written = io.BytesIO()
    others = [pictures.canvas(40, 30, seed=1)]
    pictures.canvas(40, 30).save(written, "MPO", save_all=True, append_images=others)
    facts = verify(written.getvalue())
    assert (facts.format, facts.frames, facts.width) == ("jpeg", 1, 40)


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "tiff_lzw"},
        {"compression": "tiff_adobe_deflate"},
        {"compression": "jpeg"},
        {"compression": "packbits"},
        {"compression": "group4", "mode": "1"},
        {"mode": "CMYK"},
    ],
)
def test_kinds_of_tiff(options: dict[str, str]) -> None:
    assert verify(pictures.tiff(50, 30, **options)).width == 50  # type: ignore[arg-type]


def test_a_promised_frame_that_is_missing() -> None:
    whole = pictures.png(16, 12, frames=3)
    at = whole.index(b"acTL")
    body = (9).to_bytes(4, "big") + whole[at + 8 : at + 12]
    more = whole[: at - 4] + pictures.png_chunk(b"acTL", body) + whole[at + 16 :]
    with pytest.raises(CorruptImage):
        verify(more)


def test_a_picture_without_its_pixels() -> None:
    with pytest.raises(CorruptImage, match="cannot be decoded"):
        verify(pictures.png(16, 16)[:33] + pictures.png_chunk(b"IEND", b""))


def test_text_that_inflates_without_end() -> None:
    with pytest.raises(CorruptImage):
        verify(pictures.inflating_text_png())


def test_a_profile_that_inflates_over_its_limit() -> None:
    data = pictures.png(icc_profile=bytes(100_000))
    verify(data, icc=100_000)
    with pytest.raises(ImageLimitExceeded, match="icc_profile has 100000 bytes"):
        verify(data, icc=99_999)


def test_a_decoder_that_sees_more_than_the_structure_is_not_trusted() -> None:
    data = pictures.gif(40, 30, frames=2)
    for outline in (Outline(40, 29, 2), Outline(40, 30, 1)):
        with pytest.raises(CorruptImage, match="where its structure says"):
            verification.verify(io.BytesIO(data), len(data), formats.GIF, outline, Limits())


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (MemoryError(), DecodeTimeout),
        (Image.DecompressionBombError("large"), ImageLimitExceeded),
        (Image.DecompressionBombWarning("large"), ImageLimitExceeded),
        (RuntimeError("odd"), CorruptImage),
        (SyntaxError("odd"), CorruptImage),
        (NotImplementedError("odd"), CorruptImage),
    ],
)
def test_whatever_a_decode_raises_becomes_a_rejection(
    raised: Exception, expected: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Image.Image) -> None:
        raise raised

    data = pictures.png()
    monkeypatch.setattr(verification.PngImagePlugin.PngImageFile, "load", fail, raising=False)
    with pytest.raises(expected):
        verify(data)


def test_a_jpeg_of_many_pixels_takes_little_memory() -> None:
    data = pictures.jpeg(4000, 3000)
    with Image.open(io.BytesIO(data)) as picture:
        picture.draft("L", (1, 1))
        assert picture.size == (500, 375)
    assert verify(data).width == 4000
