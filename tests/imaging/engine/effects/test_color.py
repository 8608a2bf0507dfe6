"""Colour: which hue, how much of it, and what is put in its place."""

import colorsys

import numpy as np
import pytest
from PIL import Image

from imagestore.core.transformation.model import Color
from tests.effects import BLUE, GREEN, PATCHES, RED, color_of, effect, flat, near, patches, values

pytestmark = pytest.mark.quick


def hue_of(color: tuple[int, ...]) -> float:
    return colorsys.rgb_to_hsv(*(each / 255 for each in color))[0] * 360


def spread(color: tuple[int, ...]) -> int:
    return max(color) - min(color)


@pytest.mark.parametrize("level", range(20, 230, 30))
def test_sepia_is_a_warm_brown_of_any_gray(level: int) -> None:
    red, green, blue = color_of("sepia:100", (level, level, level))
    assert red > green > blue
    assert red - blue > level * 0.2


def test_sepia_grows_with_its_level() -> None:
    assert color_of("sepia:1", BLUE) != color_of("sepia:100", BLUE)
    hues = [abs(hue_of(color_of(f"sepia:{level}", (100, 100, 110))) - 40) for level in (30, 60, 90)]
    assert hues == sorted(hues, reverse=True) or max(hues) < 15
    assert color_of("sepia", GREEN) == color_of("sepia:80", GREEN)
    red, _, blue = color_of("sepia:100", BLUE)
    assert red > blue, "at 100 nothing of the old colour is left"


@pytest.mark.parametrize("color", PATCHES)
def test_saturation_of_minus_100_is_gray(color: tuple[int, int, int]) -> None:
    assert spread(color_of("saturation:-100", color)) <= 1


def test_saturation_moves_colors_away_from_gray() -> None:
    color = (150, 120, 100)
    assert spread(color_of("saturation:50", color)) == pytest.approx(1.5 * spread(color), abs=2)
    assert spread(color_of("saturation:-50", color)) == pytest.approx(0.5 * spread(color), abs=2)
    assert color_of("saturation:70", (90, 90, 90)) == (90, 90, 90)


@pytest.mark.parametrize(("level", "degrees"), [(20, 36), (50, 90), (80, 144), (100, 180), (-50, -90)])
@pytest.mark.parametrize("color", [RED, GREEN, BLUE])
def test_hue_turns_the_circle(level: int, degrees: int, color: tuple[int, int, int]) -> None:
    turned = color_of(f"hue:{level}", color)
    off = (hue_of(turned) - hue_of(color) - degrees + 180) % 360 - 180
    assert abs(off) < 4
    assert near((max(turned), min(turned)), (max(color), min(color)), 3)


def test_vibrance_lifts_pale_colors_more_than_vivid_ones() -> None:
    pale, vivid = (140, 125, 118), (230, 30, 30)
    assert spread(color_of("vibrance:80", pale)) > 1.5 * spread(pale)
    assert spread(color_of("vibrance:80", vivid)) < 1.2 * spread(vivid)
    assert spread(color_of("vibrance:-80", pale)) < 0.5 * spread(pale)
    assert near(color_of("vibrance:80", (77, 77, 77)), (77, 77, 77), 1)


def test_colorize_lays_a_color_over() -> None:
    orange = Color(255, 140, 0)
    assert color_of("colorize", BLUE, color=orange) == (255, 140, 0)
    assert near(color_of("colorize:40", (100, 100, 100), color=orange), (162, 116, 60), 1)
    assert color_of("colorize:0", BLUE, color=orange) == BLUE
    assert color_of("colorize", BLUE) == (128, 128, 128)


def test_colorize_keeps_the_shape_of_a_logo() -> None:
    logo = Image.new("RGBA", (40, 40))
    logo.paste((10, 20, 30, 255), (10, 10, 30, 30))
    result = effect("colorize", logo, color=Color(255, 0, 0))
    assert result.getpixel((20, 20)) == (255, 0, 0, 255)
    assert result.getchannel("A").tobytes() == logo.getchannel("A").tobytes()


def test_tint_gives_each_brightness_a_color() -> None:
    text = "tint:100:navy:0p:gold:100p"
    assert near(color_of(text, (0, 0, 0)), (0, 0, 128))
    assert near(color_of(text, (255, 255, 255)), (255, 215, 0))
    assert near(color_of(text, (128, 128, 128)), (128, 108, 64), 4)
    assert near(color_of("tint:50:navy:0p:gold:100p", (0, 0, 0)), (0, 0, 64))


def test_one_tint_lies_between_black_and_white() -> None:
    assert near(color_of("tint:100:red", (0, 0, 0)), (0, 0, 0))
    assert near(color_of("tint:100:red", (255, 255, 255)), (255, 255, 255))
    assert near(color_of("tint:100:red", (127, 127, 127)), (254, 0, 0), 4)


def test_an_equalized_tint_gives_each_color_its_share() -> None:
    dark = Image.fromarray(np.tile(np.linspace(0, 60, 200).astype(np.uint8)[:, None, None], (1, 40, 3)))
    plain, even = (values(effect(f"tint:{each}100:black:white", dark)) for each in ("", "equalize:"))
    assert plain.max() < 70
    assert abs(even.mean() - 127.5) < 6
    assert even.max() > 240


def test_tints_may_come_in_any_order() -> None:
    assert color_of("tint:100:gold:100p:navy:0p", (90, 90, 90)) == color_of(
        "tint:100:navy:0p:gold:100p", (90, 90, 90)
    )


def test_replace_color_changes_what_is_near_the_color_alone() -> None:
    text = "replace_color:rgb:28a03c:50:rgb:dc281e"  # the red for the green
    assert near(color_of(text, RED), GREEN, 6)
    for other in (GREEN, BLUE, (240, 200, 60), (128, 128, 128), (20, 20, 20), (245, 245, 245)):
        assert near(color_of(text, other), other, 4)


def test_replace_color_keeps_shades() -> None:
    text = "replace_color:rgb:28a03c:60:rgb:dc281e"
    darker, brighter = color_of(text, (150, 25, 20)), color_of(text, RED)
    assert darker[1] > darker[0], "a darker red is a darker green"
    assert sum(darker) < sum(brighter)


def test_replace_color_reaches_as_far_as_its_tolerance() -> None:
    changed = [
        np.abs(values(effect(f"replace_color:blue:{each}:rgb:dc281e", patches())) - values(patches())).mean()
        for each in (0, 20, 50, 90)
    ]
    assert changed[0] < 0.5
    assert changed == sorted(changed)


def test_replace_color_finds_the_color_itself() -> None:
    picture = flat((130, 130, 130), (60, 40))
    picture.paste(RED, (10, 10, 40, 30))
    result = effect("replace_color:rgb:2846c8", picture)
    middle = result.getpixel((25, 20))
    assert isinstance(middle, tuple)
    assert near(middle, BLUE, 8)
    assert result.getpixel((2, 2)) == (130, 130, 130)
