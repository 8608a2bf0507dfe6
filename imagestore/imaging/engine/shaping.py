"""Text made ready for drawing: broken into lines, each line cut into runs of one face and one direction."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from imagestore.core.transformation.model import Text
from imagestore.imaging import direction
from imagestore.imaging.engine import fonts
from imagestore.imaging.engine.fonts import Face

_JOINER = "\u200d"
_CURSIVE = ("ARABIC", "SYRIAC", "MONGOLIAN", "NKO", "MANDAIC", "ADLAM", "HANIFI", "PHAGS-PA")
"""First words of the names of letters that hang together: no space may come between them."""
UNTIED = ("-liga", "-clig")
"""Where letters are spaced there are no ligatures, as in CSS."""
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of a line: `width` is its advance in pixels. `level` is odd where it runs to the left."""

    text: str
    face: Face
    level: int
    width: float

    @property
    def direction(self) -> str:
        return "rtl" if self.level % 2 else "ltr"


@dataclass(frozen=True, slots=True)
class Line:
    """Runs as they are seen from the left. `full` lines end where the width did, and may be justified."""

    text: str
    runs: tuple[Run, ...]
    base: int
    full: bool

    @property
    def width(self) -> float:
        return sum(run.width for run in self.runs)

    @property
    def blanks(self) -> int:
        return sum(run.text == " " for run in self.runs)


class Shaper:
    """Shapes texts of one style: `text` says which."""

    def __init__(self, text: Text) -> None:
        self.size = text.size
        self.spacing = text.letter_spacing
        self._bold, self._italic = text.weight == "bold", text.italic
        family = fonts.family(text.font)
        if text.weight == "light" and family in fonts.LIGHT:
            self.face = Face(fonts.LIGHT[family], slant=self._italic)
        else:
            self.face = fonts.styled(fonts.FAMILIES[family], bold=self._bold, italic=self._italic)

    def lines(self, text: str, width: float | None = None) -> list[Line]:
        """The lines of `text`, none of them wider than `width` unless one cluster is."""
        result: list[Line] = []
        for paragraph in text.split("\n"):
            base = direction.base_level(paragraph)
            levels = direction.levels(paragraph, base)
            ends = list(self._breaks(paragraph, width)) if width else [len(paragraph)]
            start = 0
            for end in ends:
                full = end != len(paragraph)
                result.append(self._line(paragraph[start:end], levels[start:end], base, full))
                start = end
        return result

    def shortened(self, line: Line, width: float | None) -> Line:
        """As much of `line` as fits with an ellipsis at its end."""
        parts = clusters(line.text)
        while parts and width and self._measured("".join(parts) + _ELLIPSIS) > width:
            parts.pop()
        cut = "".join(parts).rstrip() + _ELLIPSIS
        return self._line(cut, direction.levels(cut, line.base), line.base, False)

    def _line(self, text: str, levels: list[int], base: int, full: bool) -> Line:
        end = len(text.rstrip(" \u3000"))
        text, levels = text[:end], direction.line_levels(text[:end], levels[:end], base)
        runs = [(run.level, run) for run in self._runs(text, levels)]
        return Line(text, tuple(direction.visual(runs)), base, full)

    def _runs(self, text: str, levels: list[int]) -> Iterator[Run]:
        """Runs in the order of the text. A blank is one by itself: it may have to grow."""
        pieces: list[tuple[str, Face, int]] = []
        at = 0
        face = self.face
        for cluster in clusters(text):
            if not (cluster.isspace() and face.has(cluster)):
                face = fonts.pick(cluster, self.face, bold=self._bold, italic=self._italic)
            pieces.append((cluster, face, levels[at]))
            at += len(cluster)
        for (_, face, level), group in groupby(pieces, key=lambda piece: (piece[0] == " ", *piece[1:])):
            joined = [piece[0] for piece in group]
            for part in joined if joined[0] == " " else ["".join(joined)]:
                yield Run(part, face, level, self._advance(part, face, level))

    def _advance(self, text: str, face: Face, level: int) -> float:
        if self.spacing and not is_cursive(text):
            return sum(step for _, step in self.spaced(text, face, level))
        return length(text, face, self.size, "rtl" if level % 2 else "ltr")

    def spaced(self, text: str, face: Face, level: int) -> list[tuple[str, float]]:
        """Each cluster, as seen from the left, and how far it is from its start to that of the next one,
        which never lies before it."""
        parts = clusters(text)
        way = "rtl" if level % 2 else "ltr"
        result = []
        for this, following in zip(parts, [*parts[1:], ""], strict=True):
            both, rest = (
                length(each, face, self.size, way, UNTIED) for each in (this + following, following)
            )
            result.append((this, max(0.0, both - rest + self.spacing)))
        return result[::-1] if level % 2 else result

    def _measured(self, text: str) -> float:
        return sum(run.width for run in self._runs(text, direction.levels(text, direction.base_level(text))))

    def _breaks(self, text: str, width: float) -> Iterator[int]:
        """Where lines end: after the last word that fits, or within one that is wider than a line."""
        start = end = 0
        used = 0.0
        for word in words(text):
            whole, seen = self._measured(word), self._measured(word.rstrip())
            if used and used + seen > width:
                yield end
                start, used = end, 0.0
            if seen > width:
                for cluster in clusters(word):
                    wide = self._measured(cluster)
                    if used and used + wide > width and not cluster.isspace():
                        yield end
                        start, used = end, 0.0
                    used += wide
                    end += len(cluster)
            else:
                used += whole
                end += len(word)
        if end > start or not text:
            yield end


