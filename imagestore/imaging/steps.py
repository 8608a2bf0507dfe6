"""The steps of one component, in their order: each does its part, where the component asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from imagestore.core.transformation.model import Border, Effect, Length, Step
from imagestore.imaging.engine import backdrop, blending, edges, effects, trimming, turning
from imagestore.imaging.engine.canvas import Canvas
from imagestore.imaging.engine.effects import Surroundings
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.engine.saliency import find_focus
from imagestore.imaging.geometry import Box, Crop, check_size, right_turn
from imagestore.imaging.planning import PROPORTIONAL, crop_of, fitting_turn, marks_region

_AROUND = ("shadow", "outline", "gradient_fade")
"""Effects that follow the edge of the picture's shape, or draw around it; so when it has its shape."""

_BEFORE = ("trim",)
"""Effects that are a step of their own, before sizes count."""


def lay_as_stored(canvas: Canvas, step: Step) -> None:
    """a_ignore: the EXIF orientation is not followed. First: afterwards nobody knows how it was stored."""
    if "ignore" in step.angle:
        canvas.lay_down()


def turn_to_fit(canvas: Canvas, step: Step) -> None:
    """a_auto_right, a_auto_left: by a quarter where that suits the sides asked for; so before these count."""
    turn = fitting_turn(step, canvas.width, canvas.height)
    if turn is not None:
        canvas.turn(turn)


def trim(canvas: Canvas, step: Step) -> None:
    """e_trim: before sizes count, since what they are of is the picture without its edges."""
    if step.effect and step.effect.name == "trim":
        tolerance = float(str(step.effect.arguments[0]))
        box = trimming.find_content(canvas.picture.frames, tolerance)
        size = int(box.width), int(box.height)
        canvas.crop(Crop(box, size, size))


def crop_and_pad(canvas: Canvas, step: Step) -> None:
    """c_, w_, h_, ar_: the one resample. Before effects, which then have fewer pixels to change, and whose
    strength is meant for the size that is delivered."""
    crop = crop_of(step, canvas.width, canvas.height, canvas.faces, lambda: _find_focus(canvas))
    if crop is None:
        return
    canvas.crop(crop)
    if crop.pads:
        canvas.change(lambda picture: backdrop.pad(picture, crop, step.background))


def change_colors(canvas: Canvas, step: Step) -> None:
    """e_: on the picture alone, not on the border that comes around it."""
    if step.effect and step.effect.name not in (*_AROUND, *_BEFORE):
        _apply(step.effect, canvas, step)


def round_corners(canvas: Canvas, step: Step) -> None:
    """r_: behind effects, which would blur the corners."""
    if step.radius is not None:
        radii = _radii(canvas, step)
        canvas.change(lambda picture: edges.round_corners(picture, radii))


def add_border(canvas: Canvas, step: Step) -> None:
    """bo_: around round corners, as they are now."""
    if step.border is not None and step.border.width > 0:
        radii = edges.SQUARE if step.radius is None else _radii(canvas, step)
        border = Border(max(1, round(step.border.width * step.dpr)), step.border.color)
        canvas.change(lambda picture: edges.add_border(picture, border, radii))


def draw_around(canvas: Canvas, step: Step) -> None:
    """e_shadow, e_outline, e_gradient_fade: around the border and the corners, which they follow."""
    if step.effect and step.effect.name in _AROUND:
        _apply(step.effect, canvas, step)


def rotate(canvas: Canvas, step: Step) -> None:
    """a_: turned whole, with its corners and its border; in the order in which the turns are written."""
    for each in step.angle:
        turn = right_turn(each)
        if turn is not None:
            canvas.turn(turn)
        elif not isinstance(each, str):
            canvas.change(partial(turning.rotate, degrees=each))


def fade(canvas: Canvas, step: Step) -> None:
    """o_: all that is drawn so far."""
    if step.opacity is not None and step.opacity < 100:
        percent = step.opacity
        canvas.change(
            lambda picture: replace(
                picture, frames=[blending.faded(frame, percent) for frame in picture.frames]
            )
        )


def fill_background(canvas: Canvas, step: Step) -> None:
    """b_: last, behind everything that is still transparent: corners that rotation or rounding left, too."""
    ground = step.background
    if ground is not None:
        canvas.change(lambda picture: backdrop.flatten(picture, ground))


STEPS: tuple[Callable[[Canvas, Step], None], ...] = (
    lay_as_stored,
    turn_to_fit,
    trim,
    crop_and_pad,
    change_colors,
    round_corners,
    add_border,
    draw_around,
    rotate,
    fade,
    fill_background,
)


def _radii(canvas: Canvas, step: Step) -> edges.Radii:
    """Radii on the screen are in its pixels, so more of the picture's where that has a pixel ratio."""
    if step.radius is None or step.radius == "max":
        return "max"
    short = min(canvas.width, canvas.height)
    return edges.spread(
        tuple(each.pixels(short) * (1 if each.relative else step.dpr) for each in step.radius)
    )


def _apply(effect: Effect, canvas: Canvas, step: Step) -> None:
    def change(picture: Picture) -> Picture:
        surroundings = _surroundings(picture, step)
        frames = [effects.apply(frame, effect, surroundings) for frame in picture.frames]
        check_size(*frames[0].size, len(frames))
        # What drew around the picture knows where this lies now, and does not say.
        faces = picture.faces if frames[0].size == picture.frames[0].size else None
        return replace(picture, frames=frames, faces=faces)

    if effect.name in PROPORTIONAL:
        canvas.recolor(change)
    else:
        canvas.change(change)


def _surroundings(picture: Picture, step: Step) -> Surroundings:
    x = _offset(step.x, picture.width, step.dpr)
    y = _offset(step.y, picture.height, step.dpr)
    region = None
    if marks_region(step) and (step.x or step.y or step.width or step.height):
        left, top = x or 0.0, y or 0.0
        width = step.width.pixels(picture.width) if step.width else picture.width - left
        height = step.height.pixels(picture.height) if step.height else picture.height - top
        region = Box(left, top, width, height)
    return Surroundings(color=step.color, region=region, x=x, y=y, faces=picture.faces or ())


def _offset(length: Length | None, whole: int, ratio: float) -> float | None:
    return length.pixels(whole) * (1 if length.relative else ratio) if length else None


def _find_focus(canvas: Canvas) -> tuple[float, float]:
    glance = canvas.glance()
    x, y = find_focus(glance)
    return x * canvas.width / glance.width, y * canvas.height / glance.height
