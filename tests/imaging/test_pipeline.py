"""A whole transformation carried out, from a file's bytes to the answer's."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image, ImageFile

from imagestore.core.errors import ImageLimitExceeded, InvalidTransformation
from imagestore.imaging.geometry import Box
from imagestore.imaging.limits import Limits
from imagestore.imaging.pipeline import Rendered, RenderRequest, Source, render
from imagestore.imaging.planning import PROPORTIONAL
from tests import pictures
from tests.bench.quality import psnr

pytestmark = pytest.mark.quick

PHOTO = pictures.jpeg(1200, 800, quality=95, seed=11, subsampling=0)
RED = (255, 0, 0)


def rendered(
    text: str, data: bytes = PHOTO, *, source: str = "jpeg", format: str = "png", **more: Any
) -> Rendered:
    known = {name: more.pop(name) for name in ("width", "height", "faces") if name in more}
    return render(
        RenderRequest(
            transformation=text, source=Source(data=data, format=source, **known), format=format, **more
        )
    )


def opened(text: str, data: bytes = PHOTO, **more: Any) -> Image.Image:
    answer = rendered(text, data, **more)
    image = Image.open(io.BytesIO(answer.data))
    assert image.size == (answer.width, answer.height)
    image.load()
    return image


def full(data: bytes = PHOTO) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "gif", "avif", "tiff"])
def test_a_picture_is_scaled_and_encoded(format: str) -> None:
    answer = rendered("w_90", pictures.jpeg(60, 40, orientation=6), format=format)
    with Image.open(io.BytesIO(answer.data)) as image:
        assert (image.format or "").lower() == answer.format == format
        assert image.size == (answer.width, answer.height) == (90, 135)


def test_no_transformation_is_the_picture_itself() -> None:
    drawn = pictures.canvas(60, 40, noise=True)
    file = io.BytesIO()
    drawn.save(file, "PNG")
    assert opened("", file.getvalue(), source="png").tobytes() == drawn.tobytes()


def test_crops_in_a_row_are_one_resample_of_what_is_left() -> None:
    seen = opened("c_crop,h_600,w_600,x_300,y_100/c_fill,h_300,w_450/w_150")
    target = full().resize((150, 100), Image.Resampling.LANCZOS, (300, 200, 900, 600))
    assert psnr(seen, target) > 45


def test_what_was_made_small_stays_without_detail() -> None:
    seen = opened("w_12/w_600")
    small = full().resize((12, 8), Image.Resampling.LANCZOS)
    assert psnr(seen, small.resize((600, 400), Image.Resampling.LANCZOS)) > 40
    assert psnr(seen, full().resize((600, 400), Image.Resampling.LANCZOS)) < 35


def test_several_crops_cost_one_decode(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    load = ImageFile.ImageFile.load

    def note(image: ImageFile.ImageFile) -> Any:
        if getattr(image, "tile", None):
            sizes.append(image.size)
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", note)
    rendered("c_crop,h_800,w_800/e_sepia/c_fill,h_400,w_400/e_negate/w_80/e_sharpen/w_50")
    assert sizes == [(300, 200)]


@pytest.mark.parametrize("effect", PROPORTIONAL)
def test_colours_may_be_changed_behind_the_resample(effect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"e_{effect}/c_crop,h_800,w_800/w_100"
    late = opened(text)
    monkeypatch.setattr("imagestore.imaging.steps.PROPORTIONAL", ())
    assert psnr(late, opened(text)) > 45


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
@pytest.mark.parametrize(
    ("turn", "method"),
    [
        ("90", Image.Transpose.ROTATE_270),
        ("180", Image.Transpose.ROTATE_180),
        ("-90", Image.Transpose.ROTATE_90),
        ("hflip", Image.Transpose.FLIP_LEFT_RIGHT),
        ("vflip", Image.Transpose.FLIP_TOP_BOTTOM),
        ("hflip.90", Image.Transpose.TRANSVERSE),
    ],
)
def test_right_turns_are_free_before_a_crop(orientation: int, turn: str, method: Image.Transpose) -> None:
    data = pictures.jpeg(600, 400, quality=95, seed=4, orientation=orientation)
    upright = opened("", data).transpose(method)
    seen = opened(f"c_crop,h_0.8,w_0.9,g_north_west/a_{turn}/c_crop,h_100,w_200,x_20,y_90/w_100", data)
    whole = opened("c_crop,h_0.8,w_0.9,g_north_west", data).transpose(method)
    target = whole.resize((100, 50), Image.Resampling.LANCZOS, (20, 90, 220, 190))
    assert seen.size == (100, 50) and psnr(seen, target) > 40
    assert opened(f"a_{turn}", data).tobytes() == upright.tobytes()


def test_effects_see_the_size_that_the_component_makes() -> None:
    blurred, small = opened("e_blur:800,w_100"), opened("w_100")
    assert psnr(blurred, opened("w_100/e_blur:800")) == float("inf")
    assert psnr(blurred, small) < 40


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("w_0.5", (600, 400)),
        ("w_iw_div_4", (300, 200)),
        ("w_300/w_iw_mul_0.5", (600, 400)),
        ("w_300/w_w_mul_2", (600, 400)),
        ("c_crop,h_ih_sub_100,w_500", (500, 700)),
        ("$side_250/c_fill,h_$side,w_$side", (250, 250)),
        ("c_fit,h_100,w_1000", (150, 100)),
        ("dpr_2.0,w_150", (300, 200)),
        ("if_w_gt_1000/w_100/if_else/w_200/if_end", (100, 67)),
        ("w_900/if_w_gt_1000/w_100/if_else/w_200/if_end", (200, 133)),
        ("if_ar_gt_1.4/c_fill,h_50,w_50/if_end/w_30", (30, 30)),
        ("if_fc_eq_2/w_10/if_end", (10, 7)),
        ("if_!sale!_in_tags/w_20/if_end", (20, 13)),
    ],
)
def test_expressions_and_conditions_know_the_picture(text: str, size: tuple[int, int]) -> None:
    faces = (Box(0, 0, 9, 9), Box(50, 50, 9, 9))
    assert opened(text, faces=faces, tags=frozenset({"sale"})).size == size


@pytest.mark.parametrize(
    ("text", "quality"),
    [
        ("if_w_gt_50/w_50/q_7/if_end/q_90", 7),
        ("if_w_lt_50/w_50/q_7/if_end/q_90", 90),
        ("if_w_lt_50,q_7/if_else,q_8", 8),
        ("if_w_gt_50/if_h_gt_20/q_9/if_end/if_end/if_w_gt_20,q_11", 11),
    ],
)
def test_the_quality_is_that_of_the_branch_that_is_taken(text: str, quality: int) -> None:
    assert rendered(text, format="jpeg").quality == quality


def test_pixels_are_those_of_the_picture_that_a_copy_stands_for() -> None:
    file = io.BytesIO()
    full().resize((600, 400), Image.Resampling.LANCZOS).save(file, "JPEG", quality=95, subsampling=0)
    text = "c_crop,h_400,w_400,x_600,y_200/c_scale,w_100"
    copied = opened(text, file.getvalue(), width=1200, height=800)
    assert psnr(copied, opened(text)) > 38
    assert opened("w_iw_div_2", file.getvalue(), width=1200, height=800).size == (600, 400)


def test_faces_follow_every_change() -> None:
    data, face = pictures.png(200, 100), Box(150, 20, 20, 20)
    drawn = Image.open(io.BytesIO(data)).convert("RGB")
    drawn.paste(RED, (150, 20, 170, 40))
    file = io.BytesIO()
    drawn.save(file, "PNG")
    for text in (
        "c_crop,g_face,h_20,w_20",
        "a_hflip/c_crop,g_face,h_20,w_20",
        "c_crop,h_60,w_100,x_100,y_10/c_crop,g_face,h_20,w_20",
        "w_400/c_crop,g_face,h_40,w_40",
        "bo_7px_solid_blue/c_crop,g_face,h_20,w_20",
        "c_pad,h_300,w_300/c_crop,g_face,h_30,w_30",
        "a_90/c_crop,g_face,h_20,w_20",
    ):
        seen = opened(text, file.getvalue(), source="png", faces=(face,)).convert("RGB")
        middle = seen.getpixel((seen.width // 2, seen.height // 2))
        inner = seen.crop((3, 3, seen.width - 3, seen.height - 3))
        assert middle == RED, text
        assert min(pixel[0] for pixel in inner.get_flattened_data()) > 230, text  # type: ignore[index]


def test_a_layer_is_laid_over_with_its_own_chain() -> None:
    logo = Source(data=pictures.png(40, 20), format="png")
    seen = opened(
        "w_300/l_logo/c_fill,h_50,w_50/e_grayscale/fl_layer_apply,g_north_west,x_10,y_20",
        layers={"logo": logo},
    )
    plain = opened("w_300")
    patch = seen.convert("RGB").crop((10, 20, 60, 70))
    assert all(red == green == blue for red, green, blue in patch.get_flattened_data())  # type: ignore[misc]
    assert psnr(seen.crop((0, 75, 300, 200)), plain.crop((0, 75, 300, 200))) == float("inf")


def test_a_layer_can_be_sized_by_the_picture_below() -> None:
    logo = Source(data=pictures.png(40, 20), format="png")
    seen = opened("w_300/l_logo/fl_relative,w_1.5/fl_layer_apply", layers={"logo": logo})
    assert seen.size == (450, 225)


def test_a_layer_that_was_not_brought_is_refused() -> None:
    with pytest.raises(InvalidTransformation, match="logo"):
        rendered("l_logo/fl_layer_apply")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_crop_of_a_turned_photo_is_the_same_part(orientation: int) -> None:
    upright = full().resize((600, 400))
    turns = [0, None, *[Image.Transpose(each) for each in (0, 3, 1, 5, 2, 6, 4)]]
    stored = upright.transpose(turns[orientation]) if turns[orientation] is not None else upright  # type: ignore[arg-type]
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, subsampling=0, exif=pictures.exif(orientation))
    seen = opened("c_crop,h_200,w_300,x_250,y_150/w_100", file.getvalue())
    assert psnr(seen, upright.resize((100, 67), Image.Resampling.LANCZOS, (250, 150, 550, 350))) > 33


def test_every_frame_of_an_animation_is_made() -> None:
    data = pictures.gif(60, 40, frames=4)
    answer = rendered("c_fill,h_20,w_20/r_max", data, source="gif", format="gif")
    assert (answer.frames, answer.width, answer.height) == (4, 20, 20)
    assert rendered("w_20", data, source="gif", format="jpeg").frames == 1


@pytest.mark.parametrize("text", ["w_20000", "w_10000/h_10000,w_10000", "c_crop,x_5000", "pg_3"])
def test_what_cannot_be_done_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(InvalidTransformation):
        rendered(text)


def test_nothing_of_the_originals_metadata_is_in_the_answer() -> None:
    data = pictures.jpeg(60, 40, orientation=6, gps=True, comment=b"secret", icc_profile=b"x" * 200)
    for format in ("jpeg", "png", "webp", "avif", "tiff"):
        answer = rendered("w_30", data, format=format)
        with Image.open(io.BytesIO(answer.data)) as image:
            assert not dict(image.getexif()).keys() & {0x0112, 0x8825}
            assert "comment" not in image.info and not image.info.get("icc_profile")
        assert b"secret" not in answer.data


def test_a_picture_beyond_the_limits_is_not_decoded() -> None:
    with pytest.raises(ImageLimitExceeded, match="pixels"):
        rendered("w_10", limits=Limits(pixels=900_000))
