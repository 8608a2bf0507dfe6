"""Decoding: upright, sRGB, 8 bits, and as near to a full decode as eyes can tell."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from imagestore.core.errors import CorruptImage, InvalidTransformation
from imagestore.imaging.engine.loading import MARGIN, Negative, expose
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.formats import by_name, sniff
from imagestore.imaging.geometry import Box, View
from tests import pictures, profiles
from tests.bench.quality import psnr

pytestmark = pytest.mark.quick

COLOR = (200, 100, 50)


def negative(data: bytes, **options: Any) -> Negative:
    return expose(data, sniff(data), **options)


def developed(data: bytes, view: View | None = None, **options: Any) -> Picture:
    source = negative(data, **options)
    return source.develop(view or View.whole(source.width, source.height))


def written(image: Image.Image, name: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def quarters(width: int = 80, height: int = 48) -> Image.Image:
    """Red, green, blue and white in the corners, from the top left clockwise."""
    drawn = Image.new("RGB", (2, 2))
    drawn.putdata([(255, 0, 0), (0, 255, 0), (255, 255, 255), (0, 0, 255)])
    return drawn.resize((width, height), Image.Resampling.NEAREST)


TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is stored under each orientation: turned the other way."""


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int, name: str) -> None:
    upright = quarters()
    stored = upright.transpose(TURNED[orientation]) if orientation > 1 else upright
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}, "AVIF": {"quality": 95}}
    data = written(stored, name, exif=pictures.exif(orientation), **options.get(name, {}))
    picture = developed(data)
    assert picture.frames[0].size == upright.size
    assert psnr(picture.frames[0], upright) > 25
    # A part, at another size: the box is turned with the picture.
    part = developed(data, View(Box(40, 0, 40, 24), (20, 12))).frames[0]
    assert np.asarray(part)[2:-2, 2:-2].mean(axis=(0, 1)) == pytest.approx((0, 255, 0), abs=12)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_can_be_had_as_it_is_stored(orientation: int) -> None:
    source = negative(pictures.jpeg(60, 40, orientation=orientation)).as_stored()
    picture = source.develop(View.whole(source.width, source.height))
    assert (picture.width, picture.height) == (60, 40)


@pytest.mark.parametrize("late", [False, True])
def test_exif_of_a_png_counts_before_and_behind_its_pixels(late: bool) -> None:
    data = pictures.png(60, 40)
    at = data.index(b"IDAT") - 4 if not late else data.index(b"IEND") - 4
    data = data[:at] + pictures.png_chunk(b"eXIf", pictures.exif(6)) + data[at:]
    picture = developed(data)
    assert (picture.width, picture.height) == (40, 60)


@pytest.mark.parametrize("space", ["display-p3", "adobe-rgb", "srgb-like"])
@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("color", [COLOR, (30, 160, 90), (128, 128, 128), (10, 20, 220), (255, 255, 255)])
def test_a_profile_is_taken_to_srgb(space: str, name: str, color: tuple[int, int, int]) -> None:
    options = {
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 100, "subsampling": 0},
        "AVIF": {"quality": 100},
    }
    image = Image.new("RGB", (16, 16), color)
    data = written(image, name, icc_profile=profiles.rgb(space), **options.get(name, {}))
    seen = developed(data).frames[0].getpixel((8, 8))
    assert seen == pytest.approx(profiles.to_srgb(space, color), abs=3)


def test_a_profile_counts_under_alpha_too() -> None:
    image = Image.new("RGBA", (16, 16), (*COLOR, 90))
    frame = developed(written(image, "PNG", icc_profile=profiles.rgb("display-p3"))).frames[0]
    assert frame.getpixel((8, 8)) == pytest.approx((*profiles.to_srgb("display-p3", COLOR), 90), abs=2)


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_greys_have_profiles_too(mode: str) -> None:
    image = Image.new(mode, (16, 16), 100 if mode == "L" else (100, 50))  # type: ignore[arg-type]
    frame = developed(written(image, "PNG", icc_profile=profiles.grey(1.0))).frames[0]
    linear = 100 / 255
    value = round(255 * (1.055 * linear ** (1 / 2.4) - 0.055))
    assert frame.getpixel((8, 8)) == pytest.approx((value,) * 3 + ((50,) if mode == "LA" else ()), abs=2)


