"""What expressions come to on a picture: numbers, texts, and whether conditions hold."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from imagestore.core.transformation.expressions import JOINS, Expression, Number, Operation, Reference, Words
from imagestore.core.transformation.literals import LARGEST, Unfit, checked, is_number, read_number
from imagestore.core.transformation.model import Length, Scope

Value = Length | str | frozenset[str]
"""A number, a text, or the image's tags."""

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "lt": operator.lt,
    "lte": operator.le,
    "gt": operator.gt,
    "gte": operator.ge,
}


def value_of(tree: Expression, scope: Scope) -> Value:
    """Raises Unfit for a variable without a value, text where a number is due, and a division by zero."""
    if isinstance(tree, Number):
        return tree.value
    if isinstance(tree, Words):
        return tree.text
    if isinstance(tree, Reference):
        return _look_up(tree, scope)
    left, right = number_of(value_of(tree.left, scope)), number_of(value_of(tree.right, scope))
    return checked(Length(_calculate(tree.operator, left.value, right.value)))


def truth_of(tree: Expression, scope: Scope) -> bool:
    """The same for a condition."""
    assert isinstance(tree, Operation)
    if tree.binding <= JOINS:
        left = truth_of(tree.left, scope)
        right = truth_of(tree.right, scope)
        return left and right if tree.operator == "and" else left or right
    return _compare(tree.operator, value_of(tree.left, scope), value_of(tree.right, scope))


def number_of(value: Value) -> Length:
    """The number itself, or the one that a text spells."""
    if isinstance(value, Length):
        return value
    if isinstance(value, str) and is_number(value):
        return read_number(value)
    shown = f"the text {value!r}" if isinstance(value, str) else "the list of tags"
    raise Unfit(f"{shown} stands where a number is due")


def _look_up(reference: Reference, scope: Scope) -> Value:
    if reference.kind == "context":
        return scope.context.get(reference.name, "")
    if reference.kind == "variable":
        if reference.name not in scope.variables:
            raise Unfit(f"${reference.name} has no value yet: assign one before, as in ${reference.name}_100")
        return scope.variables[reference.name]
    if reference.name == "tags":
        return scope.tags
    return Length(
        {
            "w": scope.width,
            "h": scope.height,
            "ar": scope.width / scope.height,
            "iw": scope.initial_width,
            "ih": scope.initial_height,
            "iar": scope.initial_width / scope.initial_height,
            "cp": scope.page,
            "pc": scope.pages,
            "fc": scope.faces,
        }[reference.name]
    )


def _calculate(name: str, left: float, right: float) -> float:
    if name in ("div", "mod") and right == 0:
        raise Unfit("it divides by zero")
    match name:
        case "add":
            return left + right
        case "sub":
            return left - right
        case "mul":
            return left * right
        case "div":
            return left / right
        case "mod":
            return math.fmod(left, right)
    return _raise_to(left, right)


def _raise_to(base: float, exponent: float) -> float:
    if base == 0 and exponent < 0:
        raise Unfit("it divides by zero")
    if base < 0 and exponent != int(exponent):
        raise Unfit("it takes a root of a negative number")
    if base and abs(exponent * math.log(abs(base))) > math.log(LARGEST):
        raise Unfit("the number is too large or too small")
    return float(base**exponent)


def _compare(name: str, left: Value, right: Value) -> bool:
    if name == "in":
        return _members(left) <= _members(right)
    if name == "nin":
        return not _members(left) & _members(right)
    if name in _ORDERS:
        return _ORDERS[name](number_of(left).value, number_of(right).value)
    return _are_equal(left, right) == (name == "eq")


def _are_equal(left: Value, right: Value) -> bool:
    if isinstance(left, frozenset) or isinstance(right, frozenset):
        return _members(left) == _members(right)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    try:
        return math.isclose(number_of(left).value, number_of(right).value, rel_tol=1e-9, abs_tol=1e-9)
    except Unfit:
        return False


def _members(value: Value) -> frozenset[str]:
    """Of a list: what stands between its colons."""
    if isinstance(value, Length):
        raise Unfit("in and nin compare lists of texts, as in !sale:new!_in_tags")
    return frozenset(filter(None, value.split(":"))) if isinstance(value, str) else value
