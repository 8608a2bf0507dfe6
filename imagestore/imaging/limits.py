"""What a picture may be at most, and the tally that stops a walk at the first number above it."""

from __future__ import annotations

import mmap
from collections import Counter
from dataclasses import dataclass

from imagestore.core.errors import CorruptImage, ImageLimitExceeded

Data = bytes | mmap.mmap
"""A whole file, as a walk goes through it."""

KiB = 1024
MiB = 1024 * KiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most that one picture may hold. The defaults bound a decode to some seconds and 1 GB."""

    pixels: int = 50_000_000
    """Width times height, summed over the frames: each is composed on the whole canvas."""
    side: int = 16_384
    frames: int = 500
    """Frames of an animation, pages of a TIFF."""
    scans: int = 100
    """Scans of a progressive JPEG: each is a pass over every pixel, however few bytes it has."""
    metadata_blocks: int = 1_000
    """Blocks that hold neither pixels nor what is needed to decode them: text, comments, profiles."""
    blocks: int = 500_000
    """Blocks of any kind, down to the sub-blocks of a GIF: what bounds a walk's own work."""
    icc: int = MiB
    exif: int = 64 * KiB
    xmp: int = 256 * KiB
    text: int = MiB
    """Bytes of all text blocks together, as they stand in the file."""


_UNITS = {
    "pixels": "pixels over all its frames",
    "side": "pixels on one side",
    "frames": "frames",
    "scans": "scans",
    "metadata_blocks": "blocks of metadata",
    "blocks": "blocks",
    "icc": "bytes of ICC profile",
    "exif": "bytes of EXIF",
    "xmp": "bytes of XMP",
    "text": "bytes of text",
}
_ADVICE = {"pixels": "make it smaller", "side": "make it smaller", "frames": "shorten it"}


@dataclass(frozen=True, slots=True)
class Outline:
    """What a file's structure says of its picture: canvas in pixels, before orientation, and frames.

    `scan`: where the entropy-coded data of a JPEG begins whose only scan is a sequential one; else None.
    """

    width: int
    height: int
    frames: int = 1
    scan: int | None = None


class Tally:
    """Counts what a walk through one file meets."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._totals: Counter[str] = Counter()

    def add(self, name: str, amount: int = 1) -> None:
        """Count `amount` more towards the limit of that name. Raises ImageLimitExceeded once it is passed."""
        self._totals[name] += amount
        self.compare(name, self._totals[name])

    def total(self, name: str) -> int:
        """What was counted towards the limit of that name so far."""
        return self._totals[name]

    def compare(self, name: str, value: int) -> None:
        """Raises ImageLimitExceeded if `value` is over the limit of that name."""
        limit: int = getattr(self._limits, name)
        if value > limit:
            advice = _ADVICE.get(name, "save it again without them")
            raise ImageLimitExceeded(
                f"The picture has {value} {_UNITS[name]} or more, where {limit} are allowed: {advice}."
            )

    def canvas(self, width: int, height: int, frames: int = 1) -> Outline:
        """The outline of a picture whose frames are all `width` × `height`.

        Raises CorruptImage for a side of no pixels, ImageLimitExceeded for what is too large.
        """
        if width <= 0 or height <= 0 or frames <= 0:
            raise CorruptImage(
                f"The picture says that it has {width} × {height} pixels in {frames} frames: save it again."
            )
        self.compare("side", max(width, height))
        self.compare("frames", frames)
        self.compare("pixels", width * height * frames)
        return Outline(width, height, frames)

    def page(self, width: int, height: int) -> None:
        """One page among others of other sizes. Raises as `canvas` does."""
        self.canvas(width, height)
        self.add("frames")
        self.add("pixels", width * height)
