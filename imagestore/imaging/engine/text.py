"""Text drawn as a picture: any script, outlined, underlined, spaced, aligned, wrapped."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

from PIL import Image, ImageChops, ImageDraw, ImageFont

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Color, Step, Text
from imagestore.imaging import direction
from imagestore.imaging.engine import fonts
from imagestore.imaging.engine.fonts import Face
from imagestore.imaging.engine.shaping import UNTIED, Line, Run, Shaper, clusters, is_cursive
from imagestore.imaging.limits import Limits

LONGEST = 4096
"""Characters."""
LARGEST = 1000
"""Pixels of a font's size."""

_BLACK = Color(0, 0, 0)
_SLANT = 0.21
"""The slope of an upright font that is leaned over: 12 degrees."""
_EMBOLDEN = 1 / 40
"""What a regular font that is to be bold gains on each side, of its size."""
_PADDING = 0.1
"""What `text_no_trim` leaves around the lines, of the size."""


def draw_text(text: Text, step: Step) -> Image.Image:
    """The text's picture, RGBA, as small as its ink.

    Of `step`, `color` is the text's; `border` its outline, where the text asks for a stroke; `background`, if
    it is a colour, is laid under it; with `crop` fit the lines are no wider than `width`, if that is in
    pixels, and the text is cut short where they are more than `height` holds; and with the flag
    `text_no_trim` the lines keep their own room around the letters.
    """
    if not fonts.shaping():
        raise InvalidTransformation(
            "No text can be drawn here: the Pillow that is installed has no raqm. Leave l_text out, or have "
            "Pillow's own wheel installed."
        )
    shaper = Shaper(text)
    stroke = step.border.width if text.stroke and step.border else 0
    lines = _lines(text, shaper, step)
    baselines, size = _measured(lines, shaper, text)
    margin = math.ceil(text.size / 2 + max(0, -text.letter_spacing)) + stroke
    count = sum(len(clusters(run.text)) for line in lines for run in line.runs)
    _check(size, margin, count * (text.size + 2 * stroke) ** 2)
    canvas = _Canvas((size[0] + 2 * margin, size[1] + 2 * margin), text.size, stroke)
    for line, baseline in zip(lines, baselines, strict=True):
        _draw_line(canvas, line, (size[0], margin, baseline + margin), text, shaper)
    picture = canvas.painted(step.color or _BLACK, step.border.color if step.border else _BLACK)
    if "text_no_trim" in step.flags:
        room = margin - stroke - round(text.size * _PADDING)
        right, bottom = max(room + 1, picture.width - room), max(room + 1, picture.height - room)
        picture = picture.crop((room, room, right, bottom))
    else:
        picture = picture.crop(picture.getchannel("A").getbbox() or (0, 0, 1, 1))
    if isinstance(step.background, Color):
        below = Image.new("RGBA", picture.size, _rgba(step.background))
        below.alpha_composite(picture)
        return below
    return picture


def _lines(text: Text, shaper: Shaper, step: Step) -> list[Line]:
    written = unicodedata.normalize("NFC", text.text.replace("\r\n", "\n").replace("\t", "    "))
    written = direction.plain(written)
    written = "".join(
        each for each in written if each.isprintable() or each in "\n\u00a0\u200b\u200c\u200d\u3000"
    )
    if len(written) > LONGEST:
        raise InvalidTransformation(f"A text has {LONGEST} characters at most, this one {len(written)}.")
    if not 1 <= text.size <= LARGEST:
        raise InvalidTransformation(f"A text's size is 1 to {LARGEST} pixels, not {text.size:g}.")
    boxed = step.crop == "fit" and step.width is not None and not step.width.relative
    width = step.width.value if boxed and step.width else None
    lines = shaper.lines(written, width)
    if boxed and step.height and not step.height.relative:
        fitting = max(1, _fitting(lines, shaper, text, step.height.value))
        if fitting < len(lines):
            lines = [*lines[: fitting - 1], shaper.shortened(lines[fitting - 1], width)]
    return lines


