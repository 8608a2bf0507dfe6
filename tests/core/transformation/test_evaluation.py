"""Evaluation: values for a picture, conditions, variables, texts; and what no picture can fulfil."""

from __future__ import annotations

from dataclasses import fields

import pytest

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.evaluation import assign, evaluate, holds, source_of
from imagestore.core.transformation.model import (
    Assignment,
    Border,
    Choice,
    Color,
    Component,
    Effect,
    Fill,
    Gravity,
    Layer,
    Length,
    Scope,
    Step,
    Text,
)
from imagestore.core.transformation.parsing import parse

pytestmark = pytest.mark.quick

RED, WHITE = Color(255, 0, 0), Color(255, 255, 255)


def scope(**variables: Length | str) -> Scope:
    return Scope(
        width=800,
        height=600,
        initial_width=1600,
        initial_height=1200,
        page=2,
        pages=7,
        faces=3,
        tags=frozenset({"sale", "new"}),
        context={"kind": "shoes", "price": "12.50", "wide": "400"},
        variables=variables,
    )


def step_of(text: str, at: Scope | None = None) -> Step:
    at = at or scope()
    *before, last = parse(text).nodes
    for node in before:
        assert isinstance(node, Assignment)
        assign(node, at)
    assert isinstance(last, Component)
    return evaluate(last, at)


STEPS = {
    "w_100": {"width": Length(100)},
    "w_100,h_50,c_scale,e_blur_region": {
        "width": Length(100),
        "height": Length(50),
        "effect": Effect("blur_region", (100,)),
    },
    "h_0.5,c_fit": {"height": Length(0.5, True), "crop": "fit"},
    "w_iw": {"width": Length(1600)},
    "w_iw_div_3": {"width": Length(533)},
    "w_iw_mul_2_sub_ih_mul_2_add_1": {"width": Length(801)},
    "w_2_pow_3_pow_2": {"width": Length(512)},
    "w_100_sub_10_sub_5": {"width": Length(85)},
    "w_w_mod_301": {"width": Length(198)},
    "w_cp_mul_10_add_pc": {"width": Length(27)},
    "w_ctx:!wide!": {"width": Length(400)},
    "$a_iw_div_3/w_$a_mul_3": {"width": Length(1600)},
    "$a_0.5/w_$a": {"width": Length(0.5, True)},
    "$a_!0.5!/w_$a": {"width": Length(0.5, True)},
    "$a_0.5/w_$a_mul_w": {"width": Length(400)},
    "$a_5/$a_$a_add_1/w_$a": {"width": Length(6)},
    "c_crop,x_-5,y_0.25": {"crop": "crop", "x": Length(-5), "y": Length(0.25, True)},
    "ar_16:9,c_fill,w_160": {"aspect": 16 / 9, "crop": "fill", "width": Length(160)},
    "ar_iar,c_fill": {"aspect": 4 / 3, "crop": "fill"},
    "$r_!16:9!/ar_$r,c_fill": {"aspect": 16 / 9, "crop": "fill"},
    "dpr_1.5,z_0.7,c_thumb,g_face:auto": {
        "dpr": 1.5,
        "zoom": 0.7,
        "crop": "thumb",
        "gravity": Gravity("face", "auto"),
    },
    "g_north_west,c_fill": {"gravity": Gravity("north_west"), "crop": "fill"},
    "r_max": {"radius": "max"},
    "r_10:w_div_8": {"radius": (Length(10), Length(100))},
    "a_-90.hflip": {"angle": (270.0, "hflip")},
    "$t_30/a_$t": {"angle": (30.0,)},
    "bo_4px_solid_red": {"border": Border(4, RED)},
    "$w_6,$c_!red!/bo_$w_solid_$c": {"border": Border(6, RED)},
    "b_auto:predominant": {"background": Fill("auto", ("predominant",))},
    "b_auto": {"background": Fill("auto", ("border",))},
    "b_blurred": {"background": Fill("blurred", ("100", "0"))},
    "b_blurred:400": {"background": Fill("blurred", ("400", "0"))},
    "b_rgb:ff000080": {"background": Color(255, 0, 0, 128)},
    "o_30": {"opacity": 30},
    "$c_!rgb:f00!/co_$c,e_colorize": {"color": RED, "effect": Effect("colorize", (100.0,))},
    "e_grayscale": {"effect": Effect("grayscale")},
    "e_sepia": {"effect": Effect("sepia", (80.0,))},
    "$l_33/e_sepia:$l": {"effect": Effect("sepia", (33.0,))},
    "e_outline:inner": {"effect": Effect("outline", ("inner", 5.0, 0.0))},
    "e_replace_color:red:10": {"effect": Effect("replace_color", (RED, 10.0, "auto"))},
    "e_tint:equalize:80:red": {"effect": Effect("tint", (80, RED, 50.0, "equalize"))},
    "e_tint:80:red:white": {"effect": Effect("tint", (80.0, RED, 0.0, WHITE, 100.0))},
    "e_tint:80:red:white:white": {"effect": Effect("tint", (80.0, RED, 0.0, WHITE, 50.0, WHITE, 100.0))},
    "fl_relative.tiled,w_1.0": {
        "flags": frozenset({"relative", "tiled"}),
        "width": Length(1.0, True),
    },
}


