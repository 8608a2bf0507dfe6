"""Crop modes: which part of a picture is kept, how large it becomes, and how it lies on its canvas."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import CropMode, Length, Step
from imagestore.imaging.geometry import Box, Crop, largest_within, side, smallest_around
from imagestore.imaging.gravity import CENTER, NORTH_WEST, Hold

FACE_ROOM = 1.6
"""How much wider and higher than the faces themselves a crop to them is, at a zoom of 1: a head has hair."""

KEPT = 2 / 3
"""The share of a side that `fill_pad` keeps at least; it pads where `fill` would keep less."""

_Sides = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Job:
    """One crop: the picture's sides, those asked for in pixels of the answer, and the step it comes from."""

    width: int
    height: int
    wanted_width: float | None
    wanted_height: float | None
    hold: Hold
    step: Step

    @property
    def picture(self) -> _Sides:
        return self.width, self.height

    @property
    def sides(self) -> int:
        """How many were asked for."""
        return (self.wanted_width is not None) + (self.wanted_height is not None)

    @property
    def bounds(self) -> _Sides | None:
        """Both sides, the one that was not given in proportion; None where neither was."""
        across, down = self.wanted_width, self.wanted_height
        if across is None and down is None:
            return None
        return (
            side(self.width * (down or 0) / self.height if across is None else across),
            side(self.height * (across or 0) / self.width if down is None else down),
        )

    def ratios(self, bounds: _Sides | None = None) -> _Sides:
        """How much larger each side is to be; of one that was not given, as much as the other."""
        width, height = bounds or (self.wanted_width, self.wanted_height)
        across, down = width and width / self.width, height and height / self.height
        return across or down or 1, down or across or 1

    def offset(self, sides: _Sides, ratio: float = 1) -> _Sides:
        """x and y, as fractions those of `sides`; in pixels, `ratio` of these for one."""
        x, y = self.step.x, self.step.y
        return (
            x.pixels(sides[0]) * (1 if x.relative else ratio) if x else 0.0,
            y.pixels(sides[1]) * (1 if y.relative else ratio) if y else 0.0,
        )

    def middle(self) -> tuple[float, float] | None:
        """The point that the crop has in its middle, if it holds on to one."""
        if self.hold.point:
            return self.offset(self.picture)
        return self.hold.region.center if self.hold.region else None


def plan(step: Step, width: int, height: int, hold: Hold) -> Crop:
    """What `step` does to a picture of that size, held as `hold` says.

    Sizes follow Cloudinary's reference; what it leaves open is said in docs/transformations.md. Raises
    InvalidTransformation for what is not on the picture, and for sides that are none.
    """
    mode: CropMode = step.crop or "scale"
    ratio = 1 if mode == "crop" else step.dpr  # what is cropped out is counted in the picture's own pixels
    wanted_width = _wanted("w", step.width, width, ratio)
    wanted_height = _wanted("h", step.height, height, ratio)
    if step.aspect is not None:
        if wanted_width is not None and wanted_height is None:
            wanted_height = wanted_width / step.aspect
        elif wanted_height is not None and wanted_width is None:
            wanted_width = wanted_height * step.aspect
    elif mode == "scale" and "ignore_aspect_ratio" in step.flags and (wanted_width or wanted_height):
        wanted_width, wanted_height = wanted_width or width, wanted_height or height
    return _MODES[mode](_Job(width, height, wanted_width, wanted_height, hold, step))


def default_hold(step: Step) -> Hold:
    """Where a step without a gravity holds on: a plain `crop` with x or y counts them from the top left."""
    placed = step.x is not None or step.y is not None
    return NORTH_WEST if step.crop == "crop" and placed else CENTER


def _scale(job: _Job) -> Crop:
    bounds = job.bounds
    if job.sides == 1 and "ignore_aspect_ratio" in job.step.flags:
        bounds = job.wanted_width or job.width, job.wanted_height or job.height
    elif bounds is None and job.step.aspect:
        bounds = job.width, job.width / job.step.aspect
    return _resized(job, bounds or job.picture)


