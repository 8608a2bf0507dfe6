"""The table of flags, `fl_`: what each changes, of a step or of the answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from imagestore.core.transformation.literals import Unfit
from imagestore.core.transformation.model import Scope

STEP_FLAGS: Mapping[str, str] = {
    "cutter": "of the picture below only what is in the layer's shape stays",
    "ignore_aspect_ratio": "with one of `w` and `h`, `c_scale` leaves the other side as it is",
    "no_overflow": "a layer that reaches over the edge is cut off, and the canvas stays as it is",
    "region_relative": "fractions of a layer's size are of the face that it goes to",
    "relative": "fractions of a layer's size are of the picture below it",
    "text_disallow_overflow": "a text that does not fit into the picture is an error",
    "text_no_trim": "a text keeps the space around it",
    "tiled": "the layer is repeated over the whole picture",
}

OUTPUT_FLAGS: Mapping[str, str] = {
    "animated": "what moves still moves in a format that would else show one frame",
    "any_format": "with `q_auto`, PNG has a palette where that shows no more than the level allows",
    "apng": "an animation stays one as PNG",
    "attachment": "the browser saves it instead of showing it; `attachment:name` says as what",
    "awebp": "an animation stays one as WebP",
    "force_icc": "the profile of sRGB is in it",
    "force_strip": "metadata are removed, which they are anyway",
    "getinfo": "the answer is JSON about the picture instead of the picture",
    "immutable_cache": "the answer may be kept for ever",
    "keep_attribution": "notes of copyright stay in it",
    "keep_iptc": "metadata stay in it, but where it was taken",
    "lossy": "PNG and GIF may lose colours, GIF small changes too",
    "png8": "PNG with a palette of 256 colours",
    "png24": "PNG without transparency",
    "png32": "PNG with transparency",
    "preserve_transparency": "what is transparent is not sent in a format without transparency",
    "progressive": "JPEG in several passes; `progressive:none` in one",
    "strip_profile": "no colour profile is in it, as there is none anyway",
    "tiff8_lzw": "TIFF with LZW compression",
}

EARLY_FLAGS = frozenset(
    {"animated", "apng", "attachment", "awebp", "getinfo", "immutable_cache", "preserve_transparency"}
)
"""Flags of the answer that have to be known before the picture is looked at."""

APPLY = "layer_apply"
"""Not a flag of a step: it closes a layer."""

_ALSO = {
    "progressive": {"": "", "steep": "", "semi": "", "none": ":none"},
}


def split_flags(value: str) -> list[str]:
    return value.split(".")


def output_flag(flag: str) -> str | None:
    """The canonical text of a flag of the answer, None if it is none. Raises Unfit for its argument."""
    name, colon, argument = flag.partition(":")
    if name not in OUTPUT_FLAGS:
        return None
    if name == "attachment" and (argument or not colon):
        if len(argument) > 200 or "\n" in argument:
            raise Unfit("the name of an attachment has 200 characters at most, on one line")
        return flag
    if argument in _ALSO.get(name, {"": ""}) and bool(argument) == bool(colon):
        return f"{name}{_ALSO[name][argument]}" if argument else name
    raise Unfit(f"{flag[:40]!r} is not a flag")


class FlagSet:
    """Some of the flags of a table, joined by dots."""

    def __init__(self, table: Collection[str]) -> None:
        self._table = table

    @property
    def takes(self) -> str:
        return f"{', '.join(sorted([*self._table, *OUTPUT_FLAGS]))}, or {APPLY}; '.' joins several"

    def tidy(self, text: str) -> str:
        flags = sorted(set(filter(None, split_flags(text))))
        for flag in flags:
            if flag not in self._table:
                raise Unfit(f"there is no flag {flag[:40]!r}")
        return ".".join(flags)

    def read(self, text: str, scope: Scope) -> frozenset[str]:
        del scope
        return frozenset(filter(None, split_flags(text)))
