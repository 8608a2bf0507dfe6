"""How large a reduced copy must be for a transformation to be made from it."""

from __future__ import annotations

import pytest

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Scope
from imagestore.core.transformation.parsing import parse
from imagestore.imaging.geometry import Box
from imagestore.imaging.planning import COPY_MARGIN, copy_side

pytestmark = pytest.mark.quick


def side_for(text: str, faces: tuple[Box, ...] | None = None) -> int | None:
    scope = Scope(4000, 3000, 4000, 3000)
    side = copy_side(parse(text).nodes, scope, faces)
    assert (scope.width, scope.variables) == (4000, {})
    return side


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("w_400", 400),
        ("h_300", 400),
        ("w_400/e_sepia/w_4000", 400),
        ("c_fill,h_300,w_300,g_auto", 400),
        ("c_pad,h_500,w_400,b_red", 400),
        ("c_crop,h_1000,w_1000/w_100", 400),
        ("w_400/w_3900", 400),
        ("w_800/w_400", 400),
        ("e_sepia,w_400", 400),
        ("a_90/h_400", 400),
        ("a_hflip.90/w_300", 400),
        ("a_auto_right,c_fill,h_400,w_300", 400),
        ("e_sepia/e_grayscale/w_400", 400),
        ("w_200,dpr_2.0", 400),
        ("$big_400/w_$big", 400),
        ("if_w_gt_1000/w_400/if_else/w_100/if_end", 400),
        ("if_w_gt_1000/w_400,r_max/if_else/w_100/if_end/w_10", 400),
        ("w_400/l_text:Arial_20:hello/fl_layer_apply/w_300", 400),
    ],
)
def test_a_copy_is_larger_than_what_is_shown_by_a_margin(text: str, shown: int) -> None:
    assert side_for(text) == pytest.approx(shown * COPY_MARGIN, abs=1)


def test_a_crop_to_faces_needs_as_much_as_they_are_enlarged() -> None:
    near = side_for("c_thumb,g_face,h_100,w_100", (Box(100, 100, 500, 500),))
    assert near == pytest.approx(4000 * 100 / 800 * COPY_MARGIN, abs=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "w_3000",
        "e_sharpen/w_400",
        "e_trim/w_400",
        "a_ignore,w_400",
        "c_crop,h_400,w_400",
        "a_180/a_20/w_400",
    ],
)
def test_only_the_original_serves_what_needs_its_pixels(text: str) -> None:
    assert side_for(text) is None


def test_what_cannot_be_done_is_said_before_anything_is_decoded() -> None:
    with pytest.raises(InvalidTransformation, match="beside"):
        side_for("c_crop,h_10,w_10,x_5000")
