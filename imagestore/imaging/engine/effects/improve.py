"""Effects that look at the picture first: better colour, contrast and brightness, as far as it needs them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagestore.imaging.engine.effects.lattice import bend, mix, saturate
from imagestore.imaging.engine.effects.surroundings import Surroundings

_SAMPLE = 256
_MIDDLE = 0.46
"""How bright a well exposed picture is on average, of 1."""

_MOST_GAIN = 1.35
"""How much one channel is raised or lowered against a cast."""

_FAINTEST = 0.5
"""A range of brightness is stretched as if it were this wide at least: fog is meant to be narrower."""


def auto_contrast(picture: Image.Image, around: Surroundings, blend: float) -> Image.Image:
    """Stretch the picture's range of brightness to the whole one, the same for all channels."""
    low, high = _range(_brightness(_small(picture)))
    return _mixed(picture, _stretched(picture, [(low, high)] * 3), blend)


def auto_color(picture: Image.Image, around: Surroundings, blend: float) -> Image.Image:
    """Take a cast out: what is nearly grey becomes grey; then the range is stretched."""
    return _mixed(picture, _balanced(picture), blend)


def auto_brightness(picture: Image.Image, around: Surroundings, blend: float) -> Image.Image:
    """Bring the average brightness to the middle by a gamma, so that black and white stay."""
    return _mixed(picture, _exposed(picture, 1.0), blend)


def improve(picture: Image.Image, around: Surroundings, mode: str, blend: float) -> Image.Image:
    """Contrast, brightness and a little colour; `indoor` takes the cast of lamps out and lifts more."""
    if mode == "indoor":
        better = mix(_exposed(_balanced(picture), 0.8), saturate(1.1))
    else:
        low, high = _range(_brightness(_small(picture)))
        better = mix(_exposed(_stretched(picture, [(low, high)] * 3), 0.6), saturate(1.2))
    return _mixed(picture, better, blend)


def _small(picture: Image.Image) -> NDArray[np.floating[Any]]:
    """The picture's colours, at a size that makes looking at them cheap."""
    factor = max(1, math.ceil(max(picture.size) / _SAMPLE))
    return np.asarray(picture.reduce(factor), dtype=np.float32) / 255


def _brightness(colors: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return np.asarray(colors @ np.array([0.299, 0.587, 0.114], dtype=np.float32))


def _range(values: NDArray[np.floating[Any]]) -> tuple[float, float]:
    """From where to where values reach, but for half a percent at each end; never narrower than is faint."""
    low, high = (float(each) for each in np.percentile(values, (0.5, 99.5)))
    if high - low < _FAINTEST:
        lacking = (_FAINTEST - (high - low)) / 2
        return max(0.0, low - lacking), min(1.0, high + lacking)
    return low, high


def _stretched(picture: Image.Image, ranges: list[tuple[float, float]]) -> Image.Image:
    return bend(picture, *(lambda v, low=low, high=high: (v - low) / (high - low) for low, high in ranges))


def _balanced(picture: Image.Image) -> Image.Image:
    """The picture without its cast, as far as its palest colours tell one, and with its whole range."""
    colors = _small(picture)
    high, low = colors.max(axis=-1), colors.min(axis=-1)
    # What is nearly grey was grey before the light fell on it; what glows has a colour of its own.
    pale = (1 - (high - low) / np.maximum(high, 0.05)) ** 4 * ((high > 0.15) & (low < 0.95))
    if pale.sum() > 0.02 * pale.size:
        means = (colors * pale[..., None]).sum(axis=(0, 1)) / pale.sum()
        gains = np.clip(means.mean() / np.maximum(means, 0.05), 1 / _MOST_GAIN, _MOST_GAIN)
        picture = bend(picture, *(lambda v, gain=gain: v * gain for gain in gains.tolist()))
    return _stretched(picture, [_range(_brightness(_small(picture)))] * 3)


def _exposed(picture: Image.Image, share: float) -> Image.Image:
    mean = min(0.95, max(0.05, float(_brightness(_small(picture)).mean())))
    power = min(1.8, max(0.5, math.log(_MIDDLE) / math.log(mean)))
    return bend(picture, lambda values: values ** (1 + (power - 1) * share))


def _mixed(picture: Image.Image, better: Image.Image, blend: float) -> Image.Image:
    return better if blend == 100 else Image.blend(picture, better, blend / 100)
