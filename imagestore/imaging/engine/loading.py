"""Decoding: from a file's bytes to upright frames in sRGB, as few pixels of them as will do."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageChops

from imagestore.core.errors import InvalidTransformation
from imagestore.imaging.engine.animation import Reel
from imagestore.imaging.engine.colors import drop_opaque_alpha, expand, to_srgb
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.engine.resampling import faces_in, resample
from imagestore.imaging.engine.verification import decoding, read_orientation
from imagestore.imaging.formats import JPEG, TIFF, Format
from imagestore.imaging.geometry import (
    UPRIGHT,
    Box,
    View,
    check_size,
    combine,
    oriented_size,
    stored_box,
    turned_box,
)

MARGIN = 2.2
"""How many times the wanted size a JPEG is decoded at, at least. DCT scaling is a poor filter: of less than
this, Lanczos' filter does not make what is 45 dB near a full decode, on photos with fine detail."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Negative:
    """A picture that is not decoded yet, seen upright.

    `width` and `height` are those of what the file stands for: it may be a reduced copy. Boxes and faces are
    in these pixels.
    """

    data: bytes | Path
    format: Format
    width: int
    height: int
    orientation: int
    frames: int
    page: int
    faces: tuple[Box, ...] | None
    pages: int = 1

    def as_stored(self) -> Negative:
        """The same without the turn that its EXIF orientation asks for; its faces are not known then."""
        width, height = oriented_size(self.width, self.height, self.orientation)
        faces = self.faces if self.orientation == UPRIGHT else None
        return Negative(self.data, self.format, width, height, UPRIGHT, self.frames, self.page, faces)

    def turned(self, turn: int) -> Negative:
        """The same, turned further as that orientation says."""
        width, height = oriented_size(self.width, self.height, turn)
        faces = self.faces and tuple(turned_box(face, self.width, self.height, turn) for face in self.faces)
        orientation = combine(self.orientation, turn)
        return replace(self, width=width, height=height, orientation=orientation, faces=faces)

    def develop(self, view: View) -> Picture:
        """Decode, resample and turn the frames; a JPEG is decoded no larger than the view has use for.

        Each frame is made as small as it will be before the next one is decoded. Raises as `render` does.
        """
        check_size(*view.size, self.frames)
        frames: list[Image.Image] = []
        durations: list[int] = []
        with _opened(self.data, self.format) as image:
            reel = Reel(image, self.data, self.format)
            plays = reel.plays
            whole = [(reel.still(), 0)] if (self.page, self.frames) == (0, 1) else None
            for frame, duration in whole or reel.play(self.page, self.frames):
                frames.append(self._develop_frame(frame, view))
                durations.append(duration)
        if len({frame.mode for frame in frames}) > 1:
            frames = [frame.convert("RGBA") for frame in frames]
        still = len(frames) == 1
        return Picture(frames, [] if still else durations, 0 if still else plays, faces_in(self.faces, view))

    def _develop_frame(self, image: Image.Image, view: View) -> Image.Image:
        box = stored_box(view.box, self.width, self.height, self.orientation)
        size = oriented_size(*view.size, self.orientation)
        across, down = oriented_size(self.width, self.height, self.orientation)
        extent: tuple[float, float] = image.size
        if self.format == JPEG:
            extent = _draft(image, size[0] * across / box.width, size[1] * down / box.height)
        image.load()
        # Scaled DCT rounds sides up: what was decoded stands for a little less than all of its pixels.
        x, y = extent[0] / across, extent[1] / down
        part = Box(box.left * x, box.top * y, box.width * x, box.height * y)
        profile = image.info.get("icc_profile")
        inks = None
        if image.mode == "CMYK" and self.format == JPEG and "adobe" not in image.info:
            # Pillow takes all of them for Adobe's, whose inks are upside down.
            inks = ImageChops.invert(image)
        frame = drop_opaque_alpha(to_srgb(resample(inks or expand(image), part, size), profile))
        upright = orient(frame, self.orientation)
        return upright.copy() if upright is image else upright


def expose(
    data: bytes | Path,
    format: Format,
    *,
    size: tuple[int, int] | None = None,
    page: int | None = None,
    animated: bool = False,
    faces: tuple[Box, ...] | None = None,
) -> Negative:
    """What the file holds, its head read and its pixels not.

    `size` is that of the picture that a reduced copy stands for. `page` counts from 1; without one, an
    animation has all its frames where it is to be `animated`, and its first one where not. Raises as
    `render` does.
    """
    with _opened(data, format) as image:
        reel = Reel(image, data, format)
        pages, moves = reel.count, reel.moves
        # Pillow turns a TIFF itself, and says its sides as they are then.
        orientation = UPRIGHT if format == TIFF else read_orientation(image)
        width, height = oriented_size(*reel.size, orientation)
    if page is not None and page > pages:
        raise InvalidTransformation.of("pg", str(page), f"1 to {pages} for this picture")
    frames = pages if animated and page is None and moves else 1
    width, height = size or (width, height)
    return Negative(data, format, width, height, orientation, frames, (page or 1) - 1, faces, pages)


def orient(image: Image.Image, turn: int) -> Image.Image:
    """The image turned as that orientation says."""
    return image.transpose(_TURNS[turn]) if turn in _TURNS else image


@contextmanager
def _opened(data: bytes | Path, format: Format) -> Iterator[Image.Image]:
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    with decoding(format), Image.open(source, formats=[format.pillow]) as image:
        yield image


def _draft(image: Image.Image, width: float, height: float) -> tuple[float, float]:
    """Have a JPEG decoded at a half, a quarter or an eighth, if that is enough for the picture to be made
    `width` × `height`. Returns its sides then, which are no whole pixels."""
    full = image.size
    image.draft(None, (math.ceil(width * MARGIN), math.ceil(height * MARGIN)))
    factor = max(1, round(full[0] / image.width), round(full[1] / image.height))
    return full[0] / factor, full[1] / factor
