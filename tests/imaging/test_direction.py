"""Both directions in one line: held against the library that Pillow draws with, and against known lines."""

import random
from itertools import groupby

import pytest
from PIL import Image, ImageChops, ImageDraw

from imagestore.imaging import direction
from imagestore.imaging.engine.fonts import Face

pytestmark = pytest.mark.quick

ALEF, BET, JEEM, DAL = "\u05d0", "\u05d1", "\u062c", "\u062f"


def seen(text, base=None):
    """The characters of `text` as they are seen from the left; those that run to the left turned around."""
    base = direction.base_level(text) if base is None else base
    levels = direction.line_levels(text, direction.levels(text, base), base)
    pairs = zip(levels, text, strict=True)
    runs = [(level, [each for _, each in group]) for level, group in groupby(pairs, key=lambda pair: pair[0])]
    turned = [(level, "".join(run[::-1] if level % 2 else run)) for level, run in runs]
    return "".join(direction.visual(turned))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "abc"),
        (f"{ALEF}{BET}", f"{BET}{ALEF}"),
        (f"abc {ALEF}{BET} def", f"abc {BET}{ALEF} def"),
        (f"{ALEF}{BET} abc!", f"!abc {BET}{ALEF}"),
        (f"{ALEF} 12.5% {BET}", f"{BET} 12.5% {ALEF}"),
        (f"{JEEM} 12.5 {DAL}", f"{DAL} 12.5 {JEEM}"),
        (f"a ({ALEF}) b", f"a ({ALEF}) b"),
        (f"{ALEF} (a) {BET}", f"{BET} )a( {ALEF}"),
        (f"{ALEF}\u200f", f"\u200f{ALEF}"),
        ("", ""),
    ],
)
def test_what_is_seen_from_the_left(text, expected):
    assert seen(text) == expected


def test_the_first_strong_character_decides():
    assert direction.base_level(f"12 {ALEF} abc") == 1
    assert direction.base_level(f"12 abc {ALEF}") == 0
    assert direction.base_level("12 !") == 0


def test_explicit_directions_are_left_out():
    assert direction.plain("a\u202eb\u2066c\u2069") == "abc"


FACE = Face("DejaVuSans").at(24)
AS_THEY_ARE = ["-kern", "-liga"]


def drawn(pieces):
    """Pieces of (text, direction) beside each other."""
    picture, x = Image.new("L", (900, 44)), 4.0
    for text, way in pieces:
        ImageDraw.Draw(picture).text((x, 6), text, 255, FACE, direction=way, features=AS_THEY_ARE)
        x += FACE.getlength(text, direction=way, features=AS_THEY_ARE)
    return picture


@pytest.mark.parametrize("seed", range(20))
def test_runs_lie_where_the_library_puts_them_in_one_piece(seed):
    dice = random.Random(seed)
    for _ in range(30):
        characters = f"ab{ALEF}{BET}{JEEM}{DAL}12\u0661\u0662 .,:+-%$()[]!/\u200f"
        text = "".join(dice.choices(characters, k=dice.randint(1, 14)))
        for base in (0, 1):
            levels = direction.line_levels(text, direction.levels(text, base), base)
            pairs = zip(levels, text, strict=True)
            runs = [
                (level, "".join(each for _, each in group)) for level, group in groupby(pairs, lambda p: p[0])
            ]
            ordered = direction.visual([(level, (run, "rtl" if level % 2 else "ltr")) for level, run in runs])
            difference = ImageChops.difference(drawn(ordered), drawn([(text, "rtl" if base else "ltr")]))
            assert difference.getextrema()[1] < 60, ascii(text)
