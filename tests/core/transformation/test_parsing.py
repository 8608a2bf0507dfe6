"""Parsing: what a text means, and that all texts that mean the same have one canonical text."""

from __future__ import annotations

import pytest

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.effects import BLENDS, EFFECTS
from imagestore.core.transformation.model import (
    Assignment,
    Branch,
    Choice,
    Component,
    Layer,
    Named,
    Output,
    Quality,
    Wording,
)
from imagestore.core.transformation.parsing import is_component, parse

pytestmark = pytest.mark.quick


def component(**parameters: str) -> Component:
    return Component(tuple(sorted(parameters.items())))


CANONICAL = {
    # parameters
    "c_fill,g_face,w_300,h_300": "c_fill,g_face,h_300,w_300",
    "w_100,c_scale": "w_100",
    "w_100,h_5,c_scale,e_blur_region": "e_blur_region,h_5,w_100",
    "c_scale,h_0.50": "h_0.5",
    "w_1.0": "w_1.0",
    "w_100": "w_100",
    "w_+100": "w_100",
    "w_0100": "w_100",
    "w_.5": "w_0.5",
    "w_0.3333333333333333": "w_0.333333",
    "w_50_mul_2": "w_100",
    "w_10_div_3": "w_3",
    "w_iw*2": "w_iw_mul_2",
    "w_initial_width - 20": "w_iw_sub_20",
    "w_iw_mul_2.0": "w_iw_mul_2",
    "w_auto,c_limit": "c_limit",
    "w_auto:breakpoints,c_limit": "c_limit",
    "w_auto:breakpoints_100_1900_20_20:json": "",
    "w_auto:100:400,c_limit": "c_limit,w_400",
    "w_auto:100": "",
    "w_5,,h_6,": "h_6,w_5",
    "dpr_auto,w_10": "w_10",
    "dpr_1.0,w_10": "w_10",
    "dpr_2.0,w_10": "dpr_2,w_10",
    "z_1,w_10": "w_10",
    "ar_32:18,w_10": "ar_16:9,w_10",
    "ar_1.7777777777777777,w_10": "ar_16:9,w_10",
    "ar_1.5,w_10": "ar_3:2,w_10",
    "ar_1,w_10": "ar_1:1,w_10",
    "ar_iw_div_ih,w_10": "ar_iw_div_ih,w_10",
    "x_-10,y_-0.20": "x_-10,y_-0.2",
    "r_20:20:20:20": "r_20",
    "r_10:20:10:20": "r_10:20",
    "r_10:20:30:20": "r_10:20:30",
    "r_10:20:30:40": "r_10:20:30:40",
    "r_max": "r_max",
    "r_0/w_5": "w_5",
    "a_-90": "a_270",
    "a_360/a_0/a_720.0": "",
    "a_vflip.45": "a_vflip.45",
    "a_45.5": "a_45.5",
    "a_0.5.-1": "a_0.5.+359",
    "a_$x1.+45.hflip.0.hflip": "a_$x1.+45.hflip.hflip",
    "a_auto": "a_auto_right",
    "a_auto_left.hflip": "a_auto_left.hflip",
    "bo_4px_solid_red": "bo_4px_solid_rgb:ff0000",
    "bo_4_solid_rgb:F00": "bo_4px_solid_rgb:ff0000",
    "bo_0px_solid_red/w_5": "w_5",
    "b_rgb:FfF": "b_rgb:ffffff",
    "b_#ffffff": "b_rgb:ffffff",
    "b_white": "b_rgb:ffffff",
    "b_WHITE": "b_rgb:ffffff",
    "b_rgb:ffffffff": "b_rgb:ffffff",
    "b_transparent": "b_rgb:00000000",
    "b_rgba:1234": "b_rgb:11223344",
    "b_auto:border": "b_auto",
    "b_auto:predominant_contrast": "b_auto:predominant_contrast",
    "b_blurred:100:0": "b_blurred",
    "b_blurred:400:15": "b_blurred:400:15",
    "o_100/w_5": "w_5",
    "o_30.0": "o_30",
    "co_$c": "co_$c",
    "co_ffffff": "co_rgb:ffffff",
    "b_abc": "b_rgb:aabbcc",
    "b_tan": "b_rgb:d2b48c",
    "e_cartoonify:50:bw": "e_cartoonify:50:0:bw",
    "c_fill,g_adv_face,w_5": "c_fill,g_face,w_5",
    "c_fill,g_auto:adv_faces,w_5": "c_fill,g_auto:faces,w_5",
    "l_text:montserrat_30_style_light_align_center:x": "l_text:montserrat_30_light_center:x/fl_layer_apply",
    "l_text:Lato_30_semibold:x": "l_text:Lato_30_bold:x/fl_layer_apply",
    "g_auto:subject,c_fill,w_5": "c_fill,g_auto,w_5",
    "g_face:center,c_fill,w_5": "c_fill,g_face:center,w_5",
    # effects
    "e_sepia:80": "e_sepia",
    "e_sepia:50.0": "e_sepia:50",
    "e_sepia:$level": "e_sepia:$level",
    "e_contrast:sigmoid": "e_contrast:50:sigmoid",
    "e_outline:15:200": "e_outline:outer:15:200",
    "e_outline:outer": "e_outline",
    "e_gradient_fade:symmetric:50": "e_gradient_fade:50:symmetric",
    "e_gradient_fade:symmetric_pad,x_0.5": "e_gradient_fade:20:symmetric_pad,x_0.5",
    "e_cartoonify::60": "e_cartoonify:50:60",
    "e_outline:::3": "e_outline:outer:5:3",
    "e_improve:50": "e_improve:outdoor:50",
    "e_replace_color:saddlebrown": "e_replace_color:rgb:8b4513",
    "e_replace_color:2F4F4F:60:silver": "e_replace_color:rgb:2f4f4f:60:rgb:c0c0c0",
    "e_tint": "e_tint",
    "e_tint:60:red": "e_tint",
    "e_tint:equalize": "e_tint:equalize",
    "e_tint:equalize:60:red": "e_tint:equalize",
    "e_tint:equalize:80:blue:green": "e_tint:equalize:80:rgb:0000ff:rgb:008000",
    "e_tint:100:red:0p:white:35p": "e_tint:100:rgb:ff0000:0p:rgb:ffffff:35p",
    "e_tint:80:blue:green": "e_tint:80:rgb:0000ff:rgb:008000",
    "e_art:1977": "e_art:1977",
    # the answer
    "f_auto,q_auto/w_100": "w_100/f_auto,q_auto:good",
    "q_80/w_100/q_60": "w_100/q_60",
    "f_jpeg": "f_jpg",
    "f_tif": "f_tiff",
    "f_auto:image": "f_auto",
    "q_80.0:444": "q_80:444",
    "q_auto:best:420": "q_auto:best:420",
    "fl_lossy/fl_progressive:steep": "fl_lossy.progressive",
    "fl_progressive.lossy,w_5": "w_5/fl_lossy.progressive",
    "fl_attachment:my photo": "fl_attachment:my photo",
    "fl_tiled,w_5,fl_relative": "fl_relative.tiled,w_5",
    "/".join(["l_x,w_5"] * 30): "/".join(["l_x/w_5/fl_layer_apply"] * 30),
    "pg_2.0": "pg_2",
    "dl_200,f_gif": "dl_200,f_gif",
    "d_avatars:none.png": "d_avatars:none.png",
    # variables
    "$a_10,$b_$a_add_5,w_$b": "$a_10/$b_$a_add_5/w_$b",
    "$half_0.50": "$half_0.5",
    "$one_1.0": "$one_1.0",
    "$n_!a b!": "$n_!a b!",
    "$n_!a%2Cb!": "$n_!a%2Cb!",
    # names
    "t_a.b,w_10": "t_a/t_b/w_10",
    # conditions
    "if_w>300&&ar<1:1,w_300": "if_w_gt_300_and_ar_lt_1_div_1/w_300/if_end",
    "if_w_gt_300,w_300/if_else,w_100": "if_w_gt_300/w_300/if_else/w_100/if_end",
    "if_w_gt_300/w_300/if_else,w_100/w_50/if_end": "if_w_gt_300/w_300/if_else/w_100/w_50/if_end",
    "if_width_gt_initial_width/w_3/if_end": "if_w_gt_iw/w_3/if_end",
    "if_w_gt_3/q_50,w_3/if_end/q_9": "if_w_gt_3/w_3/q_50/if_end/q_9",
    "if_w_gt_3/q_5/q_50,dl_50/if_end": "if_w_gt_3/dl_50,q_50/if_end",
    "if_w_gt_3,q_50/if_else,q_60,fl_lossy": "if_w_gt_3/q_50/if_else/fl_lossy,q_60/if_end",
    "if_w_gt_3/f_auto,q_auto,w_3/if_else/f_auto,q_auto,h_3/if_end": (
        "if_w_gt_3/w_3/if_else/h_3/if_end/f_auto,q_auto:good"
    ),
    "if_w_gt_3/f_png,q_5/if_else/f_png,q_6/if_end": "if_w_gt_3/q_5/if_else/q_6/if_end/f_png",
    "q_80/if_w_gt_3/q_5/if_else/q_5/if_end": "if_w_gt_3/if_else/if_end/q_5",
    "if_w_gt_3/if_h_gt_3/f_png/if_else/f_png/if_end/if_else/f_png/if_end": (
        "if_w_gt_3/if_h_gt_3/if_else/if_end/if_else/if_end/f_png"
    ),
    "l_x/if_w_gt_3/q_5,f_png,w_3/if_end/fl_layer_apply": "l_x/if_w_gt_3/w_3/if_end/fl_layer_apply",
    "if_fc_gte_1/g_auto,q_auto,c_fill,w_9/if_else/g_center,q_auto,c_fill,w_9/if_end/dpr_auto,f_auto/f_auto": (
        "if_fc_gte_1/c_fill,g_auto,w_9/if_else/c_fill,g_center,w_9/if_end/f_auto,q_auto:good"
    ),
    "if_ctx:!k!_eq_!!,w_3": "if_ctx:!k!_eq_!!/w_3/if_end",
    "if_!a:b!_in_tags/if_fc_gt_0/w_3/if_end/if_end": "if_!a:b!_in_tags/if_fc_gt_0/w_3/if_end/if_end",
    # layers
    "l_logo,w_50,g_south_east,x_5": "l_logo/w_50/fl_layer_apply,g_south_east,x_5",
    "l_logo/w_50/fl_layer_apply,g_south_east,x_5": "l_logo/w_50/fl_layer_apply,g_south_east,x_5",
    "l_logo/r_max/fl_layer_apply,w_9,g_north,x_1": "l_logo/r_max/w_9/fl_layer_apply,g_north,x_1",
    "l_logo/fl_layer_apply,w_0.1,fl_relative,o_50": ("l_logo/fl_relative,w_0.1/fl_layer_apply,o_50"),
    "l_logo/fl_layer_apply,fl_relative": "l_logo/fl_layer_apply",
    "l_logo/fl_layer_apply,e_sepia:5": "l_logo/e_sepia:5/fl_layer_apply",
    "l_text:Arial_40:Hi,/fl_layer_apply": "l_text:Arial_40:Hi/fl_layer_apply",
    "l_logo,w_50,fl_layer_apply": "l_logo/w_50/fl_layer_apply",
    "u_a:b": "u_a:b/fl_layer_apply",
    "l_a%3Ab": "l_a%3Ab/fl_layer_apply",
    "l_%74ext:b": "l_%74ext:b/fl_layer_apply",
    "l_x,fl_relative,w_0.5,e_multiply": "l_x/fl_relative,w_0.5/e_multiply,fl_layer_apply",
    "l_x,fl_no_overflow.tiled": "l_x/fl_layer_apply.no_overflow.tiled",
    "l_x,fl_tiled.relative,w_0.5/o_5/fl_layer_apply,fl_no_overflow": (
        "l_x/fl_relative,w_0.5/o_5/fl_layer_apply.no_overflow.tiled"
    ),
    "l_$logo": "l_$logo/fl_layer_apply",
    "l_text:Arial_40_bold:Hi%2C A!,co_red": "l_text:Arial_40_bold:Hi%2C A%21,co_rgb:ff0000/fl_layer_apply",
    "l_text:Arial_bold_normal_40.0_left:a:b": "l_text:Arial_40_bold:a%3Ab/fl_layer_apply",
    "l_text:Arial_40_line_spacing_-4_letter_spacing_2:Hi": (
        "l_text:Arial_40_letter_spacing_2_line_spacing_-4:Hi/fl_layer_apply"
    ),
    "l_text:Arial_40:$(greeting), Ada".replace(",", "%2C"): (
        "l_text:Arial_40:$(greeting)%2C Ada/fl_layer_apply"
    ),
    "l_text:Open Sans_40_antialias_best:a\nb": "l_text:Open Sans_40:a%0Ab/fl_layer_apply",
    "l_text:Arial_40:Hi,c_fit,w_200,co_red,a_10": (
        "l_text:Arial_40:Hi,c_fit,co_rgb:ff0000,w_200/a_10/fl_layer_apply"
    ),
    "l_text:Arial_40:Hi/c_fit,w_200/fl_layer_apply": "l_text:Arial_40:Hi/c_fit,w_200/fl_layer_apply",
    # nothing
    "": "",
    "/": "",
    "w_100//h_50/": "w_100/h_50",
}


