"""Expressions and conditions: text to a tree, and a tree to its value. Nothing here evaluates code.

    condition  := both { "or" both }          both := comparison { "and" comparison }
    comparison := sum [ ("eq" | "ne" | "lt" | "lte" | "gt" | "gte" | "in" | "nin") sum ]
    sum        := product { ("add" | "sub") product }
    product    := power { ("mul" | "div" | "mod") power }          power := operand [ "pow" power ]
    operand    := number | a ":" b | "$" name | name of a fact | "ctx:!" key "!" | "!" text "!"

Everything is joined by `_`; the signs + - * ^ = != < > <= >= && || may stand for their words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from imagestore.core.transformation.literals import (
    Unfit,
    escape,
    read_number,
    unescape,
    write_number,
    write_value,
)
from imagestore.core.transformation.model import Length

LONGEST = 500
MOST_OPERANDS = 50

FACTS: dict[str, str] = {
    "w": "the width as it is here",
    "h": "the height as it is here",
    "ar": "width by height as they are here",
    "iw": "the original's width",
    "ih": "the original's height",
    "iar": "the original's width by its height",
    "cp": "the page or frame that is asked for",
    "pc": "how many pages or frames the original has",
    "fc": "how many faces the original has",
    "tags": "the image's tags",
}
"""What expressions may ask for by name, beside `ctx:!key!`, the image's context."""

_LONG_NAMES = {
    "width": "w",
    "height": "h",
    "aspect_ratio": "ar",
    "aspectRatio": "ar",
    "initial_width": "iw",
    "initialWidth": "iw",
    "initial_height": "ih",
    "initialHeight": "ih",
    "initial_aspect_ratio": "iar",
    "initialAspectRatio": "iar",
    "current_page": "cp",
    "currentPage": "cp",
    "page_count": "pc",
    "pageCount": "pc",
    "face_count": "fc",
    "faceCount": "fc",
}
_SIGNS = {
    "&&": "and",
    "||": "or",
    "<=": "lte",
    ">=": "gte",
    "!=": "ne",
    "=": "eq",
    "<": "lt",
    ">": "gt",
    "+": "add",
    "-": "sub",
    "*": "mul",
    "^": "pow",
}
_BINDING = {
    "or": 1,
    "and": 2,
    **dict.fromkeys(("eq", "ne", "lt", "lte", "gt", "gte", "in", "nin"), 3),
    "add": 4,
    "sub": 4,
    "mul": 5,
    "div": 5,
    "mod": 5,
    "pow": 6,
}
JOINS, COMPARES = 2, 3
"""How tightly `and` and comparisons bind: what binds less is true or false, what binds more a number."""


@dataclass(frozen=True, slots=True)
class Number:
    value: Length


