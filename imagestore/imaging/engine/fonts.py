"""The fonts shipped in `imaging/fonts/`: which one a name means, and which has a character that it lacks."""

from __future__ import annotations

import json
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont, features

FOLDER = Path(__file__).parents[1] / "fonts"

EMOJI = "TwemojiMozilla"
_STYLES = ("", "Bold", "Italic", "BoldItalic")

FAMILIES: dict[str, tuple[str, ...]] = {
    **{
        name: tuple(f"{name}-{style or 'Regular'}" for style in _STYLES)
        for name in (
            *("NotoSans", "LiberationSans", "Roboto", "OpenSans", "Lato"),
            *("NotoSerif", "LiberationSerif", "Caladea", "LiberationMono", "ComicNeue"),
        )
    },
    "RobotoCondensed": ("RobotoCondensed-Regular", "RobotoCondensed-Bold"),
    "DejaVuSans": ("DejaVuSans", "DejaVuSans-Bold"),
    "RobotoSlab": ("RobotoSlab-Regular", "RobotoSlab-Bold"),
    "LobsterTwo": ("LobsterTwo-Regular", "LobsterTwo-Bold", "LobsterTwo-Italic"),
    "DancingScript": ("DancingScript-Regular", "DancingScript-Bold"),
    "BebasNeue": ("BebasNeue-Bold", "BebasNeue-Bold"),
    "Impact": ("RobotoCondensed-Bold", "RobotoCondensed-Bold"),
}
"""Family → its files: regular, bold, italic, bold italic, as far as there are any."""
LIGHT = {name: f"{name}-Light" for name in ("NotoSans", "Roboto", "OpenSans")}
"""Families that have thin letters too; those of others are regular ones."""

_KINDS = (
    ("mono|code|typewriter", "LiberationMono"),
    ("slab", "RobotoSlab"),
    ("condensed", "RobotoCondensed"),
)
"""What a name that is not in the table may say of itself."""

_SCRIPTS = (
    *("Arabic", "Hebrew", "Devanagari", "Bengali", "Tamil", "Thai", "Telugu", "Kannada", "Gujarati"),
    *("Gurmukhi", "Malayalam", "Oriya", "Sinhala", "Khmer", "Lao", "Myanmar", "Georgian", "Armenian"),
    *("Ethiopic", "Cherokee", "Thaana"),
)
_RARE_SCRIPTS = (
    *("Adlam", "Balinese", "Bamum", "Batak", "Buginese", "CanadianAboriginal", "Chakma", "Cham", "Coptic"),
    *("Javanese", "KayahLi", "Lepcha", "Limbu", "Lisu", "MeeteiMayek", "Mongolian", "NKo", "NewTaiLue"),
    *("OlChiki", "Osage", "Osmanya", "Runic", "Saurashtra", "Sundanese", "SylotiNagri", "Syriac", "Tagalog"),
    *("TaiLe", "TaiTham", "TaiViet", "Tifinagh", "Vai", "Yi", "Gothic", "HanifiRohingya", "Deseret"),
)
_FALLBACKS: tuple[tuple[str, ...], ...] = (
    FAMILIES["NotoSans"],
    *((f"NotoSans{script}-Regular", f"NotoSans{script}-Bold") for script in _SCRIPTS),
    ("NanumSquareR", "NanumSquareB"),
    ("DroidSansFallbackFull",),
    ("NotoSerifTibetan-Regular",),
    *((f"NotoSans{script}-Regular",) for script in _RARE_SCRIPTS),
    FAMILIES["DejaVuSans"],
    ("NotoSansSymbols-Regular",),
    ("NotoSansSymbols2-Regular",),
    ("NotoSansMath-Regular",),
    (EMOJI,),
)
"""Where to look for a character that the family lacks, in this order."""

_KEPT = 24
"""Faces kept open, each with its own copy of the unpacked font: 4 MB at most."""


@dataclass(frozen=True, slots=True)
class Face:
    """One font file, and what must be done to it because it lacks the style that is wanted."""

    file: str
    embolden: bool = False
    slant: bool = False

    @property
    def colored(self) -> bool:
        return self.file == EMOJI

    def at(self, size: float) -> ImageFont.FreeTypeFont:
        return _opened(self.file, size)

    def has(self, text: str) -> bool:
        return all(_covers(self.file, character) for character in text)