def _fit(job: _Job) -> Crop:
    return _scaled(job, min(job.ratios()))


def _limit(job: _Job) -> Crop:
    return _scaled(job, min(*job.ratios(), 1))


def _mfit(job: _Job) -> Crop:
    return _scaled(job, max(min(job.ratios()), 1))


def _fill(job: _Job) -> Crop:
    if job.sides == 1:
        return _scale(job)  # in proportion: nothing is cut
    bounds = job.bounds or largest_within(job.picture, job.step.aspect)
    scale = max(job.ratios(bounds))
    return _cut(job, (bounds[0] / scale, bounds[1] / scale), bounds)


def _lfill(job: _Job) -> Crop:
    bounds = job.bounds
    if bounds is None or max(job.ratios()) <= 1:
        return _fill(job)
    # Nothing is enlarged; a side that is long enough is cut all the same.
    kept = min(bounds[0], job.width), min(bounds[1], job.height)
    return _cut(job, kept, kept)


def _pad(job: _Job) -> Crop:
    bounds = job.bounds or smallest_around(job.picture, job.step.aspect)
    return _padded(job, min(job.ratios(None if job.sides else bounds)), bounds)


def _lpad(job: _Job) -> Crop:
    bounds = job.bounds or smallest_around(job.picture, job.step.aspect)
    return _padded(job, min(*job.ratios(None if job.sides else bounds), 1), bounds)


def _mpad(job: _Job) -> Crop:
    bounds = job.bounds or smallest_around(job.picture, job.step.aspect)
    return _padded(job, max(min(job.ratios(None if job.sides else bounds)), 1), bounds)


def _fill_pad(job: _Job) -> Crop:
    bounds = job.bounds or largest_within(job.picture, job.step.aspect)
    scale = max(job.ratios(bounds))
    kept = max(bounds[0] / scale, job.width * KEPT), max(bounds[1] / scale, job.height * KEPT)
    kept = min(kept[0], job.width), min(kept[1], job.height)
    inner = min(bounds[0] / kept[0], bounds[1] / kept[1])
    return _on_canvas(_cut(job, kept, (kept[0] * inner, kept[1] * inner)), bounds, CENTER, (0, 0))


def _crop(job: _Job) -> Crop:
    if job.hold.faces and not job.sides:
        return _enlarged(job, _around_faces(job))
    if not job.sides:
        sides = largest_within(job.picture, job.step.aspect)
    else:
        sides = job.wanted_width or job.width, job.wanted_height or job.height
    sides = side(sides[0]), side(sides[1])
    middle = job.middle()
    if middle is not None:
        if job.hold.point and not (0 <= middle[0] <= job.width and 0 <= middle[1] <= job.height):
            raise _beside(job)
        box = Box(middle[0] - sides[0] / 2, middle[1] - sides[1] / 2, *sides)
        box = _kept_inside(box, job.picture)
    else:
        room = max(job.width - sides[0], 0), max(job.height - sides[1], 0)
        left, top = job.hold.before(room, job.offset(job.picture))
        box = Box(left, top, min(sides[0], job.width), min(sides[1], job.height))
    return _enlarged(job, box)


def _thumb(job: _Job) -> Crop:
    if not job.hold.faces:
        return _fill(job)
    box = _around_faces(job)
    if not job.sides:
        return _enlarged(job, box)
    across = job.wanted_width or (job.wanted_height or 0) * box.width / box.height
    down = job.wanted_height or across * box.height / box.width
    return _resized(job, (across, down), box)


_MODES = {
    "scale": _scale,
    "fit": _fit,
    "limit": _limit,
    "mfit": _mfit,
    "fill": _fill,
    "lfill": _lfill,
    "pad": _pad,
    "lpad": _lpad,
    "mpad": _mpad,
    "fill_pad": _fill_pad,
    "crop": _crop,
    "thumb": _thumb,
    "auto": _fill,
}


# ---- parts