@pytest.mark.parametrize("profile", [b"", b"nonsense", profiles.rgb("display-p3")[:200], profiles.cmyk()])
def test_a_profile_that_is_broken_or_of_another_space_says_nothing(profile: bytes) -> None:
    data = written(Image.new("RGB", (16, 16), COLOR), "PNG", icc_profile=profile or None)
    assert developed(data).frames[0].getpixel((8, 8)) == COLOR


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("inks", "color"),
    [((255, 0, 0, 0), (0, 255, 255)), ((0, 0, 0, 128), (127, 127, 127)), ((0, 0, 0, 0), (255,) * 3)],
)
def test_cmyk_without_a_profile_is_what_the_inks_leave_of_white(name: str, inks: Any, color: Any) -> None:
    data = written(Image.new("CMYK", (16, 16), inks), name, **({"quality": 100} if name == "JPEG" else {}))
    assert developed(data).frames[0].getpixel((8, 8)) == pytest.approx(color, abs=2)


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
@pytest.mark.parametrize("ink", profiles.INKS)
def test_cmyk_with_a_profile_is_what_that_says_of_each_ink(name: str, ink: str) -> None:
    inks = tuple(255 if each == ink else 0 for each in profiles.INKS)
    options = {"quality": 100} if name == "JPEG" else {}
    data = written(Image.new("CMYK", (16, 16), inks), name, icc_profile=profiles.cmyk(), **options)
    seen, expected = developed(data).frames[0].getpixel((8, 8)), profiles.lab_to_srgb(profiles.INKS[ink])
    if ink == "k":
        expected = (0, 0, 0)  # the black point is compensated
        assert seen == pytest.approx(expected, abs=40)
    else:
        assert seen == pytest.approx(expected, abs=12)


def test_inverted_cmyk_of_photoshop_is_told_by_its_adobe_marker() -> None:
    # Pillow writes inverted inks with Adobe's marker; without it the same bytes are taken as they are.
    data = written(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100)
    assert b"Adobe" in data[:200]
    plain = data.replace(b"Adobe", b"adobe")
    assert developed(data).frames[0].getpixel((8, 8)) == pytest.approx((0, 255, 255), abs=2)
    assert developed(plain).frames[0].getpixel((8, 8)) == pytest.approx((0, 0, 0), abs=2)


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
@pytest.mark.parametrize("value", [0, 128, 200, 255])
def test_sixteen_bits_of_grey_are_eight(name: str, value: int) -> None:
    grey = Image.fromarray(np.full((16, 16), value * 257, np.uint16))
    assert developed(written(grey, name)).frames[0].getpixel((8, 8)) == (value,) * 3


def test_sixteen_bits_of_each_colour_are_eight() -> None:
    row = b"\0" + bytes([200, 10, 100, 20, 50, 30]) * 8
    data = pictures.PNG_SIGNATURE + pictures._header_chunk(8, 8, depth=16, colour=2)
    data += pictures._png_end(zlib.compress(row * 8))
    assert developed(data).frames[0].getpixel((4, 4)) == pytest.approx(COLOR, abs=1)