@pytest.mark.parametrize(("text", "canonical"), CANONICAL.items())
def test_the_canonical_text(text: str, canonical: str) -> None:
    found = parse(text)
    assert found.canonical() == canonical
    assert parse(canonical) == found


NODES = {
    "w_100/t_x": (component(w="100"), Named("x")),
    "$a_iw_div_2": (Assignment("a", "iw_div_2"),),
    "if_w_gt_1/w_1/if_else/if_end": (Choice((Branch("w_gt_1", (component(w="1"),)), Branch("", ()))),),
    "l_a:b,w_5/e_sepia/fl_layer_apply,x_1/w_7": (
        Layer("a/b", False, (component(w="5"), component(e="sepia")), component(x="1")),
        component(w="7"),
    ),
    "l_a,w_5,x_1/e_sepia": (Layer("a", False, (component(w="5"),), component(x="1")), component(e="sepia")),
    "l_a/l_b/w_5/fl_layer_apply,x_1/fl_layer_apply,x_2": (
        Layer("a", False, (Layer("b", False, (component(w="5"),), component(x="1")),), component(x="2")),
    ),
    "l_a,w_5/l_b/w_6/fl_layer_apply": (
        Layer("a", False, (component(w="5"),), component()),
        Layer("b", False, (component(w="6"),), component()),
    ),
    "u_text:Arial_20:x,co_red,w_5": (
        Layer(Wording("Arial_20", "x"), True, (component(w="5"),), component(), component(co="rgb:ff0000")),
    ),
    "if_w_gt_1/l_a,w_5/if_end": (
        Choice((Branch("w_gt_1", (Layer("a", False, (component(w="5"),), component()),)),)),
    ),
}


