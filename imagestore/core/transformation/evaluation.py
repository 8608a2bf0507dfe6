"""Nodes with expressions in them to values with every number known, for the picture at that point."""

from __future__ import annotations

from typing import Any

from imagestore.core.transformation.calculation import truth_of, value_of
from imagestore.core.transformation.effects import BLENDS
from imagestore.core.transformation.expressions import parse_condition, parse_value
from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import Assignment, Component, Layer, Scope, Step, Text
from imagestore.core.transformation.parameters import PARAMETERS, PLACING, refusal
from imagestore.core.transformation.sources import TAKES as SOURCES
from imagestore.core.transformation.sources import key_of, text_of, write_source


def evaluate(component: Component, scope: Scope) -> Step:
    """The component as a step for the picture that `scope` describes. Raises InvalidTransformation.

    A step that has a size and no `crop` is scaled, unless its effect is one of `effects.REGIONAL`.
    """
    fields: dict[str, Any] = {}
    for name, value in component.parameters:
        parameter = PARAMETERS[name]
        if name == "e" and value.partition(":")[0] in BLENDS:
            parameter = PLACING[name]
        fields[parameter.field] = parameter.read(value, scope)
    return Step(**fields)


def holds(condition: str, scope: Scope) -> bool:
    """Whether the condition of a branch is true of the picture; an empty one (`if_else`) always is."""
    if not condition:
        return True
    try:
        return truth_of(parse_condition(condition), scope)
    except Unfit as unfit:
        raise refusal("if", condition, unfit, "a condition such as w_gt_300") from None


def assign(node: Assignment, scope: Scope) -> None:
    """Put the variable's value, as it is now, into the scope."""
    try:
        value = value_of(parse_value(node.value), scope)
        if isinstance(value, frozenset):
            value = ":".join(sorted(value))
    except Unfit as unfit:
        raise refusal(f"${node.name}", node.value, unfit, "a number, !text!, or an expression") from None
    scope.variables[node.name] = value


def source_of(layer: Layer, scope: Scope) -> str | Text:
    """What the layer shows: the key of an image, or a text with its variables filled in."""
    try:
        if isinstance(layer.source, str):
            return key_of(layer.source, scope)
        return text_of(layer.source, scope)
    except Unfit as unfit:
        raise refusal("l", write_source(layer.source), unfit, SOURCES) from None
