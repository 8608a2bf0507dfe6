"""Layers: where they go, to the pixel, and how they meet what is below them."""

import random

import pytest
from PIL import Image, ImageChops

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Effect, Gravity, Length, Step
from imagestore.imaging import placement
from imagestore.imaging.engine.layers import compose, lay
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import Box

pytestmark = pytest.mark.quick

RED, GREEN, BLUE, CLEAR = (255, 0, 0), (0, 128, 0), (0, 0, 255), (0, 0, 0, 0)


def plain(color, size=(100, 80), mode="RGB"):
    return Image.new(mode, size, color)


def place(gravity=None, x=None, y=None, *flags, effect=None, **fields):
    return Step(
        gravity=Gravity(gravity) if gravity else None,
        x=None if x is None else Length(x, relative=isinstance(x, float)),
        y=None if y is None else Length(y, relative=isinstance(y, float)),
        flags=frozenset(flags),
        effect=effect and Effect(*effect) if isinstance(effect, tuple) else effect and Effect(effect),
        **fields,
    )


def extent(picture, color):
    """The box in which `color` is: left, top, right, bottom."""
    same = Image.new("L", picture.size)
    same.putdata([255 if pixel[:3] == color else 0 for pixel in picture.convert("RGBA").get_flattened_data()])
    return same.getbbox()


@pytest.mark.parametrize(
    ("gravity", "corner"),
    [
        ("north_west", (3, 5)),
        ("north", (40 + 3, 5)),
        ("north_east", (80 - 3, 5)),
        ("west", (3, 35 + 5)),
        ("center", (40 + 3, 35 + 5)),
        ("east", (80 - 3, 35 + 5)),
        ("south_west", (3, 70 - 5)),
        ("south", (40 + 3, 70 - 5)),
        ("south_east", (80 - 3, 70 - 5)),
        ("xy_center", (3 - 10, 5 - 5)),
        (None, (40 + 3, 35 + 5)),
    ],
)
def test_offsets_lead_away_from_the_edge_that_the_gravity_names(gravity, corner):
    result = compose(plain(RED), plain(BLUE, (20, 10)), place(gravity, 3, 5, "no_overflow"))
    left, top = max(0, corner[0]), max(0, corner[1])
    assert extent(result, BLUE) == (left, top, corner[0] + 20, corner[1] + 10)
    assert result.mode == "RGB"


def test_fractions_are_of_the_picture_below():
    result = compose(plain(RED), plain(BLUE, (20, 10)), place("north_west", 0.25, 0.5))
    assert extent(result, BLUE) == (25, 40, 45, 50)


def test_the_canvas_grows_to_hold_a_layer_that_hangs_over():
    result = compose(plain(RED), plain(BLUE, (40, 20)), place("north_west", -10, 70))
    assert result.size == (110, 90)
    assert extent(result, RED) == (10, 0, 110, 80)
    assert extent(result, BLUE) == (0, 70, 40, 90)
    assert result.getpixel((0, 0)) == CLEAR
    assert result.getpixel((60, 85)) == CLEAR


def test_the_canvas_does_not_grow_without_overflow():
    result = compose(plain(RED), plain(BLUE, (40, 20)), place("north_west", -10, 70, "no_overflow"))
    assert (result.size, result.mode) == ((100, 80), "RGB")
    assert extent(result, BLUE) == (0, 70, 30, 80)


def test_a_canvas_has_bounds():
    with pytest.raises(InvalidTransformation, match="fl_no_overflow"):
        compose(plain(RED), plain(BLUE), place("west", 20_000))
    with pytest.raises(InvalidTransformation, match="frames"):
        placement.check((1_000, 1_000), 51)


def test_a_layer_far_outside_leaves_the_picture_as_it_is():
    result = compose(plain(RED), plain(BLUE, (5, 5)), place("west", 5_000, 0, "no_overflow"))
    assert result.getcolors() == [(8_000, RED)]


