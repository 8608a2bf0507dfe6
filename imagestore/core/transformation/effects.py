"""The table of effects: their names, their arguments, and what each argument may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Argument:
    """One place behind the effect's name: a number within bounds, a colour, or one of some words.

    `default` is what counts where the place is left out; None makes it required. A colour whose default is
    `auto` is found in the picture.
    """

    kind: Literal["number", "color", "word"]
    default: float | str | None = None
    low: float = 0
    high: float = 0
    words: tuple[str, ...] = ()
    whole: bool = True


def number(default: float | None, low: float, high: float, *, whole: bool = True) -> Argument:
    return Argument("number", default, low, high, whole=whole)


def color(default: str | None) -> Argument:
    return Argument("color", default)


def word(default: str | None, *words: str) -> Argument:
    return Argument("word", default, words=words)


ART = (
    *("al_dente", "athena", "audrey", "aurora", "daguerre", "eucalyptus", "fes", "frost", "hairspray"),
    *("hokusai", "incognito", "linen", "peacock", "primavera", "quartz", "red_rock", "refresh", "sizzle"),
    *("sonnet", "ukulele", "zorro"),
)
INSTAGRAM = (
    *("1977", "aden", "brannan", "brooklyn", "clarendon", "earlybird", "gingham", "hudson", "inkwell"),
    *("kelvin", "lark", "lofi", "maven", "mayfair", "moon", "nashville", "perpetua", "reyes", "rise"),
    *("slumber", "stinson", "toaster", "valencia", "walden", "willow", "xpro2"),
)

EFFECTS: dict[str, tuple[Argument, ...]] = {
    "sepia": (number(80, 1, 100),),
    "grayscale": (),
    "blackwhite": (number(50, 0, 100),),
    "negate": (),
    "blur": (number(100, 1, 2000),),
    "pixelate": (number(0, 0, 200),),
    "blur_faces": (number(500, 1, 2000),),
    "pixelate_faces": (number(0, 0, 200),),
    "blur_region": (number(100, 1, 2000),),
    "pixelate_region": (number(0, 0, 200),),
    "brightness": (number(80, -99, 100),),
    "brightness_hsb": (number(80, -99, 100),),
    "contrast": (number(50, -100, 100), word("linear", "linear", "sigmoid")),
    "saturation": (number(80, -100, 100),),
    "hue": (number(80, -100, 100),),
    "gamma": (number(0, -50, 150),),
    "vibrance": (number(20, -100, 100),),
    "red": (number(0, -100, 100),),
    "green": (number(0, -100, 100),),
    "blue": (number(0, -100, 100),),
    "colorize": (number(100, 0, 100),),
    "tint": (number(60, 0, 100), color("red")),
    "replace_color": (color(None), number(50, 0, 100), color("auto")),
    "sharpen": (number(100, 1, 2000),),
    "unsharp_mask": (number(100, 1, 2000),),
    "oil_paint": (number(30, 0, 100),),
    "vignette": (number(20, 0, 100),),
    "cartoonify": (number(50, 0, 100), number(0, 0, 100), word("color", "color", "bw")),
    "shadow": (number(40, 0, 100),),
    "outline": (word("outer", "inner", "inner_fill", "outer", "fill"), number(5, 1, 100), number(0, 0, 2000)),
    "gradient_fade": (number(20, 0, 100), word("plain", "plain", "symmetric", "symmetric_pad")),
    "improve": (word("outdoor", "outdoor", "indoor"), number(100, 0, 100)),
    "auto_color": (number(100, 0, 100),),
    "auto_contrast": (number(100, 0, 100),),
    "auto_brightness": (number(100, 0, 100),),
    "fill_light": (number(100, 0, 100), number(0, -100, 100)),
    "make_transparent": (number(10, 0, 100),),
    "trim": (number(10, 0, 100),),
    "art": (word(None, *ART, *INSTAGRAM),),
    "multiply": (),
    "screen": (),
    "overlay": (),
    "mask": (),
    "cut_out": (),
    "displace": (),
    "anti_removal": (number(50, 1, 100),),
}
"""Names, ranges and defaults as Cloudinary's transformation reference has them. The arguments of `tint` come
in pairs from the second on, and words of `outline`, `gradient_fade` and `improve` may be left out before a
number: `parameters.py` reads those by rules of their own."""

BLENDS = frozenset({"multiply", "screen", "overlay", "mask", "cut_out", "displace", "anti_removal"})
"""Effects that say how a layer meets the picture below it. They belong to the component that puts the layer
in its place, that of `fl_layer_apply`, and mean nothing without a layer."""

REGIONAL = frozenset({"blur_region", "pixelate_region"})
"""Effects for which `x y w h` of their component say where, instead of a size."""
