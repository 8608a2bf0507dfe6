"""Layers as a URL asks for them: their own chains, sizes relative to what is below, texts."""

import io

import pytest
from PIL import Image, ImageChops, ImageDraw

from imagestore.core.errors import InvalidTransformation
from imagestore.imaging.geometry import Box
from imagestore.imaging.pipeline import RenderRequest, Source, render

pytestmark = pytest.mark.quick

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


def encoded(picture, format="PNG", **options):
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def plain(color, size):
    return Source(data=encoded(Image.new("RGB", size, color)), format="png")


LAYERS = {"logo": plain(BLUE, (40, 20)), "a/b": plain(BLUE, (10, 10)), "large": plain(BLUE, (300, 300))}


def made(transformation, below=None, format="png"):
    request = RenderRequest(
        transformation=transformation,
        source=below or plain(RED, (200, 100)),
        format=format,
        layers=LAYERS,
    )
    return Image.open(io.BytesIO(render(request).data)).convert("RGBA")


def extent(picture, color):
    pixels = [255 if pixel == (*color, 255) else 0 for pixel in picture.get_flattened_data()]
    same = Image.new("L", picture.size)
    same.putdata(pixels)
    return same.getbbox()


def changed(picture, below=RED):
    """The box of all that is not plain `below`, faint edges too."""
    return ImageChops.difference(picture.convert("RGB"), Image.new("RGB", picture.size, below)).getbbox()


@pytest.mark.parametrize(
    ("transformation", "size", "blue"),
    [
        ("l_logo", (200, 100), (80, 40, 120, 60)),
        ("l_logo/fl_layer_apply,g_south_east,x_5,y_7", (200, 100), (155, 73, 195, 93)),
        ("l_logo,g_north_west", (200, 100), (0, 0, 40, 20)),
        ("l_a:b/fl_layer_apply,g_north_west,x_0.5,y_0.5", (200, 100), (100, 50, 110, 60)),
        ("l_logo/c_scale,w_0.5/fl_layer_apply,g_north_west", (200, 100), (0, 0, 20, 10)),
        ("l_logo/c_scale,fl_relative,w_0.5/fl_layer_apply,g_north_west", (200, 100), (0, 0, 100, 50)),
        ("l_logo,fl_relative,w_0.5,g_north_west", (200, 100), (0, 0, 100, 50)),
        ("c_scale,w_100/l_logo/c_scale,fl_relative,w_1.0/fl_layer_apply", (100, 50), (0, 0, 100, 50)),
        ("l_logo/fl_layer_apply,g_west,x_-10", (210, 100), (0, 40, 40, 60)),
        ("l_large/fl_layer_apply", (300, 300), (0, 0, 300, 300)),
        ("l_large/fl_layer_apply.no_overflow", (200, 100), (0, 0, 200, 100)),
        ("u_large/fl_layer_apply,g_north_west", (300, 300), (0, 0, 300, 300)),
        ("l_logo/l_a:b/fl_layer_apply,g_north_east/fl_layer_apply,g_north_west", (200, 100), (0, 0, 40, 20)),
        ("$w_20/l_logo/c_scale,w_$w/fl_layer_apply,g_north_west", (200, 100), (0, 0, 20, 10)),
        ("if_w_gt_100/l_logo,g_north_west/if_end", (200, 100), (0, 0, 40, 20)),
        ("if_w_gt_900/l_logo,g_north_west/if_end", (200, 100), None),
        ("l_logo/a_90/fl_layer_apply,g_north_west", (200, 100), (0, 0, 20, 40)),
    ],
)
def test_where_a_layer_comes_to_lie(transformation, size, blue):
    picture = made(transformation)
    assert picture.size == size
    assert extent(picture, BLUE) == blue


def test_a_picture_lies_on_its_underlay():
    picture = made("u_large/fl_layer_apply,g_south_east,x_10,y_20")
    assert extent(picture, RED) == (90, 180, 290, 280)


def test_a_layer_for_each_face_as_large_as_that():
    below = Source(
        data=encoded(Image.new("RGB", (200, 100), RED)),
        format="png",
        width=200,
        height=100,
        faces=(Box(10, 10, 20, 20), Box(100, 30, 40, 40)),
    )
    picture = made("l_a:b/c_scale,fl_region_relative,w_1.5/fl_layer_apply,g_faces", below)
    assert extent(picture.crop((0, 0, 60, 100)), BLUE) == (5, 5, 35, 35)
    assert extent(picture.crop((60, 0, 200, 100)), BLUE) == (30, 20, 90, 80)


def test_a_faded_layer_wherever_that_is_said():
    first = made("l_logo/o_30/fl_layer_apply").getpixel((100, 50))
    assert (
        first
        == made("l_logo/fl_layer_apply,o_30").getpixel((100, 50))
        == made("l_logo,o_30").getpixel((100, 50))
    )
    assert first[:3] == pytest.approx((178, 0, 77), abs=2)


def test_a_canvas_that_grew_may_be_filled():
    grown = "l_logo/fl_layer_apply,g_west,x_-10"
    assert made(grown).getpixel((0, 0)) == (0, 0, 0, 0)
    assert made(f"{grown},b_lime").getpixel((0, 0)) == (0, 255, 0, 255)
    assert made(f"{grown},b_transparent").tobytes() == made(grown).tobytes()


def test_a_blend_beside_its_layer_or_in_its_place():
    old, new = made("l_logo,e_screen"), made("l_logo/fl_layer_apply,e_screen")
    assert old.tobytes() == new.tobytes()
    assert old.getpixel((100, 50)) == (255, 0, 255, 255)