def test_a_picture_of_floats_shows_the_range_that_it_uses() -> None:
    ramp = Image.fromarray(np.linspace(-3, 5, 256, dtype=np.float32).reshape(16, 16))
    grey = np.asarray(developed(written(ramp, "TIFF")).frames[0])[..., 0]
    assert (grey.min(), grey.max()) == (0, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_opaque_mode_becomes_rgb(mode: str) -> None:
    frame = developed(written(quarters().convert(mode), "PNG")).frames[0]
    assert frame.mode == "RGB"
    assert psnr(frame, quarters().convert(mode).convert("RGB")) > 50


def test_transparent_palettes_greys_and_colours_become_rgba() -> None:
    palette = Image.new("P", (16, 16), 1)
    palette.putpalette([0, 0, 0, *COLOR, 9, 9, 9])
    for alpha in (bytes([255, 120, 255]), 1):
        frame = developed(written(palette, "PNG", transparency=alpha)).frames[0]
        assert frame.getpixel((8, 8)) == (*COLOR, 120 if isinstance(alpha, bytes) else 0)
    grey = developed(written(Image.new("LA", (16, 16), (80, 40)), "PNG")).frames[0]
    assert grey.getpixel((8, 8)) == (80, 80, 80, 40)
    keyed = developed(written(Image.new("RGB", (16, 16), COLOR), "PNG", transparency=COLOR)).frames[0]
    assert keyed.getpixel((8, 8)) == (*COLOR, 0)
    wide = Image.fromarray(np.full((16, 16), 40_000, np.uint16))
    assert developed(written(wide, "PNG", transparency=40_000)).frames[0].getpixel((8, 8))[3] == 0


def test_alpha_that_hides_nothing_is_dropped() -> None:
    assert developed(written(Image.new("RGBA", (16, 16), (*COLOR, 255)), "PNG")).frames[0].mode == "RGB"


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_edges_of_what_is_transparent_have_no_dark_fringe(mode: str) -> None:
    drawn = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    drawn.paste((255, 255, 255, 255), (0, 0, 200, 400))
    data = written(drawn if mode == "RGBA" else drawn.quantize(4), "PNG")
    for size in ((37, 37), (150, 150), (900, 900)):
        pixels = np.asarray(developed(data, View(Box(0, 0, 400, 400), size)).frames[0])
        seen = pixels[pixels[..., 3] > 8]
        assert len(np.unique(seen[:, 3])) > 2 and seen[:, :3].min() >= 250


@pytest.mark.parametrize("width", [60, 100, 150, 171, 240, 300, 333, 400, 512, 600, 800, 1100])
def test_a_scaled_decode_is_as_good_as_a_full_one(width: int) -> None:
    data = pictures.jpeg(1365, 1023, quality=92, seed=3)
    full = Image.open(io.BytesIO(data)).convert("RGB")
    size = (width, round(1023 * width / 1365))
    frame = developed(data, View(Box(0, 0, 1365, 1023), size)).frames[0]
    assert psnr(frame, full.resize(size, Image.Resampling.LANCZOS)) >= 45


@pytest.mark.parametrize(
    "box", [Box(0, 0, 700, 700), Box(333, 211, 801, 640), Box(665.5, 323.25, 699.5, 699.75)]
)
def test_a_part_is_cut_where_it_lies_to_a_fraction_of_a_pixel(box: Box) -> None:
    data = pictures.jpeg(1365, 1023, quality=92, seed=5)
    full = Image.open(io.BytesIO(data)).convert("RGB")
    size = (100, round(100 * box.height / box.width))
    edges = (box.left, box.top, box.right, box.bottom)
    target = full.resize(size, Image.Resampling.LANCZOS, edges)
    assert psnr(developed(data, View(box, size)).frames[0], target) >= 45


def test_a_reduced_copy_stands_for_the_whole_picture() -> None:
    drawn = pictures.canvas(1501, 1000, seed=7)
    copy = written(drawn.resize((600, 400), Image.Resampling.LANCZOS), "JPEG", quality=95, subsampling=0)
    source = negative(copy, size=(1501, 1000), faces=(Box(750, 500, 100, 100),))
    assert (source.width, source.height) == (1501, 1000)
    picture = source.develop(View(Box(500, 300, 800, 600), (200, 150)))
    target = drawn.resize((200, 150), Image.Resampling.LANCZOS, (500, 300, 1300, 900))
    assert psnr(picture.frames[0], target) >= 40
    assert picture.faces == (Box(62.5, 50, 25, 25),)


def test_whole_pixels_at_their_own_size_are_copied() -> None:
    drawn = pictures.canvas(100, 80, noise=True)
    frame = developed(written(drawn, "PNG"), View(Box(10, 20, 30, 40), (30, 40))).frames[0]
    assert frame.tobytes() == drawn.crop((10, 20, 40, 60)).tobytes()


def test_only_as_much_is_decoded_as_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    load = ImageFile.ImageFile.load

    def note(image: ImageFile.ImageFile) -> Any:
        seen.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", note)
    developed(pictures.jpeg(1600, 1200), View(Box(0, 0, 1600, 1200), (80, 60)))
    assert set(seen) == {(200, 150)}
    assert 80 * MARGIN <= 200


def test_a_page_that_is_not_there_is_refused() -> None:
    data = pictures.tiff(frames=3)
    assert negative(data, page=3).frames == 1
    with pytest.raises(InvalidTransformation, match="1 to 3"):
        negative(data, page=4)


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_damage_is_the_pictures_fault(name: str) -> None:
    data = pictures.truncated(pictures.picture(name, 200, 150), 0.6)
    with pytest.raises(CorruptImage):
        source = expose(data, by_name(name))
        source.develop(View.whole(source.width, source.height))
