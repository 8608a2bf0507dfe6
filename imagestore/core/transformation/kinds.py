"""The kinds of values that parameters take: each tidies a text, and reads it for a picture.

`takes` completes "the parameter takes …". `tidy` gives the one text of all that mean the same; what waits for
a picture (`$variables`, `iw_div_2`) stays an expression. `read` gives the value. Both raise Unfit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Protocol

from imagestore.core.transformation import colors
from imagestore.core.transformation.calculation import Value, number_of, value_of
from imagestore.core.transformation.expressions import Expression, Operation, parse_value, references, write
from imagestore.core.transformation.literals import Unfit, write_number, write_value
from imagestore.core.transformation.model import Color, Length, Scope

NOWHERE = Scope(width=1, height=1, initial_width=1, initial_height=1)
"""For what no picture is needed for."""

LARGEST_SIDE = 16384
FARTHEST = 32768
MOST_RELATIVE = 100

_VARIABLE = re.compile(r"\$([A-Za-z][A-Za-z0-9]*)")


class Kind(Protocol):
    @property
    def takes(self) -> str: ...

    def tidy(self, text: str) -> str: ...

    def read(self, text: str, scope: Scope) -> Any: ...


def is_constant(tree: Expression) -> bool:
    return not any(True for _ in references(tree))


def is_variable(text: str) -> bool:
    return _VARIABLE.fullmatch(text) is not None


def words_of(text: str, scope: Scope) -> str:
    """`text`, or what the variable that it names holds."""
    if not is_variable(text):
        return text
    value = value_of(parse_value(text), scope)
    if isinstance(value, Length):
        return write_value(value.value)
    assert isinstance(value, str)
    return value


@dataclass(frozen=True, slots=True)
class Amount:
    """A number between `low` and `high`; a `whole` one is rounded to an int."""

    low: float
    high: float
    whole: bool = True
    also: tuple[tuple[str, str], ...] = ()
    """Words that may stand for a number."""

    @property
    def takes(self) -> str:
        words = "".join(f", or {word}" for word, _ in self.also)
        return f"{'' if self.whole else 'a number of '}{self.low:g} to {self.high:g}{words}"

    def tidy(self, text: str) -> str:
        tree = parse_value(dict(self.also).get(text, text))
        return write_value(self._check(value_of(tree, NOWHERE))) if is_constant(tree) else write(tree)

    def read(self, text: str, scope: Scope) -> float:
        return self._check(value_of(parse_value(dict(self.also).get(text, text)), scope))

    def _check(self, value: Value) -> float:
        number = number_of(value).value
        if self.whole:
            number = _round(number)
        if not self.low <= number <= self.high:
            raise Unfit(f"it comes to {write_value(number)}")
        return number


@dataclass(frozen=True, slots=True)
class Extent:
    """Pixels from `low` to `high`, rounded, or a fraction, written with a point."""

    low: int
    high: int
    of: str

    @property
    def takes(self) -> str:
        least = -MOST_RELATIVE if self.low < 0 else 0
        return (
            f"{self.low} to {self.high} pixels, or, with a point, {least} to {MOST_RELATIVE} times {self.of}"
        )

    def tidy(self, text: str) -> str:
        tree = parse_value(text)
        return write_number(self._check(tree, NOWHERE)) if is_constant(tree) else write(tree)

    def read(self, text: str, scope: Scope) -> Length:
        return self._check(parse_value(text), scope)

    def _check(self, tree: Expression, scope: Scope) -> Length:
        length = number_of(value_of(tree, scope))
        if length.relative:
            least = -MOST_RELATIVE if self.low < 0 else (1e-6 if self.low else 0)
            fits = least <= length.value <= MOST_RELATIVE
        else:
            length = Length(float(_round(length.value)))
            fits = self.low <= length.value <= self.high
        if not fits:
            raise Unfit(f"it comes to {write_number(length)}" if isinstance(tree, Operation) else "")
        return length


@dataclass(frozen=True, slots=True)
class Side:
    """A width or a height. `auto` would be that of a client's hints, which are not asked for: it is the
    fallback that stands behind it, or the one that there is."""

    extent: Extent
    _AUTO: ClassVar = re.compile(r"auto(?::breakpoints[^:]*|:[0-9]+)?(?::([0-9]+))?(?::json)?")

    @property
    def takes(self) -> str:
        return f"{self.extent.takes}, or auto"

    def tidy(self, text: str) -> str:
        text = self._hinted(text)
        return text if text == "auto" else self.extent.tidy(text)

    def read(self, text: str, scope: Scope) -> Length | None:
        text = self._hinted(text)
        return None if text == "auto" else self.extent.read(text, scope)

    def _hinted(self, text: str) -> str:
        match = self._AUTO.fullmatch(text)
        return text if match is None else match[1] or "auto"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    @property
    def takes(self) -> str:
        return f"one of {', '.join(self.words)}"

    def tidy(self, text: str) -> str:
        if text not in self.words:
            raise Unfit
        return text

    def read(self, text: str, scope: Scope) -> str:
        return self.tidy(words_of(text, scope))


class Ratio:
    takes = "a ratio of 0.001 to 1000, such as 16:9 or 1.5"
    _LOW, _HIGH, _FINEST = 0.001, 1000.0, 1000

    def tidy(self, text: str) -> str:
        tree = parse_value(text)
        if not is_constant(tree):
            return write(tree)
        ratio = Fraction(self._check(tree, NOWHERE)).limit_denominator(self._FINEST)
        return f"{ratio.numerator}:{ratio.denominator}"

    def read(self, text: str, scope: Scope) -> float:
        return self._check(parse_value(text), scope)

    def _check(self, tree: Expression, scope: Scope) -> float:
        value = value_of(tree, scope)
        if isinstance(value, str) and is_constant(spelled := parse_value(value)):
            value = value_of(spelled, NOWHERE)
        number = number_of(value).value
        if not self._LOW <= number <= self._HIGH:
            raise Unfit(f"it comes to {write_value(number)}")
        return number


class Hue:
    """A colour, or a variable that holds one."""

    takes = colors.TAKES

    def tidy(self, text: str) -> str:
        return text if is_variable(text) else colors.write_color(colors.read_color(text))

    def read(self, text: str, scope: Scope) -> Color:
        return colors.read_color(words_of(text, scope))


def _round(number: float) -> int:
    return math.floor(number + 0.5)
