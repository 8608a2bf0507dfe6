"""What a transformation says about its answer, wherever that stands: read, gathered, and written last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal, cast

from imagestore.core.transformation.flags import output_flag, split_flags
from imagestore.core.transformation.kinds import NOWHERE, Amount
from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import Output, Quality
from imagestore.core.transformation.parameters import refusal
from imagestore.core.transformation.sources import read_key, write_key


class Grade:
    """A quality: `80`, `80:444`, `auto`, `auto:eco`."""

    takes = "1 to 100, or auto with :low, :eco, :good or :best; :420 or :444 may follow"
    _LEVELS = ("low", "eco", "good", "best")
    _value = Amount(1, 100)

    def read(self, text: str) -> Quality:
        first, *rest = text.split(":")
        chroma = cast("Literal['420', '444']", rest.pop()) if rest and rest[-1] in ("420", "444") else None
        if first == "auto" and len(rest) <= 1 and (not rest or rest[0] in self._LEVELS):
            level = cast("Literal['low', 'eco', 'good', 'best']", rest[0] if rest else "good")
            return Quality(auto=level, chroma=chroma)
        if rest:
            raise Unfit
        return Quality(value=round(self._value.read(first, NOWHERE)), chroma=chroma)

    def write(self, quality: Quality) -> str:
        first = f"auto:{quality.auto}" if quality.auto else str(quality.value)
        return f"{first}:{quality.chroma}" if quality.chroma else first


FORMATS: Mapping[str, str] = {
    "auto": "auto",
    "auto:image": "auto",
    "auto:animated": "auto",
    "jpg": "jpeg",
    "jpeg": "jpeg",
    "jpe": "jpeg",
    "png": "png",
    "webp": "webp",
    "avif": "avif",
    "gif": "gif",
    "tif": "tiff",
    "tiff": "tiff",
}
"""As written → as `imaging/formats.py` calls it."""
_WRITTEN = {"jpeg": "jpg"}
MOST_PAGES = 10_000

_quality = Grade()
_page = Amount(1, MOST_PAGES)
_delay = Amount(10, 60_000)

TAKES: Mapping[str, tuple[str, str]] = {
    "f": (f"one of {', '.join(each for each in FORMATS if ':' not in each)}", "the format of the answer"),
    "q": (_quality.takes, "the quality of the answer"),
    "pg": (_page.takes, "the page or frame of the original, from 1"),
    "dl": (f"{_delay.takes} milliseconds", "how long each frame of an animation is shown"),
    "d": ("the key of an image, with ':' for '/'", "the image to send where there is none"),
}
"""Name → what it takes, what it does."""


def gather(said: Iterable[tuple[str, str]]) -> Output:
    """Parameters in the order they are written: the last one counts, and flags add up.

    Raises InvalidTransformation.
    """
    output = Output()
    for name, value in said:
        try:
            output = _with(output, name, value)
        except Unfit as unfit:
            raise refusal(name, value, unfit, TAKES[name][0]) from None
    return output


def merge(first: Output, second: Output) -> Output:
    """What `second` says counts where both say something."""
    return Output(
        format=second.format or first.format,
        quality=second.quality or first.quality,
        page=second.page or first.page,
        delay=second.delay or first.delay,
        default=second.default or first.default,
        flags=first.flags | second.flags,
    )


def write_output(output: Output) -> str:
    """The last segment of a canonical text, empty where nothing is said."""
    said = {
        "d": write_key(output.default) if output.default else None,
        "dl": str(output.delay) if output.delay else None,
        "f": _WRITTEN.get(output.format, output.format) if output.format else None,
        "fl": ".".join(sorted(output.flags)) or None,
        "pg": str(output.page) if output.page else None,
        "q": _quality.write(output.quality) if output.quality else None,
    }
    return ",".join(f"{name}_{value}" for name, value in said.items() if value)


def take_flags(value: str) -> tuple[list[str], list[str]]:
    """Of a value of `fl`: the flags of the answer, in canonical form, and the others. Raises Unfit."""
    mine: list[str] = []
    others: list[str] = []
    for flag in filter(None, split_flags(value)):
        tidy = output_flag(flag)
        if tidy is None:
            others.append(flag)
        else:
            mine.append(tidy)
    return mine, others


def _with(output: Output, name: str, value: str) -> Output:
    if "$" in value:
        raise Unfit("what the answer is cannot wait for a variable")
    match name:
        case "f":
            if value not in FORMATS:
                raise Unfit
            return replace(output, format=FORMATS[value])
        case "q":
            return replace(output, quality=_quality.read(value))
        case "pg":
            return replace(output, page=round(_page.read(value, NOWHERE)))
        case "dl":
            return replace(output, delay=round(_delay.read(value, NOWHERE)))
        case "d":
            return replace(output, default=read_key(value))
    return replace(output, flags=output.flags | set(value.split(".")))
