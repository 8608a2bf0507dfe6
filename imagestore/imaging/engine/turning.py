"""Turning: rotation by any angle, and mirroring."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

from PIL import Image, ImageOps

from imagestore.imaging.engine.loading import orient
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import Box, check_size, enclose, turned_box


def orient_picture(picture: Picture, turn: int) -> Picture:
    """Every frame turned as that orientation says: pixels move, and none changes."""
    faces = picture.faces and tuple(
        turned_box(face, picture.width, picture.height, turn) for face in picture.faces
    )
    return replace(picture, frames=[orient(frame, turn) for frame in picture.frames], faces=faces)


def rotate(picture: Picture, degrees: float) -> Picture:
    """Turned clockwise, on a canvas that holds all of it; corners that come free are transparent.

    Raises InvalidTransformation where that canvas is too large.
    """
    size = _turned_size(picture.width, picture.height, degrees)
    check_size(*size, len(picture.frames))
    frames = [_rotate_frame(frame, degrees, size) for frame in picture.frames]
    faces = picture.faces and tuple(
        _turned_box(face, degrees, (picture.width, picture.height), size) for face in picture.faces
    )
    return replace(picture, frames=frames, faces=faces)


def _turned_size(width: int, height: int, degrees: float) -> tuple[int, int]:
    sine, cosine = abs(math.sin(math.radians(degrees))), abs(math.cos(math.radians(degrees)))
    # What rounding makes of a right angle is no reason for one pixel more.
    return (
        max(1, math.ceil(width * cosine + height * sine - 1e-6)),
        max(1, math.ceil(width * sine + height * cosine - 1e-6)),
    )


def _rotate_frame(frame: Image.Image, degrees: float, size: tuple[int, int]) -> Image.Image:
    # A rim of transparent pixels makes the new edges smooth; premultiplied, it does not darken them.
    rimmed = ImageOps.expand(frame.convert("RGBA").convert("RGBa"), 1, 0)
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    across, down = size[0] / 2, size[1] / 2
    # From a pixel of the result to the one it comes from: turned back, about both middles.
    matrix = (
        cosine,
        sine,
        rimmed.width / 2 - cosine * across - sine * down,
        -sine,
        cosine,
        rimmed.height / 2 + sine * across - cosine * down,
    )
    turned = rimmed.transform(size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return turned.convert("RGBA")


def _turned_box(box: Box, degrees: float, before: tuple[int, int], after: tuple[int, int]) -> Box:
    """The upright box around a turned one."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    corners = []
    for x, y in product((box.left, box.right), (box.top, box.bottom)):
        across, down = x - before[0] / 2, y - before[1] / 2
        left = across * cosine - down * sine + after[0] / 2
        corners.append(Box(left, across * sine + down * cosine + after[1] / 2, 0, 0))
    return enclose(corners)
