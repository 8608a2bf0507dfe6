"""A drawing of lines and words as PNG."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from imagestore.imaging.drawing import Drawing, Line
from imagestore.imaging.engine.fonts import FOLDER

SCALE = 2
"""Pixels of the picture for one of the drawing: it is read on fine screens too."""
_FINER = 2
_ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def draw_png(drawing: Drawing) -> bytes:
    factor = SCALE * _FINER
    image = Image.new("RGB", (drawing.width * factor, drawing.height * factor), "#ffffff")
    pen = ImageDraw.Draw(image)
    for shape in drawing.shapes:
        if isinstance(shape, Line):
            points = [(x * factor, y * factor) for x, y in shape.points]
            pen.line(points, fill=shape.color, width=round(shape.width * factor), joint="curve")
        else:
            font = ImageFont.truetype(FOLDER / "LiberationSans-Regular.woff2", shape.size * factor)
            x, y = shape.at
            at = (x * factor, y * factor)
            pen.text(at, shape.text, fill=shape.color, font=font, anchor=_ANCHORS[shape.anchor])
    # Pillow draws lines without soft edges: they come from drawing larger.
    small = image.resize((drawing.width * SCALE, drawing.height * SCALE), Image.Resampling.BOX)
    out = BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()
