"""Properties of the grammar: no text breaks it, equal requests have one text, and that text is stable."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.effects import BLENDS, EFFECTS, Argument
from imagestore.core.transformation.evaluation import assign, evaluate, holds, source_of
from imagestore.core.transformation.flags import STEP_FLAGS
from imagestore.core.transformation.model import Assignment, Choice, Component, Layer, Length, Node, Scope
from imagestore.core.transformation.parameters import PARAMETERS, PLACING
from imagestore.core.transformation.parsing import Transformation, parse

pytestmark = pytest.mark.quick

NUMBERS = st.one_of(
    st.integers(-3, 3000).map(str),
    st.floats(0, 3, allow_nan=False).map(lambda each: f"{each:.4f}"),
    st.sampled_from(["0.5", "1.0", "$n", "w_div_2", "iw_mul_0.5", "$n_add_1", "1_div_0"]),
)
COLORS = st.one_of(
    st.sampled_from(["red", "transparent", "$c", "rgb:123", "rgb:12345678", "#abc", "nocolor"]),
    st.from_regex(r"rgb:[0-9a-f]{6}", fullmatch=True),
)
TEXTS = st.text(st.characters(exclude_characters=",/", exclude_categories=("Cs", "Cc")), max_size=12)
CONDITIONS = st.lists(
    st.sampled_from(
        ["w", "ih", "fc", "300", "1:2", "gt", "eq", "and", "or", "in", "tags", "!a:b!", "$n", "mul"]
    ),
    min_size=1,
    max_size=7,
).map("_".join) | st.sampled_from(["w_gt_300", "ar_lt_1:1_or_$n_gt_3", "!a!_in_tags"])


def of_argument(argument: Argument) -> st.SearchStrategy[str]:
    if argument.kind == "word":
        return st.sampled_from(argument.words)
    if argument.kind == "color":
        return COLORS
    low, high = int(argument.low), int(argument.high)
    return st.integers(low, high).map(str) | st.integers(low - 3, high + 3).map(str) | st.just("$n")


EFFECT_TEXTS = st.sampled_from(sorted(EFFECTS)).flatmap(
    lambda name: st.lists(st.one_of(st.just(""), *map(of_argument, EFFECTS[name])), max_size=3).map(
        lambda said: ":".join([name, *filter(None, said)])
    )
)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "c": st.sampled_from(["fill", "scale", "fit", "crop", "thumb", "auto", "pad", "big"]),
    "g": st.sampled_from(
        ["north", "face", "faces:auto", "auto:face", "custom", "xy_center", "face:east", "up"]
    ),
    "ar": st.one_of(NUMBERS, st.sampled_from(["16:9", "1.3333333333", "iar", "0"])),
    "a": st.lists(
        st.one_of(NUMBERS, st.sampled_from(["auto", "hflip", "ignore"])), min_size=1, max_size=3
    ).map(".".join),
    "r": st.one_of(st.just("max"), st.lists(NUMBERS, min_size=1, max_size=5).map(":".join)),
    "bo": st.tuples(NUMBERS, COLORS).map(lambda each: f"{each[0]}px_solid_{each[1]}"),
    "b": st.one_of(
        COLORS, st.sampled_from(["auto", "auto:border", "blurred:400:15", "blurred:100", "auto:x"])
    ),
    "co": COLORS,
    "e": EFFECT_TEXTS,
    "fl": st.lists(st.sampled_from([*STEP_FLAGS, "lossy", "attachment:a b", "oops"]), max_size=3).map(
        ".".join
    ),
    "f": st.sampled_from(["auto", "jpg", "jpeg", "png", "auto:image", "doc"]),
    "q": st.sampled_from(["80", "auto", "auto:eco", "70:444", "auto:good:420", "101"]),
    "pg": st.integers(0, 5).map(str),
    "d": st.sampled_from(["a:b.png", "x", "..", "text:x"]),
    "t": st.sampled_from(["thumb", "a.b", "-", "a b"]),
    "$n": NUMBERS,
    "$c": st.sampled_from(["!red!", "!rgb:fff!", "!a%2Cb!", "5"]),
    "if": CONDITIONS,
    "l": st.one_of(
        st.sampled_from(["logo", "a:b", "$c", "%74ext:x", "a%2Fb", "text:Arial:x"]),
        st.tuples(
            st.sampled_from(["Arial_20", "Open Sans_12_bold_center", "$c_$n", "Lato_9_stroke"]), TEXTS
        ).map(lambda each: f"text:{each[0]}:{each[1]}$(c)"),
    ),
}
NAMES = sorted({*PARAMETERS, *VALUES} - {"if"})
PARTS = st.sampled_from(NAMES).flatmap(
    lambda name: VALUES.get(name, NUMBERS).map(lambda value: f"{name}_{value}")
)
SEGMENTS = st.one_of(
    st.lists(PARTS, min_size=1, max_size=4, unique_by=lambda each: each.partition("_")[0]).map(",".join),
    st.lists(PARTS, min_size=1, max_size=4, unique_by=lambda each: each.partition("_")[0]).map(",".join),
    CONDITIONS.map(lambda each: f"if_{each}"),
    st.sampled_from(
        ["if_else", "if_end", "fl_layer_apply", "fl_layer_apply,g_north,x_5", "if_w_gt_5", "l_x"]
    ),
)
WHOLES = st.lists(SEGMENTS, max_size=6).map("/".join)


def is_sound(part: str) -> bool:
    try:
        parse(part)
    except InvalidTransformation:
        return False
    return True


SOUND_COMPONENTS = st.lists(
    PARTS.filter(lambda part: part[:2] not in ("f_", "pg", "d_", "fl") and is_sound(part)),
    min_size=1,
    max_size=4,
    unique_by=lambda each: each.partition("_")[0],
).map(",".join)
SOUND_CONDITIONS = CONDITIONS.filter(lambda each: is_sound(f"if_{each},w_5"))
SOUND = st.recursive(
    st.lists(SOUND_COMPONENTS, min_size=1, max_size=3).map("/".join),
    lambda chains: st.one_of(
        st.tuples(SOUND_CONDITIONS, chains, chains).map(
            lambda each: f"if_{each[0]}/{each[1]}/if_else/{each[2]}/if_end"
        ),
        st.tuples(SOUND_CONDITIONS, SOUND_COMPONENTS, chains).map(
            lambda each: f"if_{each[0]},{each[1]}/{each[2]}"
        ),
        chains.map(lambda chain: f"l_logo/{chain}/fl_layer_apply,g_north,e_screen"),
        st.tuples(chains, chains).map("/l_text:Arial_20:hello $(c),co_red/".join),
    ),
    max_leaves=6,
)
HOSTILE = st.text(st.sampled_from(list("wharxyze_$!:%.,/()-+*^<>=&|0159 ;\n\x00é\ud800'\"\\")), max_size=40)
SCOPE = {"width": 800, "height": 600, "initial_width": 1600, "initial_height": 1200}


def parsed(text: str) -> Transformation | None:
    try:
        return parse(text)
    except InvalidTransformation as error:
        assert error.message
        return None


def run(nodes: Iterable[Node], scope: Scope) -> None:
    """Evaluate everything, whether or not its condition holds."""
    for node in nodes:
        try:
            if isinstance(node, Component):
                evaluate(node, scope)
            elif isinstance(node, Assignment):
                assign(node, scope)
            elif isinstance(node, Layer):
                source_of(node, scope)
                evaluate(node.place, scope)
                evaluate(node.drawing, scope)
            elif isinstance(node, Choice):
                for branch in node.branches:
                    holds(branch.condition, scope)
        except InvalidTransformation as error:
            assert error.message
        below = node.chain if isinstance(node, Layer) else ()
        run(below, scope)
        for branch in node.branches if isinstance(node, Choice) else ():
            run(branch.nodes, scope)


@given(WHOLES | st.text(max_size=60) | HOSTILE)
@example("w_!!")
@example("w_" + "(" * 400)
@example("w_" + "1_pow_" * 49 + "1")
@example("ar_0.0000001")
@example("w_9999999999.999999999999999999999999999999")
@example("e_tint:::::::")
@example("l_text::x")
@example("l_text:a_1:" + "%" * 3)
def test_no_text_gives_anything_but_a_result_or_a_refusal(text: str) -> None:
    found = parsed(text)
    if found is None:
        return
    found.layer_keys()
    assert found.names() == tuple(dict.fromkeys(found.names()))
    assert found.needs_faces in (True, False)
    run(found.nodes, Scope(**SCOPE))


@given(WHOLES | st.text(max_size=60) | HOSTILE)
def test_the_canonical_text_is_read_as_the_same_and_does_not_change(text: str) -> None:
    found = parsed(text)
    if found is None:
        return
    canonical = found.canonical()
    again = parse(canonical)
    assert again == found
    assert again.canonical() == canonical


@given(
    st.lists(PARTS, min_size=2, max_size=6, unique_by=lambda each: each.partition("_")[0]).filter(
        lambda parts: sum(part.startswith(("$", "t_")) for part in parts) < 2
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_within_a_component_does_not_matter(parts: list[str], chance: random.Random) -> None:
    found = parsed(",".join(parts))
    chance.shuffle(parts)
    assert parsed(",".join(parts)) == found


@given(SOUND)
def test_a_sound_transformation_is_read_evaluated_and_written_alike(text: str) -> None:
    found = parse(text)
    canonical = found.canonical()
    assert parse(canonical) == found
    assert parse(canonical).canonical() == canonical
    run(found.nodes, Scope(**SCOPE))


@pytest.mark.parametrize("name", sorted(PARAMETERS))
@given(data=st.data())
def test_the_canonical_value_means_what_the_written_one_does(name: str, data: st.DataObject) -> None:
    parameter = PARAMETERS[name]
    value = data.draw(VALUES.get(name, NUMBERS))
    scope = Scope(**SCOPE, variables={"n": Length(3), "c": "red"})
    try:
        tidy = parameter.tidy(value)
        meant = parameter.read(value, scope)
    except InvalidTransformation:
        return
    if not tidy:
        assert changes_nothing(name, meant)
    elif name == "ar":
        assert parameter.read(tidy, scope) == pytest.approx(meant, rel=1e-3, abs=1e-6)
    elif name == "r":
        assert corners(parameter.read(tidy, scope)) == corners(meant)
    else:
        assert parameter.read(tidy, scope) == meant


def changes_nothing(name: str, value: Any) -> bool:
    match name:
        case "a":
            return value == ()
        case "bo":
            return bool(value.width == 0)
        case "r":
            return all(each.value == 0 for each in value)
    return bool(value == {"w": None, "h": None, "dpr": 1, "z": 1, "o": 100, "fl": frozenset()}[name])


def corners(radius: Any) -> Any:
    """All four, as CSS Backgrounds Level 3, section 5.1 fills them in."""
    if radius == "max":
        return radius
    first, second, third, fourth = (*radius, *(None,) * (4 - len(radius)))
    second = second or first
    third = third or first
    return first, second, third, fourth or second


@pytest.mark.parametrize("name", sorted(set(EFFECTS) - {"tint"}))
@given(data=st.data())
def test_every_effect_has_all_its_arguments_when_it_is_evaluated(name: str, data: st.DataObject) -> None:
    table = EFFECTS[name]
    required = [place for place, each in enumerate(table) if each.default is None]
    count = data.draw(st.integers(max(required, default=-1) + 1, len(table)))
    given_ = [
        data.draw(
            st.sampled_from(each.words)
            if each.kind == "word"
            else st.sampled_from(["red", "rgb:123456"])
            if each.kind == "color"
            else st.integers(int(each.low), int(each.high)).map(str)
        )
        for each in table[:count]
    ]
    parameters = PLACING if name in BLENDS else PARAMETERS
    effect = parameters["e"].read(":".join([name, *given_]), Scope(**SCOPE))
    assert effect.name == name
    assert len(effect.arguments) == len(table)
    for each, value in zip(table, effect.arguments, strict=True):
        assert each.kind != "number" or each.low <= value <= each.high
        assert each.kind != "word" or value in each.words
