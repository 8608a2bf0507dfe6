"""One segment of a transformation, between two slashes: what its parts are, and where each belongs."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.effects import BLENDS
from imagestore.core.transformation.expressions import parse_condition, parse_value, write
from imagestore.core.transformation.flags import APPLY, split_flags
from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import Assignment, Component, Wording
from imagestore.core.transformation.outputs import TAKES as OUTPUTS
from imagestore.core.transformation.outputs import take_flags
from imagestore.core.transformation.parameters import PARAMETERS, component_of, refusal
from imagestore.core.transformation.sources import has_stroke

STRUCTURE: Mapping[str, str] = {
    "l": "lays an image or a text over the picture",
    "u": "lays one under it",
    "t": "what is stored under a name",
    "if": "what follows is done where the condition holds, up to if_else or if_end",
    "$": "gives a variable a value",
}
NAMES = frozenset([*PARAMETERS, *OUTPUTS, *STRUCTURE]) - {"$"}
_PART = re.compile(r"\$([A-Za-z][A-Za-z0-9]*)_(.*)|([a-z]+)_(.*)", re.DOTALL)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
"""What a transformation may be stored under: without dots, which join names."""
_NAME_TAKES = "a name of 1 to 100 letters, digits, - and _; several are joined by '.'"
_CONDITION_TAKES = "a condition such as w_gt_300_and_ar_lt_1:1, else or end"

_FRACTION = re.compile(r"\d*\.\d+")
_KEEP_ROOM = "text_no_trim"
"""The flag that says how a text is drawn."""
_RELATIVE = ("relative", "region_relative")
_OF_THE_PLACE = ("cutter", "no_overflow", "text_disallow_overflow", "tiled")
"""Flags that say how it is laid."""

Pair = tuple[str, str]


def is_component(segment: str) -> bool:
    """Whether a URL's segment belongs to its transformation: each part between commas is a parameter.

    Nothing between two commas, or at an end, is passed over.
    """
    parts = [_PART.fullmatch(part) for part in segment.split(",") if part]
    return bool(parts) and all(part and (part[3] is None or part[3] in NAMES) for part in parts)


def check_name(name: str) -> str:
    """Return what a transformation may be stored under; raises InvalidTransformation."""
    if not NAME.fullmatch(name):
        raise InvalidTransformation.of("t", name, _NAME_TAKES)
    return name


def split(segment: str) -> list[Pair]:
    parts = []
    for part in filter(None, segment.split(",")):
        match = _PART.fullmatch(part)
        if match is None or (match[3] is not None and match[3] not in NAMES):
            known = ", ".join(sorted(NAMES))
            raise InvalidTransformation(
                f"{part[:80]!r} is no parameter: one is a name of {known}, or $ and a variable's name; "
                "then _ and a value."
            )
        name, value = (f"${match[1]}", match[2]) if match[1] else (match[3], match[4])
        parts.append((str(name), str(value)))
    return parts


def sort_out(steps: list[Pair]) -> tuple[bool, list[Pair], list[Pair]]:
    """Whether a layer ends here; the parameters of the step; those of the answer."""
    applies = False
    own: list[Pair] = []
    outputs: list[Pair] = []
    flags: list[str] = []
    for name, value in steps:
        if name == "fl":
            try:
                mine, others = take_flags(value)
            except Unfit as unfit:
                raise refusal("fl", value, unfit, PARAMETERS["fl"].kind.takes) from None
            applies = applies or APPLY in others
            outputs += [("fl", flag) for flag in mine]
            flags += [flag for flag in others if flag != APPLY]
        else:
            (outputs if name in OUTPUTS else own).append((name, value))
    return applies, own + ([("fl", ".".join(flags))] if flags else []), outputs


def part_placing(steps: list[Pair], placing: Collection[str]) -> tuple[list[Pair], list[Pair]]:
    """Of what stands beside `l_` or `fl_layer_apply`: what says where the layer goes, which are parameters
    that `placing` names, and how it meets what is below; and what is done to it before."""
    where: list[Pair] = []
    own: list[Pair] = []
    for name, value in steps:
        if name in placing or (name == "e" and value.partition(":")[0] in BLENDS):
            where.append((name, value))
        elif name == "fl":
            placed, others = part_flags([(name, value)])
            where += placed
            own += others
        else:
            own.append((name, value))
    return where, own


def part_flags(opener: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The flags that are about a layer's place, as one parameter if there are any, and the rest."""
    flags = [flag for name, value in opener if name == "fl" for flag in split_flags(value)]
    placing = [flag for flag in flags if flag in _OF_THE_PLACE]
    own = [flag for flag in flags if flag not in _OF_THE_PLACE]
    rest = [(name, value) for name, value in opener if name != "fl"]
    return (
        [("fl", ".".join(placing))] if placing else [],
        rest + ([("fl", ".".join(own))] if own else []),
    )


def part_drawing(source: str | Wording, steps: list[Pair]) -> tuple[Component, list[Pair]]:
    """What says how a text is drawn, and what is done to it then.

    A size in fractions does not wrap the text, but resizes its picture, as anybody's.
    """
    room, steps = part_room(steps)
    if not isinstance(source, Wording):
        return Component(()), steps
    names = {"b", "co"} | ({"bo"} if has_stroke(source) else set())
    flags = [flag for name, value in steps if name == "fl" for flag in split_flags(value)]
    sizes = [value for name, value in steps if name in ("w", "h")]
    fractions = any(_FRACTION.fullmatch(size) for size in sizes) or {*_RELATIVE} & {*flags}
    if ("c", "fit") in steps and not fractions:
        names |= {"c", "w", "h"}
    drawing = [(name, value) for name, value in steps if name in names]
    return component_of(drawing + room), [(name, value) for name, value in steps if name not in names]


def part_room(steps: list[Pair]) -> tuple[list[Pair], list[Pair]]:
    """The flag that says how a text is drawn, if it is there, and the rest."""
    room: list[Pair] = []
    rest: list[Pair] = []
    for name, value in steps:
        flags = split_flags(value) if name == "fl" else []
        if _KEEP_ROOM in flags:
            room = [("fl", _KEEP_ROOM)]
            flags = [flag for flag in flags if flag != _KEEP_ROOM]
            rest += [("fl", ".".join(flags))] if flags else []
        else:
            rest.append((name, value))
    return room, rest


def condition_of(value: str) -> str:
    try:
        return write(parse_condition(value))
    except Unfit as unfit:
        raise refusal("if", value, unfit, _CONDITION_TAKES) from None


def assignment_of(name: str, value: str) -> Assignment:
    try:
        return Assignment(name, write(parse_value(value)))
    except Unfit as unfit:
        takes = "a number, !text!, or an expression such as iw_div_2"
        raise refusal(f"${name}", value, unfit, takes) from None
