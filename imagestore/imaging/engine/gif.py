"""GIF, block by block: frames as a browser composes them, and animations with only what changes in a frame.

Pillow decodes and encodes what is in a frame. What is between frames is done here: Pillow clears a frame's
place to an opaque colour, keeps a method of disposal for the frames after it, and paints what the first frame
leaves uncovered in the palette's first colour, all of which browsers do otherwise.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from PIL import Image, ImageChops

from imagestore.core.errors import CorruptImage
from imagestore.imaging.engine import quantization

_CLEAR, _RESTORE = 2, 3
_KEEP = 1
_IMAGE, _EXTENSION, _TRAILER = 0x2C, 0x21, 0x3B
_CONTROL, _APPLICATION = 0xF9, 0xFF
_NO_CONTROL: tuple[int, int, int | None] = (0, 0, None)
_OPAQUE_FROM = 128
_MOST = quantization.MOST - 1
"""One colour of a palette is kept for what is transparent."""
_LOSSY_COLORS = 96
_HOLE = np.zeros(1, np.uint32)
_SHOT = 8
_LOSSY_STEP = 10
"""What changes by less than this (of 255) is taken as unchanged with `fl_lossy`."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame as it stands in the file. `pixels` are its code size and sub-blocks, with their end."""

    left: int
    top: int
    width: int
    height: int
    interlaced: bool
    palette: bytes
    pixels: bytes
    duration: int
    disposal: int
    transparent: int | None


@dataclass(frozen=True, slots=True)
class Animation:
    """The canvas, how often it plays (0 for ever), and the frames of a file."""

    width: int
    height: int
    plays: int
    frames: tuple[_Frame, ...]

    @property
    def durations(self) -> list[int]:
        return [frame.duration for frame in self.frames]

    def compose(self) -> Iterator[Image.Image]:
        """Each frame on the whole canvas, RGBA, as section 23 of the GIF89a specification has it."""
        canvas = Image.new("RGBA", (self.width, self.height))
        for frame in self.frames:
            place = (frame.left, frame.top)
            before = canvas.copy() if frame.disposal == _RESTORE else canvas
            picture, mask = _decode(frame)
            canvas.paste(picture, place, mask)
            yield canvas.copy()
            if frame.disposal == _CLEAR:
                canvas.paste((0, 0, 0, 0), (*place, frame.left + frame.width, frame.top + frame.height))
            elif frame.disposal == _RESTORE:
                canvas = before


def parse(data: bytes) -> Animation:
    """Raises CorruptImage for a file that ends too early, or has no picture."""
    try:
        return _parse(data)
    except (struct.error, IndexError):
        raise CorruptImage("The gif file ends before its picture does: send it whole.") from None


def _parse(data: bytes) -> Animation:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    shared, at = _palette(data, 13, flags)
    frames: list[_Frame] = []
    plays, control = 1, _NO_CONTROL
    while (introducer := data[at]) != _TRAILER:
        if introducer == _IMAGE:
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, at + 1)
            own, at = _palette(data, at + 10, flags)
            end = _skip(data, at + 1)
            frames.append(
                _Frame(left, top, across, down, bool(flags & 0x40), own or shared, data[at:end], *control)
            )
            width, height = max(width, left + across), max(height, top + down)
            at, control = end, _NO_CONTROL
        elif introducer == _EXTENSION:
            label, at = data[at + 1], at + 2
            if label == _CONTROL:
                control = _read_control(data, at)
            elif label == _APPLICATION and data[at + 1 : at + 12] in (b"NETSCAPE2.0", b"ANIMEXTS1.0"):
                plays = _read_plays(data, at + 12)
            at = _skip(data, at)
        else:
            at += 1
    if not frames:
        raise CorruptImage("The gif file holds no picture: save it again.")
    return Animation(width, height, plays, tuple(frames))


def _palette(data: bytes, at: int, flags: int) -> tuple[bytes, int]:
    size = 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
    return data[at : at + size], at + size


def _skip(data: bytes, at: int) -> int:
    while length := data[at]:
        at += 1 + length
    return at + 1


def _read_control(data: bytes, at: int) -> tuple[int, int, int | None]:
    """Duration in milliseconds, disposal, and the transparent index, of a graphic control extension."""
    flags, hundredths, index = struct.unpack_from("<BHB", data, at + 1)
    return hundredths * 10, flags >> 2 & 7, index if flags & 1 else None


def _read_plays(data: bytes, at: int) -> int:
    """The extension says how often it is repeated once it has played; 0 is for ever."""
    if data[at] < 3 or data[at + 1] != 1:
        return 1
    (repeats,) = struct.unpack_from("<H", data, at + 2)
    return repeats + 1 if repeats else 0


def _decode(frame: _Frame) -> tuple[Image.Image, Image.Image | None]:
    """A frame's own pixels and which of them count, None for all: by Pillow, as a GIF of one frame."""
    size = struct.pack("<HH", frame.width, frame.height)
    flags = 0x40 if frame.interlaced else 0
    palette = (frame.palette or bytes(range(256)) * 3).ljust(768, b"\0")
    alone = (
        b"GIF89a" + size + b"\xf7\0\0" + palette + b",\0\0\0\0" + size + bytes([flags]) + frame.pixels + b";"
    )
    with Image.open(io.BytesIO(alone), formats=["GIF"]) as opened:
        indices = Image.frombytes("L", opened.size, opened.tobytes())
    picture = indices.convert("P")
    picture.putpalette(palette)
    if frame.transparent is None:
        return picture.convert("RGB"), None
    return picture.convert("RGB"), indices.point([255 * (index != frame.transparent) for index in range(256)])


