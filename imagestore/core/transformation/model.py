"""What a transformation says, as values: its nodes as they are written, and steps with every number known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

CropMode = Literal[
    "scale",
    "fit",
    "limit",
    "mfit",
    "fill",
    "lfill",
    "pad",
    "lpad",
    "mpad",
    "fill_pad",
    "crop",
    "thumb",
    "auto",
]

# ---- as written: what parsing makes of a URL, and what `canonical()` writes again


@dataclass(frozen=True, slots=True)
class Component:
    """One segment of plain parameters, such as `c_fill,w_300`: (name, value) in canonical order.

    Values are text whose form was checked; expressions and `$variables` in them wait for a picture.
    """

    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """`$name_value`: a variable from here on."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Branch:
    """What runs where `condition` holds; an empty condition always does (`if_else`)."""

    condition: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`if_… if_else … if_end`: the first branch whose condition holds."""

    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """`t_<name>`: what the bucket has under that name. Replaced by its nodes before anything is rendered."""

    name: str


@dataclass(frozen=True, slots=True)
class Wording:
    """`l_text:<style>:<text>` as written: `evaluation.source_of` makes a Text of it."""

    style: str
    text: str


@dataclass(frozen=True, slots=True)
class Layer:
    """`l_` or `u_` with its own chain, up to `fl_layer_apply`, whose component says where it goes.

    `source` is the key of an image of the same bucket, a `$variable` that holds one, or a text: what
    `evaluation.source_of` reads. `under` is for `u_`. The parameters of `place` are evaluated on the picture
    below, those of `chain` on the layer itself. `drawing` says how a text is drawn before the chain begins:
    its colour (`co`) and background (`b`), the lines around its letters (`bo`, where the style has `stroke`),
    the box that it is broken into lines for (`c_fit` with `w` and `h`), and `fl_text_no_trim`; it is empty
    for an image.
    """

    source: str | Wording
    under: bool
    chain: tuple[Node, ...]
    place: Component
    drawing: Component = Component(())


@dataclass(frozen=True, slots=True)
class Said:
    """What a branch says of the answer. It counts where the branch is taken, and more than what is said
    outside; it never holds a format, a page or a default, which have to be known before."""

    output: Output


Node = Component | Assignment | Choice | Named | Layer | Said

# ---- evaluated: what the imaging wing carries out


@dataclass(frozen=True, slots=True)
class Text:
    """A text to draw, evaluated. `size`, `letter_spacing` and `line_spacing` are in pixels."""

    text: str
    font: str = "sans"
    size: float = 16
    weight: Literal["normal", "bold", "light"] = "normal"
    italic: bool = False
    underline: bool = False
    strikethrough: bool = False
    align: Literal["left", "center", "right", "justify", "start", "end"] = "left"
    stroke: bool = False
    letter_spacing: float = 0
    line_spacing: float | None = None


@dataclass(frozen=True, slots=True)
class Length:
    """Pixels, or a fraction of the picture's own side where `relative`."""

    value: float
    relative: bool = False

    def pixels(self, whole: float) -> float:
        return self.value * whole if self.relative else self.value


@dataclass(frozen=True, slots=True)
class Color:
    """sRGB, 0 to 255 each."""

    red: int
    green: int
    blue: int
    alpha: int = 255


@dataclass(frozen=True, slots=True)
class Fill:
    """A background that is made from the picture: `auto` and `blurred`, with their arguments as written."""

    kind: Literal["auto", "blurred"]
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gravity:
    """Where a crop or a layer holds on. `kind` is one of the nine compass points (`north_west` … `center`),
    `xy_center`, `face`, `faces`, `auto` or `custom`; `fallback` another one, for when there is no face, or
    what `auto` looks for (`auto:face`)."""

    kind: str
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Border:
    width: int
    color: Color


@dataclass(frozen=True, slots=True)
class Effect:
    """`e_<name>:<arguments>`, checked against the table of effects, with defaults filled in.

    Each argument is a number, a Color or a word, as its place in the table says.
    """

    name: str
    arguments: tuple[float | str | Color, ...] = ()


@dataclass(frozen=True, slots=True)
class Quality:
    """`q_`: a value of 1 to 100, or how good an automatic one is to be; `chroma` is 420 or 444."""

    value: int | None = None
    auto: Literal["low", "eco", "good", "best"] | None = None
    chroma: Literal["420", "444"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One component with everything evaluated. What was not asked for is None, or empty."""

    crop: CropMode | None = None
    width: Length | None = None
    height: Length | None = None
    aspect: float | None = None
    x: Length | None = None
    y: Length | None = None
    zoom: float = 1
    dpr: float = 1
    gravity: Gravity | None = None
    radius: tuple[Length, ...] | Literal["max"] | None = None
    """One to four, clockwise from the top left, as CSS' border-radius has them."""
    angle: tuple[float | Literal["auto_right", "auto_left", "hflip", "vflip", "ignore"], ...] = ()
    """Done in this order; a bare `auto` is `auto_right`."""
    border: Border | None = None
    background: Color | Fill | None = None
    opacity: int | None = None
    """0 to 100."""
    color: Color | None = None
    effect: Effect | None = None
    flags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What the answer is to be, for the whole transformation: of several, the last one counts.

    `format` is a name of `imaging/formats.py` ("jpeg", "webp", …), "auto", or None: the extension's, else the
    original's own. `page` counts from 1, `delay` is milliseconds for each frame. `flags` are those of the
    output alone.
    """

    format: str | None = None
    quality: Quality | None = None
    page: int | None = None
    delay: int | None = None
    default: str | None = None
    flags: frozenset[str] = frozenset()


@dataclass(slots=True)
class Scope:
    """What expressions may ask for while a transformation runs: names of Cloudinary's reference (`w`, `h`,
    `ar`, `iw`, `ih`, `iar`, `cp`, `pc`, `fc`, `tags`, `ctx`), and the variables so far."""

    width: int
    height: int
    initial_width: int
    initial_height: int
    page: int = 1
    pages: int = 1
    faces: int = 0
    tags: frozenset[str] = frozenset()
    context: Mapping[str, str] = field(default_factory=dict)
    variables: dict[str, Length | str] = field(default_factory=dict)
