"""The contact sheets show everything that there is, and can be made."""

import subprocess
import sys
from typing import get_args

import pytest
from PIL import Image

from imagestore.core.transformation.effects import ART, EFFECTS, INSTAGRAM
from imagestore.core.transformation.model import CropMode
from imagestore.core.transformation.parsing import parse
from tests.contact_sheet.subjects import COMPASS, subjects

pytestmark = pytest.mark.quick

SHOWN = [tile.transformation for subject in subjects() for tile in subject.tiles]


@pytest.mark.parametrize("text", sorted(set(SHOWN)))
def test_every_tile_is_a_transformation(text):
    assert parse(parse(text.replace("%20", " ")).canonical()).nodes


@pytest.mark.parametrize(
    "part",
    [
        *(f"c_{mode}," for mode in get_args(CropMode)),
        *(f"g_{gravity}" for gravity in (*COMPASS, "xy_center", "face", "faces", "auto")),
        *(f"e_{name}" for name in EFFECTS),
        *(f"e_art:{name}" for name in (*ART, *INSTAGRAM)),
        *("r_max", "bo_", "a_", "o_", "b_auto", "b_blurred", "l_text:", "u_", "fl_layer_apply.tiled"),
    ],
)
def test_everything_is_shown(part):
    assert any(part in text for text in SHOWN)


def test_a_page_is_made(tmp_path):
    command = [sys.executable, "-m", "tests.contact_sheet", "-o", str(tmp_path), "--only", "layers"]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert made.stderr == ""
    with Image.open(tmp_path / "layers-1.png") as page:
        assert page.width == 1458
        assert len(page.convert("RGB").getcolors(1 << 24)) > 5_000
