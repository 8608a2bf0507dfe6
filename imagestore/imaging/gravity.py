"""Gravity: what a crop holds on to, a side of the picture or something in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Gravity
from imagestore.imaging.geometry import Box, enclose

COMPASS = {
    "north_west": (0.0, 0.0),
    "north": (0.5, 0.0),
    "north_east": (1.0, 0.0),
    "west": (0.0, 0.5),
    "center": (0.5, 0.5),
    "east": (1.0, 0.5),
    "south_west": (0.0, 1.0),
    "south": (0.5, 1.0),
    "south_east": (1.0, 1.0),
}
"""Which share of the room that a crop leaves lies before it."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Shares of the room that lie before the crop, or else a region in its middle; a point has no sides.

    `point` is set where the point comes with the step's own x and y.
    """

    shares: tuple[float, float] = COMPASS["center"]
    region: Box | None = None
    faces: bool = False
    """Whether the region is that of faces, which a crop can be fitted to."""
    point: bool = False

    def before(self, room: tuple[float, float], offset: tuple[float, float]) -> tuple[float, float]:
        """How much of `room` lies left of and above what is held: an offset leads away from the side that is
        held on to, and right and down from the middle."""
        across, down = (
            whole * share + (-away if share == 1 else away)
            for whole, share, away in zip(room, self.shares, offset, strict=True)
        )
        return across, down


NORTH_WEST = Hold(COMPASS["north_west"])
CENTER = Hold()

Finder = Callable[[], tuple[float, float]]


def resolve(gravity: Gravity, faces: tuple[Box, ...] | None, find_focus: Finder) -> Hold:
    """Find what `gravity` names; where it is not there, what it names to fall back to, else the centre.

    `faces` are those of the picture, if anybody looked for them; `find_focus` looks at the picture, and is
    asked only where nothing else says where to hold on. Custom coordinates are kept with no picture here, so
    `custom` always falls back.
    """
    kind, fallback = gravity.kind, gravity.fallback
    if kind in COMPASS:
        return Hold(COMPASS[kind])
    if kind == "xy_center":
        return Hold(point=True)
    if kind == "auto":
        # What it is to look for comes first; the rest of the picture decides where that is not there.
        sought = fallback if fallback in ("face", "faces") else None
        if sought and faces:
            return _hold_faces(sought, faces)
        return Hold(region=Box(*find_focus(), 0, 0))
    if kind in ("face", "faces") and faces:
        return _hold_faces(kind, faces)
    if kind in ("face", "faces", "custom"):
        return resolve(Gravity(fallback), faces, find_focus) if fallback else CENTER
    raise InvalidTransformation.of("g", kind, f"one of {', '.join(COMPASS)}, xy_center, face, faces, auto")


def _hold_faces(kind: str, faces: tuple[Box, ...]) -> Hold:
    largest = max(faces, key=lambda face: face.width * face.height)
    return Hold(region=largest if kind == "face" else enclose(faces), faces=True)