def test_text_in_its_colour():
    picture = made("l_text:Arial_60_bold:HHH,co_white/fl_layer_apply,g_north_west,x_10,y_20")
    left, top, right, bottom = changed(picture)
    assert (left, top) == (10, 20)
    assert extent(picture, WHITE) is not None
    assert bottom - top == pytest.approx(60 * 0.688, abs=2)
    assert right > 100


def test_text_is_black_unless_said_otherwise():
    assert extent(made("l_text:Arial_60:HHH"), (0, 0, 0)) is not None


def test_text_wraps_or_is_resized():
    wide = made("l_text:Arial_20:HHHH%20HHHH%20HHHH,co_white/fl_layer_apply,g_north_west")
    wrapped = made("l_text:Arial_20:HHHH%20HHHH%20HHHH,co_white,c_fit,w_80/fl_layer_apply,g_north_west")
    resized = made("l_text:Arial_20:HHHH%20HHHH%20HHHH,co_white,c_fit,w_0.5/fl_layer_apply,g_north_west")
    assert wide.size == wrapped.size == resized.size == (200, 100)
    heights = [changed(each)[3] for each in (wide, wrapped, resized)]
    assert heights[1] > 3 * heights[0]
    assert heights[2] < 0.6 * heights[0]


def test_a_text_has_effects_and_corners_of_its_own():
    picture = made("l_text:Arial_40:HH,b_white,r_8/fl_layer_apply,g_north_west")
    assert picture.getpixel((0, 0)) == (*RED, 255)
    assert picture.getpixel((14, 0))[:3] != RED


def test_the_room_around_a_text_is_kept_wherever_that_is_said():
    tight = made("l_text:Arial_40:HH,b_white/fl_layer_apply,g_north_west")
    beside = made("l_text:Arial_40:HH,b_white,fl_text_no_trim/fl_layer_apply,g_north_west")
    old = made("l_text:Arial_40:HH,b_white,fl_text_no_trim,g_north_west")
    assert beside.tobytes() == old.tobytes() != tight.tobytes()
    assert beside.getpixel((2, 2))[:3] == WHITE


def test_a_stroke_takes_the_border():
    picture = made("l_text:Arial_60_stroke:HH,co_white,bo_5px_solid_blue/fl_layer_apply,g_north_west")
    assert changed(picture)[:2] == (0, 0)
    assert extent(picture, WHITE)[:2] == pytest.approx((5, 5), abs=1)
    assert picture.getpixel((2, 25)) == (*BLUE, 255)
    bordered = made("l_text:Arial_60:HH,co_white,bo_5px_solid_blue/fl_layer_apply,g_north_west")
    assert extent(bordered, BLUE)[0] == 0
    assert bordered.getpixel((1, 1)) == (*BLUE, 255)


def test_a_text_has_variables():
    first = made("$name_!HH!/l_text:Arial_40:$(name)")
    assert first.tobytes() == made("l_text:Arial_40:HH").tobytes() != made("l_text:Arial_40:HHH").tobytes()


def test_a_text_that_must_fit():
    with pytest.raises(InvalidTransformation, match="text_disallow_overflow"):
        made("l_text:Arial_90:much%20too%20long/fl_layer_apply.text_disallow_overflow")


def test_a_layer_that_is_not_there():
    with pytest.raises(InvalidTransformation, match="nothing"):
        made("l_nothing/fl_layer_apply")


def test_a_watermark_over_an_animation_is_on_every_frame():
    frames = [Image.new("RGB", (60, 40), color) for color in ("red", "lime", "white")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[50, 60, 70], loop=0)
    request = RenderRequest(
        transformation="l_a:b/fl_layer_apply,g_south_east",
        source=Source(data=data, format="gif"),
        format="gif",
        layers=LAYERS,
    )
    with Image.open(io.BytesIO(render(request).data)) as answer:
        assert answer.n_frames == 3
        for number, color in enumerate([(255, 0, 0), (0, 255, 0), (255, 255, 255)]):
            answer.seek(number)
            frame = answer.convert("RGB")
            assert frame.getpixel((5, 5)) == color
            assert frame.getpixel((55, 35)) == BLUE


def test_effects_and_their_region():
    below = Image.new("RGB", (200, 100), (10, 20, 30))
    source = Source(data=encoded(below), format="png")
    assert made("e_negate", source).getpixel((5, 5)) == (245, 235, 225, 255)
    below.paste((200, 200, 200), (100, 0, 200, 100))
    source = Source(data=encoded(below), format="png")
    blurred = made("e_blur_region:800,x_50,y_20,w_100,h_60", source)
    assert blurred.size == (200, 100)
    assert blurred.getpixel((98, 50)) != (10, 20, 30, 255)
    for kept in ((98, 10), (98, 90)):
        assert blurred.getpixel(kept) == (10, 20, 30, 255)
    shadowed = made("c_scale,w_50/e_shadow:100,x_10,y_10", source)
    assert shadowed.size[0] > 50


@pytest.mark.parametrize(
    "chain", ["c_scale,w_33", "a_30", "c_scale,w_0.6/a_-7", "c_fill,w_31,h_17,r_max", "o_60"]
)
def test_no_layer_has_dark_edges(chain):
    """A white disc on transparent black, resampled, turned, rounded, faded: on white nothing is seen."""
    disc = Image.new("RGBA", (60, 60), (0, 0, 0, 0))
    ImageDraw.Draw(disc).ellipse((5, 5, 54, 54), (255, 255, 255, 255))
    request = RenderRequest(
        transformation=f"l_disc/{chain}/fl_layer_apply",
        source=plain(WHITE, (120, 90)),
        format="png",
        layers={"disc": Source(data=encoded(disc), format="png")},
    )
    picture = Image.open(io.BytesIO(render(request).data)).convert("L")
    assert picture.getextrema()[0] >= 253