@pytest.mark.parametrize(("text", "nodes"), NODES.items())
def test_the_nodes(text: str, nodes: tuple[object, ...]) -> None:
    assert parse(text).nodes == nodes


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("f_jpg", Output(format="jpeg")),
        ("q_80:444", Output(quality=Quality(value=80, chroma="444"))),
        ("q_auto", Output(quality=Quality(auto="good"))),
        ("d_a:b,pg_3", Output(default="a/b", page=3)),
        ("dl_200", Output(delay=200)),
        ("fl_lossy/fl_awebp", Output(flags=frozenset({"lossy", "awebp"}))),
        ("l_x/f_png,q_5,w_5/fl_layer_apply/q_9", Output(quality=Quality(value=9))),
        ("l_x,w_5,q_5", Output(quality=Quality(value=5))),
    ],
)
def test_what_the_answer_is_to_be(text: str, output: Output) -> None:
    assert parse(text).output == output


@pytest.mark.parametrize("name", EFFECTS)
def test_every_effect_is_read_with_its_defaults_alone(name: str) -> None:
    needed = {"art": ":zorro", "replace_color": ":red"}.get(name, "")
    text = f"l_x,e_{name}" if name in BLENDS else f"e_{name}{needed}"
    found = parse(text)
    assert parse(found.canonical()) == found
    assert f"e_{name}" in found.canonical()


