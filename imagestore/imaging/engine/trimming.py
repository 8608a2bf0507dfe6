"""Trimming: edges in the colour of the corners cut away."""

from __future__ import annotations

from functools import reduce
from typing import cast

from PIL import Image, ImageChops

from imagestore.imaging.geometry import Box, enclose

_BAND = 256
"""Rows at a time: that takes little memory beside the picture."""

_Pixel = tuple[int, ...]


def find_content(frames: list[Image.Image], tolerance: float) -> Box:
    """The part that is not like the corners, in any of the frames; all of it where everything is.

    `tolerance` is the difference, in percent, up to which a colour still counts as that of the corners.
    """
    boxes = [box for frame in frames if (box := _content(frame, tolerance))]
    return enclose(boxes) if boxes else Box(0, 0, *frames[0].size)


def _content(frame: Image.Image, tolerance: float) -> Box | None:
    # Premultiplied, so that whatever is transparent is alike.
    plain = frame.convert("RGBa") if frame.mode == "RGBA" else frame
    right, bottom = frame.width - 1, frame.height - 1
    corners = [cast(_Pixel, plain.getpixel(at)) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))]
    ground = min(corners, key=lambda corner: sum(_apart(corner, other) for other in corners))
    limit = tolerance * 255 / 100
    differs = [255 * (value > limit) for value in range(256)]
    solid = Image.new(plain.mode, (frame.width, _BAND), ground)
    parts = []
    for top in range(0, frame.height, _BAND):
        band = plain.crop((0, top, frame.width, min(top + _BAND, frame.height)))
        apart = ImageChops.difference(band, solid if band.height == _BAND else solid.crop((0, 0, *band.size)))
        box = reduce(ImageChops.lighter, apart.split()).point(differs).getbbox()
        if box:
            parts.append(Box(box[0], box[1] + top, box[2] - box[0], box[3] - box[1]))
    return enclose(parts) if parts else None


def _apart(first: _Pixel, second: _Pixel) -> int:
    return max(abs(one - other) for one, other in zip(first, second, strict=True))
