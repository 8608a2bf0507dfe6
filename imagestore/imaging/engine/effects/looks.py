"""Looks: what an art filter is made of, and how it is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter

from imagestore.imaging.engine.effects.artistic import rim, stretch
from imagestore.imaging.engine.effects.blur import soften
from imagestore.imaging.engine.effects.lattice import Colors, by_strips, lattice, luma

Hex = str
"""A colour as in `#rrggbb`, without the sign."""

_GLOW_SIDE = 512
_NOISE_ROWS = 509

Mode = Literal["multiply", "screen", "overlay", "soft_light", "lighten", "darken", "color"]


@dataclass(frozen=True, slots=True)
class Wash:
    """A colour laid over everything, in one of the blend modes of CSS (Compositing and Blending, Level 1)."""

    color: Hex
    opacity: float
    mode: Mode


@dataclass(frozen=True, slots=True)
class Rim:
    """The corners are drawn to a colour, from `start` of the way from the centre on."""

    opacity: float
    start: float = 0.4
    color: Hex = "000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """In the order in which they are applied. What is not said changes nothing."""

    sepia: float = 0
    brightness: float = 1
    contrast: float = 1
    curve: float = 0
    """How much of an S the tones get, -1 to 1; black and white stay, where `contrast` clips them."""
    saturation: float = 1
    gamma: tuple[float, float, float] = (1, 1, 1)
    """Above 1 the middle of a channel becomes brighter."""
    washes: tuple[Wash, ...] = ()
    shadows: tuple[Hex, float] | None = None
    lights: tuple[Hex, float] | None = None
    """A colour that the dark parts are drawn to, and one for the bright ones, and how far."""
    black: Hex = "000000"
    white: Hex = "ffffff"
    """What becomes of black and white: a faded print has neither."""
    levels: int = 0
    """How many flat tones are left, as of a woodcut; 0 leaves all."""
    glow: float = 0
    """How much of a soft copy is screened over, 0 to 1."""
    rim: Rim | None = None
    grain: float = 0
    """The noise of film: its standard deviation, in steps of 255."""


def render(picture: Image.Image, look: Look) -> Image.Image:
    """The look on an RGB picture, made strip by strip: one copy of a large picture is enough."""
    grade = _grading(look)
    soft = _soft(picture, grade) if look.glow else None
    noise = _noise(picture.width, look.grain) if look.grain else None

    def finish(strip: Image.Image, top: int) -> Image.Image:
        result = strip.filter(grade)
        part = (0.0, top / picture.height, 1.0, (top + strip.height) / picture.height)
        if soft:
            light = ImageChops.screen(result, stretch(soft, part, strip.size))
            result = Image.blend(result, light, look.glow)
        if look.rim:
            mask = stretch(rim(look.rim.start, look.rim.opacity), part, strip.size)
            result.paste(_rgb(look.rim.color), (0, 0), mask)
        return result if noise is None else _grained(result, noise, top)

    return by_strips(picture, finish)


@lru_cache(maxsize=64)
def _grading(look: Look) -> ImageFilter.Color3DLUT:
    """Kept, since an animation asks for it with every frame."""
    return lattice(lambda colors: _grade(colors, look))


def _soft(picture: Image.Image, grade: ImageFilter.Color3DLUT) -> Image.Image:
    """The graded picture, small and blurred: enlarged it is as soft as a large blur would make it."""
    small = picture.resize(_small_size(picture), Image.Resampling.BOX, reducing_gap=2.0).filter(grade)
    return soften(small, max(small.size) / 90)


def _small_size(picture: Image.Image) -> tuple[int, int]:
    scale = min(1.0, _GLOW_SIDE / max(picture.size))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))


def _grade(colors: Colors, look: Look) -> Colors:
    bright = luma(colors)
    colors = colors + (bright * _unit("ffe9c9") - colors) * look.sepia
    colors = np.clip((colors * look.brightness - 0.5) * look.contrast + 0.5, 0, 1)
    # The slope of this S in the middle is 1 + curve, and 1 - curve at its ends.
    colors = colors - look.curve * np.sin(2 * np.pi * colors) / (2 * np.pi)
    bright = luma(colors)
    colors = np.clip(bright + (colors - bright) * look.saturation, 0, 1)
    colors = colors ** (1 / np.array(look.gamma, dtype=np.float32))
    for wash in look.washes:
        colors = colors + (_blend(colors, _unit(wash.color), wash.mode) - colors) * wash.opacity
    bright = luma(colors)
    if look.shadows:
        colors = colors + (_unit(look.shadows[0]) - colors) * (look.shadows[1] * (1 - bright) ** 2)
    if look.lights:
        colors = colors + (_unit(look.lights[0]) - colors) * (look.lights[1] * bright**2)
    if look.levels:
        stepped = np.clip(colors, 0, 1) * look.levels
        inside = np.clip((stepped % 1 - 0.25) / 0.5, 0, 1)
        colors = (np.floor(stepped) + inside * inside * (3 - 2 * inside)) / look.levels
    black, white = _unit(look.black), _unit(look.white)
    return np.asarray(black + (white - black) * np.clip(colors, 0, 1), dtype=np.float32)


def _blend(below: Colors, color: Colors, mode: Mode) -> Colors:
    match mode:
        case "multiply":
            result = below * color
        case "screen":
            result = below + color - below * color
        case "lighten":
            result = np.maximum(below, color)
        case "darken":
            result = np.minimum(below, color)
        case "overlay":
            result = np.where(below < 0.5, 2 * below * color, 1 - 2 * (1 - below) * (1 - color))
        case "soft_light":
            root = np.sqrt(np.maximum(below, 0))
            bent = np.where(below <= 0.25, ((16 * below - 12) * below + 4) * below, root)
            darker = below - (1 - 2 * color) * below * (1 - below)
            result = np.where(color <= 0.5, darker, below + (2 * color - 1) * (bent - below))
        case "color":
            result = np.clip(color + luma(below) - luma(color), 0, 1)
    return np.asarray(result)


@lru_cache(maxsize=4)
def _noise(width: int, amount: float) -> Image.Image:
    """Around a middle gray; the same for the same width, so that one URL is always one picture."""
    noise = np.random.default_rng(7).standard_normal((_NOISE_ROWS, width), dtype=np.float32) * (2 * amount)
    # Fine grain has clumps: neighbours share a part of it.
    noise = (noise + 0.5 * (np.roll(noise, 1, 0) + np.roll(noise, 1, 1))) / np.float32(1.22)
    return Image.fromarray(np.clip(noise + 128, 0, 255).astype(np.uint8))


def _grained(strip: Image.Image, noise: Image.Image, top: int) -> Image.Image:
    """Soft light: noise on the middle tones, and less of it towards black and white."""
    layer = Image.new("L", strip.size)
    for row in range(-(top % _NOISE_ROWS), strip.height, _NOISE_ROWS):
        layer.paste(noise, (0, row))
    return ImageChops.soft_light(strip, Image.merge("RGB", (layer, layer, layer)))


def _rgb(color: Hex) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(color)
    return red, green, blue


def _unit(color: Hex) -> NDArray[np.floating[Any]]:
    return np.array(_rgb(color), dtype=np.float32) / 255
