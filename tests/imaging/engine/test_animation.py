"""Frames and pages of every format are counted, composed and timed right."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from imagestore.imaging.engine.animation import Reel
from imagestore.imaging.formats import by_name
from tests import pictures
from tests.pictures import png_chunk

pytestmark = pytest.mark.quick


@contextmanager
def _reel(data: bytes, format: str, path: Path | None = None) -> Iterator[Reel]:
    kind = by_name(format)
    with Image.open(io.BytesIO(data), formats=[kind.pillow]) as image:
        yield Reel(image, path or data, kind)


def _expected(number: int, width: int = 64, height: int = 48) -> Image.Image:
    return pictures.canvas(width, height, seed=1000 * number)


@pytest.mark.parametrize("format", ["gif", "webp", "png", "avif", "tiff"])
def test_frames_are_counted_and_seen_in_their_order(format: str) -> None:
    options = {"lossless": True} if format == "webp" else {}
    if format not in ("tiff",):
        options["duration"] = [40, 200, 1000]
    data = pictures.picture(format, frames=3, **options)
    with _reel(data, format) as reel:
        assert (reel.count, reel.size, reel.moves) == (3, (64, 48), format != "tiff")
        seen = [(frame.convert("RGB"), duration) for frame, duration in reel.play()]
    if format != "tiff":
        assert [duration for _, duration in seen] == [40, 200, 1000]
    for number, (frame, _) in enumerate(seen):
        assert _difference(frame, _expected(number)) < 15
        others = [other for other in range(3) if other != number]
        assert all(_difference(frame, _expected(other)) > 30 for other in others)
    with _reel(data, format) as reel:
        [(page, _)] = reel.play(1, 1)
        assert page.convert("RGB").tobytes() == seen[1][0].tobytes()
    with _reel(data, format) as reel:
        assert reel.still().convert("RGB").tobytes() == seen[0][0].tobytes()
    with _reel(data, format) as reel:
        assert [frame.size for frame, _ in reel.play(2, 7)] == [(64, 48)]


def _difference(first: Image.Image, second: Image.Image) -> float:
    pairs = zip(first.tobytes(), second.tobytes(), strict=True)
    return sum(abs(a - b) for a, b in pairs) / len(first.tobytes())


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_a_still_has_one_frame_and_does_not_move(format: str) -> None:
    with _reel(pictures.picture(format), format) as reel:
        assert (reel.count, reel.moves, reel.plays) == (1, False, 0)
        assert len(list(reel.play())) == 1


@pytest.mark.parametrize("format", ["gif", "webp", "png"])
@pytest.mark.parametrize("plays", [0, 1, 4])
def test_how_often_it_plays(format: str, plays: int) -> None:
    loop = {} if format == "gif" and plays == 1 else {"loop": max(0, plays - (format == "gif"))}
    with _reel(pictures.picture(format, frames=2, **loop), format) as reel:
        assert reel.plays == plays


def test_a_gif_is_read_from_its_file_too(tmp_path: Path) -> None:
    data = pictures.gif(frames=2)
    path = tmp_path / "moving.gif"
    path.write_bytes(data)
    with _reel(data, "gif", path) as reel:
        assert reel.count == 2


RED, GREEN, BLUE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255)
HALF, CLEAR = (0, 255, 0, 128), (0, 0, 0, 0)
Color = tuple[int, int, int, int]


def _apng(
    width: int, frames: list[tuple[int, list[Color], int, int]], *, hidden: list[Color] | None
) -> bytes:
    """An animated PNG of one row, built by hand: (left, pixels, disposal, blending) of each frame."""

    def compressed(pixels: list[Color]) -> bytes:
        return zlib.compress(b"\0" + b"".join(bytes(pixel) for pixel in pixels))

    body = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, 8, 6, 0, 0, 0))
    body += png_chunk(b"acTL", struct.pack(">II", len(frames), 2))
    if hidden is not None:
        body += png_chunk(b"IDAT", compressed(hidden))
    number = 0
    for index, (left, pixels, disposal, blending) in enumerate(frames):
        control = struct.pack(
            ">IIIIIHHBB", number, len(pixels), 1, left, 0, index + 1, 10, disposal, blending
        )
        body += png_chunk(b"fcTL", control)
        number += 1
        if index == 0 and hidden is None:
            body += png_chunk(b"IDAT", compressed(pixels))
        else:
            body += png_chunk(b"fdAT", struct.pack(">I", number) + compressed(pixels))
            number += 1
    return pictures.PNG_SIGNATURE + body + png_chunk(b"IEND", b"")


def _row(frame: Image.Image) -> list[object]:
    frame = frame.convert("RGBA")
    return [frame.getpixel((x, 0)) for x in range(frame.width)]


KEEP, CLEARED, RESTORED = 0, 1, 2
SOURCE, OVER = 0, 1


@pytest.mark.parametrize("hidden", [None, [BLUE, BLUE, BLUE]])
def test_an_animated_png_is_disposed_and_blended(hidden: list[Color] | None) -> None:
    data = _apng(
        3,
        [
            (0, [RED, RED, RED], KEEP, SOURCE),
            (0, [GREEN, HALF], RESTORED, SOURCE),
            (2, [GREEN], CLEARED, OVER),
            (0, [CLEAR, BLUE], KEEP, OVER),
        ],
        hidden=hidden,
    )
    with _reel(data, "png") as reel:
        assert (reel.count, reel.plays, reel.moves) == (4, 2, True)
        seen = [(_row(frame), duration) for frame, duration in reel.play()]
        assert seen == [
            ([RED, RED, RED], 100),
            ([GREEN, HALF, RED], 200),
            ([RED, RED, GREEN], 300),
            ([RED, BLUE, CLEAR], 400),
        ]
        assert _row(reel.still()) == (hidden or [RED, RED, RED])


def test_a_webp_of_many_sizes_of_frames_is_composed() -> None:
    frames = [Image.new("RGBA", (20, 10), RED)]
    for step in range(3):
        frame = frames[-1].copy()
        frame.paste(CLEAR if step == 1 else BLUE, (step * 5, 2, step * 5 + 4, 8))
        frames.append(frame)
    data = io.BytesIO()
    frames[0].save(data, "WEBP", save_all=True, append_images=frames[1:], lossless=True, duration=[10] * 4)
    with _reel(data.getvalue(), "webp") as reel:
        seen = [frame.convert("RGBa").tobytes() for frame, _ in reel.play()]
    assert seen == [frame.convert("RGBa").tobytes() for frame in frames]
