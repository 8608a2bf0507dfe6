"""How the pixels of a layer meet those below it: over, blended, as a mask, or as a map that moves them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops

Point = tuple[int, int]
Blend = Callable[[Image.Image, Image.Image], Image.Image]

BLENDS: dict[str, Blend] = {
    "multiply": ImageChops.multiply,
    "screen": ImageChops.screen,
    "overlay": ImageChops.overlay,
}
"""Mode → what it makes of two RGB pictures, the lower one first."""

_STRIP = 1 << 20
"""Pixels that are moved at once: what bounds the memory of a displacement."""


def over(ground: Image.Image, layer: Image.Image, at: Point, blend: Blend | None = None) -> Image.Image:
    """`layer` on `ground`, which keeps its size and its mode: the separable blending and "source over" of
    W3C's Compositing and Blending. Transparent pixels keep their own colour out of it: no dark fringes."""
    cut, at = _within(layer, ground.size, at)
    if cut is None:
        return ground
    result = ground.copy()
    if blend:
        cut = _blended(ground.crop((*at, at[0] + cut.width, at[1] + cut.height)), cut, blend)
    if result.mode == "RGBA":
        result.alpha_composite(cut.convert("RGBA"), at)
    elif cut.mode == "RGBA":
        result.paste(cut.convert("RGB"), at, cut.getchannel("A"))
    else:
        result.paste(cut, at)
    return result


def _within(image: Image.Image, size: Point, at: Point) -> tuple[Image.Image | None, Point]:
    """The part of `image`, put at `at`, that lies on a canvas of `size`, and where it lies."""
    left, top = max(0, -at[0]), max(0, -at[1])
    right, bottom = min(image.width, size[0] - at[0]), min(image.height, size[1] - at[1])
    if right <= left or bottom <= top:
        return None, at
    cut = image.crop((left, top, right, bottom)) if (right - left, bottom - top) != image.size else image
    return cut, (at[0] + left, at[1] + top)


def _blended(below: Image.Image, layer: Image.Image, blend: Blend) -> Image.Image:
    """The layer in the colours of the blend, as far as there is something below: with its own alpha."""
    colours = layer.convert("RGB")
    mixed = blend(below.convert("RGB"), colours)
    if below.mode == "RGBA":
        mixed = Image.composite(mixed, colours, below.getchannel("A"))
    if layer.mode == "RGBA":
        mixed.putalpha(layer.getchannel("A"))
    return mixed


def shaped(ground: Image.Image, layer: Image.Image, at: Point, kind: str, percent: int) -> Image.Image:
    """`ground` with the layer's shape kept of it (`cutter`, `mask`) or taken out of it (`cut_out`).

    The shape is the layer's opacity, or so many percent of it; that of a `mask` without any transparency is
    its lightness.
    """
    shape = layer.convert("RGBA").getchannel("A")
    if kind == "mask" and shape.getextrema() == (255, 255):
        shape = layer.convert("L")
    shape = shape.point([round(value * percent / 100) for value in range(256)])
    whole = Image.new("L", ground.size, 0)
    whole.paste(shape, at)
    if kind == "cut_out":
        whole = ImageChops.invert(whole)
    result = ground.convert("RGBA")
    result.putalpha(ImageChops.multiply(result.getchannel("A"), whole))
    return result


def displaced(ground: Image.Image, layer: Image.Image, at: Point, reach: tuple[float, float]) -> Image.Image:
    """`ground` with its pixels moved by the layer, a map: its red along x, its green along y.

    Black takes a pixel from `reach` to the left and above, white from as far to the right and below, 128 from
    where it is. What is outside the layer stays; the picture's edge goes on outwards.
    """
    cut, at = _within(layer.convert("RGBA"), ground.size, at)
    if cut is None:
        return ground
    premultiplied = ground.convert("RGBa") if ground.mode == "RGBA" else ground
    source = np.asarray(premultiplied)
    result = source.copy()
    rows = max(1, _STRIP // cut.width)
    for first in range(0, cut.height, rows):
        strip = np.asarray(cut.crop((0, first, cut.width, min(cut.height, first + rows)))).astype(np.float32)
        shift = np.clip((strip[..., :2] - 128) / 127, -1, 1) * (strip[..., 3:] / 255)
        top = at[1] + first
        x = np.arange(at[0], at[0] + cut.width, dtype=np.float32)[None, :] + shift[..., 0] * reach[0]
        y = np.arange(top, top + len(strip), dtype=np.float32)[:, None] + shift[..., 1] * reach[1]
        result[top : top + len(strip), at[0] : at[0] + cut.width] = _sampled(source, x, y)
    return Image.fromarray(result, premultiplied.mode).convert(ground.mode)


def _sampled(source: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The colours of `source` at fractional places, bilinear."""
    height, width = source.shape[:2]
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (x - left)[..., None], (y - top)[..., None]
    upper = source[top, left] * (1 - across) + source[top, right] * across
    lower = source[bottom, left] * (1 - across) + source[bottom, right] * across
    return np.asarray(np.rint(upper * (1 - down) + lower * down), dtype=np.uint8)


def tiled(layer: Image.Image, size: tuple[int, int], at: Point) -> Image.Image:
    """A picture of `size` full of `layer`, one of which has its corner at `at`."""
    tile = ImageChops.offset(layer, at[0] % layer.width, at[1] % layer.height)
    result = Image.new(layer.mode, size)
    result.paste(tile, (0, 0))
    done = layer.width
    while done < size[0]:
        result.paste(result.crop((0, 0, min(done, size[0] - done), layer.height)), (done, 0))
        done *= 2
    done = layer.height
    while done < size[1]:
        result.paste(result.crop((0, 0, size[0], min(done, size[1] - done))), (0, done))
        done *= 2
    return result


def faded(layer: Image.Image, percent: int) -> Image.Image:
    """`layer` with so much of its opacity."""
    result = layer.convert("RGBA")
    result.putalpha(result.getchannel("A").point([round(value * percent / 100) for value in range(256)]))
    return result


def unsettled(layer: Image.Image, level: float) -> Image.Image:
    """`layer` with its opacity and its shades made slightly uneven, so that who knows the original layer
    cannot reckon it away again (`e_anti_removal`): softly, and the same way each time."""
    coarse = (max(2, layer.width // 12), max(2, layer.height // 12))
    noise = np.random.default_rng(layer.width * 65_537 + layer.height)
    strength = level / 100

    def cloud() -> np.ndarray:
        grid = noise.integers(0, 256, size=(coarse[1], coarse[0]), dtype=np.uint8)
        smooth = Image.fromarray(grid, "L").resize(layer.size, Image.Resampling.BICUBIC)
        return np.asarray(smooth, dtype=np.float32) / 255

    pixels = np.array(layer.convert("RGBA"))
    pixels[..., 3] = np.rint(pixels[..., 3] * (1 - strength * 0.4 * cloud()))
    shade = (cloud() - 0.5) * 80 * strength
    for channel in range(3):
        pixels[..., channel] = np.clip(pixels[..., channel] + shade, 0, 255)
    return Image.fromarray(pixels, "RGBA")
