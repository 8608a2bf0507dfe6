"""Effects as a URL writes them, carried out on pictures that tests draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagestore.core.transformation.evaluation import evaluate
from imagestore.core.transformation.model import Component, Scope
from imagestore.core.transformation.parsing import parse
from imagestore.imaging.engine.effects import Surroundings, apply

RED, GREEN, BLUE = (220, 40, 30), (40, 160, 60), (40, 70, 200)
PATCHES = (RED, GREEN, BLUE, (240, 200, 60), (128, 128, 128), (20, 20, 20), (245, 245, 245), (200, 150, 120))


def effect(text: str, picture: Image.Image, /, **around: Any) -> Image.Image:
    """`text` is what stands behind `e_`; `around` are fields of Surroundings."""
    (component,) = parse(f"e_{text}").nodes
    assert isinstance(component, Component)
    step = evaluate(component, Scope(*picture.size, *picture.size))
    assert step.effect is not None
    before = picture.tobytes()
    result = apply(picture, step.effect, Surroundings(**around))
    assert picture.tobytes() == before, "an effect changed what it was given"
    assert result.mode in ("RGB", "RGBA")
    return result


def flat(color: tuple[int, ...], size: tuple[int, int] = (40, 30)) -> Image.Image:
    return Image.new("RGB" if len(color) == 3 else "RGBA", size, color)


def color_of(text: str, color: tuple[int, ...], /, **around: Any) -> tuple[int, ...]:
    """What the effect makes of a picture of one colour, in its middle."""
    result = effect(text, flat(color), **around)
    middle = result.getpixel((result.width // 2, result.height // 2))
    assert isinstance(middle, tuple)
    return tuple(int(each) for each in middle)


def patches() -> Image.Image:
    """A photo-like picture: squares of many colours, each with light and shade, and some texture."""
    rows = np.zeros((240, 320, 3), dtype=np.float64)
    for index in range(len(PATCHES) * 6):
        left, top = index % 8 * 40, index // 8 * 40
        rows[top : top + 40, left : left + 40] = PATCHES[(index * 3 + index // 8) % len(PATCHES)]
    light = np.linspace(0.6, 1.15, 320)[None, :, None] * np.linspace(1.1, 0.7, 240)[:, None, None]
    noise = np.random.default_rng(1).normal(0, 4, (240, 320, 1))
    return Image.fromarray(np.clip(rows * light + noise, 0, 255).astype(np.uint8))


def values(picture: Image.Image) -> NDArray[np.float64]:
    return np.asarray(picture, dtype=np.float64)


def near(color: tuple[int, ...], other: tuple[int, ...], most: int = 3) -> bool:
    return len(color) == len(other) and all(abs(a - b) <= most for a, b in zip(color, other, strict=True))
