"""The picture that the engine works on: all its frames, ready to be changed."""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from imagestore.imaging.geometry import Box


@dataclass(slots=True)
class Picture:
    """`frames` are all of one size, upright, sRGB, 8 bits, RGB or RGBA; `durations` are in milliseconds.

    `loop` is how often an animation plays, 0 for ever. A still has one frame and no duration. `faces` are in
    this picture's own pixels, None where nobody has looked for them.
    """

    frames: list[Image.Image]
    durations: list[int] = field(default_factory=list)
    loop: int = 0
    faces: tuple[Box, ...] | None = None

    @property
    def width(self) -> int:
        return self.frames[0].width

    @property
    def height(self) -> int:
        return self.frames[0].height

    @property
    def has_alpha(self) -> bool:
        return self.frames[0].mode == "RGBA"
