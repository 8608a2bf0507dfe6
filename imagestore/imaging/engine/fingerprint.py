"""Short texts that stand for a picture: a hash that alike pictures share, and a blur to show in its place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_SIDE = 32
_LOW = 8
_BLUR_SIDE = 48
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"


def hash_picture(frame: Image.Image) -> str:
    """The perceptual hash of an RGB or RGBA frame, 16 hexadecimal digits.

    Which of the 64 lowest frequencies of a cosine transform, over 32 × 32 grey pixels, are above their
    median: pHash (Zauner, 2010), bit for bit as the imagehash package has it. White shines through.
    """
    grey = _flatten(frame).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    places = np.arange(_SIDE)
    waves = np.cos(np.pi * places[:_LOW, None] * (2 * places[None] + 1) / (2 * _SIDE))
    frequencies = waves @ np.asarray(grey, dtype=np.float64) @ waves.T
    bits = (frequencies > np.median(frequencies)).ravel()
    return f"{int(''.join('01'[int(bit)] for bit in bits), 2):016x}"


def count_differences(first: str, second: str) -> int:
    """In how many of 64 bits two hashes differ: up to 10 mean the same picture, most often."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def blur(frame: Image.Image) -> str:
    """The BlurHash of an RGB or RGBA frame: some 30 characters that a page draws before it has the picture.

    As https://blurha.sh has the algorithm: 4 × 3 waves, or 3 × 4 for what is upright. Transparency is laid
    over white.
    """
    across, down = (4, 3) if frame.width >= frame.height else (3, 4)
    small = _flatten(frame).resize((_BLUR_SIDE, _BLUR_SIDE), Image.Resampling.BOX)
    linear = _to_linear(np.asarray(small, dtype=np.float64) / 255)
    places = np.arange(_BLUR_SIDE) / _BLUR_SIDE
    horizontal = np.cos(np.pi * np.arange(across)[:, None] * places)
    vertical = np.cos(np.pi * np.arange(down)[:, None] * places)
    waves = np.einsum("jy,yxc,ix->jic", vertical, linear, horizontal) / _BLUR_SIDE**2
    mean, *details = waves.reshape(-1, 3) * np.array([[1], *[[2]] * (across * down - 1)])
    largest = float(np.abs(details).max())
    step = min(82, max(0, int(largest * 166 - 0.5)))
    text = _write(across - 1 + (down - 1) * 9, 1) + _write(step, 1) + _write(_pack_mean(mean), 4)
    return text + "".join(_write(_pack_detail(each, (step + 1) / 166), 2) for each in details)


def _flatten(frame: Image.Image) -> Image.Image:
    if frame.mode != "RGBA":
        return frame
    return Image.alpha_composite(Image.new("RGBA", frame.size, "white"), frame).convert("RGB")


def _to_linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _pack_mean(color: NDArray[np.float64]) -> int:
    linear = np.clip(color, 0, 1)
    values = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    red, green, blue = (int(value * 255 + 0.5) for value in values)
    return red << 16 | green << 8 | blue


def _pack_detail(color: NDArray[np.float64], largest: float) -> int:
    roots = np.sign(color) * np.abs(color / largest) ** 0.5
    red, green, blue = (min(18, max(0, int(value * 9 + 9.5))) for value in roots)
    return red * 19 * 19 + green * 19 + blue


def _write(number: int, length: int) -> str:
    """In base 83, with so many digits."""
    return "".join(_DIGITS[number // 83**place % 83] for place in reversed(range(length)))
