"""Trimming: edges in the colour of the corners cut away."""

from __future__ import annotations

import numpy as np
from PIL import Image

from imagestore.imaging.geometry import Box, enclose


def find_content(frames: list[Image.Image], tolerance: float) -> Box:
    """The part that is not like the corners, in any of the frames; all of it where everything is.

    `tolerance` is the difference, in percent, up to which a colour still counts as that of the corners.
    """
    boxes = [box for frame in frames if (box := _content(frame, tolerance))]
    return enclose(boxes) if boxes else Box(0, 0, *frames[0].size)


def _content(frame: Image.Image, tolerance: float) -> Box | None:
    # Premultiplied, so that whatever is transparent is alike.
    pixels = np.asarray(frame.convert("RGBa") if frame.mode == "RGBA" else frame)
    corners = [pixels[0, 0], pixels[0, -1], pixels[-1, 0], pixels[-1, -1]]
    apart = [sum(int(np.abs(a.astype(int) - b).max()) for b in corners) for a in corners]
    ground = corners[apart.index(min(apart))].astype(np.int16)
    limit = tolerance * 255 / 100
    rows, columns = np.zeros(frame.height, bool), np.zeros(frame.width, bool)
    for top in range(0, frame.height, 256):
        band = np.abs(pixels[top : top + 256].astype(np.int16) - ground).max(axis=2) > limit
        rows[top : top + 256] = band.any(axis=1)
        columns |= band.any(axis=0)
    if not rows.any():
        return None
    top, bottom = int(rows.argmax()), frame.height - int(rows[::-1].argmax())
    left, right = int(columns.argmax()), frame.width - int(columns[::-1].argmax())
    return Box(left, top, right - left, bottom - top)
