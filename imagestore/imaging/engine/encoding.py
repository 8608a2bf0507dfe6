"""Encoding: from frames to the bytes of a file."""

from __future__ import annotations

import io

from PIL import Image

from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.formats import JPEG, by_name


def encode(picture: Picture, format: str) -> tuple[bytes, int | None]:
    """The bytes of a file in the format of that name, and the quality that it has, None where it has none."""
    kind, frame, written = by_name(format), picture.frames[0], io.BytesIO()
    if kind is JPEG:
        if frame.mode == "RGBA":
            ground = Image.new("RGB", frame.size, "white")
            ground.paste(frame, mask=frame.getchannel("A"))
            frame = ground
        frame.save(written, "JPEG", quality=80)
        return written.getvalue(), 80
    frame.save(written, kind.pillow)
    return written.getvalue(), None