def _wanted(name: str, length: Length | None, whole: int, ratio: float) -> float | None:
    if length is None:
        return None
    pixels = length.pixels(whole) * ratio
    if not math.isfinite(pixels) or pixels <= 0:
        raise InvalidTransformation.of(name, f"{length.value:g}", "a length above 0")
    return side(pixels)


def _resized(job: _Job, sides: _Sides, box: Box | None = None) -> Crop:
    size = side(sides[0]), side(sides[1])
    return Crop(box or Box(0, 0, *job.picture), size, size)


def _scaled(job: _Job, scale: float) -> Crop:
    return _resized(job, (job.width * scale, job.height * scale))


def _cut(job: _Job, kept: _Sides, sides: _Sides) -> Crop:
    """A part with the sides `kept`, as it is held, that becomes `sides`."""
    middle = job.middle()
    if middle is not None:
        box = Box(middle[0] - kept[0] / 2, middle[1] - kept[1] / 2, *kept)
    else:
        # Offsets are in pixels of the answer, as its sides are.
        away = job.offset(sides, job.step.dpr)
        offset = away[0] * kept[0] / sides[0], away[1] * kept[1] / sides[1]
        box = Box(*job.hold.before((job.width - kept[0], job.height - kept[1]), offset), *kept)
    return _resized(job, sides, _kept_inside(box, job.picture))


def _padded(job: _Job, scale: float, bounds: _Sides) -> Crop:
    hold = job.hold if job.hold.region is None and not job.hold.point else CENTER
    return _on_canvas(_scaled(job, scale), bounds, hold, job.offset(bounds, job.step.dpr))


def _on_canvas(crop: Crop, bounds: _Sides, hold: Hold, offset: _Sides) -> Crop:
    canvas = max(side(bounds[0]), crop.size[0]), max(side(bounds[1]), crop.size[1])
    room = canvas[0] - crop.size[0], canvas[1] - crop.size[1]
    left, top = hold.before(room, offset)
    place = min(max(math.floor(left), 0), room[0]), min(max(math.floor(top), 0), room[1])
    return Crop(crop.box, crop.size, canvas, place)


def _around_faces(job: _Job) -> Box:
    """The part around faces in the ratio that is asked for; their own where none is."""
    region, step = job.hold.region, job.step
    assert region is not None  # faces were found
    room = FACE_ROOM / step.zoom
    width, height = region.width * room, region.height * room
    if job.wanted_width and job.wanted_height:
        aspect: float | None = job.wanted_width / job.wanted_height
    else:
        aspect = step.aspect
    if aspect:
        width, height = max(width, height * aspect), max(height, width / aspect)
    shrink = min(job.width / width, job.height / height, 1)
    width, height = max(width * shrink, 1), max(height * shrink, 1)
    middle = region.center
    return _kept_inside(Box(middle[0] - width / 2, middle[1] - height / 2, width, height), job.picture)


def _kept_inside(box: Box, sides: _Sides) -> Box:
    """The box moved as little as brings it onto a picture of those sides, and cut if it is larger."""
    width, height = min(box.width, sides[0]), min(box.height, sides[1])
    left = min(max(box.left, 0), sides[0] - width)
    return Box(left, min(max(box.top, 0), sides[1] - height), width, height)


def _enlarged(job: _Job, box: Box) -> Crop:
    """The box on whole pixels, cut to the picture, at as many pixels as it has: `dpr` times as many for
    screens that have more. Raises InvalidTransformation if it lies beside the picture."""
    whole = Box(math.floor(box.left), math.floor(box.top), side(box.width), side(box.height))
    kept = whole.clipped(job.width, job.height)
    if kept is None:
        raise _beside(job)
    return _resized(job, (kept.width * job.step.dpr, kept.height * job.step.dpr), kept)


def _beside(job: _Job) -> InvalidTransformation:
    x, y = job.offset(job.picture)
    return InvalidTransformation(
        f"c_crop with x_{x:g}, y_{y:g} lies beside the picture, which has {job.width} × {job.height} "
        "pixels there: choose a part of it."
    )
