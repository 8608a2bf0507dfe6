"""REST: facts that are found out on demand: how they are asked for, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from imagestore.core.image import Image
from imagestore.web.frontdoor import services
from imagestore.web.rest.schemas import ImageAnswer, Model
from imagestore.web.rest.texts import Absent, Wanted, optional


class FactsQuery(Model):
    """What is to be found out, where it is not known yet."""

    faces: Wanted | Absent = optional("1 to look for faces.")
    colors: Wanted | Absent = optional("1 for the dominant colours.")
    phash: Wanted | Absent = optional("1 for a perceptual hash: near-duplicates differ in few bits of it.")
    placeholder: Wanted | Absent = optional("1 for a BlurHash: a blur of the picture in some 30 characters.")
    exif: Wanted | Absent = optional("1 for what the camera noted, but for the place.")
    place: Wanted | Absent = optional("1 for where the picture was taken, if it says so.")


class Face(Model):
    """In pixels of the picture as seen after the EXIF orientation is applied."""

    left: float
    top: float
    width: float
    height: float


class Shade(Model):
    color: str = Field(description="As in CSS: `#rrggbb`.")
    share: float = Field(description="Of the picture's pixels, 0 to 1.")


class FactsAnswer(ImageAnswer):
    """What was not asked for is left out."""

    faces: list[Face] | None = None
    colors: list[Shade] | None = None
    phash: str | None = Field(None, description="16 hexadecimal digits.")
    placeholder: str | None = None
    exif: dict[str, Any] | None = None
    place: dict[str, Any] | None = None


NAMES = {"placeholder": "blurhash"}
"""Parameter → what `imaging/engine/description.py` calls it, where that differs."""


def find_out(image: Image, wanted: Mapping[str, object], base: str) -> FactsAnswer:
    """The image with the facts whose names are `wanted` by "1". Raises FacesUnavailable, and what decoding
    raises."""
    asked = [name for name in FactsQuery.model_fields if wanted.get(name) == "1"]
    known = services().descriptions.describe(image.version, [NAMES.get(name, name) for name in asked])
    facts: dict[str, Any] = {name: known[NAMES.get(name, name)] for name in asked}
    if "faces" in facts:
        boxes = facts["faces"]
        facts["faces"] = [dict(zip(("left", "top", "width", "height"), box, strict=True)) for box in boxes]
    return FactsAnswer(**ImageAnswer.of_image(image, base).model_dump(), **facts)
