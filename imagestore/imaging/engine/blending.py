"""How the pixels of a layer meet those below it: over, blended, as a mask, or as a map that moves them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

Point = tuple[int, int]
Bytes = NDArray[np.uint8]
Whole = NDArray[np.int32]
Blend = Callable[[Image.Image, Image.Image], Image.Image]

BLENDS: dict[str, Blend] = {
    "multiply": ImageChops.multiply,
    "screen": ImageChops.screen,
    "overlay": ImageChops.overlay,
}
"""Mode → what it makes of two RGB pictures, the lower one first."""

_STRIP = 1 << 20
"""Pixels that are blended or moved at once: what bounds the memory of that."""


def over(ground: Image.Image, layer: Image.Image, at: Point, blend: Blend | None = None) -> Image.Image:
    """`layer` on `ground`, which keeps its size and its mode: the separable blending and "source over" of
    W3C's Compositing and Blending. Transparent pixels keep their own colour out of it: no dark fringes."""
    cut, at = _within(layer, ground.size, at)
    if cut is None:
        return ground
    result = ground.copy()
    if blend is None:
        _put(result, cut, at)
        return result
    rows = max(1, _STRIP // cut.width)
    for top in range(0, cut.height, rows):
        strip = cut.crop((0, top, cut.width, min(cut.height, top + rows)))
        left, upper = at[0], at[1] + top
        below = ground.crop((left, upper, left + strip.width, upper + strip.height))
        _put(result, _blended(below, strip, blend), (left, upper))
    return result


def _put(ground: Image.Image, layer: Image.Image, at: Point) -> None:
    if ground.mode == "RGBA":
        ground.alpha_composite(layer.convert("RGBA"), at)
    else:
        ground.paste(layer, at, layer if layer.mode == "RGBA" else None)


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
    where it is. What is outside the layer stays; the picture's edge goes on outwards. Places are counted in
    256ths of a pixel.
    """
    cut, at = _within(layer.convert("RGBA"), ground.size, at)
    if cut is None:
        return ground
    premultiplied = ground.convert("RGBa") if ground.mode == "RGBA" else ground
    bands = [np.asarray(band) for band in premultiplied.split()]
    results = [band.copy() for band in bands]
    reds, greens, _, opacity = (np.asarray(band) for band in cut.split())
    tables = [np.rint(np.clip((np.arange(256) - 128) / 127, -1, 1) * each * 256) for each in reach]
    across, down = (table.astype(np.int32) for table in tables)
    columns = np.arange(at[0], at[0] + cut.width, dtype=np.int32)[None, :] << 8
    rows = max(1, _STRIP // cut.width)
    for first in range(0, cut.height, rows):
        part = slice(first, min(cut.height, first + rows))
        lines = np.arange(at[1] + part.start, at[1] + part.stop, dtype=np.int32)[:, None] << 8
        faint = opacity[part].astype(np.int32)
        x = columns + across[reds[part]] * faint // 255
        y = lines + down[greens[part]] * faint // 255
        target = (slice(at[1] + part.start, at[1] + part.stop), slice(at[0], at[0] + cut.width))
        for result, moved in zip(results, _sampled(bands, x, y), strict=True):
            result[target] = moved
    merged = Image.merge(premultiplied.mode, [Image.fromarray(each) for each in results])
    return merged.convert(ground.mode)


def _sampled(bands: list[Bytes], x: Whole, y: Whole) -> Iterator[Bytes]:
    """What each band has at places between its pixels, bilinear: 16 bits hold all of it."""
    height, width = bands[0].shape
    np.clip(x, 0, (width - 1) << 8, out=x)
    np.clip(y, 0, (height - 1) << 8, out=y)
    across, down = (x & 255).astype(np.uint16), (y & 255).astype(np.uint16)
    left, top = x >> 8, y >> 8
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1) * width
    top *= width
    corners = [(line + at).astype(np.intp) for line in (top, bottom) for at in (left, right)]
    for band in bands:
        flat = band.reshape(-1)
        a, b, c, d = (np.take(flat, corner, mode="clip").astype(np.uint16) for corner in corners)
        upper = (a * (256 - across) + b * across + 128) >> 8
        lower = (c * (256 - across) + d * across + 128) >> 8
        yield ((upper * (256 - down) + lower * down + 128) >> 8).astype(np.uint8)


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
    coarse = (max(2, layer.height // 12), max(2, layer.width // 12))
    dice = np.random.default_rng(layer.width * 65_537 + layer.height)
    strength = level / 100

    def cloud(middle: float, depth: float) -> Image.Image:
        grid = Image.fromarray(dice.integers(0, 256, size=coarse, dtype=np.uint8))
        smooth = grid.resize(layer.size, Image.Resampling.BICUBIC)
        return smooth.point([round(middle + (value / 255 - 0.5) * depth) for value in range(256)])

    *colors, opacity = layer.convert("RGBA").split()
    shade = cloud(128, 80 * strength)
    shaded = [ImageChops.add(band, shade, 1, -128) for band in colors]
    thinned = ImageChops.multiply(opacity, cloud(255 - 51 * strength, 102 * strength))
    return Image.merge("RGBA", [*shaded, thinned])
