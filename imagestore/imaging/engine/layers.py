"""Layers: a picture laid over or under another one, frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PIL import Image

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Gravity, Step
from imagestore.imaging import placement
from imagestore.imaging.engine import blending
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.geometry import Box
from imagestore.imaging.placement import Placing


def lay(below: Picture, draw: Callable[[Box | None], Picture], place: Step, *, under: bool) -> Picture:
    """`below` with a layer over it or under it, or one on each face where `place` says so.

    `draw` makes the layer, for a region of `below` or for all of it (None): its chain needs to know for
    `placement.relate`. Animations go on: a still layer is on every frame, and a still under an animated
    layer moves with it.
    """
    shifted = (0.0, 0.0)
    for region in placement.regions(place, below.faces):
        moved = _moved(region, shifted) if region else None
        before = below.faces
        below = _laid(below, draw(moved), place, moved, under=under)
        if before and below.faces:
            shifted = (
                shifted[0] + below.faces[0].left - before[0].left,
                shifted[1] + below.faces[0].top - before[0].top,
            )
    return below


def _moved(box: Box, by: tuple[float, float]) -> Box:
    return replace(box, left=box.left + by[0], top=box.top + by[1])


def _laid(below: Picture, layer: Picture, place: Step, region: Box | None, *, under: bool) -> Picture:
    at = _placed(below.frames[0].size, layer.frames[0].size, place, region, under)
    pairs, durations = _timeline(below, layer)
    placement.check(at.canvas, len(pairs))
    frames = [compose(first, second, place, under=under, region=region) for first, second in pairs]
    faces = below.faces and tuple(_moved(box, at.below) for box in below.faces)
    return Picture(frames, durations, below.loop if len(below.frames) > 1 else layer.loop, faces)


def _timeline(below: Picture, layer: Picture) -> tuple[list[tuple[Image.Image, Image.Image]], list[int]]:
    """The frames that are seen together. Of two animations the one below sets the pace, the other repeats."""
    if len(layer.frames) == 1:
        return [(frame, layer.frames[0]) for frame in below.frames], below.durations
    if len(below.frames) == 1:
        return [(below.frames[0], frame) for frame in layer.frames], layer.durations
    ends, now = [], 0
    for duration in layer.durations:
        now += max(1, duration)
        ends.append(now)
    pairs, time = [], 0
    for frame, duration in zip(below.frames, below.durations, strict=True):
        shown = next(number for number, end in enumerate(ends) if time % now < end)
        pairs.append((frame, layer.frames[shown]))
        time += max(1, duration)
    return pairs, below.durations


def compose(
    below: Image.Image,
    layer: Image.Image,
    place: Step,
    *,
    under: bool = False,
    region: Box | None = None,
) -> Image.Image:
    """One frame with its layer, as `place` says: gravity, offsets, opacity, `fl_tiled`, `fl_no_overflow`,
    `fl_cutter`, and the effects of `core.transformation.effects.BLENDS`."""
    mode = place.effect.name if place.effect else ""
    percent = 100 if place.opacity is None else place.opacity
    shapes = "cutter" in place.flags or mode in ("mask", "cut_out")
    if percent < 100 and not shapes:
        layer = blending.faded(layer, percent)
    if mode == "anti_removal" and place.effect:
        layer = blending.unsettled(layer, float(str(place.effect.arguments[0])))
    at = _placed(below.size, layer.size, place, region, under)
    if "tiled" in place.flags:
        layer = blending.tiled(layer, below.size, at.layer)
        at = Placing(below.size, (0, 0), (0, 0))
    if shapes:
        return blending.shaped(below, layer, at.layer, mode or "cutter", percent)
    if mode == "displace":
        reach = (
            place.x.pixels(below.width) if place.x else 0,
            place.y.pixels(below.height) if place.y else 0,
        )
        return blending.displaced(below, layer, at.layer, reach)
    bottom, top = ((layer, at.layer), (below, at.below)) if under else ((below, at.below), (layer, at.layer))
    return blending.over(_stretched(*bottom, at.canvas), *top, blending.BLENDS.get(mode))


def _placed(
    below: tuple[int, int], layer: tuple[int, int], place: Step, region: Box | None, under: bool
) -> Placing:
    """As `placement.put`, for those too that never make the canvas larger: tiles, shapes and maps."""
    mode = place.effect.name if place.effect else ""
    if "tiled" in place.flags and place.gravity is None:
        place = replace(place, gravity=Gravity("north_west"))
    if mode == "displace":
        place = replace(place, x=None, y=None)
    if "tiled" in place.flags or "cutter" in place.flags or mode in ("mask", "cut_out", "displace"):
        place = replace(place, flags=place.flags | {"no_overflow"})
        under = False
    at = placement.put(below, layer, place, region, under=under)
    if "text_disallow_overflow" in place.flags and at.canvas != below:
        raise InvalidTransformation(
            f"The text takes {layer[0]} x {layer[1]} pixels, too many for where it is to go on a picture "
            f"of {below[0]} x {below[1]}: make it smaller, let it wrap (c_fit with w_), or leave out "
            "fl_text_disallow_overflow."
        )
    return at


def _stretched(image: Image.Image, at: tuple[int, int], canvas: tuple[int, int]) -> Image.Image:
    """`image` at its place on a canvas, transparent around it."""
    if at == (0, 0) and image.size == canvas:
        return image
    covers = (
        at[0] <= 0 and at[1] <= 0 and at[0] + image.width >= canvas[0] and at[1] + image.height >= canvas[1]
    )
    if covers:
        return image.crop((-at[0], -at[1], canvas[0] - at[0], canvas[1] - at[1]))
    result = Image.new("RGBA", canvas, (0, 0, 0, 0))
    result.paste(image.convert("RGBA"), at)
    return result
