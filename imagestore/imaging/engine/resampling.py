"""Resampling: a part of a picture made larger or smaller, in one pass, without dark fringes at its edges."""

from __future__ import annotations

from PIL import Image

from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import Box, View, visible

GAP = 3.0
"""Reduce by whole pixels first where that leaves so many times the wanted size (`reducing_gap` of Pillow).
With 2, photos of fine detail stay below 45 dB."""


def resample(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """The part `box` of the image at `size`, by Lanczos' filter; whole pixels at their own size are copied.

    What is transparent is weighed as such: its colour, which nobody sees, does not leak into the edges.
    """
    edges = box.left, box.top, min(box.right, image.width), min(box.bottom, image.height)
    if box.width == size[0] and box.height == size[1] and all(float(each).is_integer() for each in edges):
        return image if size == image.size else image.crop(edges)
    if image.mode in ("RGBA", "LA"):
        weighed = image.convert({"RGBA": "RGBa", "LA": "La"}[image.mode])
        return weighed.resize(size, Image.Resampling.LANCZOS, edges, GAP).convert(image.mode)
    return image.resize(size, Image.Resampling.LANCZOS, edges, GAP)


def take(picture: Picture, view: View) -> Picture:
    """The view of the picture, every frame alike."""
    frames = [resample(frame, view.box, view.size) for frame in picture.frames]
    return Picture(frames, picture.durations, picture.loop, faces_in(picture.faces, view))


def faces_in(faces: tuple[Box, ...] | None, view: View) -> tuple[Box, ...] | None:
    if faces is None:
        return None
    return visible(tuple(face.shown(view.box, view.size) for face in faces), *view.size)
