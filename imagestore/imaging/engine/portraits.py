"""Faces in an encoded picture: it is shown to those who find them as large as they look at it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imagestore.imaging.engine.canvas import Canvas
from imagestore.imaging.engine.loading import expose
from imagestore.imaging.faces import LONGEST_SIDE, find_faces
from imagestore.imaging.formats import Format
from imagestore.imaging.geometry import Box


def find_portraits(data: bytes | Path, format: Format) -> tuple[Box, ...]:
    """Boxes of the faces, in pixels of the picture upright; of an animation, those of its first frame.

    Raises FacesUnavailable, and what decoding it raises.
    """
    canvas = Canvas(expose(data, format))
    frame = canvas.glance(LONGEST_SIDE)
    across, down = canvas.width / frame.width, canvas.height / frame.height
    return tuple(
        Box(each.left * across, each.top * down, each.width * across, each.height * down)
        for each in find_faces(np.asarray(frame.convert("RGB")))
    )
