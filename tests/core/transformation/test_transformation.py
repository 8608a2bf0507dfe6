"""A whole transformation: what it needs to know, and what its names stand for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.parsing import Transformation, parse

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("w_5", ()),
        ("l_a:b/l_c/fl_layer_apply/fl_layer_apply/u_a:b", ("a/b", "c")),
        ("if_w_gt_5/l_a/if_else/l_b/if_end", ("a", "b")),
        ("l_text:Arial_20:a", ()),
        ("d_none.png/w_5", ()),
        ("$logo_!brand:a!/if_w_gt_5/$logo_!b!/if_end/$size_5/l_$logo", ("b", "brand/a")),
        ("$logo_ctx:!logo!/l_$logo", ()),
        ("l_a%2Cb%3Ac", ("a,b:c",)),
    ],
)
def test_the_images_that_its_layers_may_need(text: str, keys: tuple[str, ...]) -> None:
    assert parse(text).layer_keys() == keys


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("c_thumb,g_face,w_5", True),
        ("c_fill,g_faces:auto,w_5", True),
        ("c_fill,g_auto:face,w_5", True),
        ("c_fill,g_custom:faces,w_5", True),
        ("c_fill,g_auto,w_5", False),
        ("e_blur_faces", True),
        ("e_blur", False),
        ("if_fc_gt_0/w_5/if_end", True),
        ("if_w_gt_0/e_pixelate_faces/if_end", True),
        ("if_w_gt_0/w_5/if_end", False),
        ("$n_fc/w_5", True),
        ("w_fc_mul_100", True),
        ("bo_fcpx_solid_red", True),
        ("r_5:fc", True),
        ("a_hflip.fc", True),
        ("l_x/fl_layer_apply,g_faces", True),
        ("l_x/c_thumb,g_face,w_5/fl_layer_apply", True),
        ("l_fc", False),
        ("l_text:Arial_20:face", False),
        ("t_face", False),
    ],
)
def test_whether_faces_have_to_be_found(text: str, needs: bool) -> None:
    assert parse(text).needs_faces is needs


def test_names_in_order_and_once() -> None:
    found = parse("t_b.a/if_w_gt_5/t_c/if_end/l_x/t_d/fl_layer_apply/t_a")
    assert found.names() == ("b", "a", "c", "d")
    assert not found.is_named_only


@pytest.mark.parametrize(
    ("text", "alone"),
    [("t_a", True), ("t_a.b/t_c", True), ("", False), ("t_a/w_5", False), ("$a_5/t_a", False)],
)
def test_whether_it_is_names_alone(text: str, alone: bool) -> None:
    assert parse(text).is_named_only is alone


def book(**entries: str) -> Callable[[str], Transformation]:
    def look_up(name: str) -> Transformation:
        return parse(entries[name])

    return look_up


@pytest.mark.parametrize(
    ("text", "entries", "canonical"),
    [
        ("w_5/h_6", {}, "w_5/h_6"),
        ("t_a/h_6", {"a": "w_5/e_sepia"}, "w_5/e_sepia/h_6"),
        ("t_a.b", {"a": "w_5", "b": "h_6"}, "w_5/h_6"),
        ("t_a", {"a": "t_b/w_5", "b": "h_6"}, "h_6/w_5"),
        ("t_a/t_a", {"a": "w_5"}, "w_5/w_5"),
        ("l_x/t_a/fl_layer_apply", {"a": "w_5/f_png"}, "l_x/w_5/fl_layer_apply"),
        ("if_w_gt_5/t_a/if_else/t_b/if_end", {"a": "w_5", "b": "q_5"}, "if_w_gt_5/w_5/if_else/q_5/if_end"),
        ("if_w_gt_5/t_a/q_6/if_end", {"a": "w_5/q_5"}, "if_w_gt_5/w_5/q_6/if_end"),
        (
            "if_w_gt_5/t_a/if_else/t_b/if_end",
            {"a": "f_png", "b": "f_png,w_5"},
            "if_w_gt_5/if_else/w_5/if_end/f_png",
        ),
        (
            "l_x/if_w_gt_5/t_a/if_end/fl_layer_apply",
            {"a": "q_5,w_5"},
            "l_x/if_w_gt_5/w_5/if_end/fl_layer_apply",
        ),
        ("t_a", {"a": "f_png,q_5,fl_lossy"}, "f_png,fl_lossy,q_5"),
        ("q_9/t_a", {"a": "f_png,q_5"}, "f_png,q_9"),
        ("t_a.b", {"a": "f_png,q_5", "b": "q_7"}, "f_png,q_7"),
        ("fl_lossy/t_a", {"a": "fl_awebp"}, "fl_awebp.lossy"),
        ("$w_7/t_a", {"a": "w_$w"}, "$w_7/w_$w"),
    ],
)
def test_what_names_stand_for(text: str, entries: dict[str, str], canonical: str) -> None:
    found = parse(text).expand(book(**entries))
    assert found.canonical() == canonical
    assert parse(canonical) == found


def test_names_that_lead_nowhere_or_too_far_are_refused() -> None:
    with pytest.raises(InvalidTransformation, match="a, b, a lead to each other"):
        parse("t_a").expand(book(a="w_5/t_b", b="t_a"))
    deep = {f"a{number}": f"t_a{number + 1}" for number in range(20)} | {"a20": "w_5"}
    with pytest.raises(InvalidTransformation, match="too deep"):
        parse("t_a0").expand(book(**deep))
    many = "/".join(["t_b"] * 60)
    for entries in ({"a": many, "b": "w_5/h_5"}, {"a": many, "b": "t_c/t_c/t_c/t_c", "c": ""}):
        with pytest.raises(InvalidTransformation, match=r"more than 100|at most 100"):
            parse("t_a").expand(book(**entries))
    with pytest.raises(InvalidTransformation, match="f_png cannot depend on a condition"):
        parse("if_w_gt_5/t_a/if_end").expand(book(a="f_png"))
    with pytest.raises(KeyError):
        parse("t_missing").expand(book())
