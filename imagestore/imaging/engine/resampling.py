"""Resampling: frames made larger or smaller, once, and without dark fringes where they are transparent."""

from __future__ import annotations

from PIL import Image

from imagestore.imaging.engine.picture import Picture


def scale(picture: Picture, size: tuple[int, int]) -> Picture:
    frames = [_resize(frame, size) for frame in picture.frames]
    return Picture(frames, picture.durations, picture.loop, picture.faces)


def _resize(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    if frame.mode == "RGBA":
        return frame.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    return frame.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
