"""Frames of animations and pages of documents: counted, composed as a browser shows them, and timed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from imagestore.imaging.engine import gif
from imagestore.imaging.formats import GIF, JPEG, PNG, TIFF, Format


@dataclass(frozen=True)
class Reel:
    """All frames of a picture. `image` is what Pillow has just opened out of `data`, and stays the caller's.

    It is walked through once, forwards: Pillow loses its place in a PNG that is rewound half way.
    """

    image: Image.Image
    data: bytes | Path
    format: Format

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the canvas, before orientation."""
        if self.format == GIF:
            return self._gif.width, self._gif.height
        return self.image.size

    @property
    def count(self) -> int:
        """How many frames, or pages, there are to see one after another."""
        if self.format == JPEG:
            return 1
        if self.format == GIF:
            return len(self._gif.frames)
        return getattr(self.image, "n_frames", 1) - self._hidden

    @property
    def moves(self) -> bool:
        return self.count > 1 and self.format != TIFF

    @property
    def plays(self) -> int:
        """How often it plays, 0 for ever; 0 for a still too."""
        if not self.moves:
            return 0
        return self._gif.plays if self.format == GIF else int(self.image.info.get("loop", 0))

    def still(self) -> Image.Image:
        """The picture that stands for all: the first frame, or the one that an animated PNG has besides."""
        if self.format == GIF:
            return next(self._gif.compose())
        self.image.seek(0)
        return self.image

    def play(self, first: int = 0, count: int | None = None) -> Iterator[tuple[Image.Image, int]]:
        """`count` frames from `first` (from 0) on, each with its milliseconds; all by default.

        A frame may be `image` itself, and hold only until the next one is asked for.
        """
        last = min(self.count, first + (self.count if count is None else count))
        if self.format == GIF:
            for number, (frame, duration) in enumerate(
                zip(self._gif.compose(), self._gif.durations, strict=True)
            ):
                if number >= last:
                    return
                if number >= first:
                    yield frame, duration
            return
        for number in range(first, last):
            self.image.seek(number + self._hidden)
            self.image.load()  # only then do WebP and AVIF know how long it is
            yield self.image, round(self.image.info.get("duration", 0))

    @property
    def _hidden(self) -> int:
        """An animated PNG's picture for readers without animation, which is no frame of it (PNG, 4.9)."""
        return int(self.format == PNG and bool(self.image.info.get("default_image")))

    @cached_property
    def _gif(self) -> gif.Animation:
        return gif.parse(self.data if isinstance(self.data, bytes) else self.data.read_bytes())
