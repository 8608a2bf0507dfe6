"""Faces: where they are in a picture, by the cascades that OpenCV 4 carries, each checked by the others."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagestore.core.errors import FacesUnavailable
from imagestore.imaging.geometry import Box

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]

LONGEST_SIDE = 1024
"""A larger picture is looked at in this size, so time and memory are bounded."""

_SMALLEST = 28
"""The smallest face, in pixels of what is looked at. Below it, every other one would be a leaf or a stone."""

_SMALL_SIDE = 640
"""The size in which rarer faces are looked for: those aslant, and those from the side."""

_UPRIGHT: Matrix = np.array([[1.0, 0, 0], [0, 1, 0]])
_TILTS = (-25.0, 25.0)
"""Cascades know upright faces, give or take ten degrees; others are looked for in a turned picture."""

_MOST_CANDIDATES = 24
_FACE = 64
"""Candidates are judged at this size, in the middle of a square twice as large."""

_GLANCE = (-9.0, 9.0)
_LOOK = (-14.0, 0.0, 14.0)
_FEWEST_AT_A_GLANCE = 4
_JUDGES = ("default", "alt", "alt2")

_CERTAIN_PROFILE = 60
_PROFILE = 0.8
"""How often the cascade for profiles sees one: it takes real ones 70 to 200 times, others up to 25 times. Its
squares hold the whole head; the face is so much of them."""

_CERTAIN = 63.0
_LIKELY = 20.0
"""How often, on average, each judge sees a face in a candidate that is looked at in many sizes and angles.
Real faces get 27 to 190, what merely looks like one (a planet, fruit, a dotted shirt) up to 55. Those between
the two bounds are faces only if there are eyes in them, and skin where the picture has colours."""

_SKIN = 0.6
_COLORLESS = 5.0


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A square around (x, y), turned by `tilt` degrees, and how sure it is to be a face."""

    x: float
    y: float
    side: float
    tilt: float = 0
    score: float = 0

    def resembles(self, other: _Candidate) -> bool:
        apart = math.hypot(self.x - other.x, self.y - other.y)
        return apart < 0.25 * max(self.side, other.side) and 0.7 < self.side / other.side < 1.4

    def overlaps(self, other: _Candidate) -> bool:
        return math.hypot(self.x - other.x, self.y - other.y) < 0.5 * max(self.side, other.side)


def find_faces(rgb: Pixels) -> tuple[Box, ...]:
    """Boxes of the faces, from the front or the side, from the largest to the smallest, in pixels of `rgb`.

    `rgb` has the shape (height, width, 3). Raises FacesUnavailable where OpenCV is not installed.
    """
    search = _search()
    height, width = rgb.shape[:2]
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    if scale < 1:
        rgb = search.resized(rgb, scale)
    gray = search.gray(rgb)
    found: list[_Candidate] = []
    for place in search.propose(gray)[:_MOST_CANDIDATES]:
        candidate = search.judge(gray, place)
        if candidate is not None and search.believes(rgb, gray, candidate):
            found.append(candidate)
    apart: list[_Candidate] = []
    # Those from the side come last: the cascade for profiles sees many a face from the front as well.
    for each in (*sorted(found, key=lambda each: -each.score), *search.profiles(gray)):
        if not any(each.overlaps(other) for other in apart):
            apart.append(each)
    boxes = (_clipped(each, scale, width, height) for each in apart)
    return tuple(sorted(boxes, key=lambda box: -box.width * box.height))


def _clipped(face: _Candidate, scale: float, width: int, height: int) -> Box:
    half = face.side / 2
    left, top = max(0.0, (face.x - half) / scale), max(0.0, (face.y - half) / scale)
    right, bottom = min(width, (face.x + half) / scale), min(height, (face.y + half) / scale)
    return Box(round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1))


@cache
def _search() -> _Search:
    return _Search()