def test_an_underlay_is_seen_through_the_picture_and_around_it():
    above = plain(CLEAR, (20, 10), "RGBA")
    above.paste((*RED, 255), (0, 0, 10, 10))
    result = compose(above, plain(BLUE), place("north_west", 7, 9), under=True)
    assert (result.size, result.mode) == ((100, 80), "RGB")
    assert extent(result, RED) == (7, 9, 17, 19)
    assert result.getpixel((20, 12)) == BLUE


def test_an_underlay_may_be_kept_to_the_size_of_the_picture():
    above = plain(CLEAR, (20, 10), "RGBA")
    under = plain(BLUE)
    under.paste(GREEN, (50, 0, 100, 80))
    result = compose(above, under, place("center", None, None, "no_overflow"), under=True)
    assert result.size == (20, 10)
    assert extent(result, BLUE) == (0, 0, 10, 10)
    assert extent(result, GREEN) == (10, 0, 20, 10)


@pytest.mark.parametrize("percent", [0, 1, 30, 50, 99])
def test_opacity_mixes_the_colours(percent):
    mixed = compose(plain((200, 100, 0)), plain((0, 100, 200)), place(opacity=percent)).getpixel((50, 40))
    expected = (200 - 2 * percent, 100, 2 * percent)
    assert all(abs(got - wanted) <= 1 for got, wanted in zip(mixed, expected, strict=True))


def test_no_fringe_where_a_transparent_layer_lies_on_a_transparent_picture():
    layer = plain((255, 255, 255, 128), mode="RGBA")
    result = compose(plain(CLEAR, mode="RGBA"), layer, place())
    assert result.getpixel((10, 10)) == (255, 255, 255, 128)


BLENDED = {
    "multiply": lambda below, layer: below * layer / 255,
    "screen": lambda below, layer: 255 - (255 - below) * (255 - layer) / 255,
    "overlay": lambda below, layer: (
        2 * below * layer / 255 if below < 127.5 else 255 - 2 * (255 - below) * (255 - layer) / 255
    ),
}


@pytest.mark.parametrize("mode", BLENDED)
def test_blends_are_those_of_the_book(mode):
    dice = random.Random(mode)
    for _ in range(200):
        below = tuple(dice.randrange(256) for _ in range(3))
        layer = tuple(dice.randrange(256) for _ in range(3))
        got = compose(plain(below, (1, 1)), plain(layer, (1, 1)), place(effect=mode)).getpixel((0, 0))
        expected = [BLENDED[mode](*pair) for pair in zip(below, layer, strict=True)]
        assert all(abs(a - b) <= 3 for a, b in zip(got, expected, strict=True)), (below, layer)


def test_a_blend_of_a_half_transparent_layer_is_half_of_it():
    layer = plain((100, 200, 50, 128), mode="RGBA")
    got = compose(plain((200, 100, 250)), layer, place(effect="multiply")).getpixel((0, 0))
    expected = [(below + below * above / 255) / 2 for below, above in ((200, 100), (100, 200), (250, 50))]
    assert all(abs(a - b) <= 2 for a, b in zip(got, expected, strict=True))


def test_a_blend_with_nothing_below_is_the_layer_itself():
    got = compose(plain(CLEAR, mode="RGBA"), plain((90, 80, 70)), place(effect="multiply"))
    assert got.getpixel((0, 0)) == (90, 80, 70, 255)


def test_a_large_blend_has_no_seams():
    dice = random.Random(3)
    small = Image.new("RGB", (60, 70))
    small.putdata([tuple(dice.randrange(256) for _ in range(3)) for _ in range(60 * 70)])
    below = small.resize((1300, 1900), Image.Resampling.BILINEAR)
    above = small.transpose(Image.Transpose.ROTATE_180).resize((1300, 1900), Image.Resampling.BILINEAR)
    blended = compose(below, above, place(effect="multiply"))
    assert blended.tobytes() == ImageChops.multiply(below, above).tobytes()
    white = plain((255, 255, 255), (1300, 1900))
    moved = compose(below, white, place(None, 7, 5, effect="displace"))
    assert moved.crop((0, 0, 1293, 1895)).tobytes() == below.crop((7, 5, 1300, 1900)).tobytes()