# ---- writing


def write(
    frames: Sequence[Image.Image], durations: Sequence[int], plays: int, *, lossy: bool = False
) -> bytes:
    """The GIF of those frames, RGB or RGBA, shown for so many milliseconds each.

    A GIF knows no half transparency: what is at least half opaque is shown. With `lossy` fewer colours and
    small changes left out make it smaller. Frames that change nothing make the one before last longer.
    """
    shown = [_cut_alpha(frame) for frame in frames]
    times = list(durations) or [0]
    width, height = shown[0].size
    written = io.BytesIO()
    written.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
    if len(shown) > 1 and plays != 1:
        repeats = min(plays - 1, 0xFFFF) if plays else 0
        written.write(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0")
    parts = list(_parts(shown, times, _LOSSY_STEP if lossy else 0))
    for start in range(0, len(parts), _SHOT):
        shot = parts[start : start + _SHOT]
        palette = _choose_palette(shot, _LOSSY_COLORS if lossy else _MOST)
        for part in shot:
            written.write(_encode(part, palette, dither=not lossy))
    written.write(b";")
    return written.getvalue()


@dataclass(frozen=True, slots=True)
class _Part:
    """What a frame paints, RGBA, and where; `disposal` is what is done to it after its time."""

    picture: Image.Image
    left: int
    top: int
    duration: int
    disposal: int


def _cut_alpha(frame: Image.Image) -> Image.Image:
    if frame.mode != "RGBA":
        return frame.convert("RGBA")
    opaque = frame.getchannel("A").point([255 * (value >= _OPAQUE_FROM) for value in range(256)])
    cut = Image.new("RGBA", frame.size)
    cut.paste(frame.convert("RGB"), mask=opaque)
    return cut


def _parts(frames: list[Image.Image], durations: list[int], step: int) -> Iterator[_Part]:
    """Only what changes, if nothing has to vanish; else each frame whole, cleared after its time."""
    if any(_uncovers(before, after) for before, after in pairwise(frames)):
        for frame, duration in zip(frames, durations, strict=True):
            yield _Part(frame, 0, 0, duration, _CLEAR)
        return
    # What is shown when small changes are left out: they are measured against that, lest they add up.
    shown = frames[0].copy()
    waiting = _Part(frames[0], 0, 0, durations[0], _KEEP)
    for frame, duration in zip(frames[1:], durations[1:], strict=True):
        changed = _changes(shown, frame, step)
        place = changed.getbbox()
        if place is None:
            waiting = replace(waiting, duration=waiting.duration + duration)
            continue
        yield waiting
        shown.paste(frame, mask=changed)
        part = frame.crop(place)
        part.putalpha(changed.crop(place))
        waiting = _Part(part, place[0], place[1], duration, _KEEP)
    yield waiting


def _uncovers(before: Image.Image, after: Image.Image) -> bool:
    return ImageChops.subtract(before.getchannel("A"), after.getchannel("A")).getbbox() is not None


def _changes(before: Image.Image, after: Image.Image, step: int) -> Image.Image:
    """255 where a shown pixel is another one by more than `step`."""
    bands = ImageChops.difference(before, after).split()
    largest = bands[0]
    for band in bands[1:]:
        largest = ImageChops.lighter(largest, band)
    changed = largest.point([255 * (value > step) for value in range(256)])
    return ImageChops.multiply(changed, after.getchannel("A"))


def _choose_palette(parts: list[_Part], colors: int) -> Image.Image:
    """One for several frames: it costs as much as to write them, and colours do not flicker between them."""
    return quantization.choose_palette([part.picture.convert("RGB") for part in parts], colors)


def _encode(part: _Part, shared: Image.Image, *, dither: bool) -> bytes:
    """The frame's control extension, descriptor, palette and pixels; in its own exact palette if it has few
    colours, else in the shared one."""
    opaque = part.picture.getchannel("A")
    # One that is cleared needs a transparent colour, else many readers clear it to another one.
    has_holes = part.disposal == _CLEAR or opaque.getextrema() != (255, 255)
    used = quantization.find_colors([part.picture], _MOST)
    if used is not None:
        used = np.union1d(used, _HOLE) if has_holes else used
        indexed, transparent = quantization.apply_exactly(part.picture, used), 0
        palette = (indexed.getpalette("RGB") or [])[: 3 * len(used)]
    else:
        indexed = quantization.apply(part.picture.convert("RGB"), shared, dither=dither)
        palette = [*(shared.getpalette("RGB") or [])[: 3 * _MOST], 0, 0, 0]
        transparent = len(palette) // 3 - 1
        if has_holes:
            indexed.paste(transparent, mask=ImageChops.invert(opaque))
    bits = max(1, (len(palette) // 3 - 1).bit_length())
    hundredths = min(round(part.duration / 10), 0xFFFF)
    control = struct.pack("<BHB", part.disposal << 2 | has_holes, hundredths, transparent if has_holes else 0)
    descriptor = struct.pack("<HHHHB", part.left, part.top, *indexed.size, 0x80 | bits - 1)
    table = bytes(palette).ljust(3 * 2**bits, b"\0")
    return b"!\xf9\x04" + control + b"\0," + descriptor + table + _compress(indexed)


def _compress(indexed: Image.Image) -> bytes:
    """Code size and sub-blocks of the pixels: Pillow's own, out of a GIF that it writes."""
    grey = Image.frombytes("L", indexed.size, indexed.tobytes())
    alone = io.BytesIO()
    grey.save(alone, "GIF", interlace=False, optimize=False)
    return parse(alone.getvalue()).frames[0].pixels
