"""Sizes and parts of every crop mode: by example, and over many sizes, ratios, fractions and pixel ratios."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import CropMode, Gravity, Length, Step
from imagestore.imaging import crops
from imagestore.imaging.geometry import Box, Crop, side
from imagestore.imaging.gravity import COMPASS, Hold, resolve

pytestmark = pytest.mark.quick

MODES = get_args(CropMode)
CUTTING = ("fill", "lfill", "crop", "thumb", "auto")
PADDING = ("pad", "lpad", "mpad", "fill_pad")

FACE = Box(400, 100, 50, 60)


def planned(mode: str, picture: tuple[int, int], **given: Any) -> Crop:
    """`given` in the terms of a URL: whole numbers are pixels, others fractions; `face` is where one is."""
    face = given.pop("face", None)
    lengths = {
        name: Length(given.pop(short), relative=isinstance(said, float))
        for short, name in (("w", "width"), ("h", "height"), ("x", "x"), ("y", "y"))
        if (said := given.get(short)) is not None
    }
    if "g" in given:
        kind, _, fallback = given.pop("g").partition(":")
        given["gravity"] = Gravity(kind, fallback or None)
    step = Step(crop=mode, **lengths, **given)  # type: ignore[arg-type]
    if step.gravity:
        hold = resolve(step.gravity, face and (face,), lambda: (0.25 * picture[0], 0.75 * picture[1]))
    else:
        hold = crops.default_hold(step)
    return crops.plan(step, *picture, hold)


@pytest.mark.parametrize(
    ("mode", "given", "size"),
    [
        # What Cloudinary's reference says of each, on a picture of 1000 x 500.
        ("scale", {"w": 200}, (200, 100)),
        ("scale", {"h": 200}, (400, 200)),
        ("scale", {"w": 200, "h": 200}, (200, 200)),
        ("scale", {"w": 0.25}, (250, 125)),
        ("scale", {"w": 2.0}, (2000, 1000)),
        ("scale", {"w": 100, "aspect": 1.0}, (100, 100)),
        ("scale", {"h": 100, "aspect": 1.5}, (150, 100)),
        ("scale", {"w": 100, "dpr": 2.5}, (250, 125)),
        ("scale", {"w": 333}, (333, 167)),
        ("scale", {}, (1000, 500)),
        ("scale", {"w": 200, "flags": frozenset({"ignore_aspect_ratio"})}, (200, 500)),
        ("scale", {"h": 200, "flags": frozenset({"ignore_aspect_ratio"})}, (1000, 200)),
        ("scale", {"w": 200, "flags": frozenset({"ignore_aspect_ratio"})}, (200, 500)),
        ("scale", {"h": 200, "flags": frozenset({"ignore_aspect_ratio"})}, (1000, 200)),
        ("scale", {"w": 200, "aspect": 1.0, "flags": frozenset({"ignore_aspect_ratio"})}, (200, 200)),
        ("fit", {"w": 200, "h": 200}, (200, 100)),
        ("fit", {"w": 2000, "h": 2000}, (2000, 1000)),
        ("fit", {"w": 333}, (333, 167)),
        ("limit", {"w": 200, "h": 200}, (200, 100)),
        ("limit", {"w": 2000, "h": 2000}, (1000, 500)),
        ("mfit", {"w": 200, "h": 200}, (1000, 500)),
        ("mfit", {"w": 2000, "h": 2000}, (2000, 1000)),
        ("fill", {"w": 200, "h": 200}, (200, 200)),
        ("fill", {"w": 2000, "h": 200}, (2000, 200)),
        ("fill", {"w": 300}, (300, 150)),
        ("fill", {"aspect": 1.0}, (500, 500)),
        ("fill", {"w": 300, "aspect": 4 / 3}, (300, 225)),
        ("lfill", {"w": 200, "h": 200}, (200, 200)),
        ("lfill", {"w": 2000, "h": 2000}, (1000, 500)),
        ("lfill", {"w": 600, "h": 600}, (600, 500)),
        ("pad", {"w": 200, "h": 200}, (200, 200)),
        ("pad", {"w": 2000, "h": 3000}, (2000, 3000)),
        ("pad", {"aspect": 1.0}, (1000, 1000)),
        ("pad", {"w": 333}, (333, 167)),
        ("lpad", {"w": 200, "h": 200}, (200, 200)),
        ("lpad", {"w": 2000, "h": 3000}, (2000, 3000)),
        ("mpad", {"w": 200, "h": 200}, (1000, 500)),
        ("mpad", {"w": 2000, "h": 3000}, (2000, 3000)),
        ("fill_pad", {"w": 200, "h": 200}, (200, 200)),
        ("crop", {"w": 200, "h": 300}, (200, 300)),
        ("crop", {"w": 5000, "h": 300}, (1000, 300)),
        ("crop", {"w": 0.5, "h": 0.5}, (500, 250)),
        ("crop", {"w": 200}, (200, 500)),
        ("crop", {"aspect": 1.0}, (500, 500)),
        ("crop", {"w": 200, "h": 300, "dpr": 2.0}, (400, 600)),
        ("thumb", {"w": 200, "h": 200}, (200, 200)),
        ("auto", {"w": 200, "h": 300, "g": "auto"}, (200, 300)),
    ],
)
def test_sizes_are_those_of_the_reference(mode: str, given: dict[str, Any], size: tuple[int, int]) -> None:
    assert planned(mode, (1000, 500), **given).canvas == size


def test_what_is_padded_keeps_its_proportions_and_scale() -> None:
    assert planned("pad", (1000, 500), w=200, h=200).size == (200, 100)
    assert planned("lpad", (1000, 500), w=2000, h=3000).size == (1000, 500)
    assert planned("mpad", (1000, 500), w=800, h=900).size == (1000, 500)
    assert planned("mpad", (1000, 500), w=800, h=900).canvas == (1000, 900)


def test_fill_pad_pads_only_as_much_as_keeps_two_thirds() -> None:
    slight, strong = (
        planned("fill_pad", (1000, 500), w=400, h=250),
        planned("fill_pad", (1000, 500), w=90, h=300),
    )
    assert (slight.size, slight.pads) == ((400, 250), False)
    assert strong.box.width == pytest.approx(1000 * 2 / 3)
    assert strong.canvas == (90, 300)
    assert strong.size == (90, 68)


@pytest.mark.parametrize("gravity", COMPASS)
@pytest.mark.parametrize("mode", ["fill", "crop", "thumb", "auto"])
def test_a_cut_part_lies_where_the_compass_points(mode: str, gravity: str) -> None:
    crop = planned(mode, (1000, 500), w=100, h=100, g=gravity)
    across, down = COMPASS[gravity]
    length = 100 if mode == "crop" else 500
    assert crop.box == Box(across * (1000 - length), down * (500 - length), length, length)
    assert crop.size == (100, 100)


@pytest.mark.parametrize("gravity", COMPASS)
@pytest.mark.parametrize("mode", ["pad", "lpad", "mpad"])
def test_a_padded_picture_lies_where_the_compass_points(mode: str, gravity: str) -> None:
    crop = planned(mode, (100, 50), w=300, h=300, g=gravity)
    across, down = COMPASS[gravity]
    free = (300 - crop.size[0], 300 - crop.size[1])
    assert crop.place == (int(across * free[0]), int(down * free[1]))


@pytest.mark.parametrize(
    ("gravity", "corner"),
    [
        ("north_west", (30, 20)), ("north", (480, 20)), ("north_east", (870, 20)), ("west", (30, 220)),
        ("center", (480, 220)), ("east", (870, 220)), ("south_west", (30, 380)), ("south", (480, 380)),
        ("south_east", (870, 380)),
    ],
)  # fmt: skip
def test_offsets_lead_inward_from_the_side_that_is_held(gravity: str, corner: tuple[int, int]) -> None:
    crop = planned("crop", (1000, 500), w=100, h=100, x=30, y=20, g=gravity)
    assert (crop.box.left, crop.box.top) == corner


def test_a_crop_without_gravity_counts_x_and_y_from_the_top_left_else_from_the_middle() -> None:
    assert planned("crop", (1000, 500), w=100, h=100, x=10, y=5).box == Box(10, 5, 100, 100)
    assert planned("crop", (1000, 500), w=100, h=100).box == Box(450, 200, 100, 100)
    assert planned("crop", (1000, 500), w=100, h=100, x=0.5, y=0.5).box == Box(500, 250, 100, 100)


def test_a_crop_is_cut_at_the_edge_of_the_picture() -> None:
    assert planned("crop", (1000, 500), w=100, h=100, x=950, y=470).size == (50, 30)


@pytest.mark.parametrize(
    "place", [{"x": 1000}, {"y": 500}, {"x": -100}, {"x": 1001, "y": 3, "g": "xy_center"}]
)
def test_a_crop_beside_the_picture_is_refused(place: dict[str, Any]) -> None:
    with pytest.raises(InvalidTransformation, match="beside the picture, which has 1000 × 500"):
        planned("crop", (1000, 500), w=100, h=100, **place)


@pytest.mark.parametrize("length", [0, -5, 0.0, -0.5])
@pytest.mark.parametrize("mode", MODES)
def test_a_side_of_no_length_is_refused(mode: str, length: float) -> None:
    with pytest.raises(InvalidTransformation, match="above 0"):
        planned(mode, (1000, 500), w=length)


def test_xy_center_has_its_point_in_the_middle() -> None:
    assert planned("crop", (1000, 500), w=100, h=60, x=300, y=200, g="xy_center").box == Box(
        250, 170, 100, 60
    )
    assert planned("fill", (1000, 500), w=100, h=100, x=300, y=200, g="xy_center").box == Box(50, 0, 500, 500)
    assert planned("crop", (1000, 500), w=100, h=60, x=10, y=200, g="xy_center").box == Box(0, 170, 100, 60)


def test_a_focus_is_in_the_middle_as_far_as_the_picture_goes() -> None:
    assert planned("fill", (1000, 500), w=100, h=200, g="auto").box == Box(125, 0, 250, 500)
    assert planned("fill", (1000, 500), w=100, h=100, g="auto").box == Box(0, 0, 500, 500)


def test_a_face_is_in_the_middle_whatever_x_and_y_say() -> None:
    crop = planned("crop", (1000, 500), w=200, h=160, g="face", face=FACE, x=70, y=70, zoom=3)
    assert crop.box == Box(325, 50, 200, 160)
    assert planned("fill", (1000, 500), w=100, h=100, g="face", face=FACE).box == Box(175, 0, 500, 500)


def test_a_thumb_comes_as_close_to_a_face_as_zoom_says() -> None:
    close, wide = (
        planned("thumb", (1000, 500), w=90, h=90, g="face", face=FACE, zoom=zoom).box for zoom in (1, 0.5)
    )
    assert close.center == wide.center == FACE.center
    assert close.width == close.height == pytest.approx(60 * crops.FACE_ROOM)
    assert wide.width == pytest.approx(2 * close.width)


def test_a_crop_to_a_face_without_sides_is_as_large_as_the_face_and_zoom_say() -> None:
    crop = planned("crop", (1000, 500), g="face", face=FACE, zoom=2)
    assert crop.size == (side(50 * crops.FACE_ROOM / 2), side(60 * crops.FACE_ROOM / 2))
    square = planned("crop", (1000, 500), g="face", face=FACE, aspect=1.0)
    assert square.size[0] == square.size[1] == side(60 * crops.FACE_ROOM)


@pytest.mark.parametrize(
    ("gravity", "box"),
    [
        ("face", Box(250, 0, 500, 500)),  # nobody there: the centre
        ("faces", Box(250, 0, 500, 500)),
        ("custom", Box(250, 0, 500, 500)),
        ("face:north_west", Box(0, 0, 500, 500)),
        ("custom:east", Box(500, 0, 500, 500)),
        ("face:auto", Box(0, 0, 500, 500)),
        ("auto:face", Box(0, 0, 500, 500)),
    ],
)
def test_a_gravity_falls_back(gravity: str, box: Box) -> None:
    assert planned("fill", (1000, 500), w=100, h=100, g=gravity).box == box


def test_of_several_faces_one_is_the_largest_and_all_are_in_one_box() -> None:
    faces = (Box(0, 0, 10, 10), Box(50, 40, 30, 20), Box(90, 0, 5, 5))
    find = lambda: (0.0, 0.0)  # noqa: E731 - never asked
    assert resolve(Gravity("face"), faces, find).region == faces[1]
    assert resolve(Gravity("faces"), faces, find).region == Box(0, 0, 95, 60)
    assert resolve(Gravity("auto", "faces"), faces, find).region == Box(0, 0, 95, 60)
    assert resolve(Gravity("custom", "face"), faces, find).region == faces[1]


pixels = st.integers(1, 3000)
lengths = st.none() | st.integers(1, 3000) | st.floats(0.01, 3).map(lambda value: float(round(value, 2)))
aspects = st.none() | st.floats(0.1, 10)
holds = st.one_of(
    st.none(),
    st.sampled_from([Hold(shares) for shares in COMPASS.values()]),
    st.builds(lambda x, y: Hold(region=Box(x, y, 0, 0)), st.floats(0, 3000), st.floats(0, 3000)),
    st.builds(
        lambda x, y, w, h: Hold(region=Box(x, y, w, h), faces=True),
        st.floats(0, 3000), st.floats(0, 3000), st.floats(1, 300), st.floats(1, 300),
    ),
)  # fmt: skip


@given(
    mode=st.sampled_from(MODES), width=pixels, height=pixels, w=lengths, h=lengths, aspect=aspects,
    dpr=st.sampled_from([1, 1, 0.5, 1.5, 2, 3]), hold=holds, zoom=st.floats(0.1, 5),
)  # fmt: skip
def test_every_crop_is_of_the_picture_and_of_the_size_asked_for(
    mode: str,
    width: int,
    height: int,
    w: Any,
    h: Any,
    aspect: float | None,
    dpr: float,
    hold: Any,
    zoom: float,
) -> None:
    step = Step(
        crop=mode,  # type: ignore[arg-type]
        width=None if w is None else Length(w, isinstance(w, float)),
        height=None if h is None else Length(h, isinstance(h, float)),
        aspect=aspect, dpr=dpr, zoom=zoom,
    )  # fmt: skip
    crop = crops.plan(step, width, height, hold or crops.default_hold(step))
    inside = crop.box
    assert inside.left >= -1e-6 and inside.top >= -1e-6 and inside.width > 0 and inside.height > 0
    assert inside.right <= width + 1e-6 and inside.bottom <= height + 1e-6
    assert 0 <= crop.place[0] <= crop.canvas[0] - crop.size[0]
    assert 0 <= crop.place[1] <= crop.canvas[1] - crop.size[1]
    assert crop.size[0] >= 1 and crop.size[1] >= 1
    if mode not in PADDING:
        assert not crop.pads
    asked = [
        None if length is None else side(length.pixels(whole) * (1 if mode == "crop" else dpr))
        for length, whole in ((step.width, width), (step.height, height))
    ]
    _check_size(mode, crop, asked, (width, height), dpr)


def _check_size(mode: str, crop: Crop, asked: list[int | None], picture: tuple[int, int], dpr: float) -> None:
    """What each mode promises where both sides are asked for."""
    if asked[0] is None or asked[1] is None:
        return
    w, h = asked
    ratio = min(w / picture[0], h / picture[1])
    if mode in ("scale", "fill", "thumb", "auto", "pad", "lpad", "fill_pad"):
        assert crop.canvas == (w, h)
    if mode == "lfill":
        assert crop.canvas[0] <= w and crop.canvas[1] <= h
        assert crop.size[0] <= picture[0] and crop.size[1] <= picture[1]
    if mode in ("fit", "pad"):
        assert crop.size == (side(picture[0] * ratio), side(picture[1] * ratio))
        assert w in (crop.size[0], w) and (crop.size[0] == w or crop.size[1] == h)
    if mode in ("limit", "lpad"):
        assert crop.size == (side(picture[0] * min(ratio, 1)), side(picture[1] * min(ratio, 1)))
    if mode in ("mfit", "mpad"):
        assert crop.size == (side(picture[0] * max(ratio, 1)), side(picture[1] * max(ratio, 1)))
    if mode == "mpad":
        assert crop.canvas == (max(w, crop.size[0]), max(h, crop.size[1]))
    if mode == "crop":
        assert crop.size == (side(min(w, picture[0]) * dpr), side(min(h, picture[1]) * dpr))
    if mode in CUTTING and mode not in ("crop", "lfill") and min(crop.size) > 20 and min(picture) > 20:
        assert crop.box.width / crop.box.height == pytest.approx(w / h, rel=1e-6)
