"""GIFs are composed as browsers compose them, and written so that every frame comes back as it was."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from imagestore.core.errors import CorruptImage
from imagestore.imaging.engine import gif
from tests import pictures

pytestmark = pytest.mark.quick

RED, GREEN, BLUE, BLACK = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 255)
CLEAR = (0, 0, 0, 0)
_PALETTE = [RED, GREEN, BLUE, BLACK]
_TRANSPARENT = 3

Block = tuple[str, tuple[int, int], int, bool]
"""What a frame paints, a letter a pixel (`.` is transparent) and rows apart by `/`; where; its disposal; and
whether it has a transparent index at all."""


def _made(width: int, height: int, blocks: list[Block], *, repeats: int | None = None) -> bytes:
    """A GIF built by hand, so that no writer's idea of disposal comes in between."""
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x91, 0, 0)
    head += b"".join(bytes(color[:3]) for color in _PALETTE)
    if repeats is not None:
        head += b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0"
    body = b""
    for number, (drawn, (left, top), disposal, transparent) in enumerate(blocks):
        rows = drawn.split("/")
        pixels = bytes("RGB.".index(letter) for row in rows for letter in row)
        body += b"!\xf9\x04" + struct.pack("<BHBB", disposal << 2 | transparent, number + 4, _TRANSPARENT, 0)
        body += b"," + struct.pack("<HHHHB", left, top, len(rows[0]), len(rows), 0) + _uncompressed(pixels)
    return head + body + b";"


def _uncompressed(pixels: bytes) -> bytes:
    """Codes of 3 bits, cleared before each one: LZW that never comes to compress."""
    codes = [code for pixel in pixels for code in (4, pixel)] + [5]
    number = sum(code << 3 * place for place, code in enumerate(codes))
    data = number.to_bytes(len(codes) * 3 // 8 + 1, "little")
    blocks = [data[at : at + 255] for at in range(0, len(data), 255)]
    return b"\x02" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _drawn(frame: Image.Image) -> str:
    letters = {RED: "R", GREEN: "G", BLUE: "B", BLACK: "K", CLEAR: "."}
    text = [letters[frame.getpixel((x, y))] for y in range(frame.height) for x in range(frame.width)]
    return "/".join("".join(text[row * frame.width : (row + 1) * frame.width]) for row in range(frame.height))


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        pytest.param(
            [("RRR/RRR", (0, 0), 0, False), ("G", (1, 0), 0, False), ("B", (2, 1), 0, False)],
            ["RRR/RRR", "RGR/RRR", "RGR/RRB"],
            id="unspecified keeps",
        ),
        pytest.param(
            [("RRR/RRR", (0, 0), 1, False), ("G.", (1, 0), 1, True), ("B", (0, 1), 1, False)],
            ["RRR/RRR", "RGR/RRR", "RGR/BRR"],
            id="keep, and nothing painted where transparent",
        ),
        pytest.param(
            [("RRR/RRR", (0, 0), 1, False), ("GG", (0, 0), 2, False), ("B", (2, 1), 0, False)],
            ["RRR/RRR", "GGR/RRR", "..R/RRB"],
            id="cleared to transparent, not to a colour",
        ),
        pytest.param(
            [("RRR/RRR", (0, 0), 1, False), ("GG", (1, 1), 3, False), ("B", (0, 0), 3, False)],
            ["RRR/RRR", "RRR/RGG", "BRR/RRR"],
            id="restored to what was before",
        ),
        pytest.param(
            [("RRR/RRR", (0, 0), 2, False), ("G", (0, 0), 0, False), ("B", (1, 0), 0, False)],
            ["RRR/RRR", "G../...", "GB./..."],
            id="a method is one frame's own",
        ),
        pytest.param([("G", (1, 1), 0, False)], [".../.G."], id="what the first frame leaves is transparent"),
        pytest.param(
            [("G", (1, 1), 3, False), ("B", (0, 0), 0, False)],
            [".../.G.", "B../..."],
            id="restored to nothing",
        ),
        pytest.param(
            [("RRRR", (0, 0), 0, False)], ["RRRR/...."], id="a canvas as large as what is painted on it"
        ),
    ],
)  # fmt: skip
def test_frames_are_composed_by_every_method_of_disposal(blocks: list[Block], expected: list[str]) -> None:
    animation = gif.parse(_made(3, 2, blocks))
    assert [_drawn(frame) for frame in animation.compose()] == expected
    assert animation.durations == [10 * (number + 4) for number in range(len(blocks))]


@pytest.mark.parametrize(("repeats", "plays"), [(None, 1), (0, 0), (1, 2), (9, 10)])
def test_it_is_repeated_once_it_has_played(repeats: int | None, plays: int) -> None:
    data = _made(1, 1, [("R", (0, 0), 0, False), ("G", (0, 0), 0, False)], repeats=repeats)
    animation = gif.parse(data)
    assert animation.plays == plays
    written = gif.write(list(animation.compose()), animation.durations, animation.plays)
    assert gif.parse(written).plays == plays


