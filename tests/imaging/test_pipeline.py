"""A transformation carried out, from a file's bytes to the answer's."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from imagestore.imaging.pipeline import Rendered, RenderRequest, Source, render
from tests import pictures

pytestmark = pytest.mark.quick


def rendered(transformation: str, data: bytes, source: str, format: str) -> Rendered:
    return render(
        RenderRequest(transformation=transformation, source=Source(data=data, format=source), format=format)
    )


@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_a_picture_is_scaled_and_encoded(format: str) -> None:
    answer = rendered("c_scale,w_90", pictures.jpeg(60, 40, orientation=6), "jpeg", format)
    with Image.open(io.BytesIO(answer.data)) as image:
        assert (image.format or "").lower() == answer.format == format
        assert image.size == (answer.width, answer.height) == (90, 135)