class _Search:
    """OpenCV and its cascades, loaded once for a process: this takes a tenth of a second."""

    def __init__(self) -> None:
        try:
            import cv2
        except ImportError:
            raise FacesUnavailable(
                "This installation cannot look for faces: install it with pip install 'imagestore[faces]'."
            ) from None
        cv2.setNumThreads(1)  # the decoder's process has one core, and its memory is limited
        self._cv2: Any = cv2
        folder = Path(cv2.__file__).parent / "data"
        self._judges = {
            name: cv2.CascadeClassifier(str(folder / f"haarcascade_frontalface_{name}.xml"))
            for name in _JUDGES
        }
        self._judges["profile"] = cv2.CascadeClassifier(str(folder / "haarcascade_profileface.xml"))
        self._eyes = [
            cv2.CascadeClassifier(str(folder / f"haarcascade_{name}.xml"))
            for name in ("eye", "eye_tree_eyeglasses")
        ]

    def resized(self, pixels: Pixels, scale: float) -> Pixels:
        height, width = pixels.shape[:2]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        return np.asarray(self._cv2.resize(pixels, size, interpolation=self._cv2.INTER_AREA))

    def gray(self, rgb: Pixels) -> Pixels:
        return np.asarray(self._cv2.cvtColor(rgb, self._cv2.COLOR_RGB2GRAY))

    def propose(self, gray: Pixels) -> list[_Candidate]:
        """Wherever one cascade sees a face, upright or aslant: everything real, and much that is not."""
        places = list(self._sweep("alt2", gray, _UPRIGHT, 1))
        scale = min(1.0, _SMALL_SIDE / max(gray.shape))
        small = gray if scale == 1 else self.resized(gray, scale)
        for tilt in _TILTS:
            turned, back = self._turned(small, tilt)
            places += (replace(each, tilt=tilt) for each in self._sweep("alt2", turned, back, scale))
        distinct: list[_Candidate] = []
        for place in places:
            if not any(place.resembles(other) for other in distinct):
                distinct.append(place)
        return distinct

    def profiles(self, gray: Pixels) -> list[_Candidate]:
        """Faces from the side, the surest first. Their cascade knows one side: it gets a mirror image too."""
        scale = min(1.0, _SMALL_SIDE / max(gray.shape))
        found = []
        for mirrored in (False, True):
            view = np.ascontiguousarray(gray[:, ::-1]) if mirrored else gray
            small = view if scale == 1 else self.resized(view, scale)
            for place in islice(self._sweep("profile", small, _UPRIGHT, scale), _MOST_CANDIDATES // 2):
                seen = self._sightings(view, place, "profile", _LOOK)
                if len(seen) < _CERTAIN_PROFILE:
                    continue
                x, y, side, _ = (float(each) for each in np.median(np.array(seen), axis=0))
                x = gray.shape[1] - x if mirrored else x
                found.append(_Candidate(x, y, side * _PROFILE, 0, len(seen)))
        return sorted(found, key=lambda each: -each.score)

    def _sweep(self, judge: str, gray: Pixels, back: Matrix, scale: float) -> Iterable[_Candidate]:
        least = (_SMALLEST, _SMALLEST)
        for x, y, side, _ in self._judges[judge].detectMultiScale(gray, 1.12, 1, minSize=least):
            middle = back @ np.array([x + side / 2, y + side / 2, 1])
            yield _Candidate(middle[0] / scale, middle[1] / scale, side / scale)

    def _turned(self, gray: Pixels, tilt: float) -> tuple[Pixels, Matrix]:
        """The whole picture turned, and the way back from its pixels."""
        height, width = gray.shape
        sine, cosine = abs(math.sin(math.radians(tilt))), math.cos(math.radians(tilt))
        size = (math.ceil(width * cosine + height * sine), math.ceil(height * cosine + width * sine))
        turn = self._cv2.getRotationMatrix2D((width / 2, height / 2), tilt, 1)
        turn[:, 2] += (size[0] / 2 - width / 2, size[1] / 2 - height / 2)
        turned = self._cv2.warpAffine(gray, turn, size, borderMode=self._cv2.BORDER_REPLICATE)
        return np.asarray(turned), np.asarray(self._cv2.invertAffineTransform(turn))

    def judge(self, gray: Pixels, place: _Candidate) -> _Candidate | None:
        """The candidate where its judges see it best, with its score; None if it is nothing at a glance."""
        seen = self._sightings(gray, place, "alt", _GLANCE)
        if len(seen) < _FEWEST_AT_A_GLANCE:
            return None
        seen += self._sightings(gray, place, "alt2", _GLANCE)
        x, y, side, _ = (float(each) for each in np.median(np.array(seen), axis=0))
        better = _Candidate(x, y, side, float(np.mean([each[3] for each in seen])))
        counts = [len(self._sightings(gray, better, name, _LOOK)) for name in _JUDGES]
        score = math.prod(each + 0.5 for each in counts) ** (1 / len(counts))
        return _Candidate(x, y, side, better.tilt, score)

    def _sightings(
        self, gray: Pixels, place: _Candidate, judge: str, angles: tuple[float, ...]
    ) -> list[tuple[float, float, float, float]]:
        """Every sighting, ungrouped, near the middle of the candidate: x, y, side, tilt."""
        sightings = []
        for angle in angles:
            crop, back = self._cut(gray, place, place.tilt + angle, _FACE)
            hits = self._judges[judge].detectMultiScale(crop, 1.05, 0, minSize=(44, 44), maxSize=(92, 92))
            for left, top, side, _ in hits:
                x, y = left + side / 2, top + side / 2
                if abs(x - _FACE) < _FACE / 4 and abs(y - _FACE) < _FACE / 4:
                    middle = back @ np.array([x, y, 1])
                    sightings.append((middle[0], middle[1], side * place.side / _FACE, place.tilt + angle))
        return sightings

    def _cut(self, gray: Pixels, place: _Candidate, tilt: float, face: int) -> tuple[Pixels, Matrix]:
        """A square of 128 around the candidate, upright, in which it is `face` wide; and the way back."""
        reach = place.side * 1.5
        left, top = max(0, int(place.x - reach)), max(0, int(place.y - reach))
        part = gray[top : int(place.y + reach) + 1, left : int(place.x + reach) + 1]
        # Averaged first: turned at once, a large face would be sampled into noise.
        scale = min(1.0, face / place.side)
        if scale < 1:
            part = self.resized(part, scale)
        middle = ((place.x - left) * scale, (place.y - top) * scale)
        turn = self._cv2.getRotationMatrix2D(middle, tilt, face / place.side / scale)
        turn[:, 2] += (_FACE - middle[0], _FACE - middle[1])
        size = (2 * _FACE, 2 * _FACE)
        crop = self._cv2.warpAffine(part, turn, size, borderMode=self._cv2.BORDER_REPLICATE)
        back = np.asarray(self._cv2.invertAffineTransform(turn)) / scale
        back[:, 2] += (left, top)
        return np.asarray(crop), back

    def believes(self, rgb: Pixels, gray: Pixels, face: _Candidate) -> bool:
        if face.score >= _CERTAIN:
            return True
        return face.score >= _LIKELY and self._has_eyes(gray, face) and self._may_be_skin(rgb, face)

    def _has_eyes(self, gray: Pixels, face: _Candidate) -> bool:
        """Whether both cascades for eyes see one in the upper half."""
        crop, _ = self._cut(gray, face, face.tilt, 112)
        upper = np.ascontiguousarray(crop[20:78])
        return all(
            len(eyes.detectMultiScale(upper, 1.06, 2, minSize=(16, 16), maxSize=(44, 44))) > 0
            for eyes in self._eyes
        )

    def _may_be_skin(self, rgb: Pixels, face: _Candidate) -> bool:
        """Whether the middle of the face has colours of skin, which differ in brightness more than in hue.

        A picture without colours, or under one coloured light, cannot tell.
        """
        half = face.side * 0.3
        rows = slice(max(0, int(face.y - half)), int(face.y + half) + 1)
        columns = slice(max(0, int(face.x - half)), int(face.x + half) + 1)
        whole = self._chroma(self.resized(rgb, min(1.0, 64 / max(rgb.shape[:2]))))
        if np.hypot(whole[0], whole[1]).mean() < _COLORLESS:
            return True
        red, blue = self._chroma(rgb[rows, columns])
        skin = (red > 5) & (red < 52) & (blue > -53) & (blue < 2) & (red - blue > 5)
        return bool(skin.mean() >= _SKIN)

    def _chroma(self, rgb: Pixels) -> tuple[Matrix, Matrix]:
        """Cr and Cb around 0."""
        converted = np.asarray(self._cv2.cvtColor(np.ascontiguousarray(rgb), self._cv2.COLOR_RGB2YCrCb))
        return converted[..., 1].astype(np.float64) - 128, converted[..., 2].astype(np.float64) - 128
