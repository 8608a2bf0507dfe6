"""Facts that are found out on demand: a picture's colours, its hash, a blur of it, what a camera noted."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from imagestore.imaging.engine import exif, fingerprint, palette
from imagestore.imaging.engine.canvas import Canvas
from imagestore.imaging.engine.loading import expose
from imagestore.imaging.engine.verification import decoding
from imagestore.imaging.formats import Format


def _find_colors(frame: Image.Image) -> list[dict[str, Any]]:
    return [
        {"color": f"#{each.color.red:02x}{each.color.green:02x}{each.color.blue:02x}", "share": each.share}
        for each in palette.find_colors(frame)
    ]


_BY_LOOK: dict[str, Callable[[Image.Image], Any]] = {
    "colors": _find_colors,
    "phash": fingerprint.hash_picture,
    "blurhash": fingerprint.blur,
}
_BY_NOTES: dict[str, Callable[[Image.Image], Any]] = {"exif": exif.read_out, "place": exif.read_place}

FACTS = frozenset(_BY_LOOK) | frozenset(_BY_NOTES)
"""What may be asked for."""


def describe(data: bytes | Path, format: Format, wanted: frozenset[str]) -> dict[str, Any]:
    """Each of the `wanted` facts by its name, in plain values that JSON has; other names are passed over.

    `colors` are `{"color": "#rrggbb", "share": 0 to 1}`, `phash` 16 hexadecimal digits, `blurhash` a text.
    `exif` never tells where a picture was taken: that is `place`, and empty where nobody knows. What is seen
    is the picture upright, in sRGB, of an animation the first frame. Raises CorruptImage,
    ImageLimitExceeded or DecodeTimeout for what cannot be decoded.
    """
    facts: dict[str, Any] = {}
    if wanted & _BY_LOOK.keys():
        frame = Canvas(expose(data, format)).glance()
        facts |= {name: find(frame) for name, find in _BY_LOOK.items() if name in wanted}
    if wanted & _BY_NOTES.keys():
        source = io.BytesIO(data) if isinstance(data, bytes) else data
        with decoding(format), Image.open(source, formats=[format.pillow]) as image:
            facts |= {name: find(image) for name, find in _BY_NOTES.items() if name in wanted}
    return facts