def test_a_cutter_keeps_the_layers_shape_and_a_cut_out_takes_it_away():
    shape = plain((0, 0, 0, 255), (20, 10), "RGBA")
    kept = compose(plain(RED), shape, place("north_west", 4, 6, "cutter"))
    assert kept.getchannel("A").getbbox() == (4, 6, 24, 16)
    assert kept.getpixel((4, 6)) == (*RED, 255)
    cut = compose(plain(RED), shape, place("north_west", 4, 6, effect="cut_out"))
    assert cut.getpixel((4, 6))[3] == 0
    assert cut.getpixel((3, 6)) == (*RED, 255)
    half = compose(plain(RED), shape, place("north_west", 4, 6, effect="cut_out", opacity=50))
    assert half.getpixel((4, 6)) == (*RED, 127)
    assert sum(cut.getchannel("A").histogram()[255:]) == 8_000 - 200


def test_a_mask_goes_by_its_opacity_or_else_by_its_lightness():
    grey = plain((128, 128, 128), (50, 80))
    masked = compose(plain(RED), grey, place("west", effect="mask"))
    assert [masked.getpixel((x, 0))[3] for x in (0, 49, 50)] == [128, 128, 0]
    half = compose(plain(RED), grey, place("west", effect="mask", opacity=50))
    assert [half.getpixel((x, 0))[3] for x in (0, 49, 50)] == [64, 64, 0]
    faint = plain((255, 255, 255, 64), (50, 80), "RGBA")
    faint.putpixel((0, 0), CLEAR)
    masked = compose(plain(RED), faint, place("west", effect="mask"))
    assert [masked.getpixel((x, 0))[3] for x in (0, 1, 50)] == [0, 64, 0]


def test_a_map_moves_the_pixels_below_it():
    below = plain(RED)
    below.paste(BLUE, (50, 0, 100, 80))
    white = plain((255, 128, 128), (100, 40))
    moved = compose(below, white, place("north", 20, 20, effect="displace"))
    assert moved.crop((0, 40, 100, 80)).tobytes() == below.crop((0, 40, 100, 80)).tobytes()
    assert extent(moved.crop((0, 0, 100, 40)), BLUE) == (30, 0, 100, 40)
    black = plain((0, 128, 128), (100, 40))
    assert extent(compose(below, black, place("north", 20, effect="displace")), BLUE)[0] == 50
    assert compose(below, black, place("north", 20, effect="displace")).getpixel((69, 0)) == RED
    still = plain((128, 128, 128))
    assert compose(below, still, place(None, 20, 20, effect="displace")).tobytes() == below.tobytes()


def test_a_half_moved_pixel_is_a_mix():
    below = plain((0, 0, 0), (10, 4))
    below.paste((200, 200, 200), (5, 0, 10, 4))
    moved = compose(below, plain((255, 128, 0), (10, 4)), place(None, 0.05, effect="displace"))
    assert moved.getpixel((4, 0)) == (100, 100, 100)


def test_tiles_cover_the_picture_from_where_the_layer_lies():
    tile = plain(GREEN, (30, 20))
    tile.putpixel((0, 0), BLUE)
    result = compose(plain(RED), tile, place(None, 7, 3, "tiled"))
    assert result.size == (100, 80)
    assert extent(result, RED) is None
    corners = {(x, y) for x in range(100) for y in range(80) if result.getpixel((x, y)) == BLUE}
    assert corners == {(x, y) for x in (7, 37, 67, 97) for y in (3, 23, 43, 63)}


def test_anti_removal_changes_a_layer_a_little_and_always_alike():
    layer = plain((200, 60, 60), (60, 40))
    as_it_is = compose(plain(BLUE), layer, place())
    for level, most in ((10, 40), (100, 200)):
        first = compose(plain(BLUE), layer, place(effect=("anti_removal", (level,))))
        assert (
            first.tobytes() == compose(plain(BLUE), layer, place(effect=("anti_removal", (level,)))).tobytes()
        )
        differences = [
            abs(a - b)
            for one, two in zip(first.get_flattened_data(), as_it_is.get_flattened_data(), strict=True)
            for a, b in zip(one, two, strict=True)
        ]
        assert 0 < max(differences) <= most


