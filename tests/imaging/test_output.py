"""What a transformation says of the answer is so: its format, its frames, its quality and its metadata."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from imagestore.core.errors import InvalidTransformation
from imagestore.imaging.pipeline import Rendered, RenderRequest, Source, render
from tests import pictures

pytestmark = pytest.mark.quick


def _render(data: bytes, original: str, transformation: str, format: str) -> Rendered:
    return render(
        RenderRequest(transformation=transformation, source=Source(data=data, format=original), format=format)
    )


def _frames(rendered: Rendered) -> list[tuple[Image.Image, int]]:
    seen = []
    with Image.open(io.BytesIO(rendered.data)) as opened:
        for number in range(getattr(opened, "n_frames", 1)):
            opened.seek(number)
            opened.load()
            seen.append((opened.convert("RGBA"), opened.info.get("duration", 0)))
    return seen


def _moving(mode: str = "RGB") -> bytes:
    """A GIF of a red square that moves over blue, or over nothing."""
    frames = []
    for step in range(3):
        frame = Image.new("RGBA", (80, 60), (0, 0, 0, 0) if mode == "RGBA" else (20, 40, 200, 255))
        frame.paste((220, 30, 20, 255), (20 * step, 20, 20 * step + 20, 40))
        frames.append(frame.convert(mode))
    data = io.BytesIO()
    frames[0].save(
        data, "GIF", save_all=True, append_images=frames[1:], duration=[50, 70, 200], loop=2, disposal=2
    )
    return data.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize(
    ("transformation", "format"),
    [
        ("c_scale,w_40", "gif"),
        ("c_scale,w_40/f_webp,fl_awebp", "webp"),
        ("c_scale,w_40/f_png,fl_apng", "png"),
        ("c_scale,w_40/f_avif,fl_animated", "avif"),
        ("c_scale,w_40/f_auto", "webp"),
    ],
)
def test_an_animation_is_resized_frame_by_frame(mode: str, transformation: str, format: str) -> None:
    rendered = _render(_moving(mode), "gif", transformation, format)
    assert (rendered.width, rendered.height, rendered.frames) == (40, 30, 3)
    seen = _frames(rendered)
    assert [duration for _, duration in seen] == [50, 70, 200]
    for step, (frame, _) in enumerate(seen):
        assert frame.size == (40, 30)
        red, green, blue, alpha = frame.getpixel((10 * step + 5, 15))  # type: ignore[misc]
        assert red > 170 and green < 80 and blue < 80 and alpha > 250
        elsewhere = frame.getpixel(((10 * step + 20) % 40, 3))
        assert isinstance(elsewhere, tuple)
        if mode == "RGBA":
            assert elsewhere[3] < 4
        else:
            assert elsewhere[2] > 150 and elsewhere[0] < 70


def test_plays_are_kept() -> None:
    for format, expected in (("gif", 2), ("webp", 3)):
        rendered = _render(_moving(), "gif", "w_40/fl_animated", format)
        with Image.open(io.BytesIO(rendered.data)) as opened:
            assert opened.info["loop"] == expected


@pytest.mark.parametrize(
    ("transformation", "format"),
    [("w_40/f_webp", "webp"), ("w_40/f_jpg", "jpeg"), ("w_40/f_png", "png"), ("w_40,pg_1", "gif")],
)
def test_an_animation_is_its_first_frame_elsewhere(transformation: str, format: str) -> None:
    rendered = _render(_moving(), "gif", transformation, format)
    assert rendered.frames == 1
    [(frame, _)] = _frames(rendered)
    assert frame.getpixel((5, 15))[0] > 170  # type: ignore[index]


@pytest.mark.parametrize("original", ["gif", "webp", "png", "avif", "tiff"])
def test_a_page_is_that_frame(original: str) -> None:
    data = pictures.picture(original, 64, 48, frames=3)
    for page in (1, 2, 3):
        rendered = _render(data, original, f"pg_{page}", "png")
        expected = np.asarray(pictures.canvas(64, 48, seed=1000 * (page - 1)), int)
        [(frame, _)] = _frames(rendered)
        assert np.abs(np.asarray(frame.convert("RGB"), int) - expected).mean() < 15
    with pytest.raises(InvalidTransformation, match="pg_4"):
        _render(data, original, "pg_4", "png")


def test_quality_is_told() -> None:
    data = pictures.jpeg(300, 200, seed=5)
    assert _render(data, "jpeg", "w_200/q_37", "jpeg").quality == 37
    assert _render(data, "jpeg", "w_200", "webp").quality == 80
    assert _render(data, "jpeg", "w_200", "png").quality is None
    low, best = (_render(data, "jpeg", f"w_200/q_auto:{level}", "jpeg") for level in ("low", "best"))
    assert 25 <= (low.quality or 0) < (best.quality or 0) <= 95
    assert len(low.data) < len(best.data)


def test_metadata_go_and_stay_as_asked() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist], exif[ExifTags.Base.Orientation] = "Ada", 6
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0)})
    data = pictures.jpeg(80, 60, exif=exif.tobytes(), comment=b"a comment")
    for format in ("jpeg", "png", "webp", "avif"):
        plain = _render(data, "jpeg", "w_30", format)
        assert b"Ada" not in plain.data
        assert b"a comment" not in plain.data
        kept = _render(data, "jpeg", "w_30/fl_keep_iptc", format)
        assert (kept.width, kept.height) == (30, 40)
        with Image.open(io.BytesIO(kept.data)) as opened:
            assert opened.getexif()[ExifTags.Base.Artist] == "Ada"
            assert opened.getexif().get(ExifTags.Base.Orientation, 1) == 1
            assert not opened.getexif().get_ifd(ExifTags.IFD.GPSInfo)


@pytest.mark.parametrize("format", ["jpeg", "png"])
def test_a_background_shows_through(format: str) -> None:
    drawn = io.BytesIO()
    Image.new("RGBA", (40, 40), (255, 0, 0, 0)).save(drawn, "PNG")
    [(frame, _)] = _frames(_render(drawn.getvalue(), "png", "b_rgb:0000ff/w_20", format))
    assert frame.getpixel((10, 10))[2] > 250  # type: ignore[index]
    [(frame, _)] = _frames(_render(drawn.getvalue(), "png", "w_20", format))
    assert frame.getpixel((10, 10)) == ((255, 255, 255, 255) if format == "jpeg" else (0, 0, 0, 0))
