"""The structure of a file is checked against every limit before it is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from imagestore.core.errors import CorruptImage, ImageLimitExceeded
from imagestore.imaging import formats, probe
from imagestore.imaging.limits import Limits, Outline, Tally
from tests import pictures

pytestmark = pytest.mark.quick


def check(data: bytes, **limits: int) -> Outline:
    return probe.check(data, formats.sniff(data), Limits(**limits))


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_the_outline_is_what_the_header_says(name: str) -> None:
    assert replace(check(pictures.picture(name, 70, 50)), scan=None) == Outline(70, 50, 1)


@pytest.mark.parametrize("name", ["png", "gif", "webp", "avif", "tiff"])
def test_frames_are_counted(name: str) -> None:
    assert check(pictures.picture(name, 32, 24, frames=5)) == Outline(32, 24, 5)


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_too_many_pixels(name: str) -> None:
    with pytest.raises(ImageLimitExceeded, match=r"256000000 pixels.* 50000000 "):
        check(pictures.bomb_pixels(name))


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_the_limits_themselves_are_allowed_and_one_less_is_not(name: str) -> None:
    data = pictures.picture(name, 40, 30)
    check(data, pixels=1200, side=40)
    with pytest.raises(ImageLimitExceeded, match=r"1200 pixels.* 1199 "):
        check(data, pixels=1199)
    with pytest.raises(ImageLimitExceeded, match=r"40 pixels on one side.* 39 "):
        check(data, side=39)


@pytest.mark.parametrize("name", ["png", "gif", "webp", "avif", "tiff"])
def test_pixels_are_summed_over_frames(name: str) -> None:
    data = pictures.picture(name, 32, 24, frames=4)
    check(data, pixels=32 * 24 * 4, frames=4)
    with pytest.raises(ImageLimitExceeded, match="pixels over all"):
        check(data, pixels=32 * 24 * 4 - 1)
    with pytest.raises(ImageLimitExceeded, match=r"4 frames.* 3 "):
        check(data, frames=3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (pictures.many_scans_jpeg, "101 scans.* 100 "),
        (pictures.thin_png, "1000000 pixels on one side.* 16384 "),
        (pictures.text_chunks_png, "1001 blocks of metadata.* 1000 "),
        (pictures.many_frames_gif, "501 frames.* 500 "),
        (pictures.bomb_frames_gif, "pixels over all its frames.* 50000000 "),
        (lambda: pictures.jpeg()[:-2] + b"\xff\xfe\0\2" * 600_000 + b"\xff\xd9", "metadata"),
        (lambda: pictures.gif()[:-1] + bytes(600_000) + b";", "500001 blocks"),
        (lambda: pictures.png(icc_profile=pictures.canvas(700, 700, noise=True).tobytes()), "ICC profile"),
        (lambda: _png_with(b"eXIf", bytes(65_537)), "65537 bytes of EXIF.* 65536 "),
        (lambda: _png_with(b"iTXt", b"XML:com.adobe.xmp" + bytes(262_144)), "bytes of XMP.* 262144 "),
        (lambda: _png_with(b"tEXt", b"a\0" + bytes(1 << 20)), "bytes of text.* 1048576 "),
        (lambda: pictures.webp(xmp=bytes(262_145)), "262145 bytes of XMP.* 262144 "),
    ],
)  # fmt: skip
def test_every_other_limit_is_named_with_its_number(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(ImageLimitExceeded, match=message):
        check(make())


def _png_with(kind: bytes, body: bytes) -> bytes:
    """A PNG with that chunk right behind its header, which is 33 bytes long."""
    data = pictures.png()
    return data[:33] + pictures.png_chunk(kind, body) + data[33:]


def _jpeg_without_last_scan() -> bytes:
    data = pictures.jpeg(progressive=True)
    return data[: data.rindex(b"\xff\xda")] + b"\xff\xd9"


def _jpeg_with_two_frames() -> bytes:
    data = pictures.jpeg()
    start = data.index(b"\xff\xc0")
    (length,) = struct.unpack_from(">H", data, start + 2)
    return data[:start] + data[start : start + 2 + length] * 2 + data[start + 2 + length :]


def _png_with_damaged_byte() -> bytes:
    data = bytearray(pictures.png())
    data[len(data) // 2] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_jpeg_without_last_scan(), "lacks some of its scans"),
        (_jpeg_with_two_frames(), "more than one frame header"),
        (b"\xff\xd8\xff\xd9", "no picture"),
        (b"\xff\xd8\xff\xe0\0", "before"),
        (_png_with_damaged_byte(), "damaged"),
        (pictures.html_with_png_head(), "does not begin with its header"),
        (pictures.looping_tiff(), "circle"),
        (b"II*\0" + bytes(28), "no page"),
        (b"GIF89a" + bytes(7) + b";", "0 frames"),
        (b"GIF89a\1\0\1\0\0\0\0?", "no known kind"),
        (b"RIFF\x04\0\0\0WEBP" + bytes(32), "no picture"),
        (b"\0\0\0\x10ftypavif" + bytes(4), "no picture"),
        (b"\0\0\0\x10ftypavif" + bytes(4) + b"\0\0\0\x0cmeta" + bytes(4), "0 × 0 pixels"),
    ],
)
def test_broken_structure(data: bytes, message: str) -> None:
    with pytest.raises(CorruptImage, match=message):
        check(data)


@pytest.mark.parametrize("name", ["jpeg", "png", "gif", "webp", "tiff", "bmp"])
def test_a_file_cut_anywhere_is_not_whole(name: str) -> None:
    data = pictures.picture(name, 24, 18)
    for length in range(32, len(data)):
        with pytest.raises(CorruptImage):
            check(data[:length])


@pytest.mark.parametrize("name", ["png", "gif", "webp"])
def test_an_animation_cut_anywhere_is_not_whole(name: str) -> None:
    data = pictures.picture(name, 12, 9, frames=3)
    for length in range(32, len(data), 3):
        with pytest.raises(CorruptImage):
            check(data[:length])


def test_bytes_behind_the_picture_do_no_harm() -> None:
    for name in pictures.FORMATS:
        if name != "avif":  # there they would be a box
            outline = check(pictures.picture(name, 20, 10) + b"\0trailing")
            assert replace(outline, scan=None) == Outline(20, 10, 1)


def test_a_frame_beyond_the_screen_counts_as_large_as_it_is() -> None:
    data = bytearray(pictures.gif(10, 10))
    struct.pack_into("<HH", data, data.index(b"\x2c\0\0\0\0") + 1, 9_000, 9_000)
    with pytest.raises(ImageLimitExceeded, match="pixels"):
        check(bytes(data))


def test_values_of_a_tiff_that_share_bytes_are_refused() -> None:
    entries = b"".join(struct.pack("<HHII", 40_000 + tag, 7, 2000, 8) for tag in range(100))
    data = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 100) + entries + bytes(4) + bytes(2000)
    with pytest.raises(CorruptImage, match="values"):
        check(data)


def test_a_tally_stops_at_the_first_number_over_a_limit() -> None:
    tally = Tally(Limits(scans=2))
    tally.add("scans", 2)
    with pytest.raises(ImageLimitExceeded, match="3 scans"):
        tally.add("scans")
