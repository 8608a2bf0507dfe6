"""An automatic crop holds on to what stands out, wherever it is."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from imagestore.imaging.engine.saliency import find_focus

pytestmark = pytest.mark.quick


def meadow(width: int, height: int) -> Image.Image:
    """A dull, lightly structured ground."""
    noise = np.random.default_rng(3).normal(0, 6, (height, width, 1))
    return Image.fromarray(np.clip(np.array([96, 120, 88]) + noise, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("size", [(900, 600), (400, 700), (3000, 1200)])
@pytest.mark.parametrize("place", [(0.2, 0.3), (0.75, 0.3), (0.3, 0.75), (0.5, 0.5)])
def test_a_flower_in_a_meadow_is_found(size: tuple[int, int], place: tuple[float, float]) -> None:
    picture = meadow(*size)
    x, y, radius = size[0] * place[0], size[1] * place[1], min(size) * 0.12
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(230, 80, 40))
    focus = find_focus(picture)
    assert abs(focus[0] - x) < radius
    assert abs(focus[1] - y) < radius


def test_of_two_subjects_it_is_one_and_not_the_gap_between_them() -> None:
    picture = meadow(1200, 400)
    for x in (150, 1000):
        ImageDraw.Draw(picture).ellipse((x - 60, 140, x + 60, 260), fill=(240, 220, 40))
    x, _ = find_focus(picture)
    assert min(abs(x - 150), abs(x - 1000)) < 60


def test_what_is_sharp_is_the_subject_where_the_rest_is_blurred() -> None:
    noise = np.random.default_rng(5).integers(60, 200, (60, 90), dtype=np.uint8)
    sharp = Image.fromarray(noise).resize((900, 600), Image.Resampling.NEAREST).convert("RGB")
    picture = sharp.filter(ImageFilter.GaussianBlur(40))
    picture.paste(sharp.crop((600, 300, 800, 500)), (600, 300))
    x, y = find_focus(picture)
    assert 600 < x < 800
    assert 300 < y < 500


@pytest.mark.parametrize("size", [(640, 480), (1, 1), (5, 900), (16384, 2)])
def test_where_nothing_stands_out_it_is_the_middle(size: tuple[int, int]) -> None:
    assert find_focus(Image.new("RGB", size, (90, 140, 200))) == (size[0] / 2, size[1] / 2)


def test_what_is_transparent_does_not_count() -> None:
    picture = Image.new("RGBA", (800, 600), (100, 100, 100, 255))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((80, 60, 240, 220), fill=(255, 0, 0, 0))
    pen.ellipse((520, 360, 640, 480), fill=(250, 200, 60, 255))
    x, y = find_focus(picture)
    assert abs(x - 580) < 60
    assert abs(y - 420) < 60