def test_interlaced_and_local_palettes_are_read() -> None:
    drawn = pictures.canvas(40, 30, seed=4).quantize(32)
    for interlace in (False, True):
        data = io.BytesIO()
        drawn.save(data, "GIF", interlace=interlace)
        [frame] = gif.parse(data.getvalue()).compose()
        assert frame.convert("RGB").tobytes() == drawn.convert("RGB").tobytes()


def test_grey_frames_are_read() -> None:
    data = io.BytesIO()
    Image.linear_gradient("L").save(data, "GIF")
    [frame] = gif.parse(data.getvalue()).compose()
    assert frame.convert("L").tobytes() == Image.linear_gradient("L").tobytes()


def _sprites(background: tuple[int, int, int, int]) -> list[Image.Image]:
    """A square that moves over a ground of that colour, in a few colours."""
    frames = []
    for step in range(5):
        frame = Image.new("RGBA", (40, 30), background)
        frame.paste((20 * step, 200, 255 - 20 * step, 255), (5 * step, 4 + step, 5 * step + 9, 15 + step))
        frame.paste(BLACK, (30, 20, 34, 24))
        frames.append(frame)
    return frames


@pytest.mark.parametrize("background", [RED, CLEAR], ids=["opaque", "transparent"])
def test_few_colors_come_back_exactly(background: tuple[int, int, int, int]) -> None:
    frames, durations = _sprites(background), [100, 20, 300, 40, 1000]
    animation = gif.parse(gif.write(frames, durations, 0))
    assert animation.durations == durations
    assert animation.plays == 0
    for written, frame in zip(animation.compose(), frames, strict=True):
        assert written.tobytes() == frame.tobytes()


def test_pillow_reads_what_is_written_the_same_way() -> None:
    frames = _sprites(RED)
    with Image.open(io.BytesIO(gif.write(frames, [100] * 5, 3))) as opened:
        assert (opened.n_frames, opened.info["loop"]) == (5, 2)
        for number, frame in enumerate(frames):
            opened.seek(number)
            assert opened.convert("RGBA").tobytes() == frame.tobytes()


def test_only_what_changes_is_written() -> None:
    still = pictures.canvas(200, 150, seed=1)
    moved = still.copy()
    moved.paste((255, 0, 0), (10, 10, 14, 14))
    one, two = gif.write([still], [100], 0), gif.write([still, moved], [100, 100], 0)
    assert len(two) < len(one) + 400
    frame = gif.parse(two).frames[1]
    assert (frame.left, frame.top, frame.width, frame.height) == (10, 10, 4, 4)


def test_a_frame_that_changes_nothing_makes_the_one_before_last_longer() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "red", "blue", "blue")]
    animation = gif.parse(gif.write(frames, [100, 200, 300, 400], 1))
    assert animation.durations == [300, 700]


def test_lossy_is_smaller_and_still_like_it() -> None:
    ground = Image.merge("RGB", [Image.linear_gradient("L")] * 2 + [Image.radial_gradient("L")])
    frames = [ground.copy() for _ in range(4)]
    for step, frame in enumerate(frames):
        frame.paste((255, 255, 0), (step * 8, 10, step * 8 + 12, 40))
    plain, lossy = (gif.write(frames, [50] * 4, 0, lossy=lossy) for lossy in (False, True))
    assert len(lossy) < 0.9 * len(plain)
    for written, frame in zip(gif.parse(lossy).compose(), frames, strict=True):
        differences = [
            abs(a - b) for a, b in zip(written.convert("RGB").tobytes(), frame.tobytes(), strict=True)
        ]
        assert sum(differences) / len(differences) < 6


def test_half_transparency_is_cut() -> None:
    frame = Image.new("RGBA", (4, 1), (10, 20, 30, 0))
    for x, alpha in enumerate((0, 127, 128, 255)):
        frame.putpixel((x, 0), (10, 20, 30, alpha))
    [written] = gif.parse(gif.write([frame], [0], 1)).compose()
    assert [written.getpixel((x, 0)) for x in range(4)] == [
        CLEAR,
        CLEAR,
        (10, 20, 30, 255),
        (10, 20, 30, 255),
    ]


def test_a_picture_of_no_opaque_pixel_is_written() -> None:
    frames = [Image.new("RGBA", (5, 4)), Image.new("RGBA", (5, 4), RED), Image.new("RGBA", (5, 4))]
    composed = list(gif.parse(gif.write(frames, [10] * 3, 0)).compose())
    assert [frame.getpixel((2, 2)) for frame in composed] == [CLEAR, RED, CLEAR]


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(keep: float) -> None:
    data = pictures.truncated(pictures.gif(frames=3), keep)
    with pytest.raises(CorruptImage):
        list(gif.parse(data).compose())