def _fitting(lines: list[Line], shaper: Shaper, text: Text, height: float) -> int:
    """How many of the first lines are no higher than `height` together."""
    baselines, _ = _measured(lines, shaper, text)
    bottoms = [base + _extent(line, shaper)[1] for line, base in zip(lines, baselines, strict=True)]
    return sum(bottom <= height for bottom in bottoms)


def _measured(lines: list[Line], shaper: Shaper, text: Text) -> tuple[list[int], tuple[int, int]]:
    """Where the baselines are, from the top of the first line, and the size of all lines together."""
    baselines: list[int] = []
    bottom = 0.0
    for line in lines:
        above, below = _extent(line, shaper)
        start = bottom + (text.line_spacing or 0) if baselines else 0
        baselines.append(max(round(start + above), baselines[-1] if baselines else 0))
        bottom = baselines[-1] + below
    return baselines, (math.ceil(max(line.width for line in lines)), math.ceil(bottom))


def _extent(line: Line, shaper: Shaper) -> tuple[float, float]:
    """How far a line reaches above its baseline and below it: as its font, and a quarter more where another
    font that it needs is higher."""
    own = shaper.face.at(shaper.size).getmetrics()
    others = {run.face for run in line.runs if not run.face.colored}
    metrics = [face.at(shaper.size).getmetrics() for face in others]
    above = min(own[0] * 1.25, max([own[0], *(above for above, _ in metrics)]))
    below = min(own[1] * 1.25, max([own[1], *(below for _, below in metrics)]))
    return above, below


def _check(size: tuple[int, int], margin: int, work: float) -> None:
    """`work` is the pixels of all letters, which may lie on one another."""
    limits = Limits()
    area = (size[0] + 2 * margin) * (size[1] + 2 * margin)
    if max(size) > limits.side or max(area, work / 2) > limits.pixels:
        raise InvalidTransformation(
            f"The text would take {size[0]} x {size[1]} pixels: {limits.side} a side and {limits.pixels} in "
            "all are allowed. Make it smaller or shorter, or let it wrap (c_fit with w_)."
        )


def _draw_line(canvas: _Canvas, line: Line, at: tuple[int, int, int], text: Text, shaper: Shaper) -> None:
    """`at`: the width of all lines together, where they begin, and this line's baseline."""
    whole, left, baseline = at
    room = max(0.0, whole - line.width)
    align = {"start": "right" if line.base else "left", "end": "left" if line.base else "right"}.get(
        text.align, text.align
    )
    stretch = 0.0
    if align == "justify":
        stretch = room / line.blanks if line.full and line.blanks else 0.0
        align = "right" if line.base else "left"
    start = left + room * {"right": 1.0, "center": 0.5}.get(align, 0.0) * (not stretch)
    x = start
    for run in line.runs:
        _draw_run(canvas, run, (x, baseline), shaper)
        x += run.width + (stretch if run.text == " " else 0)
    thickness = max(1, round(text.size * (0.1 if text.weight == "bold" else 0.07)))
    if text.underline and line.runs:
        canvas.rule(start, x, baseline + round(text.size * 0.1), thickness)
    if text.strikethrough and line.runs:
        canvas.rule(start, x, baseline - round(text.size * 0.3), thickness)


def _draw_run(canvas: _Canvas, run: Run, at: tuple[float, float], shaper: Shaper) -> None:
    if not shaper.spacing or is_cursive(run.text):
        canvas.write(run.text, run.face, at, run.direction, ())
        return
    x = at[0]
    for cluster, advance in shaper.spaced(run.text, run.face, run.level):
        canvas.write(cluster, run.face, (x, at[1]), run.direction, UNTIED)
        x += advance


def _rgba(color: Color) -> tuple[int, int, int, int]:
    return color.red, color.green, color.blue, color.alpha


