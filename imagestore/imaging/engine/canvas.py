"""The picture under way: decoded no sooner than its pixels are needed, and resampled as seldom as may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from imagestore.imaging.engine.loading import Negative
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.engine.resampling import faces_in, take
from imagestore.imaging.engine.turning import orient_picture
from imagestore.imaging.geometry import Box, Crop, View, check_size, side

Change = Callable[[Picture], Picture]

GLANCE = 480
"""The long side of what is looked at to find out what a picture is about."""


class Canvas:
    """Either a view of a negative, or a picture with pixels.

    Crops of a view only make another view of it: several in a row cost one decode and one resample, even with
    colours changed between them.
    """

    def __init__(self, start: Negative | Picture) -> None:
        self._negative = start if isinstance(start, Negative) else None
        self._picture = start if isinstance(start, Picture) else None
        self._view = View.whole(start.width, start.height)
        self._later: list[Change] = []
        self._turned = False

    @property
    def width(self) -> int:
        return self._picture.width if self._picture else self._view.size[0]

    @property
    def height(self) -> int:
        return self._picture.height if self._picture else self._view.size[1]

    @property
    def frames(self) -> int:
        return len(self._picture.frames) if self._picture else self._source.frames

    @property
    def pages(self) -> int:
        """How many frames or pages the file has, whichever are shown."""
        return self._negative.pages if self._negative else 1

    @property
    def faces(self) -> tuple[Box, ...] | None:
        return self._picture.faces if self._picture else faces_in(self._source.faces, self._view)

    @property
    def picture(self) -> Picture:
        """Its pixels; from here on there is no view to be narrowed."""
        if self._picture is None:
            self._picture = self._colored(self._source.develop(self._view))
            self._negative = None
        return self._picture

    @property
    def _source(self) -> Negative:
        assert self._negative is not None  # else there is a picture
        return self._negative

    def crop(self, crop: Crop) -> None:
        check_size(*crop.size, self.frames)
        view = self._view.cropped(crop) if self._picture is None else None
        if view is not None:
            self._view = view
        else:
            self._picture = take(self.picture, View(crop.box, crop.size))

    def lay_down(self) -> None:
        """Show the picture as it is stored, whichever way up that is; only while nothing was done to it."""
        negative = self._negative
        if negative and not self._turned and self._view == View.whole(negative.width, negative.height):
            self._negative = negative.as_stored()
            self._view = View.whole(self._negative.width, self._negative.height)

    def turn(self, turn: int) -> None:
        """Turn it as that orientation says; of a negative only the view, which costs nothing."""
        if self._negative is None:
            self.change(lambda picture: orient_picture(picture, turn))
            return
        source = self._negative
        self._negative = source.turned(turn)
        self._view = self._view.turned(source.width, source.height, turn)
        self._turned = True

    def change(self, done: Change) -> None:
        self._picture = done(self.picture)

    def recolor(self, done: Change) -> None:
        """Change each pixel by itself, and in proportion: that may wait until crops have left fewer of them,
        since a mean of colours is changed to the mean of what these are changed to."""
        if self._picture is None:
            self._later.append(done)
        else:
            self.change(done)

    def _colored(self, picture: Picture) -> Picture:
        for done in self._later:
            picture = done(picture)
        return picture

    def glance(self, longest: int = GLANCE) -> Image.Image:
        """Its first frame, no larger than that, for finding out what it is about."""
        scale = min(longest / max(self.width, self.height), 1)
        size = side(self.width * scale), side(self.height * scale)
        crop = Crop(Box(0, 0, self.width, self.height), size, size)
        if self._picture is None and (view := self._view.cropped(crop)):
            return self._colored(replace(self._source, frames=1).develop(view)).frames[0]
        first = replace(self.picture, frames=self.picture.frames[:1])
        return take(first, View(crop.box, crop.size)).frames[0]
