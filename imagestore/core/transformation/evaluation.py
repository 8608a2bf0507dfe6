"""Nodes with expressions in them to steps with every number known."""

from __future__ import annotations

import re
from typing import get_args

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.effects import EFFECTS
from imagestore.core.transformation.model import (
    Assignment,
    Color,
    Component,
    CropMode,
    Effect,
    Gravity,
    Layer,
    Length,
    Scope,
    Step,
    Text,
)

_NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,6})?")
_CROPS = get_args(CropMode)


def evaluate(component: Component, scope: Scope) -> Step:
    """The component as a step for the picture that `scope` describes. Raises InvalidTransformation."""
    given = dict(component.parameters)
    crop = given.get("c")
    if crop is not None and crop not in _CROPS:
        raise InvalidTransformation.of("c", crop, f"one of {', '.join(_CROPS)}")
    aspect = given.get("ar")
    return Step(
        crop=crop,  # type: ignore[arg-type]
        width=_length("w", given),
        height=_length("h", given),
        x=_length("x", given),
        y=_length("y", given),
        aspect=_ratio(aspect) if aspect else None,
        gravity=Gravity(given["g"]) if "g" in given else None,
        effect=_effect(given["e"]) if "e" in given else None,
        angle=(float(given["a"]),) if "a" in given else (),
        flags=frozenset(given["fl"].split(".")) if "fl" in given else frozenset(),
    )


def holds(condition: str, scope: Scope) -> bool:
    """Whether the condition of an `if_` is true of the picture that `scope` describes."""
    return not condition


def assign(node: Assignment, scope: Scope) -> None:
    """Put the variable's value into the scope, evaluated now."""
    scope.variables[node.name] = node.value


def source_of(layer: Layer, scope: Scope) -> str | Text:
    """What the layer shows: the key of an image, or a text with its variables filled in."""
    return layer.source if isinstance(layer.source, str) else Text(layer.source.text)


def _length(name: str, given: dict[str, str]) -> Length | None:
    value = given.get(name)
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        raise InvalidTransformation.of(name, value, "pixels or a fraction")
    return Length(float(value), relative="." in value)


def _ratio(value: str) -> float:
    width, _, height = value.partition(":")
    return float(width) / float(height or 1)


def _effect(value: str) -> Effect:
    name, *given = value.split(":")
    if name not in EFFECTS:
        raise InvalidTransformation.of("e", value, f"one of {', '.join(EFFECTS)}")
    arguments: list[float | str | Color] = []
    for place, argument in enumerate(EFFECTS[name]):
        text = given[place] if place < len(given) else argument.default
        arguments.append(float(text) if argument.kind == "number" else str(text))  # type: ignore[arg-type]
    return Effect(name, tuple(arguments))
