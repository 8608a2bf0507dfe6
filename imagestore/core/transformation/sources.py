"""What a layer shows: keys and texts as a transformation writes them, to values and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from imagestore.core.errors import InvalidKey
from imagestore.core.image import check_key
from imagestore.core.transformation.calculation import number_of, value_of
from imagestore.core.transformation.expressions import parse_value
from imagestore.core.transformation.kinds import Amount, is_variable, words_of
from imagestore.core.transformation.literals import (
    Unfit,
    escape,
    is_number,
    read_number,
    unescape,
    write_value,
)
from imagestore.core.transformation.model import Length, Scope, Text, Wording

LONGEST_TEXT = 4096
_LONGEST_FONT = 64

TAKES = (
    "the key of an image, with ':' for '/', or text:<font>_<size>[_<style>…]:<text>, where a style is one of "
    "bold, light, italic, underline, strikethrough, left, center, right, justify, start, end, stroke, "
    "letter_spacing_<pixels> and line_spacing_<pixels>"
)
_TEXT = "text:"
_REFERENCE = re.compile(r"(\$\([A-Za-z][A-Za-z0-9]*\))")

_STYLES: dict[str, tuple[str, Any]] = {
    "bold": ("weight", "bold"),
    "light": ("weight", "light"),
    "italic": ("italic", True),
    "underline": ("underline", True),
    "strikethrough": ("strikethrough", True),
    "stroke": ("stroke", True),
    **{align: ("align", align) for align in ("left", "center", "right", "justify", "start", "end")},
    **dict.fromkeys(("normal", "none", "medium", "style", "align"), ("", None)),
}
_ALSO = {
    **dict.fromkeys(("thin", "extralight"), "light"),
    **dict.fromkeys(("semibold", "extrabold", "black", "heavy"), "bold"),
}
"""Other words for a style."""
_IGNORED = ("antialias", "hinting")
"""How letters are rasterised at the sizes of screens of old: nothing to choose here."""
_AMOUNTS = {
    "size": Amount(1, 1000, whole=False),
    "letter_spacing": Amount(-500, 500, whole=False),
    "line_spacing": Amount(-2000, 2000, whole=False),
}


def read_key(text: str) -> str:
    """The key of an image, written with `:` for `/` and percent-encoded where it must be. Raises Unfit."""
    try:
        return check_key("/".join(map(unescape, text.split(":"))))
    except InvalidKey as error:
        raise Unfit(error.message.rstrip(".")) from None


def write_key(key: str) -> str:
    """The text that `read_key` reads as `key`, and that is not taken for a text or a variable."""
    text = ":".join(map(escape, key.split("/")))
    return f"%74ext:{text.removeprefix(_TEXT)}" if text.startswith(_TEXT) else text


def read_source(text: str) -> str | Wording:
    """What stands behind `l_` or `u_`; a variable stays one. Raises Unfit."""
    if is_variable(text):
        return text
    if not text.startswith(_TEXT):
        return read_key(text)
    style, colon, words = text.removeprefix(_TEXT).partition(":")
    if not colon or not words:
        raise Unfit("it has no text")
    tidy = "".join(
        part if _REFERENCE.fullmatch(part) else escape(unescape(part)) for part in _REFERENCE.split(words)
    )
    if len(unescape(tidy)) > LONGEST_TEXT:
        raise Unfit(f"a text has {LONGEST_TEXT} characters at most")
    return Wording(style if "$" in style else _write_style(_read_style(style.split("_"))), tidy)


def write_source(source: str | Wording) -> str:
    if isinstance(source, Wording):
        return f"{_TEXT}{source.style}:{source.text}"
    return source if is_variable(source) else write_key(source)


def key_of(source: str, scope: Scope) -> str:
    """The key itself, or the one that a variable holds."""
    return read_key(words_of(source, scope)) if is_variable(source) else source


def text_of(wording: Wording, scope: Scope) -> Text:
    """The text with its variables filled in. Raises Unfit."""
    tokens = [
        words_of(token, scope) if token.startswith("$") else token for token in wording.style.split("_")
    ]
    style = _read_style([part for token in tokens for part in token.split("_")])
    words = "".join(
        _filled(part, scope) if _REFERENCE.fullmatch(part) else unescape(part)
        for part in _REFERENCE.split(wording.text)
    )
    if len(words) > LONGEST_TEXT:
        raise Unfit(f"a text has {LONGEST_TEXT} characters at most")
    return Text(words, **style)


def _filled(reference: str, scope: Scope) -> str:
    value = value_of(parse_value(f"${reference[2:-1]}"), scope)
    assert isinstance(value, Length | str)
    return value if isinstance(value, str) else write_value(value.value)


def _read_style(tokens: list[str]) -> dict[str, Any]:
    """The fields of Text that a style says; what is as usual is left out."""
    family: list[str] = []
    style: dict[str, Any] = {}
    waiting = iter(tokens)
    for token in waiting:
        if "size" not in style and is_number(token):
            style["size"] = _amount("size", token)
        elif token in ("letter", "line") and next(waiting, "") == "spacing":
            style[f"{token}_spacing"] = _amount(f"{token}_spacing", next(waiting, ""))
        elif token in _IGNORED:
            next(waiting, "")
        elif _ALSO.get(token, token) in _STYLES and family:
            field, value = _STYLES[_ALSO.get(token, token)]
            style |= {field: value} if field else {}
        elif "size" not in style:
            family.append(unescape(token))
        else:
            raise Unfit(f"there is no style {token[:40]!r}")
    font = "_".join(family)
    if "size" not in style or not font or len(font) > _LONGEST_FONT:
        raise Unfit("its style is not <font>_<size>")
    return {"font": font} | {name: value for name, value in style.items() if not _is_usual(name, value)}


def _is_usual(name: str, value: object) -> bool:
    return (name, value) in (("align", "left"), ("letter_spacing", 0.0))


def _amount(name: str, token: str) -> float:
    if not is_number(token):
        raise Unfit(f"{name} takes {_AMOUNTS[name].takes}")
    value = number_of(read_number(token)).value
    kind = _AMOUNTS[name]
    if not kind.low <= value <= kind.high:
        raise Unfit(f"{name} takes {kind.takes}")
    return value


def _write_style(style: dict[str, Any]) -> str:
    return "_".join(_style_tokens(style))


def _style_tokens(style: dict[str, Any]) -> Iterator[str]:
    yield escape(style["font"])
    yield write_value(style["size"])
    for token, (field, value) in _STYLES.items():
        if field and style.get(field) == value:
            yield token
    for name in ("letter_spacing", "line_spacing"):
        if name in style:
            yield f"{name}_{write_value(style[name])}"


def has_stroke(wording: Wording) -> bool:
    return "stroke" in wording.style.split("_")
