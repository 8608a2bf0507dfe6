"""The table of parameters: what each is called, takes and does, and how a component becomes canonical."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.effects import BLENDS, EFFECTS
from imagestore.core.transformation.features import Ground, Hold, Manner
from imagestore.core.transformation.flags import STEP_FLAGS, FlagSet
from imagestore.core.transformation.kinds import (
    FARTHEST,
    LARGEST_SIDE,
    Amount,
    Choice,
    Extent,
    Hue,
    Kind,
    Ratio,
    Side,
)
from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import Component, CropMode, Scope
from imagestore.core.transformation.outlines import Corners, Line, Turns


@dataclass(frozen=True, slots=True)
class Parameter:
    """`field` is the one of Step that it fills; a value of `neutral` changes nothing, and is left out."""

    name: str
    field: str
    kind: Kind
    about: str
    neutral: str | None = None

    def tidy(self, value: str) -> str:
        """The canonical text of `value`, empty where it changes nothing. Raises InvalidTransformation."""
        try:
            text = self.kind.tidy(value)
        except Unfit as unfit:
            raise refusal(self.name, value, unfit, self.kind.takes) from None
        return "" if text == self.neutral else text

    def read(self, value: str, scope: Scope) -> Any:
        try:
            return self.kind.read(value, scope)
        except Unfit as unfit:
            raise refusal(self.name, value, unfit, self.kind.takes) from None


def refusal(name: str, value: str, unfit: Unfit, takes: str) -> InvalidTransformation:
    return InvalidTransformation.of(name, value, unfit.takes or takes, unfit.reason)


def _table(*parameters: Parameter) -> Mapping[str, Parameter]:
    return {each.name: each for each in parameters}


_WIDTH = Side(Extent(1, LARGEST_SIDE, "the picture's own width"))
_HEIGHT = Side(Extent(1, LARGEST_SIDE, "the picture's own height"))
_ACROSS = Extent(-FARTHEST, FARTHEST, "the width")
_DOWN = Extent(-FARTHEST, FARTHEST, "the height")
_EFFECT = Manner(
    {name: arguments for name, arguments in EFFECTS.items() if name not in BLENDS},
    "it is for a layer, and belongs beside l_ or fl_layer_apply",
)
_BLEND = Manner(
    {name: arguments for name, arguments in EFFECTS.items() if name in BLENDS},
    "it belongs into a component before fl_layer_apply",
)

PARAMETERS = _table(
    Parameter("c", "crop", Choice(get_args(CropMode)), "how the picture comes to its size"),
    Parameter("w", "width", _WIDTH, "the width", "auto"),
    Parameter("h", "height", _HEIGHT, "the height", "auto"),
    Parameter("ar", "aspect", Ratio(), "width by height, where one of them is not given"),
    Parameter("g", "gravity", Hold(), "what a crop keeps, or where a layer goes"),
    Parameter("x", "x", _ACROSS, "the offset across, from where `g` holds on", None),
    Parameter("y", "y", _DOWN, "the offset down", None),
    Parameter("z", "zoom", Amount(0.01, 100, whole=False), "how close a crop on faces comes", "1"),
    Parameter("dpr", "dpr", Amount(0.1, 10, False, (("auto", "1"),)), "device pixels for each pixel", "1"),
    Parameter("a", "angle", Turns(), "turns clockwise, and mirrorings", "0"),
    Parameter("r", "radius", Corners(), "rounds the corners", "0"),
    Parameter("bo", "border", Line(), "a border around it", "0"),
    Parameter("b", "background", Ground(), "what fills added or transparent parts"),
    Parameter("o", "opacity", Amount(0, 100), "how opaque it is, in percent", "100"),
    Parameter("co", "color", Hue(), "the colour of a text, and that some effects use"),
    Parameter("e", "effect", _EFFECT, "an effect: see the table of effects"),
    Parameter("fl", "flags", FlagSet(STEP_FLAGS), "flags: see the table of flags", ""),
)
"""The parameters of a component, by name."""

PLACING = _table(
    *(PARAMETERS[name] for name in ("g", "x", "y", "o", "b", "fl")),
    Parameter("e", "effect", _BLEND, "how a layer meets what is below it"),
)
"""Those of the component that puts a layer in its place."""


def component_of(given: Iterable[tuple[str, str]], table: Mapping[str, Parameter] = PARAMETERS) -> Component:
    """The parameters in canonical order and form, those that change nothing left out.

    Raises InvalidTransformation for a value that does not fit, and for a parameter given twice.
    """
    tidy: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in given:
        if name in seen:
            raise InvalidTransformation(
                f"{name} is given twice in one component: put the second one into a component of its own, "
                "after a slash."
            )
        seen.add(name)
        if text := table[name].tidy(value):
            tidy[name] = text
    if tidy.get("c") == "scale" and ("w" in tidy or "h" in tidy):
        del tidy["c"]  # what a size alone means
    return Component(tuple(sorted(tidy.items())))
