"""Valid transformations at random, of pictures of every kind: carried out or refused for a reason."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from imagestore.core.errors import ImageLimitExceeded, InvalidTransformation
from imagestore.core.transformation.parsing import parse
from imagestore.imaging.limits import Limits
from imagestore.imaging.pipeline import RenderRequest, Source, render
from tests import pictures
from tests.transformations import random_transformation

pytestmark = pytest.mark.quick

SOURCES = {
    "jpeg": ("jpeg", pictures.jpeg(220, 130)),
    "turned": ("jpeg", pictures.jpeg(150, 90, orientation=6)),
    "cmyk": ("jpeg", pictures.jpeg(80, 60, mode="CMYK")),
    "png": ("png", pictures.png(90, 70)),
    "one pixel": ("png", pictures.png(1, 1)),
    "thin": ("png", pictures.png(400, 2)),
    "gif": ("gif", pictures.picture("gif", 60, 50)),
}
LAYER = Source(data=pictures.png(40, 30), format="png", width=40, height=30)


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("seed", range(40))
def test_a_valid_transformation_makes_a_picture_or_is_refused_for_a_reason(name: str, seed: int) -> None:
    rng = random.Random(f"{name} {seed}")
    text = random_transformation(rng, layers=("logo",))
    format, data = SOURCES[name]
    with Image.open(io.BytesIO(data)) as picture:
        width, height = picture.size
    source = Source(data=data, format=format, width=width, height=height, faces=())
    wanted = parse(text)
    answer = wanted.output.format or "png"
    request = RenderRequest(
        transformation=wanted.canonical(),
        source=source,
        format=answer,
        layers={"logo": LAYER},
        limits=Limits(pixels=4_000_000),
    )
    try:
        made = render(request)
    except (InvalidTransformation, ImageLimitExceeded) as refused:
        assert refused.message
        return
    with Image.open(io.BytesIO(made.data)) as picture:
        picture.load()
        assert picture.size == (made.width, made.height)