def test_a_layer_on_each_face():
    faces = (Box(10, 10, 20, 20), Box(60, 40, 30, 20))
    asked = []

    def draw(region):
        asked.append(region)
        return Picture([plain(BLUE, (int(region.width), 4))])

    result = lay(Picture([plain(RED)], faces=faces), draw, place("faces"), under=False)
    assert asked == list(faces)
    blue = {(x, y) for x in range(100) for y in range(80) if result.frames[0].getpixel((x, y)) == BLUE}
    expected = {(x, y) for x in range(10, 30) for y in range(18, 22)}
    assert blue == expected | {(x, y) for x in range(60, 90) for y in range(48, 52)}
    largest = lay(Picture([plain(RED)], faces=faces), draw, place("face"), under=False)
    assert extent(largest.frames[0], BLUE) == (60, 48, 90, 52)


def test_no_face_no_layer_unless_there_is_a_fallback():
    below = Picture([plain(RED)], faces=())

    def draw(_region):
        return Picture([plain(BLUE, (20, 10))])

    assert extent(lay(below, draw, place("faces"), under=False).frames[0], BLUE) is None
    fallen = Step(gravity=Gravity("face", "south_east"))
    assert extent(lay(below, draw, fallen, under=False).frames[0], BLUE) == (80, 70, 100, 80)


def test_faces_move_with_the_canvas():
    below = Picture([plain(RED)], faces=(Box(10, 10, 20, 20),))
    result = lay(below, lambda _: Picture([plain(BLUE, (20, 10))]), place("north_west", -15, -5), under=False)
    assert result.faces == (Box(25, 15, 20, 20),)


def test_relative_lengths():
    step = Step(width=Length(0.5, relative=True), height=Length(30), flags=frozenset({"relative"}))
    assert placement.relate(step, (400, 200), None).width == Length(200)
    assert placement.relate(step, (400, 200), None).height == Length(30)
    step = Step(width=Length(1.1, relative=True), flags=frozenset({"region_relative"}))
    assert placement.relate(step, (400, 200), Box(0, 0, 50, 60)).width == Length(55)
    assert placement.relate(step, (400, 200), None).width == Length(440)
    plain_step = Step(width=Length(0.5, relative=True))
    assert placement.relate(plain_step, (400, 200), None) is plain_step


def test_a_still_layer_is_on_every_frame():
    below = Picture([plain(RED), plain(GREEN)], [100, 200], loop=3)
    result = lay(below, lambda _: Picture([plain(BLUE, (20, 10))]), place("north_west"), under=False)
    assert [frame.getpixel((0, 0)) for frame in result.frames] == [BLUE, BLUE]
    assert [frame.getpixel((50, 50)) for frame in result.frames] == [RED, GREEN]
    assert (result.durations, result.loop) == ([100, 200], 3)


def test_a_still_moves_with_an_animated_layer():
    layer = Picture([plain(BLUE, (9, 9)), plain(GREEN, (9, 9))], [40, 60], loop=0)
    result = lay(Picture([plain(RED)]), lambda _: layer, place("north_west"), under=False)
    assert [frame.getpixel((0, 0)) for frame in result.frames] == [BLUE, GREEN]
    assert result.durations == [40, 60]


def test_of_two_animations_the_lower_one_sets_the_pace():
    below = Picture([plain(RED)] * 4, [100] * 4)
    layer = Picture([plain(BLUE, (9, 9)), plain(GREEN, (9, 9))], [100, 200])
    result = lay(below, lambda _: layer, place("north_west"), under=False)
    assert [frame.getpixel((0, 0)) for frame in result.frames] == [BLUE, GREEN, GREEN, BLUE]


def test_text_that_must_not_hang_over():
    with pytest.raises(InvalidTransformation, match="text"):
        compose(plain(RED), plain(BLUE, (120, 10)), place("north", None, None, "text_disallow_overflow"))
