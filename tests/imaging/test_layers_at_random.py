"""Layers and texts at random, odd ones most of all: carried out, or refused for a reason."""

import io
import random

import pytest
from PIL import Image

from imagestore.core.errors import ImageLimitExceeded, InvalidTransformation
from imagestore.core.transformation.parsing import parse
from imagestore.imaging.geometry import Box
from imagestore.imaging.pipeline import RenderRequest, Source, render
from tests import pictures

pytestmark = pytest.mark.quick

BELOW = (
    Source(
        data=pictures.jpeg(220, 130), format="jpeg", width=220, height=130, faces=(Box(9, 9, 30, 40),) * 2
    ),
    Source(data=pictures.png(90, 70), format="png", width=90, height=70, faces=()),
    Source(data=pictures.png(1, 1), format="png", width=1, height=1),
    Source(data=pictures.picture("gif", 60, 50), format="gif", width=60, height=50),
)
LAYERS = {"logo": BELOW[1], "moving": BELOW[3]}

GRAVITIES = (
    "north_west",
    "south",
    "south_east",
    "east",
    "xy_center",
    "face",
    "faces",
    "face:center",
    "custom",
)
BLENDS = ("multiply", "screen", "overlay", "mask", "cut_out", "displace", "anti_removal:30")
FLAGS = (
    "tiled",
    "no_overflow",
    "cutter",
    "relative",
    "region_relative",
    "text_disallow_overflow",
    "text_no_trim",
)
OFFSETS = ("1", "-1", "-30", "0.5", "-0.7", "200", "-900", "iw_div_2")
SIZES = ("1", "10", "300", "0.01", "0.5", "3.0", "iw_mul_2")
STEPS = ("a_30", "r_max", "o_40", "e_shadow", "bo_3px_solid_red", "e_trim", "c_fit,fl_relative,w_0.5")
STYLES = (
    *("bold", "light", "italic", "underline", "strikethrough", "center", "justify", "end", "stroke"),
    *("letter_spacing_-8", "letter_spacing_12", "line_spacing_-30", "line_spacing_9"),
)
WORDS = ("Hello", "السلام", "हिन्दी", "日本", "😀👍🏽", "x" * 60, "%0A", "é", "A%252CB", "שלום 12 (a)")
BESIDE = ("", ",co_white", ",co_rgb:ff000044", ",c_fit,w_{}", ",c_fit,w_{},h_{}", ",b_red,fl_text_no_trim")


def layer(dice: random.Random) -> str:
    if dice.random() < 0.5:
        opened = dice.choice(("l_logo", "u_logo", "l_moving"))
    else:
        styles = dice.sample(STYLES, dice.randint(0, 4))
        style = "_".join([dice.choice(("Arial", "Nobody")), dice.choice(("1", "8", "60", "200")), *styles])
        beside = dice.choice(BESIDE).format(dice.choice(SIZES), dice.choice(SIZES))
        opened = f"l_text:{style}:{' '.join(dice.choices(WORDS, k=dice.randint(1, 4)))}{beside}"
    steps = [dice.choice((*STEPS, f"c_scale,w_{dice.choice(SIZES)}")) for _ in range(dice.randint(0, 2))]
    place = [".".join(["fl_layer_apply", *dice.sample(FLAGS, dice.choice((0, 0, 1, 2)))])]
    place += [f"g_{dice.choice(GRAVITIES)}", f"x_{dice.choice(OFFSETS)}", f"y_{dice.choice(OFFSETS)}"]
    place += dice.choice(([], [f"o_{dice.randint(0, 100)}"], [f"e_{dice.choice(BLENDS)}"], ["b_red"]))
    return "/".join([opened, *steps, ",".join(place)])


@pytest.mark.parametrize("seed", range(80))
def test_layers_make_a_picture_or_are_refused_for_a_reason(seed: int) -> None:
    dice = random.Random(seed)
    text = "/".join(layer(dice) for _ in range(dice.randint(1, 2)))
    wanted = parse(text).canonical()
    assert parse(wanted).canonical() == wanted
    format = dice.choice(("png", "jpeg", "webp", "gif"))
    request = RenderRequest(transformation=wanted, source=dice.choice(BELOW), format=format, layers=LAYERS)
    try:
        made = render(request)
    except (InvalidTransformation, ImageLimitExceeded) as refused:
        assert refused.message.endswith(".")
        return
    with Image.open(io.BytesIO(made.data)) as picture:
        picture.load()
        assert picture.size == (made.width, made.height)