@lru_cache(maxsize=_KEPT)
def _opened(file: str, size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FOLDER / f"{file}.woff2", size, layout_engine=ImageFont.Layout.RAQM)


def shaping() -> str:
    """The version of raqm, which shapes letters and which Pillow's wheels have; empty where there is none."""
    return features.version("raqm") or "" if features.check("raqm") else ""


def family(name: str) -> str:
    """The family that a font's name means; a sans serif one where nobody knows the name."""
    plain = re.sub(r"\.(ttf|otf|woff2?)$", "", name.strip().lower())
    plain = re.sub(r"[\s_+-]+", "-", plain).strip("-")
    if plain in _names():
        return _names()[plain]
    for words, kind in _KINDS:
        if re.search(words, plain):
            return kind
    return "NotoSerif" if "serif" in plain and "sans" not in plain else "NotoSans"


def styled(files: tuple[str, ...], *, bold: bool, italic: bool) -> Face:
    """The file with that style, or the nearest one and what is to be done to it."""
    have = dict(zip(_STYLES, files, strict=False))
    exact = ("Bold" if bold else "") + ("Italic" if italic else "")
    if exact in have:
        return Face(have[exact])
    if bold and "Bold" in have:
        return Face(have["Bold"], slant=italic)
    if italic and "Italic" in have:
        return Face(have["Italic"], embolden=bold)
    return Face(have[""], embolden=bold, slant=italic)


@lru_cache(maxsize=4096)
def pick(cluster: str, wanted: Face, *, bold: bool, italic: bool) -> Face:
    """The face for one cluster: `wanted` if it has all of it, else the first one that does, else `wanted`."""
    if is_emoji(cluster) and Face(EMOJI).has(_bare(cluster)[:1]):
        return Face(EMOJI)
    bare = _bare(cluster)
    if wanted.has(bare):
        return wanted
    for part in (bare, bare[:1]):
        for files in _FALLBACKS:
            face = styled(files, bold=bold, italic=italic) if files != (EMOJI,) else Face(EMOJI)
            if face.has(part):
                return face
    return wanted


def _bare(cluster: str) -> str:
    """Without what only chooses a form: joiners, selectors of variants, marks of direction."""
    kept = (
        each for each in cluster if unicodedata.category(each) != "Cf" and not "\ufe00" <= each <= "\ufe0f"
    )
    return "".join(kept)


_EMOJI_BY_DEFAULT = frozenset(
    "⌚⌛⏩⏪⏫⏬⏰⏳◽◾☔☕♈♉♊♋♌♍♎♏♐♑♒♓♿⚓⚡⚪⚫⚽⚾⛄⛅⛎⛔⛪⛲⛳⛵⛺⛽✅✊✋✨❌❎❓❔❕❗➕➖➗➰➿⬛⬜⭐⭕"
)
"""Below the astral planes, what is a picture unless a selector says that it is text."""


def is_emoji(cluster: str) -> bool:
    if "\ufe0e" in cluster or not cluster:
        return False
    return (
        "\ufe0f" in cluster
        or "\u20e3" in cluster
        or cluster[0] in _EMOJI_BY_DEFAULT
        or cluster[0] >= "\U0001f000"
    )


@cache
def _names() -> dict[str, str]:
    """A font's name in small letters, its words joined by hyphens → the family that comes nearest."""
    table: dict[str, list[str]] = json.loads((FOLDER / "names.json").read_text())
    return {name: family for family, names in table.items() for name in names}


@cache
def _coverage() -> dict[str, tuple[list[int], list[int]]]:
    written: dict[str, str] = json.loads((FOLDER / "coverage.json").read_text())
    result: dict[str, tuple[list[int], list[int]]] = {}
    for file, ranges in written.items():
        pairs = [each.split("-") for each in written.get(ranges[1:], ranges).split()]
        result[file] = ([int(pair[0], 16) for pair in pairs], [int(pair[-1], 16) for pair in pairs])
    return result


def _covers(file: str, character: str) -> bool:
    firsts, lasts = _coverage()[file]
    at = bisect_right(firsts, ord(character)) - 1
    return at >= 0 and ord(character) <= lasts[at]
