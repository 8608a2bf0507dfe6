"""Quality: one scale of 1 to 100 for every format, and the value that a picture needs (`q_auto`)."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
from PIL import Image

from imagestore.core.transformation.model import Quality
from imagestore.imaging.engine.similarity import distance, look
from imagestore.imaging.formats import AVIF, WEBP, Format

DEFAULT = 80
LOWEST, HIGHEST = 25, 95
"""What `q_auto` chooses from: below, faults show that the measure does not know; above, only bytes grow."""

_TARGETS = {"low": 0.0302, "eco": 0.0183, "good": 0.0115, "best": 0.0073}
"""Level → distance that is allowed (`similarity.distance`); SSIMULACRA 2 gives them 62, 71, 78 and 83."""

_SCALE = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)
_NATIVE = {
    AVIF: (1, 9, 30, 39, 45, 49, 53, 59, 67, 82, 92, 100),
    WEBP: (1, 2, 15, 31, 46, 57, 67, 77, 84, 91, 96, 100),
}
"""What to ask of an encoder for the look of a JPEG of that quality, by `distance`, in the mean of photos."""

_TYPICAL_SCALE = (5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 95, 100)
_TYPICAL = (-0.71, -1.68, -2.66, -3.16, -3.51, -3.75, -3.95, -4.25, -4.61, -4.84, -5.22, -5.65, -6.17)
"""Logarithm of the distance at each quality, in the mean of the same photos. One picture's own curve lies
above or below, and runs nearly alongside."""

Trial = Callable[[Image.Image, int], Image.Image]
"""Encodes a picture with a quality, and decodes it again."""

_TILE = 96
_TILES = 3
PROBES, JPEG_PROBES = (70,), (57, 78)
"""What is tried first. As JPEG the worse of two counts: what was one looks faultless at the one quality that
it was saved with."""
_MOST_CORRECTION = 0.22
"""By the last trial of what the first one said: less than half of what lies between two levels, so that these
keep their order whatever a picture's curve is like."""
_IDENTICAL = 1e-5


def native(format: Format, quality: int) -> int:
    """The encoder's own value for `quality`, which means the same look in every format."""
    if format not in _NATIVE:
        return quality
    return round(float(np.interp(quality, _SCALE, _NATIVE[format])))


def choose(frame: Image.Image, wanted: Quality | None, trial: Trial, probes: tuple[int, ...] = PROBES) -> int:
    """The quality to encode `frame` (RGB) with.

    `trial` runs at most three times, on a part of the frame of at most 288 × 288 pixels.
    """
    if wanted is None or (wanted.value is None and wanted.auto is None):
        return DEFAULT
    if wanted.value is not None:
        return wanted.value
    sample = _sample(frame)
    reference = look(sample)
    target = log(_TARGETS[wanted.auto or "good"])

    def offset(quality: int) -> float:
        """How far the picture's own curve lies above the typical one there."""
        measured = log(max(_IDENTICAL, distance(reference, look(trial(sample, quality)))))
        return measured - float(np.interp(quality, _TYPICAL_SCALE, _TYPICAL))

    first = max(offset(probe) for probe in probes)
    quality = _typical_quality(target - first)
    nearer = min(first + _MOST_CORRECTION, max(first - _MOST_CORRECTION, offset(quality)))
    return _typical_quality(target - nearer)


def satisfies(changed: Image.Image, frame: Image.Image, wanted: Quality) -> bool:
    """Whether what was made of `frame` (both RGB) is as much like it as the level of `wanted` asks for."""
    return distance(look(frame), look(changed)) <= _TARGETS[wanted.auto or "good"]


def _typical_quality(distance: float) -> int:
    """Where the typical curve comes down to that (logarithm of a) distance."""
    quality = float(np.interp(-distance, [-each for each in _TYPICAL], _TYPICAL_SCALE))
    return min(HIGHEST, max(LOWEST, round(quality)))


def _sample(frame: Image.Image) -> Image.Image:
    """The frame itself if it is small, else nine tiles out of it, from all over, at its own scale: what
    encoders do depends on the scale. Tiles begin where an encoder's blocks do."""
    side = _TILE * _TILES
    if frame.width * frame.height <= side * side:
        return frame
    width, height = (min(_TILE, length) for length in frame.size)
    columns, rows = (_starts(length) for length in frame.size)
    sample = Image.new("RGB", (len(columns) * width, len(rows) * height))
    for row, top in enumerate(rows):
        for column, left in enumerate(columns):
            tile = frame.crop((left, top, left + width, top + height))
            sample.paste(tile, (column * width, row * height))
    return sample


def _starts(length: int) -> list[int]:
    """Where tiles begin along a side: in the middle of each third of it."""
    if length < _TILE:
        return [0]
    count = min(_TILES, length // _TILE)
    return [int((number + 0.5) * length / count - _TILE / 2) // 16 * 16 for number in range(count)]