@pytest.mark.parametrize(("text", "expected"), STEPS.items())
def test_a_component_comes_to_a_step(text: str, expected: dict[str, object]) -> None:
    found = step_of(text)
    assert found == Step(**expected)  # type: ignore[arg-type]
    kinds = {"width": Length, "zoom": float, "opacity": int}
    for each in fields(Step):
        value = getattr(found, each.name)
        if each.name in expected and each.name in kinds:
            assert type(value) is kinds[each.name]


CONDITIONS = {
    "": True,
    "w_gt_799": True,
    "w_gt_800": False,
    "w_gte_800": True,
    "w_lt_h": False,
    "w_lte_iw": True,
    "ar_eq_4:3": True,
    "ar_gt_1": True,
    "ar_eq_1.333333": False,
    "iw_div_2_eq_w": True,
    "w_ne_h": True,
    "fc_eq_3": True,
    "w_gt_1_or_w_gt_9999_and_h_gt_9999": True,
    "w_gt_9999_and_h_gt_9999_or_w_gt_1": True,
    "w_gt_9999_or_h_gt_9999": False,
    "ctx:!kind!_eq_!shoes!": True,
    "ctx:!kind!_ne_!shoes!": False,
    "ctx:!nothing!_eq_!!": True,
    "ctx:!price!_lt_13": True,
    "ctx:!price!_eq_12.5": True,
    "ctx:!kind!_eq_12.5": False,
    "!sale!_in_tags": True,
    "!sale:new!_in_tags": True,
    "!sale:old!_in_tags": False,
    "!old!_nin_tags": True,
    "!sale:old!_nin_tags": False,
    "tags_eq_!new:sale!": True,
    "tags_ne_!new!": True,
    "!b!_in_!a:b!": True,
    "$size_gt_3": True,
    "$name_eq_!Ada!": True,
    "!Ada!_eq_$name": True,
}


@pytest.mark.parametrize(("condition", "expected"), CONDITIONS.items())
def test_a_condition_holds_or_not(condition: str, expected: bool) -> None:
    assert holds(condition, scope(size=Length(4), name="Ada")) is expected
    if condition:
        [choice] = parse(f"if_{condition},w_5").nodes
        assert isinstance(choice, Choice)
        assert holds(choice.branches[0].condition, scope(size=Length(4), name="Ada")) is expected


