"""Backdrops: what lies behind transparent parts, and in the room that padding adds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image, ImageFilter

from imagestore.core.transformation.model import Color, Fill
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import Crop, check_size

_STEPS = 8
"""A channel is told apart in so many steps when colours are counted."""

_SOFT_SIDE = 256
_PALE = 7 * 128**2
"""Above this sum of squares, weighed as eyes weigh the three colours, black stands out better than white."""


def pad(picture: Picture, crop: Crop, ground: Color | Fill | None) -> Picture:
    """The picture at its place on the crop's canvas. Without a ground the room around it is transparent.

    The colour of an automatic ground is that of the first frame: it does not flicker.
    """
    check_size(*crop.canvas, len(picture.frames))
    faces = picture.faces and tuple(face.moved(*crop.place) for face in picture.faces)
    make = _ground_maker(picture.frames[0], crop.canvas, ground)
    frames = [_placed(make(frame), frame, crop.place) for frame in picture.frames]
    return replace(picture, frames=frames, faces=faces)


def flatten(picture: Picture, ground: Color | Fill) -> Picture:
    """The ground behind every part that is transparent."""
    if not picture.has_alpha:
        return picture
    size = (picture.width, picture.height)
    make = _ground_maker(picture.frames[0], size, ground)
    return replace(picture, frames=[_placed(make(frame), frame, (0, 0)) for frame in picture.frames])


def _ground_maker(
    first: Image.Image, size: tuple[int, int], ground: Color | Fill | None
) -> Callable[[Image.Image], Image.Image]:
    if isinstance(ground, Fill):
        if ground.kind == "blurred":
            intensity, brightness = (*map(float, ground.arguments), 100.0, 0.0)[:2]
            return lambda frame: _blurred(frame, size, intensity, brightness)
        ground = find_color(first, ground.arguments[0] if ground.arguments else "border")
    if ground is None:
        return lambda frame: Image.new("RGBA", size)
    color = (ground.red, ground.green, ground.blue)
    if ground.alpha == 255:
        return lambda frame: Image.new("RGB", size, color)
    return lambda frame: Image.new("RGBA", size, (*color, ground.alpha))


def _placed(ground: Image.Image, frame: Image.Image, place: tuple[int, int]) -> Image.Image:
    if frame.mode == "RGB":
        ground.paste(frame, place)
    elif ground.mode == "RGB":
        ground.paste(frame, place, frame.getchannel("A"))
    else:
        ground.alpha_composite(frame, place)
    return ground


def find_color(frame: Image.Image, how: str) -> Color:
    """The colour that is met most at the frame's edges ("border") or all over it ("predominant"), or, with
    `_contrast` behind either, the paler or darker of white and black that stands out from it."""
    pixels = np.asarray(frame.convert("RGBA"))
    if how.startswith("border"):
        edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
        pixels = np.concatenate(edges)
    else:
        small = frame.convert("RGBA")
        small.thumbnail((_SOFT_SIDE, _SOFT_SIDE), Image.Resampling.BOX)
        pixels = np.asarray(small).reshape(-1, 4)
    seen = pixels[pixels[:, 3] > 127][:, :3]
    if not len(seen):
        return Color(255, 255, 255)
    bins = (seen // (256 // _STEPS)).astype(np.int32) @ np.array([_STEPS * _STEPS, _STEPS, 1])
    most = seen[bins == np.bincount(bins).argmax()]
    red, green, blue = (int(each) for each in np.rint(most.mean(axis=0)))
    if how.endswith("_contrast"):
        bright = 2 * red * red + 4 * green * green + blue * blue > _PALE
        return Color(0, 0, 0) if bright else Color(255, 255, 255)
    return Color(red, green, blue)


def _blurred(frame: Image.Image, size: tuple[int, int], intensity: float, brightness: float) -> Image.Image:
    """The frame itself, filling `size`, out of focus. Made small first: what is blurred needs no pixels."""
    scale = max(size[0] / frame.width, size[1] / frame.height)
    kept = size[0] / scale, size[1] / scale
    left, top = (frame.width - kept[0]) / 2, (frame.height - kept[1]) / 2
    shrink = min(_SOFT_SIDE / max(size), 1)
    soft = max(1, round(size[0] * shrink)), max(1, round(size[1] * shrink))
    opaque = frame
    if frame.mode == "RGBA":
        opaque = Image.new("RGB", frame.size, "white")
        opaque.paste(frame, mask=frame.getchannel("A"))
    box = (max(left, 0), max(top, 0), min(left + kept[0], frame.width), min(top + kept[1], frame.height))
    small = opaque.resize(soft, Image.Resampling.BOX, box)
    # Intensity is that of e_blur, a radius on the picture as it is delivered.
    small = small.filter(ImageFilter.GaussianBlur(intensity / 10 * max(shrink, 1 / 8)))
    if brightness:
        small = small.point(lambda value: round(value + brightness * 255 / 300))
    return small.resize(size, Image.Resampling.BICUBIC)