@lru_cache(maxsize=4096)
def length(text: str, face: Face, size: float, way: str, features: tuple[str, ...] = ()) -> float:
    """The advance of `text` in pixels."""
    return face.at(size).getlength(text, direction=way, features=list(features)) if text else 0.0


def is_cursive(text: str) -> bool:
    return any(unicodedata.name(character, "").startswith(_CURSIVE) for character in text)


def clusters(text: str) -> list[str]:
    """What belongs together: a character with its marks, a conjunct, a picture of several, a flag."""
    result: list[str] = []
    for character in text:
        if result and _joins(result[-1], character):
            result[-1] += character
        else:
            result.append(character)
    return result


def _joins(before: str, character: str) -> bool:
    kind = unicodedata.category(character)
    last = before[-1]
    if kind in ("Mn", "Me", "Mc") or character == _JOINER or last == _JOINER:
        return True
    if "\U0001f3fb" <= character <= "\U0001f3ff" or "\U000e0020" <= character <= "\U000e007f":
        return True
    if _is_regional(character):
        return len(before) == 1 and _is_regional(last)
    return unicodedata.combining(last) == 9 and kind == "Lo"


def _is_regional(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def words(text: str) -> list[str]:
    """Pieces between which a line may end: after blanks, hyphens, and between ideographs."""
    result: list[str] = []
    for cluster in clusters(text):
        if result and not _may_end(result[-1], cluster):
            result[-1] += cluster
        else:
            result.append(cluster)
    return result


_NOT_FIRST = frozenset("、。,.:;?!)」』】〕〉》”’ー々〜・…ぁぃぅぇぉっゃゅょァィゥェォッャュョ")
_NOT_LAST = frozenset("(「『【〔〈《“‘")


def _may_end(before: str, following: str) -> bool:
    last, first = before[-1], following[0]
    if first.isspace() and first != "\u3000":
        return False
    if last in " \t\u200b\u2009\u2002\u2003\u3000":
        return True
    if last in "-\u2010\u2013\u2014" and len(before) > 1 and before[-2].isalpha():
        return True
    ideographs = _is_ideograph(last) or _is_ideograph(first)
    return ideographs and first not in _NOT_FIRST and last not in _NOT_LAST and last != "\u00a0"


_IDEOGRAPHS = (("\u2e80", "\ua4cf"), ("\uf900", "\ufaff"), ("\uff00", "\uff60"), ("\U00020000", "\U0003ffff"))


def _is_ideograph(character: str) -> bool:
    return any(first <= character <= last for first, last in _IDEOGRAPHS)
