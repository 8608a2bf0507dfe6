"""Layers and texts within a decoder process: few open files, little memory, one picture after another."""

import io
from contextlib import closing

import pytest
from PIL import Image

from imagestore.imaging import DecoderPool, Limits
from imagestore.imaging.engine.fonts import _SCRIPTS
from imagestore.imaging.jobs import Material, Render

pytestmark = pytest.mark.quick

SAMPLES = (
    "abc עברית عربي हिन्दी বাংলা தமிழ் ไทย తెలుగు ಕನ್ನಡ ગુજ ਪੰ മല ଓଡ଼ සිං ខ្មែ ລາວ မြန် ქარ Հայ አማ Ꮳ ދި བོད 中文 한국 ★∑😀"
)


def test_many_fonts_in_several_sizes_in_one_process(tmp_path):
    path = tmp_path / "below.png"
    Image.new("RGB", (640, 400), "white").save(path)
    below = Material(path=path, format="png", width=640, height=400)
    with closing(DecoderPool(Limits(), processes=1, queue=4, timeout=60.0)) as pool:
        for size in (15, 22, 200):
            chain = "/".join(
                f"l_text:{family}_{size}_bold:{SAMPLES},c_fit,w_600/fl_layer_apply.no_overflow,g_north"
                for family in ("Arial", "Lobster")
            )
            asked = Render(transformation=chain, source=below, format="png", most_bytes=1 << 22)
            facts, body = pool.ask(asked.job(60.0, f"{size}"))
            assert facts["facts"]["width"] == 640
            with Image.open(io.BytesIO(body)) as answer:
                assert answer.convert("L").getextrema()[0] == 0
        assert pool.load()
    assert len(SAMPLES.split()) >= len(_SCRIPTS)
