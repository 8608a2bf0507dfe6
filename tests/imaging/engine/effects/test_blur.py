"""Sharpness: how soft, where, and that nothing leaks."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imagestore.imaging.geometry import Box
from tests.effects import effect, flat, near, patches, values

pytestmark = pytest.mark.quick


def step(width: int = 400, height: int = 60) -> Image.Image:
    """Black on the left, white on the right."""
    picture = flat((0, 0, 0), (width, height))
    picture.paste((255, 255, 255), (width // 2, 0, width, height))
    return picture


def deviation(picture: Image.Image) -> float:
    """The standard deviation of the Gaussian that made `step` what `picture` shows."""
    row = values(picture)[picture.height // 2, :, 0]
    slope = np.abs(np.diff(row))
    at = np.arange(len(slope))
    middle = (slope * at).sum() / slope.sum()
    return float(np.sqrt((slope * (at - middle) ** 2).sum() / slope.sum()))


@pytest.mark.parametrize(("strength", "radius"), [(50, 1), (100, 2), (300, 6), (1000, 20), (2000, 40)])
def test_fifty_of_strength_are_a_pixel_of_deviation(strength: int, radius: float) -> None:
    assert deviation(effect(f"blur:{strength}", step())) == pytest.approx(radius, rel=0.12)


def test_blur_lowers_variance_and_keeps_the_average() -> None:
    before, after = values(patches()), values(effect("blur:800", patches()))
    assert after.var() < 0.5 * before.var()
    assert after.mean() == pytest.approx(before.mean(), abs=1)


def test_blur_does_not_let_hidden_colors_out() -> None:
    picture = Image.new("RGBA", (120, 120), (0, 255, 0, 0))
    picture.paste((255, 0, 0, 255), (40, 40, 80, 80))
    result = values(effect("blur:300", picture))
    seen = result[result[..., 3] > 8]
    assert seen[:, 1].max() < 10, "green was never seen"
    assert result[60, 60, 3] > 200
    assert 20 < result[60, 38, 3] < 240, "the edge of the shape is soft too"


def test_blur_of_a_large_picture_is_even() -> None:
    result = values(effect("blur:2000", flat((90, 140, 60), (3001, 1999))))
    assert np.abs(result - (90, 140, 60)).max() <= 1, "no seam and no edge where it was reduced"


@pytest.mark.parametrize("name", ["sharpen", "unsharp_mask"])
def test_sharpening_lifts_edges_and_leaves_flat_parts(name: str) -> None:
    soft = effect("blur:100", step())
    sharp = effect(f"{name}:200", soft)
    assert (
        np.abs(np.diff(values(sharp)[30, :, 0])).max() > 1.15 * np.abs(np.diff(values(soft)[30, :, 0])).max()
    )
    assert near(tuple(int(each) for each in values(sharp)[30, 20]), (0, 0, 0), 0)
    strong = effect(f"{name}:600", soft)
    assert values(strong).var() > values(sharp).var()


def test_an_unsharp_mask_is_wider_than_sharpen() -> None:
    soft = effect("brightness:-40", effect("blur:100", effect("contrast:-50", step())))
    changed = [
        (np.abs(values(effect(f"{name}:150", soft)) - values(soft))[30, :, 0] > 2).sum()
        for name in ("sharpen", "unsharp_mask")
    ]
    assert changed[1] > changed[0]


@pytest.mark.parametrize("square", [2, 7, 40, 200])
def test_a_mosaic_has_squares_of_the_size_asked_for(square: int) -> None:
    result = values(effect(f"pixelate:{square}", patches()))
    for top in range(0, result.shape[0], square):
        for left in range(0, result.shape[1], square):
            cell = result[top : top + square, left : left + square].reshape(-1, 3)
            assert (cell == cell[0]).all()
    original = values(patches())[:square, :square].reshape(-1, 3).mean(axis=0)
    assert np.abs(result[0, 0] - original).max() <= 1


def test_a_mosaic_of_no_size_has_about_32_squares_along_the_longer_side() -> None:
    row = values(effect("pixelate", patches()))[5]
    assert 28 <= 1 + (np.abs(np.diff(row, axis=0)).max(axis=1) > 0).sum() <= 32


@pytest.mark.parametrize("name", ["blur_region:600", "pixelate_region:9"])
def test_a_region_is_changed_inside_alone(name: str) -> None:
    before = patches()
    after = effect(name, before, region=Box(50, 60, 100, 80))
    changed = np.abs(values(after) - values(before)).max(axis=-1) > 0
    inside = np.zeros_like(changed)
    inside[60:140, 50:150] = True
    assert not (changed & ~inside).any()
    assert changed[inside].mean() > 0.8


@pytest.mark.parametrize("name", ["blur_region", "pixelate_region:9"])
def test_a_region_may_reach_over_the_edge_or_lie_outside(name: str) -> None:
    before = patches()
    over = (
        np.abs(values(effect(name, before, region=Box(250, 200, 900, 900))) - values(before)).max(axis=-1) > 0
    )
    assert over[200:, 250:].mean() > 0.5
    assert not over[:200].any()
    outside = effect(name, before, region=Box(5000, 10, 50, 50))
    assert outside.tobytes() == before.tobytes()


def test_without_a_region_it_is_all_of_the_picture() -> None:
    assert effect("blur_region:300", patches()).tobytes() == effect("blur:300", patches()).tobytes()


@pytest.mark.parametrize("name", ["blur_faces", "pixelate_faces"])
def test_faces_are_hidden_and_the_rest_is_not(name: str) -> None:
    before = patches()
    faces = (Box(40, 50, 60, 60), Box(200, 100, 80, 80))
    changed = np.abs(values(effect(name, before, faces=faces)) - values(before)).max(axis=-1) > 0
    for face in faces:
        left, top, side = int(face.left), int(face.top), int(face.width)
        assert changed[top : top + side, left : left + side].mean() > 0.8
    assert not changed[:40].any()
    assert not changed[200:].any()
    assert effect(name, before).tobytes() == before.tobytes(), "no face, no change"


def test_a_large_face_is_blurred_as_much_as_a_small_one() -> None:
    """What is left of a face's features does not depend on how many pixels it has."""
    left = []
    for side in (80, 640):
        picture = flat((200, 160, 140), (side * 2, side * 2))
        pen = ImageDraw.Draw(picture)
        for x in (0.3, 0.7):
            eye = (0.5 + x - 0.08, 0.5 + 0.32, 0.5 + x + 0.08, 0.5 + 0.42)
            pen.ellipse(tuple(each * side for each in eye), fill=(20, 20, 20))
        result = effect("blur_faces", picture, faces=(Box(side / 2, side / 2, side, side),))
        left.append(values(result).min())
    assert min(left) > 90, "eyes are no longer dark"
    assert abs(left[0] - left[1]) < 25
