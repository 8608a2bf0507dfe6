"""The dominant colours of a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagestore.core.transformation.model import Color
from imagestore.imaging.engine.effects import oklab

Colors = NDArray[np.float64]

_SIDE = 96
_SEEDS = 12
_ROUNDS = 8
_ALIKE = 0.06
"""Distance in Oklab below which two colours go by one name."""
_ALIKE_VALUES = 24
"""As much in sRGB: Oklab spreads out what is nearly black further than any screen does."""
_LEAST_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Dominant:
    """A colour and how much of the picture is like it, 0 to 1."""

    color: Color
    share: float


def find_colors(frame: Image.Image, most: int = 8) -> tuple[Dominant, ...]:
    """The colours that the frame, RGB or RGBA, is mostly of: `most` at most, the largest share first.

    k-means in Oklab, where distances are as the eye sees them, from colours that lie far apart; those that
    come out alike are one. Pixels count as much as they are opaque; an empty picture has no colour.
    """
    small = frame.convert("RGBA").resize([min(side, _SIDE) for side in frame.size], Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64).reshape(-1, 4)
    weights = pixels[:, 3] / 255
    if not weights.any():
        return ()
    points: Colors = oklab.from_srgb(pixels[:, :3] / 255).astype(np.float64)
    centres = _spread_out(points, weights)
    for _ in range(_ROUNDS):
        centres, shares = _gather(points, weights, centres)
    centres, shares = _join(centres, shares)
    order = [each for each in np.argsort(-shares)[:most] if shares[each] >= _LEAST_SHARE]
    colors = _to_values(centres)
    return tuple(Dominant(Color(*map(int, colors[each])), round(float(shares[each]), 4)) for each in order)


def _to_values(colors: Colors) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(oklab.to_srgb(colors), 0, 1) * 255), dtype=np.uint8)


def _spread_out(points: Colors, weights: NDArray[np.float64]) -> Colors:
    """Seeds: the mean, then again and again what lies farthest from all so far, for what it weighs."""
    seeds = [np.average(points, axis=0, weights=weights)]
    distances = np.full(len(points), np.inf)
    for _ in range(_SEEDS - 1):
        distances = np.minimum(distances, ((points - seeds[-1]) ** 2).sum(axis=1))
        seeds.append(points[np.argmax(distances * weights)])
    return np.array(seeds)


def _gather(
    points: Colors, weights: NDArray[np.float64], centres: Colors
) -> tuple[Colors, NDArray[np.float64]]:
    """The mean of what is nearest to each centre, and its share; centres of nothing are dropped."""
    nearest = np.argmin(((points[:, None] - centres[None]) ** 2).sum(axis=2), axis=1)
    totals = np.bincount(nearest, weights, len(centres))
    sums = np.stack(
        [np.bincount(nearest, weights * points[:, axis], len(centres)) for axis in range(3)], axis=1
    )
    kept = totals > 0
    return sums[kept] / totals[kept, None], totals[kept] / totals.sum()


def _join(centres: Colors, shares: NDArray[np.float64]) -> tuple[Colors, NDArray[np.float64]]:
    """Join the two that are most alike, until no two are."""
    while len(centres) > 1:
        distances = np.minimum(
            _pairwise(centres) / _ALIKE, _pairwise(_to_values(centres).astype(float)) / _ALIKE_VALUES
        )
        np.fill_diagonal(distances, np.inf)
        first, second = np.unravel_index(np.argmin(distances), distances.shape)
        if distances[first, second] >= 1:
            break
        pair = [int(first), int(second)]
        centres[first] = np.average(centres[pair], axis=0, weights=shares[pair])
        shares[first] = shares[pair].sum()
        centres, shares = np.delete(centres, second, axis=0), np.delete(shares, second)
    return centres, shares


def _pairwise(points: Colors) -> Colors:
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=2))
