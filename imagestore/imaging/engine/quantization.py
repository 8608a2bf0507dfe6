"""Palettes: a picture in at most 256 colours, exactly where it has no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MOST = 256
_SAMPLE, _TRANSPARENT_SAMPLE = 128, 512
_AT_ONCE = 1_000_000
_TRANSPARENT = 0
_ROUNDS = 3
_STEP = 2
"""Bits that colours are rounded off by before they are gathered, where there is transparency."""


def quantize(frame: Image.Image, colors: int = MOST) -> Image.Image:
    """A P picture that looks like `frame`, RGB or RGBA; a transparent one's palette is RGBA."""
    exact = find_colors([frame], colors)
    if exact is not None:
        return apply_exactly(frame, exact)
    if frame.mode == "RGBA":
        return _quantize_transparent(frame, colors)
    return apply(frame, choose_palette([frame], colors))


def choose_palette(frames: Sequence[Image.Image], colors: int) -> Image.Image:
    """A P picture that has the palette for all of those RGB frames: by median cut, made better by k-means."""
    side = _SAMPLE if len(frames) == 1 else _SAMPLE // 2
    thinned = [_thin(frame, side) for frame in frames]
    gathered = Image.new("RGB", (side, sum(each.height for each in thinned)))
    top = 0
    for each in thinned:
        gathered.paste(each.resize((side, each.height), Image.Resampling.NEAREST), (0, top))
        top += each.height
    return gathered.quantize(colors, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)


def apply(frame: Image.Image, palette: Image.Image, *, dither: bool = True) -> Image.Image:
    """An RGB frame in that palette."""
    way = Image.Dither.FLOYDSTEINBERG if dither else Image.Dither.NONE
    return frame.quantize(palette=palette, dither=way)


def find_colors(frames: Sequence[Image.Image], most: int) -> NDArray[np.uint32] | None:
    """All colours of the RGB or RGBA frames in order, a number for each: one for all that is transparent.

    None if there are more than `most`.
    """
    found: set[int] = set()
    for frame in frames:
        colors = frame.getcolors(most)
        if colors is None:
            return None
        for _, color in colors:
            red, green, blue, alpha = (*color, 255)[:4] if isinstance(color, tuple) else (0, 0, 0, 0)
            found.add(red | green << 8 | blue << 16 | alpha << 24 if alpha else _TRANSPARENT)
        if len(found) > most:
            return None
    return np.array(sorted(found), np.uint32)


def apply_exactly(frame: Image.Image, colors: NDArray[np.uint32]) -> Image.Image:
    """`frame` in a palette of `colors`, which has each of its colours."""
    palette = colors.astype("<u4").view(np.uint8).reshape(-1, 4)
    return _index(frame, palette, lambda pixels: np.searchsorted(colors, _number(pixels)))


def _index(
    frame: Image.Image, palette: NDArray[np.uint8], find: Callable[[NDArray[np.uint8]], NDArray[np.intp]]
) -> Image.Image:
    """The frame in that palette. `find` tells the places of RGBA pixels in it, of some rows at a time: what
    it needs is many times what a picture takes."""
    rows = max(1, _AT_ONCE // frame.width)
    made = Image.new("P", frame.size)
    for top in range(0, frame.height, rows):
        band = frame.crop((0, top, frame.width, min(top + rows, frame.height))).convert("RGBA")
        found = find(np.asarray(band)).astype(np.uint8)
        made.paste(Image.frombytes("P", band.size, found.tobytes()), (0, top))
    made.putpalette(palette[:, : len(frame.mode)].tobytes(), frame.mode)
    return made


def _number(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    numbers = np.ascontiguousarray(pixels).view("<u4")[..., 0].astype(np.uint32)
    return np.where(pixels[..., 3] == 0, np.uint32(_TRANSPARENT), numbers)


def _thin(frame: Image.Image, side: int) -> Image.Image:
    """Some of the frame's pixels, evenly from all over: enough to know its colours by."""
    return frame.resize([min(side, length) for length in frame.size], Image.Resampling.NEAREST)


def _quantize_transparent(frame: Image.Image, colors: int) -> Image.Image:
    """Pillow's octree, the one way of its that knows transparency, made better by k-means (Lloyd, 1957).

    Colours count by how opaque they are: premultiplied.
    """
    some = _thin(frame, _TRANSPARENT_SAMPLE)
    keys, counts = np.unique(_round_off(np.asarray(some)), return_counts=True)
    gathered = _premultiply(keys.astype("<u4").view(np.uint8).reshape(-1, 4))
    rough = _thin(frame, _SAMPLE).quantize(colors, Image.Quantize.FASTOCTREE).getpalette("RGBA") or []
    centres = _premultiply(np.array(rough, np.uint8).reshape(-1, 4)[:colors])
    for _ in range(_ROUNDS):
        nearest = _find_nearest(gathered, centres)
        weights = np.bincount(nearest, counts, len(centres))
        for channel in range(4):
            sums = np.bincount(nearest, counts * gathered[:, channel], len(centres))
            centres[:, channel] = np.where(weights > 0, sums / np.maximum(weights, 1), centres[:, channel])

    def find(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
        keys, inverse = np.unique(_round_off(pixels), return_inverse=True)
        found = _find_nearest(_premultiply(keys.astype("<u4").view(np.uint8).reshape(-1, 4)), centres)
        return found[inverse].reshape(pixels.shape[:2])

    alpha = np.maximum(centres[:, 3:], 1e-3)
    palette = np.concatenate([centres[:, :3] * 255 / alpha, centres[:, 3:]], axis=1)
    return _index(frame, np.clip(np.rint(palette), 0, 255).astype(np.uint8), find)


def _round_off(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Colours with fewer bits, in the middle of what they stand for; no and full opacity stay as they are."""
    rounded = pixels >> _STEP << _STEP | (1 << _STEP - 1)
    alpha = pixels[..., 3]
    rounded[..., 3] = np.where((alpha == 0) | (alpha == 255), alpha, rounded[..., 3])
    rounded[alpha == 0] = 0
    return np.ascontiguousarray(rounded).view("<u4")[..., 0].astype(np.uint32)


def _premultiply(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    made = colors.astype(np.float32)
    made[:, :3] *= made[:, 3:] / 255
    return made


def _find_nearest(points: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    """Of each point the nearest centre, some thousands of points at a time, for the memory's sake."""
    squares = (centres**2).sum(axis=1) / 2
    parts = [
        np.argmax(points[start : start + 8192] @ centres.T - squares, axis=1)
        for start in range(0, len(points), 8192)
    ]
    return np.concatenate(parts)
