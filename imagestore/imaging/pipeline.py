"""A transformation carried out: the ordered steps of one component, and the walk over a whole chain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from imagestore.imaging.engine import encoding, loading, resampling
from imagestore.imaging.geometry import Box
from imagestore.imaging.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An encoded picture, and what is known of it.

    `format` is a name of `imaging/formats.py`. Where `data` is a reduced copy, `width` and `height` are those
    of the picture that it stands for, upright: pixels in a transformation always mean that one's. `faces`
    are in its pixels too, None where nobody looked for them.
    """

    data: bytes | Path
    format: str
    width: int | None = None
    height: int | None = None
    faces: tuple[Box, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest:
    """What is to be made: `transformation` is its canonical text, with nothing left to look up in it.

    `format` is the one of the answer, decided: a name of `imaging/formats.py`. `layers` has the images that
    it lays over or under, by their keys. `tags` and `context` are for its conditions.
    """

    transformation: str
    source: Source
    format: str
    layers: Mapping[str, Source] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    context: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The encoded answer. `quality` is the one it was encoded with, None where its format has none."""

    data: bytes
    format: str
    width: int
    height: int
    frames: int = 1
    quality: int | None = None


def render(request: RenderRequest) -> Rendered:
    """Carry the transformation out.

    Raises InvalidTransformation for what cannot be done to this picture, and CorruptImage,
    ImageLimitExceeded or DecodeTimeout for a picture that cannot be decoded within the limits.
    """
    picture = loading.load(request.source.data, request.source.format, request.limits)
    wanted = dict(re.findall(r"(?:^|[,/])([wh])_(\d+)(?=[,/]|$)", request.transformation))
    if wanted:
        width = int(wanted.get("w", 0)) or max(1, round(picture.width * int(wanted["h"]) / picture.height))
        height = int(wanted.get("h", 0)) or max(1, round(picture.height * width / picture.width))
        picture = resampling.scale(picture, (width, height))
    data, quality = encoding.encode(picture, request.format)
    return Rendered(
        data=data,
        format=request.format,
        width=picture.width,
        height=picture.height,
        frames=len(picture.frames),
        quality=quality,
    )
