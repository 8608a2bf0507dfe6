"""Decoding: from a file's bytes to upright frames in sRGB."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.engine.verification import decoding
from imagestore.imaging.formats import by_name
from imagestore.imaging.limits import Limits


def load(data: bytes | Path, format: str, limits: Limits) -> Picture:
    """The first frame of the picture, upright. Raises as `render` does."""
    del limits
    kind = by_name(format)
    with decoding(kind), Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as opened:
        mode = "RGBA" if opened.has_transparency_data else "RGB"
        return Picture([ImageOps.exif_transpose(opened).convert(mode)])