@dataclass(frozen=True, slots=True)
class Words:
    """Text between exclamation marks; a colon parts it where a list is wanted."""

    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that only a picture, its context or an assignment can tell."""

    kind: Literal["fact", "context", "variable"]
    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    operator: str
    left: Expression
    right: Expression

    @property
    def binding(self) -> int:
        return _BINDING[self.operator]


Expression = Number | Words | Reference | Operation


def _one_of(words: Iterator[str]) -> str:
    return "|".join(re.escape(each) for each in sorted(words, key=len, reverse=True))


_NUMERAL = r"(?:[0-9]{1,10}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})"
_OPERAND = re.compile(
    rf"(?P<ratio>(?P<a>{_NUMERAL}):(?P<b>{_NUMERAL}))(?![\w.])|(?P<number>[+-]?{_NUMERAL})(?![0-9A-Za-z.:])"
    rf"|ctx:!(?P<context>[^!]*)!|context:!(?P<long_context>[^!]*)!|!(?P<text>[^!]*)!"
    rf"|\$(?P<variable>[A-Za-z][A-Za-z0-9]*)"
    rf"|(?P<fact>{_one_of(iter([*FACTS, *_LONG_NAMES]))})(?![A-Za-z0-9])"
)
_OPERATOR = re.compile(
    rf"(?P<sign>{_one_of(iter(_SIGNS))})|(?P<word>{_one_of(iter(_BINDING))})(?![A-Za-z0-9])"
)
_GAP = re.compile("[_ ]*")


def parse_value(text: str) -> Expression:
    """An expression for a number or a text. Raises Unfit."""
    tree = _parse(text)
    if _is_truth(tree):
        raise Unfit("it is a condition, which only if_ takes")
    return tree


def parse_condition(text: str) -> Expression:
    """An expression that is true or false. Raises Unfit."""
    tree = _parse(text)
    if not _is_truth(tree):
        raise Unfit("it compares nothing: a condition is like w_gt_300")
    return tree


def references(tree: Expression) -> Iterator[Reference]:
    """All that it needs to know."""
    if isinstance(tree, Reference):
        yield tree
    elif isinstance(tree, Operation):
        yield from references(tree.left)
        yield from references(tree.right)


def write(tree: Expression) -> str:
    """The one text of it. Numbers next to an operator lose the point that makes a lone one relative."""
    if isinstance(tree, Operation):
        return f"{_write_side(tree.left)}_{tree.operator}_{_write_side(tree.right)}"
    if isinstance(tree, Number):
        return write_number(tree.value)
    if isinstance(tree, Words):
        return f"!{':'.join(escape(each) for each in tree.text.split(':'))}!"
    if tree.kind == "variable":
        return f"${tree.name}"
    return tree.name if tree.kind == "fact" else f"ctx:!{escape(tree.name)}!"


def _write_side(tree: Expression) -> str:
    return write_value(tree.value.value) if isinstance(tree, Number) else write(tree)


def _parse(text: str) -> Expression:
    if len(text) > LONGEST:
        raise Unfit(f"an expression has {LONGEST} characters at most")
    operands, operators = _split(text)
    if len(operands) > MOST_OPERANDS:
        raise Unfit(f"an expression has {MOST_OPERANDS} operands at most")
    tree, rest = _climb(operands, operators, 0, 0)
    assert rest == len(operators)
    return tree


def _split(text: str) -> tuple[list[Expression], list[str]]:
    """Operands and the operators between them."""
    operands: list[Expression] = []
    operators: list[str] = []
    place = 0
    while True:
        match = _OPERAND.match(text, place)
        if match is None:
            raise Unfit(_puzzle(text, place))
        operands.append(_operand(match))
        place = match.end()
        if place == len(text):
            return operands, operators
        gap = _GAP.match(text, place)
        match = _OPERATOR.match(text, gap.end() if gap else place)
        if match is None:
            raise Unfit(_puzzle(text, place))
        operators.append(match["word"] or _SIGNS[match["sign"]])
        gap = _GAP.match(text, match.end())
        place = gap.end() if gap else match.end()


def _puzzle(text: str, place: int) -> str:
    rest = text[place:].lstrip("_ ")
    return f"{rest[:40]!r} cannot be read in it" if rest else "it breaks off"


def _operand(match: re.Match[str]) -> Expression:
    if match["ratio"]:
        below = read_number(match["b"]).value
        if not below:
            raise Unfit("it divides by zero")
        return Operation("div", Number(read_number(match["a"])), Number(read_number(match["b"])))
    if match["number"]:
        return Number(read_number(match["number"]))
    if match["text"] is not None:
        return Words(unescape(match["text"]))
    if match["variable"]:
        return Reference("variable", match["variable"])
    if match["fact"]:
        return Reference("fact", _LONG_NAMES.get(match["fact"], match["fact"]))
    return Reference("context", unescape(match["context"] or match["long_context"] or ""))


def _climb(
    operands: list[Expression], operators: list[str], place: int, weakest: int
) -> tuple[Expression, int]:
    """The tree from operand `place` on, of operators that bind tighter than `weakest`, and where it ends."""
    left = operands[place]
    while place < len(operators) and _BINDING[operators[place]] > weakest:
        operator = operators[place]
        binding = _BINDING[operator]
        # powers group from the right, all others from the left
        right, after = _climb(operands, operators, place + 1, binding - 1 if operator == "pow" else binding)
        left = _join(operator, left, right)
        place = after
    return left, place


def _join(operator: str, left: Expression, right: Expression) -> Operation:
    truths = (_is_truth(left), _is_truth(right))
    if _BINDING[operator] <= JOINS and not all(truths):
        raise Unfit(f"{operator} stands between two comparisons")
    if _BINDING[operator] > JOINS and any(truths):
        raise Unfit(f"{operator} stands between two values")
    return Operation(operator, left, right)


def _is_truth(tree: Expression) -> bool:
    return isinstance(tree, Operation) and tree.binding <= COMPARES
