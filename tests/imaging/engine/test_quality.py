"""`q_auto` gives each picture the quality that it needs, its levels in order."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import pytest
from PIL import Image, ImageFilter

from imagestore.core.transformation.model import Output, Quality
from imagestore.imaging.engine import quality, similarity
from imagestore.imaging.engine.encoding import Encoded, encode
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.formats import AVIF, JPEG, WEBP
from tests import pictures

pytestmark = pytest.mark.quick

FORMATS = ("jpeg", "webp", "avif")
Level = Literal["low", "eco", "good", "best"]
LEVELS: tuple[Level, ...] = ("low", "eco", "good", "best")


def _smooth(width: int = 400, height: int = 300) -> Image.Image:
    """Soft shapes alone, as in a sky."""
    return pictures.canvas(width, height, seed=3)


def _busy(width: int = 400, height: int = 300) -> Image.Image:
    """Texture everywhere, as of leaves."""
    noise = pictures.canvas(width, height, noise=True).filter(ImageFilter.GaussianBlur(1.2))
    return Image.blend(_smooth(width, height), noise, 0.7)


def _text(width: int = 400, height: int = 300) -> Image.Image:
    """Thin dark strokes on white."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    marks = np.random.default_rng(2).random((height // 2, width // 2)) < 0.2
    pixels[np.kron(marks, np.ones((2, 2), bool))] = (20, 20, 60)
    return Image.fromarray(pixels)


def _auto(picture: Image.Image, format: str, level: Level) -> Encoded:
    return encode(Picture([picture.copy()]), format, Output(quality=Quality(auto=level)))


def _distance(encoded: Encoded, picture: Image.Image) -> float:
    with Image.open(io.BytesIO(encoded.data)) as opened:
        return similarity.distance(similarity.look(opened.convert("RGB")), similarity.look(picture))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("make", [_smooth, _busy, _text])
def test_levels_are_in_order(format: str, make: object) -> None:
    picture = make()  # type: ignore[operator]
    made = [_auto(picture, format, level) for level in LEVELS]
    qualities = [each.quality or 0 for each in made]
    assert qualities == sorted(qualities)
    sizes = [len(each.data) for each in made]
    assert sizes == sorted(sizes)
    assert qualities[0] < qualities[-1]


@pytest.mark.parametrize("format", FORMATS)
def test_pictures_differ_in_what_they_need(format: str) -> None:
    chosen = {_auto(make(), format, "good").quality for make in (_smooth, _busy, _text)}
    assert len(chosen) == 3
    assert max(each or 0 for each in chosen) - min(each or 0 for each in chosen) >= 15


@pytest.mark.parametrize("format", FORMATS)
def test_a_level_looks_alike_on_all_pictures(format: str) -> None:
    """Closer than one quality for all of them would."""

    def spread(make: object) -> float:
        distances = [_distance(make(picture), picture) for picture in (_busy(), _text())]  # type: ignore[operator]
        return max(distances) / min(distances)

    fixed = spread(lambda each: encode(Picture([each.copy()]), format, Output(quality=Quality(value=75))))
    assert spread(lambda each: _auto(each, format, "good")) < fixed


def test_what_was_a_jpeg_is_not_taken_in_by_the_quality_that_it_had() -> None:
    """At that one quality a second JPEG shows no more faults, and tells nothing of all others."""
    first = io.BytesIO()
    _busy(240, 240).save(first, "JPEG", quality=70, subsampling=2)
    again = Image.open(first).convert("RGB")
    assert (
        _distance(encode(Picture([again.copy()]), "jpeg", Output(quality=Quality(value=70))), again) < 0.003
    )
    made = [_auto(again, "jpeg", level) for level in LEVELS]
    assert (made[0].quality or 0) > quality.LOWEST
    assert [each.quality or 0 for each in made] == sorted(each.quality or 0 for each in made)


def test_a_plain_area_needs_least() -> None:
    for format in FORMATS:
        assert _auto(Image.new("RGB", (300, 200), "teal"), format, "best").quality == quality.LOWEST


def test_a_large_picture_is_judged_by_a_part_of_bounded_size() -> None:
    seen: list[tuple[int, int]] = []

    def trial(sample: Image.Image, value: int) -> Image.Image:
        del value
        seen.append(sample.size)
        return sample.filter(ImageFilter.GaussianBlur(0.5))

    for size in ((2000, 1500), (5000, 40), (40, 5000), (300, 100), (97, 3000)):
        quality.choose(_busy(*size), Quality(auto="good"), trial)
    assert 0 < len(seen) <= 3 * 5
    assert max(width * height for width, height in seen) <= 288 * 288
    assert (300, 100) in seen


def test_every_part_of_a_large_picture_counts() -> None:
    """A busy quarter makes a difference, whichever it is."""
    plain = _auto(_smooth(1200, 1200), "jpeg", "good").quality
    for place in ((0, 0), (600, 0), (0, 600), (600, 600)):
        picture = _smooth(1200, 1200)
        picture.paste(_text(600, 600), place)
        assert _auto(picture, "jpeg", "good").quality != plain


def test_no_quality_asked_for_is_the_default_and_a_value_is_itself() -> None:
    def never(sample: Image.Image, value: int) -> Image.Image:
        raise AssertionError

    picture = _smooth()
    assert quality.choose(picture, None, never) == quality.DEFAULT
    assert quality.choose(picture, Quality(chroma="444"), never) == quality.DEFAULT
    assert quality.choose(picture, Quality(value=37), never) == 37


def test_native_qualities_grow_and_stay_within_what_encoders_take() -> None:
    for format in (JPEG, WEBP, AVIF):
        values = [quality.native(format, value) for value in range(1, 101)]
        assert values == sorted(values)
        assert (values[0], values[-1]) == (1, 100)


# ---- the distance itself


def test_a_picture_is_at_no_distance_from_itself() -> None:
    for size in ((1, 1), (5, 400), (64, 64), (333, 217)):
        seen = similarity.look(pictures.canvas(*size, noise=True))
        assert similarity.distance(seen, seen) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("size", [(9, 9), (400, 300)])
def test_the_distance_grows_with_the_damage(size: tuple[int, int]) -> None:
    picture = _busy(*size)
    distances = [
        similarity.distance(
            similarity.look(picture), similarity.look(picture.filter(ImageFilter.GaussianBlur(radius)))
        )
        for radius in (0.4, 0.8, 1.6, 3.2)
    ]
    assert distances == sorted(distances)
    assert distances[0] > 0
    assert distances[-1] > 0.05


def test_blocks_and_wrong_colours_are_seen() -> None:
    picture = _smooth()
    coarse = picture.resize((50, 38), Image.Resampling.BOX).resize(picture.size, Image.Resampling.NEAREST)
    red, green, blue = picture.split()
    seen = similarity.look(picture)
    assert similarity.distance(seen, similarity.look(coarse)) > 0.02
    assert similarity.distance(seen, similarity.look(Image.merge("RGB", (blue, green, red)))) > 0.02
