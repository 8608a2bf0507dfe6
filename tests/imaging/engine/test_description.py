"""Facts on demand are true of the picture, and tell no place unasked."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path

import pytest
from PIL import ExifTags, Image, ImageFilter

from imagestore.core.errors import CorruptImage
from imagestore.core.transformation.model import Color
from imagestore.imaging.engine import fingerprint, palette
from imagestore.imaging.engine.description import FACTS, describe
from imagestore.imaging.formats import JPEG, PNG, by_name
from tests import pictures

pytestmark = pytest.mark.quick

# ---- colours


def _stripes(*stripes: tuple[tuple[int, int, int], int]) -> Image.Image:
    drawn = Image.new("RGB", (sum(width for _, width in stripes), 40))
    left = 0
    for color, width in stripes:
        drawn.paste(color, (left, 0, left + width, 40))
        left += width
    return drawn


def test_colours_are_found_with_their_shares_the_largest_first() -> None:
    found = palette.find_colors(_stripes(((200, 30, 40), 50), ((20, 60, 200), 30), ((240, 240, 230), 20)))
    assert [each.color for each in found] == [Color(200, 30, 40), Color(20, 60, 200), Color(240, 240, 230)]
    assert [each.share for each in found] == pytest.approx([0.5, 0.3, 0.2], abs=0.01)


def test_a_small_but_different_colour_is_not_averaged_away() -> None:
    found = palette.find_colors(_stripes(((90, 90, 90), 90), ((255, 220, 0), 6), ((92, 88, 91), 4)))
    assert len(found) == 2
    assert found[1].color == Color(255, 220, 0)


def test_what_is_transparent_has_no_colour() -> None:
    frame = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    assert palette.find_colors(frame) == ()
    frame.paste((0, 120, 60, 255), (10, 10, 20, 20))
    assert [(each.color, each.share) for each in palette.find_colors(frame)] == [(Color(0, 120, 60), 1.0)]


def test_nearly_black_is_black() -> None:
    assert len(palette.find_colors(_stripes(((0, 0, 0), 50), ((3, 3, 3), 30), ((6, 5, 6), 20)))) == 1


def test_no_more_colours_than_asked_for() -> None:
    found = palette.find_colors(pictures.canvas(100, 80, noise=True), most=3)
    assert len(found) == 3
    assert len({each.color for each in found}) == 3
    assert [each.share for each in found] == sorted((each.share for each in found), reverse=True)


# ---- hash


def _photo(seed: int = 1) -> Image.Image:
    return pictures.canvas(320, 240, seed=seed)


@pytest.mark.parametrize(
    ("change", "most"),
    [
        (lambda picture: picture.resize((90, 70)), 4),
        (lambda picture: picture.resize((320, 100)), 8),
        (lambda picture: picture.point(lambda value: min(255, int(value * 1.15))), 6),
        (lambda picture: picture.filter(ImageFilter.GaussianBlur(3)), 4),
        (lambda picture: Image.open(io.BytesIO(_jpeg(picture))).convert("RGB"), 4),
        (lambda picture: picture.convert("L").convert("RGB"), 4),
        (lambda picture: picture.convert("RGBA"), 0),
    ],
)
def test_what_looks_alike_has_nearly_the_same_hash(change: object, most: int) -> None:
    for seed in range(6):
        picture = _photo(seed)
        hashes = [fingerprint.hash_picture(each) for each in (picture, change(picture))]  # type: ignore[operator]
        assert fingerprint.count_differences(*hashes) <= most


def _jpeg(picture: Image.Image) -> bytes:
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=20)
    return data.getvalue()


def test_other_pictures_have_other_hashes() -> None:
    hashes = [fingerprint.hash_picture(_photo(seed)) for seed in range(20)]
    differences = [
        fingerprint.count_differences(first, second)
        for place, first in enumerate(hashes)
        for second in hashes[:place]
    ]
    assert min(differences) > 12
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in hashes)


def test_the_hash_is_that_of_other_programs() -> None:
    """As imagehash 4.3 has it for the same picture."""
    gradient = Image.radial_gradient("L").crop((40, 0, 256, 180)).convert("RGB")
    assert fingerprint.hash_picture(gradient) == "bbc4c431ccb1d1ce"


# ---- blur

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


def _unblur(text: str, width: int, height: int) -> Image.Image:
    """A decoder as pages have one (https://blurha.sh)."""

    def number(part: str) -> int:
        value = 0
        for letter in part:
            value = value * 83 + _DIGITS.index(letter)
        return value

    def linear(value: float) -> float:
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    def value(light: float) -> int:
        light = min(1.0, max(0.0, light))
        root = light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
        return round(root * 255)

    across, down = number(text[0]) % 9 + 1, number(text[0]) // 9 + 1
    assert len(text) == 4 + 2 * across * down
    largest = (number(text[1]) + 1) / 166
    mean = number(text[2:6])
    waves = [[linear((mean >> shift & 255) / 255) for shift in (16, 8, 0)]]
    for at in range(6, len(text), 2):
        detail = number(text[at : at + 2])
        parts = [detail // 361 - 9, detail // 19 % 19 - 9, detail % 19 - 9]
        waves.append([math.copysign((part / 9) ** 2, part) * largest for part in parts])
    drawn = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            light = [0.0, 0.0, 0.0]
            for place, wave in enumerate(waves):
                basis = math.cos(math.pi * x * (place % across) / width) * math.cos(
                    math.pi * y * (place // across) / height
                )
                light = [sum_ + basis * part for sum_, part in zip(light, wave, strict=True)]
            drawn.putpixel((x, y), tuple(value(each) for each in light))
    return drawn


@pytest.mark.parametrize("size", [(320, 240), (240, 320)])
def test_a_blur_looks_like_its_picture_from_afar(size: tuple[int, int]) -> None:
    for seed in range(3):
        picture = pictures.canvas(2, 2, seed=seed).resize(size, Image.Resampling.BICUBIC)
        seen = _unblur(fingerprint.blur(picture), 16, 16)
        wanted = picture.resize((16, 16), Image.Resampling.BOX)
        differences = [abs(a - b) for a, b in zip(seen.tobytes(), wanted.tobytes(), strict=True)]
        assert sum(differences) / len(differences) < 16


def test_plain_pictures_have_the_blurs_that_the_algorithm_gives_them() -> None:
    assert fingerprint.blur(Image.new("RGB", (40, 30), "black")) == "L00000fQfQfQfQfQfQfQfQfQfQfQ"
    assert fingerprint.blur(Image.new("RGB", (30, 40), "black"))[0] == "T"
    transparent = fingerprint.blur(Image.new("RGBA", (40, 30), (0, 0, 0, 0)))
    assert transparent == fingerprint.blur(Image.new("RGB", (40, 30), "white"))


# ---- all together


def _noted() -> bytes:
    """A JPEG whose camera noted all that is read out."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Camera  \0", "C\x071000"
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ada", 6
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.ExposureTime: 0.008,
            ExifTags.Base.FNumber: 2.8,
            ExifTags.Base.ISOSpeedRatings: 400,
            ExifTags.Base.FocalLength: 35.0,
            ExifTags.Base.Flash: 25,
            ExifTags.Base.LensModel: "A lens",
            ExifTags.Base.DateTimeOriginal: "2026:11:25 03:14:15",
            ExifTags.Base.OffsetTimeOriginal: "+01:00",
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(
        {1: "S", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0), 5: b"\1", 6: 12.5}
    )
    return pictures.jpeg(80, 60, exif=exif.tobytes())


def test_what_a_camera_noted_is_read_out() -> None:
    assert describe(_noted(), JPEG, frozenset({"exif"})) == {
        "exif": {
            "make": "Camera",
            "model": "C1000",
            "artist": "Ada",
            "orientation": 6,
            "lens": "A lens",
            "exposure_time": 0.008,
            "aperture": 2.8,
            "iso": 400,
            "focal_length": 35,
            "flash": True,
            "taken": "2026-11-25T03:14:15+01:00",
        }
    }


def test_a_place_is_told_only_where_it_is_asked_for() -> None:
    data = _noted()
    others = json.dumps(describe(data, JPEG, FACTS - {"place"}))
    assert "52" not in json.loads(others)["exif"]
    assert "latitude" not in others.lower()
    assert "gps" not in others.lower()
    place = describe(data, JPEG, frozenset({"place"}))["place"]
    assert place == {"latitude": -52.52, "longitude": 13.405, "altitude": -12.5}


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_every_format_is_described(format: str, tmp_path: Path) -> None:
    data = pictures.picture(format, 64, 48, seed=9)
    path = tmp_path / "picture"
    path.write_bytes(data)
    facts = describe(path, by_name(format), FACTS)
    assert facts == describe(data, by_name(format), FACTS)
    assert facts.keys() == FACTS
    json.dumps(facts)
    expected = fingerprint.hash_picture(pictures.canvas(64, 48, seed=9))
    assert fingerprint.count_differences(facts["phash"], expected) <= 10
    assert facts["colors"][0]["color"].startswith("#")
    assert (facts["exif"], facts["place"]) == ({}, {})


def test_only_what_is_wanted_is_found_out() -> None:
    assert describe(pictures.jpeg(), JPEG, frozenset({"phash"})).keys() == {"phash"}
    assert describe(b"no picture at all", JPEG, frozenset()) == {}


def test_pictures_are_seen_upright() -> None:
    drawn = pictures.canvas(120, 90, seed=2)
    sideways = io.BytesIO()
    drawn.transpose(Image.Transpose.ROTATE_90).save(sideways, "PNG", exif=pictures.exif(6))
    wanted = frozenset({"phash"})
    seen = describe(sideways.getvalue(), PNG, wanted)["phash"]
    assert fingerprint.count_differences(seen, fingerprint.hash_picture(drawn)) <= 2


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_makes_no_sense_is_left_out() -> None:
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {
            ExifTags.Base.DateTimeOriginal: "0000:00:00 00:00:00",
            ExifTags.Base.LensModel: " \0 ",
            ExifTags.Base.FNumber: float("nan"),
        }
    )
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (99.0, 0.0, 0.0), 3: "E", 4: (1.0, 0.0, 0.0)})
    facts = describe(pictures.jpeg(40, 30, exif=exif.tobytes()), JPEG, frozenset({"exif", "place"}))
    assert facts == {"exif": {}, "place": {}}
    broken = pictures.jpeg(40, 30, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x01\x9a\x05\0" * 40)
    assert describe(broken, JPEG, frozenset({"exif", "place"})) == {"exif": {}, "place": {}}


def test_what_is_no_picture_is_refused() -> None:
    for fact in FACTS:
        with pytest.raises(CorruptImage):
            describe(b"\xff\xd8\xff no more", JPEG, frozenset({fact}))
