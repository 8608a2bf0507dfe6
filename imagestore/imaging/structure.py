"""Walks through PNG, GIF and BMP files: from block to block, without decoding one."""

from __future__ import annotations

import struct
import zlib

from imagestore.core.errors import CorruptImage
from imagestore.imaging.limits import Data, Outline, Tally

_PNG_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_PICTURE = frozenset({b"IDAT", b"fdAT", b"fcTL"})
_GIF_GRAPHIC_CONTROL = 0xF9


def walk_png(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless every chunk is whole, its checksum right, and the last one IEND."""
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    if (length, kind) != (13, b"IHDR"):
        raise CorruptImage("The PNG does not begin with its header: save it again.")
    tally.canvas(width, height)
    at, animated, controls, hidden = 8, 0, 0, 0
    with memoryview(data) as view:
        while kind != b"IEND":
            tally.add("blocks")
            length, kind = struct.unpack_from(">I4s", data, at)
            end = at + 8 + length
            (checksum,) = struct.unpack_from(">I", data, end)
            if zlib.crc32(view[at + 4 : end]) != checksum:
                raise CorruptImage(f"The PNG's chunk {kind!r} is damaged: send the file again.")
            if kind == b"acTL":
                (animated,) = struct.unpack_from(">I", data, at + 8)
                tally.compare("frames", animated)
            elif kind == b"fcTL":
                controls += 1
                _check_png_frame(data, at + 8, width, height)
            elif kind == b"IDAT" and not controls:
                # The still picture that readers without animation show is a frame of its own.
                hidden = 1
            elif kind not in _PNG_PICTURE:
                _count_chunk(kind, data[at + 8 : at + 25], length, tally)
            at = end + 4
    frames = max(animated, controls) + hidden if animated else 1
    return tally.canvas(width, height, frames)


def _check_png_frame(data: Data, at: int, width: int, height: int) -> None:
    frame_width, frame_height, left, top = struct.unpack_from(">IIII", data, at + 4)
    if left + frame_width > width or top + frame_height > height:
        raise CorruptImage("A frame of the PNG reaches out of its picture: save it again.")


def _count_chunk(kind: bytes, head: bytes, length: int, tally: Tally) -> None:
    tally.add("metadata_blocks")
    if kind in _PNG_TEXT:
        tally.add("xmp" if head.startswith(b"XML:com.adobe.xmp") else "text", length)
    elif kind == b"iCCP":
        tally.add("icc", length)
    elif kind == b"eXIf":
        tally.add("exif", length)


def walk_gif(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless every block is whole, one is a picture, and the trailer ends them."""
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, frames = 13 + _palette_bytes(flags), 0
    while (introducer := data[at]) != 0x3B:
        tally.add("blocks")
        if introducer == 0x2C:
            frames += 1
            left, top, frame_width, frame_height, flags = struct.unpack_from("<HHHHB", data, at + 1)
            width, height = max(width, left + frame_width), max(height, top + frame_height)
            tally.canvas(width, height, frames)
            at = _skip_sub_blocks(data, at + 11 + _palette_bytes(flags), tally)
        elif introducer == 0x21:
            if data[at + 1] != _GIF_GRAPHIC_CONTROL:
                tally.add("metadata_blocks")
            at = _skip_sub_blocks(data, at + 2, tally)
        elif introducer == 0:
            at += 1
        else:
            raise CorruptImage("The GIF holds a block of no known kind: save it again.")
    return tally.canvas(width, height, frames)


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_sub_blocks(data: Data, at: int, tally: Tally) -> int:
    while length := data[at]:
        tally.add("blocks")
        at += 1 + length
    return at + 1


def walk_bmp(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless all rows are there; compressed ones by the size that the header names."""
    (offset, header) = struct.unpack_from("<II", data, 10)
    compression, size = 0, 0
    if header in (12, 16):
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, depth, compression, size = struct.unpack_from("<iiHHII", data, 18)
    outline = tally.canvas(width, abs(height))
    if depth not in (1, 2, 4, 8, 16, 24, 32):
        raise CorruptImage(f"The BMP says that it has {depth} bits a pixel: save it again.")
    if compression in (0, 3, 6):
        size = (width * depth + 31) // 32 * 4 * abs(height)
    if offset + size > len(data):
        raise CorruptImage("The BMP ends before its last row: send it whole.")
    return outline
