"""Effects that paint: oil, cartoon, and a darkened rim."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageFilter

from imagestore.imaging.engine.effects.lattice import bend, mix, saturate
from imagestore.imaging.engine.effects.surroundings import Surroundings

_PAINTED_PIXELS = 1_200_000
"""Paintings are made at this size and enlarged: what grows with the picture is the brush, not the work."""

_OIL_LEVELS = 14
_LINED_SIDE = 1000


def oil_paint(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Each pixel takes the average colour of the commonest brightness around it: patches, as of a brush."""
    if strength == 0:
        return picture.copy()
    small = _reduced(picture, _PAINTED_PIXELS)
    brush = max(1.5, strength / 100 * 0.022 * max(small.size))
    bright = np.asarray(small.convert("L").filter(ImageFilter.GaussianBlur(1)), dtype=np.int32)
    level = bright * _OIL_LEVELS // 256
    most = np.zeros(bright.shape, dtype=np.uint8)
    painted = small.copy()
    for each in np.unique(level).tolist():
        mask = Image.fromarray(np.where(level == each, 255, 0).astype(np.uint8))
        near = mask.filter(ImageFilter.BoxBlur(brush))
        part = Image.new("RGB", small.size)
        part.paste(small, (0, 0), mask)
        spread = part.filter(ImageFilter.BoxBlur(brush))
        count = np.asarray(near)
        wins = count > most
        if not wins.any():
            continue
        scaled = (
            np.asarray(spread, dtype=np.float32) * (255 / np.maximum(count, 1, dtype=np.float32))[..., None]
        )
        color = Image.fromarray(np.clip(scaled + 0.5, 0, 255).astype(np.uint8))
        painted.paste(color, (0, 0), Image.fromarray(np.where(wins, 255, 0).astype(np.uint8)))
        np.maximum(most, count, out=most)
    return painted.resize(picture.size, Image.Resampling.BICUBIC)


def cartoonify(
    picture: Image.Image, around: Surroundings, line: float, reduction: float, tone: str = "color"
) -> Image.Image:
    """Flat colours within dark lines. `line` is how heavy those are, `reduction` how few colours are left;
    of `tone` bw no colour is."""
    small = picture.copy()
    small.thumbnail((_LINED_SIDE, _LINED_SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    smooth = small
    for size in (5, 5, 7):
        smooth = smooth.filter(ImageFilter.MedianFilter(size))
    flat = mix(_levelled(smooth, reduction), saturate(0 if tone == "bw" else 1.35))
    if line > 0:
        flat = ImageChops.multiply(flat, _lines(smooth, line).convert("RGB"))
    return flat.resize(picture.size, Image.Resampling.BICUBIC)


def _levelled(picture: Image.Image, reduction: float) -> Image.Image:
    """Fewer levels of each channel, with soft steps between them: 14 at no reduction, 3 at the utmost."""
    steps = 3 + 11 * (1 - reduction / 100) ** 2
    return bend(picture, lambda values: (np.floor(values * steps) + _step(values * steps % 1)) / steps)


def _step(share: np.ndarray) -> np.ndarray:
    return np.asarray(np.clip((share - 0.35) / 0.3, 0, 1))


def _lines(picture: Image.Image, weight: float) -> Image.Image:
    """Dark where it is darker than around, by the difference of two blurs."""
    bright = picture.convert("L")
    radius = 0.8 + weight / 100 * max(picture.size) / 640
    near = np.asarray(bright.filter(ImageFilter.GaussianBlur(radius)), dtype=np.float32)
    far = np.asarray(bright.filter(ImageFilter.GaussianBlur(radius * 1.8)), dtype=np.float32)
    # Dark parts have fainter edges, which count as much to the eye.
    dark = np.clip(((far - near) / (far * 0.75 + 40) * 160 - 2.5) / 7, 0, 1)
    return Image.fromarray(np.rint(255 * (1 - dark * min(1, 0.4 + weight / 80))).astype(np.uint8))


def _reduced(picture: Image.Image, pixels: int) -> Image.Image:
    scale = min(1.0, (pixels / (picture.width * picture.height)) ** 0.5)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.copy() if scale == 1 else picture.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def vignette(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Darken towards the corners; 100 makes them black."""
    result = picture.copy()
    mask = rim(0.75 - 0.45 * strength / 100, strength / 100)
    result.paste((0, 0, 0), (0, 0), stretch(mask, (0, 0, 1, 1), picture.size))
    return result


@lru_cache(maxsize=64)
def rim(start: float, opacity: float) -> Image.Image:
    """A small mask: nothing up to `start` of the way from the centre to a corner, `opacity` at the corner."""
    across = np.linspace(-1, 1, 256, dtype=np.float32) ** 2
    distance = np.sqrt((across[:, None] + across[None, :]) / 2)
    way = np.clip((distance - start) / (1 - start), 0, 1)
    way = way * way * (3 - 2 * way)
    return Image.fromarray(np.rint(way * opacity * 255).astype(np.uint8))


def stretch(
    picture: Image.Image, part: tuple[float, float, float, float], size: tuple[int, int]
) -> Image.Image:
    """A part of a small picture, in shares of it (left, top, right, bottom), enlarged smoothly to `size`."""
    width, height = picture.size
    box = (part[0] * width, part[1] * height, part[2] * width, part[3] * height)
    return picture.resize(size, Image.Resampling.BICUBIC, box=box)
