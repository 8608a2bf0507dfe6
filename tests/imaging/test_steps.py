"""Every step of a component, on pixels: turns, corners, borders, backdrops, trimming, and their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Border, Color, Effect, Fill, Gravity, Length, Step
from imagestore.imaging.engine.canvas import Canvas
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import Box
from imagestore.imaging.steps import STEPS
from tests import pictures
from tests.bench.quality import psnr

pytestmark = pytest.mark.quick

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = 80, height: int = 48) -> Image.Image:
    """Red, green, white and blue in the corners, from the top left clockwise."""
    drawn = Image.new("RGB", (2, 2))
    drawn.putdata([RED, GREEN, BLUE, WHITE])
    return drawn.resize((width, height), Image.Resampling.NEAREST)


def done(
    image: Image.Image, *, faces: tuple[Box, ...] | None = None, frames: int = 1, **given: Any
) -> Picture:
    """The picture once one component was carried out on it; lengths may be plain numbers."""
    for name in ("width", "height", "x", "y"):
        if isinstance(given.get(name), int | float):
            given[name] = Length(given[name])
    canvas = Canvas(Picture([image.copy() for _ in range(frames)], [100] * frames, 0, faces))
    for each in STEPS:
        each(canvas, Step(**given))
    return canvas.picture


def one(image: Image.Image, **given: Any) -> Image.Image:
    return done(image, **given).frames[0]


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    right, bottom = image.width - 1, image.height - 1
    return [image.getpixel(at) for at in ((0, 0), (right, 0), (right, bottom), (0, bottom))]  # type: ignore[misc]


# ---- turns


@pytest.mark.parametrize(
    ("angle", "size", "seen"),
    [
        ((90,), (48, 80), [BLUE, RED, GREEN, WHITE]),
        ((180,), (80, 48), [WHITE, BLUE, RED, GREEN]),
        ((-90,), (48, 80), [GREEN, WHITE, BLUE, RED]),
        ((450,), (48, 80), [BLUE, RED, GREEN, WHITE]),
        ((360,), (80, 48), [RED, GREEN, WHITE, BLUE]),
        (("hflip",), (80, 48), [GREEN, RED, BLUE, WHITE]),
        (("vflip",), (80, 48), [BLUE, WHITE, GREEN, RED]),
        (("hflip", 90), (48, 80), [WHITE, GREEN, RED, BLUE]),
        ((90, "hflip"), (48, 80), [RED, BLUE, WHITE, GREEN]),
    ],
)
def test_right_angles_and_flips_move_pixels_and_change_none(angle: Any, size: Any, seen: Any) -> None:
    image = one(quarters(), angle=angle)
    assert (image.mode, image.size, corners(image)) == ("RGB", size, seen)
    assert sorted(image.get_flattened_data()) == sorted(quarters().get_flattened_data())


@pytest.mark.parametrize("degrees", [1, 30, 45, 89.5, 135, 200, -30, 0.25])
def test_a_turned_picture_has_room_and_smooth_edges_without_fringes(degrees: float) -> None:
    image = one(Image.new("RGB", (200, 100), WHITE), angle=(degrees,))
    sine, cosine = abs(np.sin(np.radians(degrees))), abs(np.cos(np.radians(degrees)))
    assert image.width == int(np.ceil(200 * cosine + 100 * sine - 1e-6))
    assert image.height == int(np.ceil(200 * sine + 100 * cosine - 1e-6))
    pixels = np.asarray(image)
    assert pixels[pixels[..., 3] > 8][:, :3].min() >= 250
    assert pixels[..., 3].sum() / 255 == pytest.approx(200 * 100, rel=0.02)
    assert len(np.unique(pixels[..., 3])) > 5


def test_a_picture_turned_there_and_back_is_itself() -> None:
    drawn = pictures.canvas(160, 120)
    there = one(drawn, angle=(37,))
    back = one(there, angle=(-37,))
    left, top = (back.width - 160) // 2, (back.height - 120) // 2
    middle = back.crop((left + 10, top + 10, left + 150, top + 110))
    assert psnr(middle, drawn.crop((10, 10, 150, 110))) > 35


def test_faces_turn_with_the_picture() -> None:
    faces = (Box(10, 5, 20, 10),)
    assert done(quarters(), faces=faces, angle=("hflip",)).faces == (Box(50, 5, 20, 10),)
    assert done(quarters(), faces=faces, angle=("vflip",)).faces == (Box(10, 33, 20, 10),)
    (turned,) = done(quarters(), faces=faces, angle=(90,)).faces or ()
    assert (turned.left, turned.top, turned.width, turned.height) == pytest.approx((33, 10, 10, 20))


@pytest.mark.parametrize(
    ("way", "sides", "turned"),
    [
        ("auto_right", {"width": 20, "height": 40}, True), ("auto_right", {"width": 40, "height": 20}, False),
        ("auto_left", {"width": 20, "height": 40}, True), ("auto_right", {"aspect": 0.5}, True),
        ("auto_right", {"width": 20}, False), ("auto_left", {"width": 20, "height": 20}, False),
    ],
)  # fmt: skip
def test_an_automatic_turn_suits_the_sides_that_are_asked_for(way: str, sides: Any, turned: bool) -> None:
    seen = corners(one(quarters(), angle=(way,), crop="fill" if len(sides) > 1 else "scale", **sides))
    expected = [BLUE, RED, GREEN, WHITE] if way == "auto_right" else [GREEN, WHITE, BLUE, RED]
    assert seen == (expected if turned else [RED, GREEN, WHITE, BLUE])


# ---- corners and borders


def coverage(radius: float, x: float, y: float) -> float:
    """Of a pixel in a rounded corner, by counting a fine grid."""
    grid = (np.arange(32) + 0.5) / 32
    inside = np.hypot(radius - x - grid[None, :], radius - y - grid[:, None]) <= radius
    return float(inside.mean())


@pytest.mark.parametrize("radius", [1, 3, 10.5, 20])
def test_round_corners_cover_pixels_as_a_circle_does(radius: float) -> None:
    alpha = np.asarray(one(quarters(100, 60), radius=(Length(radius),)))[..., 3] / 255
    for x, y in ((0, 0), (1, 0), (2, 1), (3, 3), (5, 2)):
        if x < radius and y < radius:
            assert alpha[y, x] == pytest.approx(coverage(radius, x, y), abs=0.12)
    assert (alpha[30, :] == 1).all() and (alpha[:, 50] == 1).all()
    assert (alpha == alpha[::-1, ::-1]).all()


@pytest.mark.parametrize(
    ("radii", "round_ones"),
    [((20,), "1111"), ((20, 0), "1010"), ((0, 20), "0101"), ((20, 0, 0), "1000"), ((0, 0, 0, 20), "0001")],
)
def test_radii_go_round_from_the_top_left(radii: tuple[int, ...], round_ones: str) -> None:
    image = one(quarters(), radius=tuple(Length(each) for each in radii))
    assert [int(pixel[3] == 0) for pixel in corners(image)] == [int(each) for each in round_ones]


def test_radii_that_do_not_fit_shrink_together() -> None:
    alpha = np.asarray(one(quarters(80, 48), radius=(Length(500),)))[..., 3]
    expected = np.asarray(one(quarters(80, 48), radius=(Length(24),)))[..., 3]
    assert (alpha == expected).all()


def test_the_largest_radius_is_an_ellipse() -> None:
    alpha = np.asarray(one(quarters(120, 60), radius="max"))[..., 3] / 255
    assert alpha.sum() == pytest.approx(np.pi * 60 * 30, rel=0.003)
    assert corners(one(quarters(), radius="max"))[0][3] == 0


def test_radii_grow_with_the_pixel_ratio() -> None:
    image = one(quarters(), radius=(Length(5),), dpr=2, width=40)
    assert image.size == (80, 48)
    assert np.array_equal(
        np.asarray(image)[..., 3], np.asarray(one(quarters(), radius=(Length(10),)))[..., 3]
    )


def test_a_border_goes_around_the_picture() -> None:
    image = one(quarters(), border=Border(5, Color(*BLUE)))
    assert (image.mode, image.size) == ("RGB", (90, 58))
    assert image.crop((5, 5, 85, 53)).tobytes() == quarters().tobytes()
    assert corners(image) == [BLUE] * 4


def test_a_border_follows_round_corners_without_a_seam() -> None:
    image = one(Image.new("RGB", (100, 100), WHITE), radius=(Length(30),), border=Border(10, Color(*WHITE)))
    pixels = np.asarray(image).astype(int)
    assert image.size == (120, 120)
    assert corners(image)[0][3] == 0
    # White on white: where picture and border meet, nothing shows through but at the outer edge.
    outer = np.asarray(one(Image.new("RGB", (120, 120), WHITE), radius=(Length(40),)))[..., 3].astype(int)
    assert abs(pixels[..., 3] - outer).max() <= 3
    assert pixels[pixels[..., 3] > 8][:, :3].min() >= 250


@pytest.mark.parametrize("wide", [1, 127, 128, 300])
def test_a_border_may_be_wider_than_the_picture_is_high(wide: int) -> None:
    drawn = quarters(200, 150)
    image = one(drawn, border=Border(wide, Color(*RED, 200)))
    assert image.size == (200 + 2 * wide, 150 + 2 * wide)
    inner = image.crop((wide, wide, wide + 200, wide + 150))
    assert inner.convert("RGB").tobytes() == drawn.tobytes()
    assert inner.getchannel("A").getextrema() == (255, 255)
    assert corners(image) == [(*RED, 200)] * 4


def test_a_translucent_border_lets_nothing_of_itself_under_the_picture() -> None:
    glass = Image.new("RGBA", (40, 40), (*GREEN, 100))
    image = one(glass, border=Border(4, Color(*RED, 128)))
    assert image.getpixel((20, 20)) == pytest.approx((*GREEN, 100), abs=2)
    assert image.getpixel((1, 1)) == pytest.approx((*RED, 128), abs=1)


# ---- backdrops, padding, opacity


@pytest.mark.parametrize("gravity", ["north_west", "center", "south_east"])
def test_padding_is_in_the_colour_asked_for_and_transparent_without(gravity: str) -> None:
    options = {"crop": "pad", "width": 100, "height": 100, "gravity": Gravity(gravity)}
    plain, colored = one(quarters(), **options), one(quarters(), background=Color(*BLUE), **options)
    top = {"north_west": 0, "center": 20, "south_east": 40}[gravity]
    for image, ground in ((plain, (0, 0, 0, 0)), (colored, BLUE)):
        assert image.size == (100, 100)
        band = image.crop((0, top, 100, top + 60)).convert("RGB")
        assert psnr(band, quarters(100, 60)) > 20
        assert image.getpixel((50, (top + 80) % 100)) == ground


def test_padding_can_be_made_from_the_picture() -> None:
    drawn = Image.new("RGB", (80, 40), (10, 120, 60))
    drawn.paste((250, 250, 250), (4, 4, 76, 36))
    sides = {"crop": "pad", "width": 80, "height": 80}
    seen = {
        arguments: one(drawn, background=Fill("auto", arguments), **sides).getpixel((40, 5))
        for arguments in ((), ("border",), ("predominant",), ("border_contrast",), ("predominant_contrast",))
    }
    assert seen[()] == seen[("border",)] == (10, 120, 60)
    assert seen[("predominant",)] == (250, 250, 250)
    assert (seen[("border_contrast",)], seen[("predominant_contrast",)]) == ((255, 255, 255), (0, 0, 0))


def test_a_blurred_ground_is_the_picture_out_of_focus() -> None:
    half = Image.new("RGB", (80, 40), RED)
    half.paste(BLUE, (40, 0, 80, 40))
    sides = {"crop": "pad", "width": 160, "height": 240}
    image = one(half, background=Fill("blurred", ("300", "0")), **sides)
    left, middle, right = (np.array(image.getpixel((x, 10))) for x in (2, 80, 157))
    assert left[0] > middle[0] > right[0] and left[2] < middle[2] < right[2]
    darker = one(half, background=Fill("blurred", ("300", "-100")), **sides)
    assert sum(darker.getpixel((2, 10))) < sum(left) - 50  # type: ignore[arg-type]


def test_a_background_lies_behind_all_that_is_transparent() -> None:
    glass = Image.new("RGBA", (40, 40), (*RED, 128))
    image = one(glass, background=Color(*BLUE))
    assert (image.mode, image.getpixel((20, 20))) == ("RGB", (128, 0, 127))
    turned = one(Image.new("RGB", (40, 40), RED), angle=(45,), background=Color(*GREEN))
    assert (turned.mode, corners(turned)) == ("RGB", [GREEN] * 4)
    assert turned.getpixel((28, 28)) == RED


@pytest.mark.parametrize("percent", [0, 25, 100])
def test_opacity_is_a_share_of_what_there_is(percent: int) -> None:
    assert one(Image.new("RGBA", (8, 8), (*RED, 200)), opacity=percent).getpixel((4, 4))[3] == pytest.approx(  # type: ignore[index]
        200 * percent / 100, abs=1
    )


# ---- trimming


def trimmed(image: Image.Image, tolerance: float = 10, frames: int = 1) -> Picture:
    return done(image, frames=frames, effect=Effect("trim", (tolerance,)))


def framed(ground: tuple[int, ...], mode: str = "RGB") -> Image.Image:
    drawn = Image.new(mode, (100, 80), ground)
    drawn.paste(quarters(40, 30), (20, 10))
    return drawn


@pytest.mark.parametrize("ground", [(250, 250, 250), (0, 0, 0), (120, 60, 200)])
def test_edges_in_the_colour_of_the_corners_are_cut_away(ground: tuple[int, ...]) -> None:
    assert trimmed(framed(ground)).frames[0].tobytes() == quarters(40, 30).tobytes()


def test_transparent_edges_are_cut_away_whatever_colour_they_hide() -> None:
    drawn = Image.new("RGBA", (100, 80), (1, 2, 3, 0))
    drawn.paste((200, 7, 9, 0), (50, 0, 100, 80))
    drawn.paste(quarters(40, 30), (20, 10))
    assert trimmed(drawn).frames[0].size == (40, 30)


def test_tolerance_says_what_still_counts_as_the_same_colour() -> None:
    drawn = Image.new("RGB", (100, 80), (100, 100, 100))
    drawn.paste((120, 100, 100), (20, 10, 60, 40))
    assert trimmed(drawn, 7).frames[0].size == (40, 30)
    assert trimmed(drawn, 9).frames[0].size == (100, 80)


def test_a_picture_of_one_colour_keeps_its_edges() -> None:
    assert trimmed(Image.new("RGB", (30, 20), RED)).frames[0].size == (30, 20)


def test_sizes_are_of_what_trimming_left() -> None:
    image = one(framed(WHITE), effect=Effect("trim", (10,)), width=20)
    assert image.size == (20, 15)


# ---- all of it together


def test_every_frame_is_changed_alike() -> None:
    picture = done(
        quarters(), frames=3, crop="fill", width=40, height=40, radius=(Length(8),),
        border=Border(2, Color(*RED)), angle=(20,), opacity=50, effect=Effect("sepia", (80,)),
    )  # fmt: skip
    assert len({frame.tobytes() for frame in picture.frames}) == 1
    assert picture.durations == [100] * 3


@pytest.mark.parametrize(
    "given",
    [
        {"width": 16_385},
        {"width": 10_000, "height": 6_000},
        {"crop": "pad", "width": 16_000, "height": 16_000},
        {"border": Border(9_000, Color(*RED))},
    ],
)
def test_no_picture_grows_beyond_what_is_allowed(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidTransformation, match="at most"):
        one(Image.new("RGB", (60, 40)), **given)


def test_frames_count_together() -> None:
    with pytest.raises(InvalidTransformation, match="in 3 frames"):
        done(Image.new("RGB", (60, 40)), frames=3, width=5_100)


STAGES: dict[str, tuple[dict[str, Any], Callable[[Image.Image], bool]]] = {
    "effects come before corners": (
        {"effect": Effect("negate", ()), "radius": (Length(20),)},
        lambda image: image.getpixel((0, 0))[3] == 0 and image.getpixel((25, 3))[:3] == (0, 255, 255),  # type: ignore[index]
    ),
    "a border comes after effects": (
        {"effect": Effect("negate", ()), "border": Border(3, Color(*RED))},
        lambda image: image.getpixel((0, 0)) == RED and image.getpixel((5, 5)) == (0, 255, 255),
    ),
    "a border turns with the picture": (
        {"border": Border(6, Color(*BLUE)), "angle": (45,)},
        lambda image: image.getpixel((43, 5))[:3] == BLUE,  # type: ignore[index]
    ),
    "opacity spares the background": (
        {"opacity": 0, "background": Color(*GREEN)},
        lambda image: image.getpixel((5, 5)) == GREEN,
    ),
    "a crop counts before the border": (
        {"width": 40, "border": Border(3, Color(*RED))},
        lambda image: image.size == (46, 30),
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_steps_keep_their_order(name: str) -> None:
    given, holds = STAGES[name]
    assert holds(one(quarters(), **given))
