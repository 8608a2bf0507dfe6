"""Numbers and texts as a transformation writes them, and what does not fit the place it stands in."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from imagestore.core.transformation.model import Length

LARGEST = 1e9
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,10}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufffd]")
_PLACES = 6


class Unfit(Exception):
    """A value that its parameter does not take.

    `reason` says why, where that is not plain; `takes` what is allowed, where the parameter's own words are
    too wide.
    """

    def __init__(self, reason: str = "", takes: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.takes = takes


def read_number(text: str) -> Length:
    """A number of up to ten digits before the point; it is relative where it has a point. Raises Unfit."""
    if not _NUMBER.fullmatch(text):
        raise Unfit
    return checked(Length(round(float(text), _PLACES), relative="." in text))


def is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None


def checked(number: Length) -> Length:
    """`number`, unless it is beyond all that anything here takes."""
    if not abs(number.value) <= LARGEST:
        raise Unfit("the number is too large")
    return number


def write_number(number: Length) -> str:
    """The shortest text that is read as the same number; of a relative one the point is kept."""
    text = write_value(number.value)
    return text if not number.relative or "." in text else f"{text}.0"


def write_value(value: float) -> str:
    """A number that is not relative, to six places."""
    text = f"{value:.{_PLACES}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def unescape(text: str) -> str:
    """Undo the percent-encoding that a text or a key has inside the transformation. Raises Unfit."""
    try:
        plain = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Unfit("its percent-encoding is not UTF-8") from None
    if _CONTROL.search(plain):
        raise Unfit("it has control characters")
    return plain


def escape(text: str) -> str:
    """Percent-encode what ends a value, a part of it or a variable; the rest stands as it is."""
    return "".join(quote(each, safe="") if each in "%,/:!$()\n" else each for each in text)
