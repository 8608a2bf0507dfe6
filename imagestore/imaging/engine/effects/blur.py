"""Effects of sharpness: softer, sharper, or a mosaic; over all of a picture, a region or its faces."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageDraw, ImageFilter

from imagestore.imaging.engine.effects.surroundings import Surroundings
from imagestore.imaging.geometry import Box

_STRENGTH_PER_PIXEL = 50
"""How much strength makes one pixel of a blur's standard deviation: 2000 is 40 pixels."""

_FACE_MARGIN = 0.15
"""A detected box holds eyes, nose and mouth; what tells people apart goes a little beyond it."""


def soften(picture: Image.Image, radius: float) -> Image.Image:
    """A Gaussian blur; the time that it takes does not grow with `radius`, its standard deviation in pixels.

    Colours of transparent pixels do not leak: alpha is blurred with them, premultiplied.
    """
    if radius < 0.05:
        return picture.copy()
    if picture.mode == "RGBA":
        return soften(picture.convert("RGBa"), radius).convert("RGBA")
    factor = max(1, min(int(radius / 3), *picture.size))
    if factor == 1:
        return picture.filter(ImageFilter.GaussianBlur(radius))
    small = picture.reduce(factor).filter(ImageFilter.GaussianBlur(radius / factor))
    extent = (0, 0, picture.width / factor, picture.height / factor)
    return small.resize(picture.size, Image.Resampling.BICUBIC, box=extent)


def blur(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    return soften(picture, strength / _STRENGTH_PER_PIXEL)


def sharpen(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Sharpen the finest edges: an unsharp mask of one pixel."""
    return picture.filter(ImageFilter.UnsharpMask(radius=1, percent=round(strength), threshold=0))


def unsharp_mask(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Lift the contrast around edges, wider than `sharpen`, and leave the noise of even parts."""
    return picture.filter(ImageFilter.UnsharpMask(radius=3, percent=round(strength), threshold=2))


def pixelate(picture: Image.Image, around: Surroundings, square: float) -> Image.Image:
    """Squares of `square` pixels, from the top left; 0 makes about 32 along the longer side."""
    return _mosaic(picture, round(square) or math.ceil(max(picture.size) / 32))


def blur_region(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    return _inside(picture, around.region, lambda part: blur(part, around, strength))


def pixelate_region(picture: Image.Image, around: Surroundings, square: float) -> Image.Image:
    return _inside(picture, around.region, lambda part: pixelate(part, around, square))


def blur_faces(picture: Image.Image, around: Surroundings, strength: float) -> Image.Image:
    """Blur each face by its size, so that no large one is recognised either: 500 is a tenth of its width."""
    result = picture.copy()
    for face in around.faces:
        box = _bounds(_widened(face), picture.size)
        if box is None:
            continue
        radius = strength / 5000 * max(face.width, face.height)
        part = picture.crop(box)
        result.paste(soften(part, max(radius, strength / _STRENGTH_PER_PIXEL / 4)), box, _oval(part.size))
    return result


def pixelate_faces(picture: Image.Image, around: Surroundings, square: float) -> Image.Image:
    """Squares over each face; 0 makes about eight of them across it."""
    result = picture.copy()
    for face in around.faces:
        if box := _bounds(_widened(face), picture.size):
            part = picture.crop(box)
            result.paste(_mosaic(part, round(square) or math.ceil(max(part.size) / 8)), box)
    return result


def _mosaic(picture: Image.Image, square: int) -> Image.Image:
    if square <= 1:
        return picture.copy()
    if picture.mode == "RGBA":
        return _mosaic(picture.convert("RGBa"), square).convert("RGBA")
    small = picture.reduce(square)
    extent = (0, 0, picture.width / square, picture.height / square)
    return small.resize(picture.size, Image.Resampling.NEAREST, box=extent)


def _inside(
    picture: Image.Image, region: Box | None, change: Callable[[Image.Image], Image.Image]
) -> Image.Image:
    """Change the region alone; without one, everything."""
    whole = Box(0, 0, *picture.size)
    box = _bounds(region or whole, picture.size)
    result = picture.copy()
    if box is not None:
        result.paste(change(picture.crop(box)), box)
    return result


def _widened(face: Box) -> Box:
    beside, above = face.width * _FACE_MARGIN, face.height * _FACE_MARGIN
    return Box(face.left - beside, face.top - above, face.width + 2 * beside, face.height + 2 * above)


def _bounds(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Whole pixels of `box` within a picture of `size`; None where nothing is left."""
    left, top = max(0, round(box.left)), max(0, round(box.top))
    right = min(size[0], round(box.left + box.width))
    bottom = min(size[1], round(box.top + box.height))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _oval(size: tuple[int, int]) -> Image.Image:
    """A mask for a face: full in its middle, soft at the rim."""
    small = Image.new("L", (128, 128))
    ImageDraw.Draw(small).rounded_rectangle((6, 6, 121, 121), radius=52, fill=255)
    return small.filter(ImageFilter.GaussianBlur(4)).resize(size, Image.Resampling.BILINEAR)
