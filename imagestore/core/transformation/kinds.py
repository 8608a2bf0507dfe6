"""The kinds of values that parameters take: each tidies a text, and reads it for a picture.

`takes` completes "the parameter takes …". `tidy` gives the one text of all that mean the same; what waits for
a picture (`$variables`, `iw_div_2`) stays an expression. `read` gives the value. Both raise Unfit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Protocol, cast

from imagestore.core.transformation import colors
from imagestore.core.transformation.calculation import Value, number_of, value_of
from imagestore.core.transformation.expressions import Expression, Operation, parse_value, references, write
from imagestore.core.transformation.literals import Unfit, write_number, write_value
from imagestore.core.transformation.model import Border, Color, Length, Scope

NOWHERE = Scope(width=1, height=1, initial_width=1, initial_height=1)
"""For what no picture is needed for."""

LARGEST_SIDE = 16384
FARTHEST = 32768
MOST_RELATIVE = 100

_VARIABLE = re.compile(r"\$([A-Za-z][A-Za-z0-9]*)")
Angle = float | Literal["auto_right", "auto_left", "hflip", "vflip", "ignore"]


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
    """A width or a height; `auto` is the one that there is."""

    extent: Extent

    @property
    def takes(self) -> str:
        return f"{self.extent.takes}, or auto"

    def tidy(self, text: str) -> str:
        return text if text == "auto" else self.extent.tidy(text)

    def read(self, text: str, scope: Scope) -> Length | None:
        return None if text == "auto" else self.extent.read(text, scope)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words; `aliases` are others that mean one of them."""

    words: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    @property
    def takes(self) -> str:
        return f"one of {', '.join(self.words)}"

    def tidy(self, text: str) -> str:
        word = dict(self.aliases).get(text, text)
        if word not in self.words:
            raise Unfit
        return word

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
        if isinstance(value, str):
            value = value_of(parse_value(value), NOWHERE)
        number = number_of(value).value
        if not self._LOW <= number <= self._HIGH:
            raise Unfit(f"it comes to {write_value(number)}")
        return number


class Hue:
    """A colour, or a variable that holds one."""

    takes = colors.TAKES

    def __init__(self, *, bare: bool = False) -> None:
        self._bare = bare

    def tidy(self, text: str) -> str:
        return text if is_variable(text) else colors.write_color(colors.read_color(text, bare=self._bare))

    def read(self, text: str, scope: Scope) -> Color:
        return colors.read_color(words_of(text, scope), bare=self._bare)


class Corners:
    """One to four radii, as CSS' border-radius has them, or `max`."""

    takes = f"max, or 1 to 4 radii of 0 to {LARGEST_SIDE} pixels, joined by ':', clockwise from the top left"
    _each = Extent(0, LARGEST_SIDE, "the shorter side")

    def tidy(self, text: str) -> str:
        if text == "max":
            return text
        radii = [self._each.tidy(each) for each in self._split(text)]
        for opposite in (1, 0):  # what CSS would fill in from the opposite corner is left out
            if len(radii) == opposite + 3 and radii[-1] == radii[opposite]:
                radii.pop()
        if len(radii) == 2 and radii[0] == radii[1]:
            radii.pop()
        return ":".join(radii)

    def read(self, text: str, scope: Scope) -> tuple[Length, ...] | Literal["max"]:
        if text == "max":
            return "max"
        return tuple(self._each.read(each, scope) for each in self._split(text))

    @staticmethod
    def _split(text: str) -> Sequence[str]:
        radii = text.split(":")
        if len(radii) > 4:
            raise Unfit
        return radii


class Turns:
    """Rotations and mirrorings, one after the other."""

    takes = "degrees of -3600 to 3600, auto_right, auto_left, hflip, vflip or ignore; '.' joins several"
    _WORDS = ("auto_right", "auto_left", "hflip", "vflip", "ignore")
    _JOINT = re.compile(r"\.(?![0-9])|(?<![0-9])\.")
    _degrees = Amount(-3600, 3600, whole=False)

    def tidy(self, text: str) -> str:
        joined = ""
        for turn in map(self._tidy_one, self._split(text)):
            if turn != "0":
                # a sign keeps the dot between two digits from being read as a decimal point
                sign = "+" if joined[-1:].isdigit() and turn[:1].isdigit() else ""
                joined += f"{'.' if joined else ''}{sign}{turn}"
        return joined or "0"

    def _tidy_one(self, text: str) -> str:
        word = "auto_right" if text == "auto" else text
        if word in self._WORDS:
            return word
        tree = parse_value(text)
        return write_value(self._turn(text, NOWHERE)) if is_constant(tree) else write(tree)

    def read(self, text: str, scope: Scope) -> tuple[Angle, ...]:
        return tuple(
            cast("Angle", each) if each in self._WORDS else self._turn(each, scope)
            for each in self._split(self.tidy(text))
            if each != "0"
        )

    def _turn(self, text: str, scope: Scope) -> float:
        return round(self._degrees.read(text, scope), 6) % 360

    def _split(self, text: str) -> Sequence[str]:
        turns = self._JOINT.split(text)
        if len(turns) > 8:
            raise Unfit("it has more than 8 turns")
        return turns


class Line:
    """`4px_solid_red`: a border."""

    takes = "a width of 0 to 2000, px_solid_ and a colour, as in 4px_solid_red or 4px_solid_rgb:ff8800"
    _FORM = re.compile(r"(.+?)(?:px)?_solid_(.+)")
    _width = Amount(0, 2000)
    _color = Hue()

    def tidy(self, text: str) -> str:
        width, color = self._split(text)
        tidy = self._width.tidy(width)
        return f"{tidy}px_solid_{self._color.tidy(color)}" if tidy != "0" else "0"

    def read(self, text: str, scope: Scope) -> Border:
        width, color = self._split(text)
        return Border(round(self._width.read(width, scope)), self._color.read(color, scope))

    def _split(self, text: str) -> tuple[str, str]:
        match = self._FORM.fullmatch(text)
        if match is None:
            raise Unfit
        return match[1], match[2]


def _round(number: float) -> int:
    return math.floor(number + 0.5)
