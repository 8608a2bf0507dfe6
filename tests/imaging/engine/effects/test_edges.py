"""What lies along the edge of a shape: shadows, outlines, fading, and backgrounds made transparent."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from imagestore.core.transformation.model import Color
from tests.effects import effect, flat, values

pytestmark = pytest.mark.quick


def disk(size: int = 120, radius: int = 30) -> Image.Image:
    """A red disk on nothing."""
    picture = Image.new("RGBA", (size * 4, size * 4), (255, 0, 0, 0))
    middle = size * 2
    box = (middle - radius * 4, middle - radius * 4, middle + radius * 4, middle + radius * 4)
    ImageDraw.Draw(picture).ellipse(box, fill=(255, 0, 0, 255))
    return picture.resize((size, size), Image.Resampling.BOX)


def opaque(picture: Image.Image) -> int:
    return int((values(picture)[..., 3] > 127).sum())


def radius_of(picture: Image.Image) -> float:
    return (opaque(picture) / np.pi) ** 0.5


def test_a_shadow_falls_where_it_is_sent_and_the_canvas_grows() -> None:
    result = effect("shadow:60", flat((200, 30, 30), (100, 80)), x=20.0, y=12.0, color=Color(0, 0, 0))
    assert result.mode == "RGBA"
    assert result.width > 120
    assert result.height > 92
    pixels = values(result)
    picture = pixels[(pixels[..., 0] > 190) & (pixels[..., 3] == 255)]
    assert len(picture) == 100 * 80, "the picture itself is whole"
    shade = (pixels[..., 3] > 20) & (pixels[..., 0] < 100)
    rows, columns = np.nonzero(pixels[..., 0] > 190)
    shaded_rows, shaded_columns = np.nonzero(shade)
    assert shaded_columns.mean() > columns.mean()
    assert shaded_rows.mean() > rows.mean()


def test_a_shadow_falls_to_the_left_and_up_where_offsets_are_negative() -> None:
    result = effect("shadow", flat((200, 30, 30), (100, 80)), x=-20.0, y=-20.0)
    alpha = values(result)[..., 3]
    assert alpha[: alpha.shape[0] // 4].sum() > 0
    rows, columns = np.nonzero(values(result)[..., 0] == 200)
    assert columns.max() == result.width - 1 or result.width - columns.max() < columns.min()
    assert result.height - rows.max() < rows.min()


def test_a_shadow_is_as_dark_as_it_says() -> None:
    darkest = [
        values(effect(f"shadow:{each}", flat((9, 9, 9), (300, 300)), x=60.0, y=60.0))[315, 200, 3]
        for each in (0, 40, 80)
    ]
    assert darkest[0] == 0
    assert darkest[1] == pytest.approx(0.4 * 255, rel=0.1)
    assert darkest[2] == pytest.approx(2 * darkest[1], rel=0.1)


def test_a_shadow_has_the_shape_of_what_casts_it() -> None:
    result = effect("shadow:100", disk(), x=0.0, y=0.0)
    corner = values(result)[:8, :8, 3]
    assert corner.max() < 20


@pytest.mark.parametrize("width", [1, 4, 10, 30, 100])
def test_an_outline_is_as_wide_as_it_says(width: int) -> None:
    result = effect(f"outline:outer:{width}", disk(), color=Color(0, 0, 255))
    assert radius_of(result) == pytest.approx(30 + width, abs=1.2)
    pixels = values(result)
    middle = result.width // 2
    assert tuple(pixels[middle, middle]) == (255, 0, 0, 255), "the shape stays as it is"
    line = pixels[middle, middle + 30 + width // 2]
    assert line[0] < 90
    assert line[2] > 160
    assert line[3] > 100


def test_an_outline_inside_leaves_the_shape() -> None:
    before = disk()
    result = effect("outline:inner:6", before, color=Color(0, 0, 255))
    assert result.size == before.size
    assert result.getchannel("A").tobytes() == before.getchannel("A").tobytes()
    pixels = values(result)
    assert tuple(pixels[60, 60][:3]) == (255, 0, 0)
    assert tuple(pixels[60, 60 + 27][:3]) == (0, 0, 255)
    red = (pixels[..., 0] > 200) & (pixels[..., 3] > 127)
    assert (red.sum() / np.pi) ** 0.5 == pytest.approx(24, abs=1)


def test_an_outline_inside_follows_the_edge_of_an_opaque_picture() -> None:
    pixels = values(effect("outline:inner:5", flat((255, 0, 0), (60, 40)), color=Color(0, 0, 255)))
    assert tuple(pixels[20, 2]) == (0, 0, 255, 255)
    assert tuple(pixels[20, 30]) == (255, 0, 0, 255)
    assert tuple(pixels[37, 30]) == (0, 0, 255, 255)


def test_filled_outlines_cover_the_shape() -> None:
    outer = effect("outline:fill:8", disk(), color=Color(0, 0, 255))
    assert radius_of(outer) == pytest.approx(38, abs=1)
    inner = effect("outline:inner_fill:8", disk(), color=Color(0, 0, 255))
    assert radius_of(inner) == pytest.approx(30, abs=1)
    for picture in (outer, inner):
        middle = picture.width // 2
        assert tuple(values(picture)[middle, middle]) == (0, 0, 255, 255)


def test_an_outline_may_be_soft() -> None:
    edge = [
        np.abs(np.diff(values(effect(f"outline:outer:10:{softness}", disk()))[..., 3], axis=1)).max()
        for softness in (0, 300)
    ]
    assert edge[0] > 150
    assert edge[1] < 60


def alphas(picture: Image.Image) -> np.ndarray:
    return values(picture)[..., 3]


def test_a_gradient_fades_from_the_top_over_half_the_height() -> None:
    alpha = alphas(effect("gradient_fade", flat((9, 9, 9), (40, 200))))
    assert alpha[0].max() < 8
    assert abs(alpha[50, 0] - 128) < 5
    assert (alpha[100:] == 255).all()
    assert (np.diff(alpha[:, 0]) >= 0).all()


def test_a_gradient_fades_from_the_side_that_its_sign_says() -> None:
    picture = flat((9, 9, 9), (200, 40))
    left, right = (
        alphas(effect("gradient_fade", picture, x=50.0)),
        alphas(effect("gradient_fade", picture, x=-50.0)),
    )
    assert left[0, 0] < 8
    assert (left[:, 50:] == 255).all()
    assert np.array_equal(left[:, ::-1], right)
    bottom = alphas(effect("gradient_fade", picture, y=-20.0))
    assert bottom[-1, 0] < 10
    assert (bottom[:20] == 255).all()


def test_a_symmetric_gradient_fades_both_sides() -> None:
    alpha = alphas(effect("gradient_fade:symmetric", flat((9, 9, 9), (200, 40)), x=50.0))
    assert alpha[0, 0] == alpha[0, -1] < 8
    assert (alpha[:, 50:150] == 255).all()


def test_a_stronger_gradient_leaves_less() -> None:
    sums = [
        alphas(effect(f"gradient_fade:{each}", flat((9, 9, 9), (40, 200)))).sum() for each in (0, 10, 20, 60)
    ]
    assert sums == sorted(sums, reverse=True)
    assert sums[0] == 255 * 40 * 200


def test_a_gradient_leaves_what_was_transparent() -> None:
    before = disk()
    alpha = alphas(effect("gradient_fade", before))
    assert (alpha <= alphas(before)).all()


def scene() -> Image.Image:
    """A box with a white label on white paper with a little noise."""
    noise = np.random.default_rng(2).normal(0, 1.5, (200, 300, 3))
    picture = Image.fromarray(np.clip(244 + noise, 0, 255).astype(np.uint8))
    picture.paste((30, 90, 160), (80, 50, 220, 160))
    picture.paste((245, 245, 245), (120, 80, 180, 130))
    return picture


def test_the_background_becomes_transparent_and_what_it_encloses_does_not() -> None:
    alpha = alphas(effect("make_transparent", scene()))
    assert alpha[:40].max() < 10
    assert alpha[:, :70].max() < 10
    assert alpha[60:75, 90:210].min() == 255
    assert alpha[90:120, 130:170].min() == 255, "a white label is not the background"


def test_more_tolerance_takes_more() -> None:
    picture = scene()
    picture.paste((215, 215, 215), (0, 0, 40, 40))
    left = [alphas(effect(f"make_transparent:{each}", picture))[5:30, 5:30].mean() for each in (1, 10, 40)]
    assert left[0] > 250
    assert left == sorted(left, reverse=True)
    assert left[2] < 10


def test_another_color_may_be_made_transparent() -> None:
    picture = flat((200, 20, 20), (60, 60))
    picture.paste((20, 20, 200), (0, 30, 60, 60))
    alpha = alphas(effect("make_transparent", picture, color=Color(20, 20, 200)))
    assert alpha[:28].min() == 255
    assert alpha[34:].max() == 0