class _Canvas:
    """What is drawn, as masks until its colours are known: letters, their outlines; and pictures."""

    def __init__(self, size: tuple[int, int], font_size: float, stroke: int) -> None:
        self._font_size, self._stroke = font_size, stroke
        self._letters = Image.new("L", size)
        self._outlines = Image.new("L", size) if stroke else None
        self._pictures: Image.Image | None = None

    def write(
        self, text: str, face: Face, at: tuple[float, float], way: str, features: tuple[str, ...]
    ) -> None:
        """`text`, in one direction, from the left end of its baseline on."""
        options: dict[str, Any] = {
            "font": face.at(self._font_size),
            "anchor": "ls",
            "direction": way,
            "features": list(features),
        }
        if face.colored:
            if self._pictures is None:
                self._pictures = Image.new("RGBA", self._letters.size)
            ImageDraw.Draw(self._pictures).text(at, text, "black", embedded_color=True, **options)
            return
        bold = self._font_size * _EMBOLDEN if face.embolden else 0.0
        for mask, width in ((self._outlines, self._stroke + bold), (self._letters, bold)):
            if mask is not None:
                options["stroke_width"] = width
                (_leaned if face.slant else _upright)(mask, text, at, options)

    def rule(self, left: float, right: float, top: int, thickness: int) -> None:
        ends = (round(left), round(right) - 1)
        if ends[1] < ends[0]:
            return
        ImageDraw.Draw(self._letters).rectangle((ends[0], top, ends[1], top + thickness - 1), 255)
        if self._outlines:
            wide, high = self._stroke, top + thickness - 1 + self._stroke
            ImageDraw.Draw(self._outlines).rectangle((ends[0] - wide, top - wide, ends[1] + wide, high), 255)

    def painted(self, color: Color, outline: Color) -> Image.Image:
        picture = _filled(self._letters, color)
        if self._outlines:
            below = _filled(self._outlines, outline)
            below.alpha_composite(picture)
            picture = below
        if self._pictures:
            # Drawn on nothing, so its colours came out multiplied by their opacity.
            premultiplied = Image.frombytes("RGBa", self._pictures.size, self._pictures.tobytes())
            colored = premultiplied.convert("RGBA")
            if color.alpha < 255:
                colored.putalpha(colored.getchannel("A").point([v * color.alpha // 255 for v in range(256)]))
            picture.alpha_composite(colored)
        return picture


def _filled(mask: Image.Image, color: Color) -> Image.Image:
    """`color` where the mask is: in the transparent parts too, so that no edge gets dark."""
    result = Image.new("RGBA", mask.size, _rgba(color))
    if color.alpha < 255:
        mask = ImageChops.multiply(mask, Image.new("L", mask.size, color.alpha))
    result.putalpha(mask)
    return result


def _upright(mask: Image.Image, text: str, at: tuple[float, float], options: dict[str, Any]) -> None:
    ImageDraw.Draw(mask).text(at, text, 255, **options)


def _leaned(mask: Image.Image, text: str, at: tuple[float, float], options: dict[str, Any]) -> None:
    """As `_upright`, leaned over around the baseline."""
    font: ImageFont.FreeTypeFont = options["font"]
    asked = {name: value for name, value in options.items() if name != "font"}
    left, top, right, bottom = font.getbbox(text, **asked)
    corner = (math.floor(at[0] + left - max(0, bottom) * _SLANT) - 2, math.floor(at[1] + top) - 2)
    end = (math.ceil(at[0] + right + max(0, -top) * _SLANT) + 2, math.ceil(at[1] + bottom) + 2)
    patch = Image.new("L", (end[0] - corner[0], end[1] - corner[1]))
    baseline = at[1] - corner[1]
    ImageDraw.Draw(patch).text((at[0] - corner[0], baseline), text, 255, **options)
    slope = (1, _SLANT, -_SLANT * baseline, 0, 1, 0)
    patch = patch.transform(patch.size, Image.Transform.AFFINE, slope, Image.Resampling.BICUBIC)
    mask.paste(255, corner, patch)
