"""Faces that tests draw: no photograph of anybody is kept with the code."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFilter

BACKGROUND = (70, 90, 110)


def face(side: int = 200) -> Image.Image:
    """A head that looks at the camera, on a square; the face itself is three quarters of it."""
    drawn = Image.new("RGB", (200, 200), BACKGROUND)
    pen = ImageDraw.Draw(drawn)
    pen.ellipse((35, 10, 165, 150), fill=(60, 40, 30))
    pen.ellipse((48, 30, 152, 190), fill=(214, 168, 140))
    pen.rectangle((48, 30, 152, 62), fill=(60, 40, 30))
    for x in (77, 123):
        pen.ellipse((x - 21, 80, x + 21, 108), fill=(176, 128, 104))
        pen.line((x - 18, 80, x + 18, 78), fill=(60, 40, 30), width=7)
        pen.ellipse((x - 13, 88, x + 13, 104), fill=(235, 230, 225))
        pen.ellipse((x - 7, 88, x + 7, 104), fill=(40, 25, 20))
    pen.polygon((100, 92, 90, 132, 110, 132), fill=(228, 184, 158))
    pen.ellipse((88, 126, 112, 138), fill=(180, 130, 108))
    pen.ellipse((78, 148, 122, 164), fill=(160, 70, 70))
    pen.line((80, 156, 120, 156), fill=(90, 35, 35), width=3)
    return drawn.filter(ImageFilter.GaussianBlur(3)).resize((side, side), Image.Resampling.LANCZOS)


def crowd(size: tuple[int, int], *places: tuple[int, int, int], tilt: float = 0) -> Image.Image:
    """Faces at (left, top, side), each turned by `tilt` degrees."""
    drawn = Image.new("RGB", size, BACKGROUND)
    for left, top, side in places:
        drawn.paste(face(side).rotate(tilt, Image.Resampling.BICUBIC, fillcolor=BACKGROUND), (left, top))
    return drawn