SOURCES = {
    "l_a:b": "a/b",
    "l_a%3Ab": "a:b",
    "l_%74ext:b": "text/b",
    "l_$logo": "brand/logo",
    "l_text:Arial_40:Hi": Text("Hi", font="Arial", size=40),
    "l_text:Open Sans_20_bold_italic_underline_center_stroke:a%2Cb%2525": Text(
        "a,b%25",
        font="Open Sans",
        size=20,
        weight="bold",
        italic=True,
        underline=True,
        align="center",
        stroke=True,
    ),
    "l_text:Arial_40_strikethrough_letter_spacing_2_line_spacing_-3:x": Text(
        "x", font="Arial", size=40, strikethrough=True, letter_spacing=2, line_spacing=-3
    ),
    "l_text:Arial_40:Hi $(name)%2C $(size) of %24(name)": Text("Hi Ada, 4 of $(name)", font="Arial", size=40),
    "l_text:$font_$size_bold:x": Text("x", font="Lato", size=4, weight="bold"),
    "l_text:Arial_40:日本 %0A عربي": Text("日本 \n عربي", font="Arial", size=40),
}


@pytest.mark.parametrize(("text", "expected"), SOURCES.items())
def test_what_a_layer_shows(text: str, expected: object) -> None:
    at = scope(name="Ada", size=Length(4), font="Lato", logo="brand:logo")
    for given in (text, parse(text).canonical()):
        [layer] = parse(given).nodes
        assert isinstance(layer, Layer)
        assert source_of(layer, at) == expected


REFUSED = {
    "w_iw_sub_1600": "w_iw_sub_1600: it comes to 0. w takes 1 to 16384 pixels",
    "w_iw_mul_20": "it comes to 32000",
    "w_iw_div_0": "it divides by zero",
    "w_iw_mod_0": "it divides by zero",
    "w_0_pow_-1": "it divides by zero",
    "w_iw_pow_iw": "too large",
    "w_-2_pow_$half": "root of a negative number",
    "w_$none": "$none has no value yet",
    "w_ctx:!kind!": "the text 'shoes' stands where a number is due",
    "w_tags": "the list of tags stands where a number is due",
    "ar_$words": "the text 'w' stands where a number is due",
    "ar_w_sub_800": "ar takes a ratio",
    "e_sepia:w": "e takes sepia:<1 to 100>",
    "co_$name": "co takes a colour",
    "o_w": "it comes to 800. o takes 0 to 100",
    "r_w_mul_1000": "r takes",
    "a_w_mul_1000": "a takes degrees",
    "bo_w_mul_100px_solid_red": "bo takes",
    "e_art:$name": "e takes art",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items())
def test_what_does_not_fit_the_picture(text: str, message: str) -> None:
    with pytest.raises(InvalidTransformation) as raised:
        step_of(text, scope(name="Zoe", words="w", half=Length(0.5)))
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("ctx:!kind!_gt_3", "if_ctx:!kind!_gt_3: the text 'shoes' stands where a number is due"),
        ("w_in_tags", "in and nin compare lists of texts"),
        ("$none_eq_1", "$none has no value yet"),
    ],
)
def test_conditions_that_compare_what_cannot_be(condition: str, message: str) -> None:
    with pytest.raises(InvalidTransformation) as raised:
        holds(condition, scope())
    assert message in raised.value.message


def test_a_variable_keeps_what_it_was_when_it_was_assigned() -> None:
    at = scope()
    assign(Assignment("half", "w_div_2"), at)
    at.width = 100
    assert step_of("w_$half", at).width == Length(400)
    assign(Assignment("labels", "tags"), at)
    assert at.variables["labels"] == "new:sale"
    with pytest.raises(InvalidTransformation, match=r"\$x_\$y: \$y has no value"):
        assign(Assignment("x", "$y"), at)


def test_a_layer_whose_variable_or_text_lacks_its_value() -> None:
    for text in ("l_$none", "l_text:Arial_40:$(none)", "l_text:Arial_$none:x"):
        [layer] = parse(text).nodes
        assert isinstance(layer, Layer)
        with pytest.raises(InvalidTransformation, match=r"\$none has no value"):
            source_of(layer, scope())
    [layer] = parse("l_text:Arial_$size:x").nodes
    assert isinstance(layer, Layer)
    with pytest.raises(InvalidTransformation, match="size takes"):
        source_of(layer, scope(size=Length(0)))
