"""Tone: what becomes of known colours."""

import numpy as np
import pytest

from tests.effects import PATCHES, color_of, effect, near, patches, values

pytestmark = pytest.mark.quick

GRAY = (128, 128, 128)


def brightness(color: tuple[int, ...]) -> float:
    return 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]


@pytest.mark.parametrize("color", PATCHES)
def test_negate_inverts_each_channel(color: tuple[int, int, int]) -> None:
    assert color_of("negate", color) == tuple(255 - each for each in color)


@pytest.mark.parametrize("color", PATCHES)
def test_grayscale_keeps_brightness_alone(color: tuple[int, int, int]) -> None:
    wanted = round(brightness(color))
    assert near(color_of("grayscale", color), (wanted, wanted, wanted), 1)


@pytest.mark.parametrize(
    ("threshold", "black", "white"), [("", 127, 129), (":20", 50, 53), (":80", 203, 206)]
)
def test_blackwhite_divides_at_its_threshold(threshold: str, black: int, white: int) -> None:
    assert color_of(f"blackwhite{threshold}", (black, black, black)) == (0, 0, 0)
    assert color_of(f"blackwhite{threshold}", (white, white, white)) == (255, 255, 255)


def test_blackwhite_reaches_from_all_white_to_all_black() -> None:
    assert color_of("blackwhite:0", (0, 0, 0)) == (255, 255, 255)
    assert color_of("blackwhite:100", (255, 255, 255)) == (0, 0, 0)


def test_brightness_is_in_percent() -> None:
    assert near(color_of("brightness:50", (100, 60, 20)), (150, 90, 30), 1)
    assert near(color_of("brightness:-50", (100, 60, 20)), (50, 30, 10), 1)
    assert color_of("brightness", (200, 100, 0)) == (255, 180, 0), "80 unless said, and clipped"
    assert color_of("brightness:0", (100, 60, 20)) == (100, 60, 20)


def test_brightness_of_hsb_keeps_the_hue_where_brightness_clips_it() -> None:
    assert near(color_of("brightness_hsb:50", (200, 100, 50)), (255, 128, 64), 4)
    assert near(color_of("brightness_hsb:-40", (200, 100, 50)), (120, 60, 30), 2)


def test_contrast_is_around_the_middle() -> None:
    assert near(color_of("contrast:50", (160, 128, 90)), (176, 128, 71), 2)
    assert near(color_of("contrast:-100", (250, 20, 130)), GRAY, 1)
    assert near(color_of("contrast:-50", (228, 128, 28)), (178, 128, 78), 2)


def test_a_sigmoid_keeps_both_ends_where_a_line_clips_them() -> None:
    assert near(color_of("contrast:80:sigmoid", (0, 128, 255)), (0, 128, 255), 1)
    low, middle, high = color_of("contrast:80:sigmoid", (64, 128, 192))
    assert low < 40
    assert abs(middle - 128) <= 2
    assert high > 215
    steep = color_of("contrast:60:sigmoid", (90, 128, 150))
    assert near(color_of("contrast:-60:sigmoid", steep), (90, 128, 150), 4), (
        "a negative level is the way back"
    )


def test_gamma_moves_the_middle_and_keeps_the_ends() -> None:
    assert color_of("gamma:50", (0, 128, 255)) == (0, round(255 * (128 / 255) ** (1 / 1.5)), 255)
    assert color_of("gamma:-50", (0, 128, 255)) == (0, round(255 * (128 / 255) ** 2), 255)
    assert color_of("gamma", (10, 128, 200)) == (10, 128, 200)


@pytest.mark.parametrize(("name", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_channel_is_changed_alone(name: str, channel: int) -> None:
    more, less = color_of(f"{name}:50", (100, 100, 100)), color_of(f"{name}:-100", (100, 100, 100))
    for index in range(3):
        assert (more[index], less[index]) == ((150, 0) if index == channel else (100, 100))


def test_fill_light_lifts_the_dark_and_leaves_the_bright() -> None:
    dark, bright = (50, 40, 30), (225, 220, 215)
    assert brightness(color_of("fill_light", dark)) > 1.3 * brightness(dark)
    assert near(color_of("fill_light", bright), bright, 4)
    assert color_of("fill_light:0", dark) == dark
    half = brightness(color_of("fill_light:50", dark))
    assert brightness(dark) < half < brightness(color_of("fill_light", dark))
    assert brightness(color_of("fill_light:100:80", (110, 110, 110))) > brightness(
        color_of("fill_light:100:-80", (110, 110, 110))
    )


@pytest.mark.parametrize(
    "name", ["brightness:30", "contrast:30", "gamma:30", "contrast:40:sigmoid", "fill_light"]
)
def test_brighter_stays_brighter(name: str) -> None:
    ramp = [color_of(name, (each, each, each))[0] for each in range(0, 256, 5)]
    assert ramp == sorted(ramp)


def test_a_level_changes_as_much_as_it_says() -> None:
    plain = values(patches()).mean()
    means = [values(effect(f"brightness:{level}", patches())).mean() for level in (-60, -30, 30, 60)]
    assert means == sorted(means)
    assert np.isclose(means[0], plain * 0.4, rtol=0.05)
