"""Whether a transformation makes parts of a picture transparent, as far as its text tells."""

from __future__ import annotations

import re
from collections.abc import Iterable

from imagestore.core.transformation.model import Branch, Choice, Component, Layer, Node

_CLEARING = frozenset({"make_transparent", "shadow", "outline", "gradient_fade"})
_CUTTING = frozenset({"mask", "cut_out", "displace"})
_STRAIGHT = frozenset({"hflip", "vflip", "ignore", "auto_right", "auto_left"})
_WHOLE = re.compile(r"-?[0-9]+")
_SOLID = re.compile(r"rgb:[0-9a-f]{6}$|auto|blurred")


def may_clear(nodes: Iterable[Node], clear: bool = False) -> bool:
    """Whether what was opaque may come out with transparent parts: by round corners, turns by other than
    quarters, opacity, shapes that are cut, some effects, unless a background is laid under them later.

    `clear` says whether it was transparent before. A picture that is padded without a background is not
    counted, nor a canvas that grows for a layer: who needs their transparency names a format that has it.
    """
    for node in nodes:
        if isinstance(node, Component):
            clear = _after(dict(node.parameters), clear)
        elif isinstance(node, Choice):
            clear = any(may_clear(branch.nodes, clear) for branch in (*node.branches, Branch("", ())))
        elif isinstance(node, Layer):
            place = dict(node.place.parameters)
            effect, flags = place.get("e", ""), place.get("fl", "").split(".")
            clear = clear or effect.partition(":")[0] in _CUTTING or "cutter" in flags
    return clear


def _after(parameters: dict[str, str], clear: bool) -> bool:
    """As a component leaves it: its background comes last."""
    if _SOLID.match(parameters.get("b", "")):
        return False
    effect = parameters.get("e", "").partition(":")[0]
    turns = parameters.get("a", "0")
    return (
        clear
        or effect in _CLEARING
        or parameters.get("r", "0") != "0"
        or parameters.get("o", "100") != "100"
        or not all(_is_straight(turn) for turn in turns.split("."))
    )


def _is_straight(turn: str) -> bool:
    return turn in _STRAIGHT or (_WHOLE.fullmatch(turn) is not None and int(turn) % 90 == 0)
