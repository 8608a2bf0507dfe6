"""What becomes transparent is foreseen, so that `f_auto` has a format that can show it."""

from __future__ import annotations

import pytest

from imagestore.core.transformation.parsing import parse
from imagestore.core.transformation.transparency import may_clear

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "clears"),
    [
        ("c_fill,w_300,h_300", False),
        ("c_fill,w_300,h_300,r_max", True),
        ("r_20:0:0:0", True),
        ("r_0", False),
        ("r_max,b_white", False),
        ("r_max/b_white", False),
        ("b_white/r_max", True),
        ("r_max/b_rgb:ff000080", True),
        ("r_max/b_auto", False),
        ("r_max/b_blurred:400:15", False),
        ("a_45", True),
        ("a_-7.5", True),
        ("a_90", False),
        ("a_1290", True),
        ("a_22.5", True),
        ("a_-270", False),
        ("a_hflip.180", False),
        ("a_auto_right", False),
        ("a_90.hflip.30", True),
        ("o_50", True),
        ("o_100", False),
        ("e_sepia", False),
        ("e_shadow", True),
        ("e_outline:20", True),
        ("e_make_transparent", True),
        ("e_gradient_fade", True),
        ("c_pad,w_300,h_100", False),
        ("l_logo/o_50/fl_layer_apply,g_south_east", False),
        ("l_logo/r_max/fl_layer_apply,g_south_east", False),
        ("l_text:Arial_200:WATER/fl_layer_apply.cutter", True),
        ("l_star/e_cut_out,fl_layer_apply", True),
        ("l_star/e_mask,fl_layer_apply/b_black", False),
        ("if_w_gt_300/r_max/if_end", True),
        ("if_w_gt_300/r_max/if_else/r_20/if_end/b_white", False),
        ("r_max/if_w_gt_300/b_white/if_end", True),
        ("$r_20/r_$r", True),
    ],
)
def test_what_clears(text: str, clears: bool) -> None:
    assert may_clear(parse(text).nodes) is clears


def test_what_was_transparent_stays_so_without_a_background() -> None:
    assert may_clear(parse("w_300").nodes, True)
    assert not may_clear(parse("w_300/b_white").nodes, True)
