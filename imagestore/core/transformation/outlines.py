"""The kinds of values that corners, turns and borders have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, cast

from imagestore.core.transformation.expressions import parse_value, write
from imagestore.core.transformation.kinds import LARGEST_SIDE, NOWHERE, Amount, Extent, Hue, is_constant
from imagestore.core.transformation.literals import Unfit, write_value
from imagestore.core.transformation.model import Border, Length, Scope

Angle = float | Literal["auto_right", "auto_left", "hflip", "vflip", "ignore"]


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
