"""What paints, and what improves: by what it does to the statistics of a picture, and where."""

import numpy as np
import pytest
from PIL import Image

from tests.effects import effect, flat, near, patches, values

pytestmark = pytest.mark.quick


def texture(picture: Image.Image) -> float:
    """How much neighbours differ, on average."""
    pixels = values(picture)
    return float((np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean()) / 2)


def distinct(picture: Image.Image) -> float:
    """How many colours there are, by how often: the entropy of steps of 8, in bits."""
    _, counts = np.unique(values(picture).reshape(-1, 3) // 8, axis=0, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())


def brightness(picture: Image.Image) -> float:
    return float(values(picture.convert("L")).mean())


def test_oil_paints_in_patches_and_keeps_the_colors() -> None:
    before = patches()
    after = effect("oil_paint:20", before)
    assert texture(after) < 0.6 * texture(before)
    assert np.abs(values(after).mean(axis=(0, 1)) - values(before).mean(axis=(0, 1))).max() < 8
    edges = np.abs(np.diff(values(after)[..., 0], axis=1)).max()
    assert edges > 60, "unlike blur, it keeps edges hard"


def test_a_thicker_brush_leaves_fewer_details() -> None:
    left = [texture(effect(f"oil_paint:{each}", patches())) for each in (0, 10, 40)]
    assert left == sorted(left, reverse=True)
    assert effect("oil_paint:0", patches()).tobytes() == patches().tobytes()


def test_oil_leaves_one_color_as_it_is() -> None:
    assert np.abs(values(effect("oil_paint", flat((90, 140, 60), (200, 100)))) - (90, 140, 60)).max() <= 2


def test_a_cartoon_has_few_colors_and_dark_lines() -> None:
    before = patches()
    after = effect("cartoonify:60", before)
    assert texture(effect("cartoonify:0", before)) < 0.8 * texture(before)
    assert np.quantile(values(after.convert("L")), 0.02) < np.quantile(values(before.convert("L")), 0.02) + 2
    assert distinct(effect("cartoonify:0:100", before)) < distinct(effect("cartoonify:0:0", before))


def test_a_cartoon_in_black_and_white_has_no_color() -> None:
    before = patches()
    grey = values(effect("cartoonify:60:bw", before))
    assert np.ptp(grey, axis=-1).max() <= 1
    assert np.ptp(values(effect("cartoonify:60", before)), axis=-1).max() > 50


def test_heavier_lines_are_darker() -> None:
    light = [brightness(effect(f"cartoonify:{each}", patches())) for each in (0, 30, 60, 100)]
    assert light == sorted(light, reverse=True)
    assert light[0] - light[-1] > 2


def test_a_vignette_darkens_corners_and_not_the_middle() -> None:
    pixels = values(effect("vignette:60", flat((200, 180, 160), (300, 200))))
    assert tuple(pixels[100, 150]) == (200, 180, 160)
    assert pixels[0, 0, 0] == pytest.approx(80, abs=6)
    assert pixels[0, 150, 0] > pixels[0, 0, 0]
    assert np.allclose(pixels, pixels[::-1, ::-1], atol=2), "it is the same on all sides"
    assert (values(effect("vignette:0", flat((200, 180, 160)))) == (200, 180, 160)).all()
    assert values(effect("vignette:100", flat((200, 180, 160))))[0, 0].max() < 12


def faint() -> Image.Image:
    """The patches as if through fog: nothing black, nothing white, dark on the whole."""
    return effect("brightness:-45", effect("contrast:-50", patches()))


def cast() -> Image.Image:
    """The patches under a lamp: a quarter less blue, more red."""
    return effect("red:12", effect("blue:-25", effect("contrast:-20", patches())))


def span(picture: Image.Image) -> float:
    low, high = np.percentile(values(picture.convert("L")), (1, 99))
    return float(high - low)


def test_auto_contrast_uses_the_whole_range() -> None:
    assert span(faint()) < 110
    assert span(effect("auto_contrast", faint())) > 1.4 * span(faint())
    half = span(effect("auto_contrast:50", faint()))
    assert span(faint()) < half < span(effect("auto_contrast", faint()))


def test_auto_contrast_keeps_hues() -> None:
    gray = effect("contrast:-60", patches().convert("L").convert("RGB"))
    after = values(effect("auto_contrast", gray))
    assert np.abs(after[..., 0] - after[..., 2]).max() == 0


def test_auto_color_takes_a_cast_out() -> None:
    def tilt(picture: Image.Image) -> float:
        """Red over blue where the patches are grey."""
        gray = [(x, y) for y in range(0, 240, 40) for x in range(0, 320, 40)]
        kept = [
            values(picture)[y + 10 : y + 30, x + 10 : x + 30].mean(axis=(0, 1))
            for x, y in gray
            if np.ptp(values(patches())[y + 10 : y + 30, x + 10 : x + 30].mean(axis=(0, 1))) < 6
        ]
        return float(np.mean([each[0] - each[2] for each in kept]))

    assert tilt(cast()) > 20
    assert abs(tilt(effect("auto_color", cast()))) < 0.4 * tilt(cast())
    assert abs(tilt(effect("improve:indoor", cast()))) < 0.5 * tilt(cast())


@pytest.mark.parametrize("level", [-60, 45])
def test_auto_brightness_brings_the_average_to_the_middle(level: int) -> None:
    before = effect(f"brightness:{level}", patches())
    after = effect("auto_brightness", before)
    assert abs(brightness(after) - 117) < abs(brightness(before) - 117)
    assert abs(brightness(after) - 117) < 25


@pytest.mark.parametrize("mode", ["outdoor", "indoor"])
def test_improve_makes_a_faint_picture_clear(mode: str) -> None:
    after = effect(f"improve:{mode}", faint())
    assert span(after) > 1.4 * span(faint())
    assert brightness(after) > brightness(faint())
    assert effect(f"improve:{mode}:0", faint()).tobytes() == faint().tobytes()


@pytest.mark.parametrize(
    "name", ["auto_contrast", "auto_color", "auto_brightness", "improve", "improve:indoor"]
)
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (250, 0, 0)])
def test_one_color_alone_is_nothing_to_improve_beyond_reason(name: str, color: tuple[int, int, int]) -> None:
    result = tuple(int(each) for each in values(effect(name, flat(color)))[5, 5])
    assert near(result, color, 60)