REFUSED = {
    "w": "is no parameter",
    "foo_1": "is no parameter",
    "w_abc": "w_abc: 'abc' cannot be read",
    "w_": "w takes 1 to 16384 pixels",
    "w_0": "w takes 1 to 16384 pixels",
    "w_-5": "w takes 1 to 16384 pixels",
    "w_16385": "w takes 1 to 16384 pixels",
    "w_0.0": "w takes 1 to 16384 pixels",
    "w_101.0": "w takes",
    "w_99999999999": "w takes",
    "w_1_div_0": "divides by zero",
    "w_ar_gt_1": "it is a condition",
    "w_2_pow_99": "too large",
    "w_iw_mul": "breaks off",
    "w_iw_iw": "'iw' cannot be read",
    "w_100,w_200": "w is given twice",
    "e_sepia,e_blur": "e is given twice",
    "c_big": "c takes one of scale",
    "g_middle": "g takes one of north_west",
    "g_north:face": "g takes",
    "ar_0,w_1": "ar takes a ratio",
    "ar_1:0,w_1": "divides by zero",
    "r_1:2:3:4:5": "r takes max",
    "r_-1": "r takes",
    "a_upside": "a takes degrees",
    "a_1.hflip.1.hflip.1.hflip.1.hflip.1": "more than 8",
    "bo_4px_dashed_red": "bo takes a width",
    "bo_4px_solid_nocolor": "bo takes",
    "b_rgb:12345": "b takes a colour",
    "b_auto:sunset": "b takes",
    "o_101": "o takes 0 to 100",
    "e_foo": "there is no effect 'foo'",
    "e_sepia:200": "e takes sepia:<1 to 100>",
    "e_sepia:1:2": "e takes sepia:<1 to 100>",
    "e_art": "art lacks its argument",
    "e_art:picasso": "e takes art:<one of",
    "e_replace_color": "replace_color lacks its argument",
    "e_tint:equalize:equalize:5": "e takes tint",
    "e_tint:1:35p": "follows its colour",
    "e_multiply": "it is for a layer",
    "fl_foo": "there is no flag 'foo'",
    "fl_progressive:slow": "is not a flag",
    "f_bmp": "f takes one of auto, jpg",
    "q_0": "q takes 1 to 100",
    "q_auto:great": "q takes",
    "q_$q": "cannot wait for a variable",
    "pg_0": "pg takes 1 to",
    "dl_5": "dl takes 10 to 60000 milliseconds",
    "d_../x": "is no parameter",
    "d_..:x": "d takes the key of an image",
    "t_a b": "t takes a name",
    "t_": "t takes a name",
    "$a_": "$a takes",
    "$a_red": "'red' cannot be read",
    "$a_w_gt_1": "it is a condition",
    "if_w_gt_300": "is not closed",
    "if_w_gt_300/w_1": "is not closed",
    "if_else/w_1": "no condition before it",
    "if_w_gt_1/if_else/if_else/if_end": "no condition before it",
    "if_end": "if_end stands alone",
    "if_w_gt_1/w_1/if_end,w_1": "if_end stands alone",
    "if_w,w_1": "compares nothing",
    "if_w_gt_1_and_2,w_1": "and stands between two comparisons",
    "if_w_gt_1_lt_3,w_1": "stands between two values",
    "if_w_gt_1/f_png/if_end": "f_png cannot depend on a condition",
    "if_w_gt_1/f_png,q_5/if_else/f_webp/if_end": "f_png cannot depend on a condition",
    "if_w_gt_1,fl_attachment:x,pg_2": "fl_attachment:x,pg_2 cannot depend on a condition",
    "l_x/if_w_gt_1/d_y/if_end/fl_layer_apply": "d_y cannot be said of a layer",
    "if_w_gt_1,if_w_gt_2,w_1": "given twice",
    "l_x,l_y": "one layer at most",
    "fl_layer_apply": "closes no layer",
    "l_x/if_w_gt_1/fl_layer_apply/if_end": "closes no layer",
    "l_x/pg_2/fl_layer_apply": "cannot be said of a layer",
    "l_x/fl_layer_apply,e_sepia:0": "e takes sepia:<1 to 100>",
    "l_": "A key has 1 to 1024 bytes",
    "l_text:Arial_20:": "has no text",
    "l_text:Arial:x": "not <font>_<size>",
    "l_text:20:x": "not <font>_<size>",
    "l_text:Arial_0:x": "size takes",
    "l_text:Arial_20_wavy:x": "there is no style 'wavy'",
    "l_text:Arial_20:%ff": "not UTF-8",
    "l_text:Arial_20:" + "x" * 4097: "4096 characters at most",
    "w_\ud800": "valid UTF-8",
    "w_1\x00": "control characters",
    "w_" + "1_add_" * 60 + "1": "operands at most",
    "w_" + "1" * 501: "characters at most",
    "/".join(["w_5"] * 101): "at most 100 are allowed",
    "/".join(["l_x"] * 11 + ["fl_layer_apply"] * 11): "deep at most",
    "/".join(["if_w_gt_1"] * 11 + ["if_end"] * 11): "deep at most",
    "x" * 70_000: "65536 characters at most",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=lambda each: each[:40])
def test_what_is_refused_and_why(text: str, message: str) -> None:
    with pytest.raises(InvalidTransformation) as raised:
        parse(text)
    assert message in raised.value.message
    assert len(raised.value.message) < 1000
    assert raised.value.message.endswith((".", ":"))


@pytest.mark.parametrize(
    ("segment", "is_one"),
    [
        ("w_100", True),
        ("w_100,h_50", True),
        ("$a_1,w_$a", True),
        ("if_end", True),
        ("w_nonsense", True),
        ("folder", False),
        ("my_folder", False),
        ("w_100,folder", False),
        ("w_100,", True),
        (",w_100,,h_5", True),
        (",", False),
        ("w_100,folder,", False),
        ("W_100", False),
        ("$a", False),
        ("$1_2", False),
        ("", False),
        ("v1", False),
    ],
)
def test_which_segments_of_a_url_are_components(segment: str, is_one: bool) -> None:
    assert is_component(segment) is is_one
