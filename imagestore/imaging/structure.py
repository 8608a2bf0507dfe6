"""Walks through JPEG, PNG, GIF and BMP files: from block to block, without decoding one."""

from __future__ import annotations

import mmap
import re
import struct
import zlib

from imagestore.core.errors import CorruptImage
from imagestore.imaging.limits import Outline, Tally

Data = bytes | mmap.mmap

# JPEG markers (ITU-T T.81, table B.1). A marker is 0xFF and a byte that is neither 0 (stuffing), 0xFF (fill)
# nor a restart marker: so the same search steps over the entropy-coded data of a scan.
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TEM, _SOI, _EOI, _SOS, _COM = 0x01, 0xD8, 0xD9, 0xDA, 0xFE
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_APPLICATION = range(0xE0, 0xF0)
_COEFFICIENTS = 64

_PNG_TEXT = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_PNG_PICTURE = frozenset({b"IDAT", b"fdAT", b"fcTL"})
_GIF_GRAPHIC_CONTROL = 0xF9


def walk_jpeg(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless the file has one frame, all its scans and the end-of-image marker.

    A progressive JPEG is whole when every coefficient of every component has come down to its last bit: a
    decoder would take one that lacks its last scans, and show it blurred.
    """
    outline: Outline | None = None
    missing: dict[int, bytearray] = {}
    progressive, at = False, 2
    while match := _JPEG_MARKER.search(data, at):
        tally.add("blocks")
        at = match.end()
        marker = data[at - 1]
        if marker == _EOI:
            break
        if marker in (_TEM, _SOI):
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in _START_OF_FRAME:
            if outline is not None:
                raise CorruptImage("The JPEG has more than one frame header: save it again.")
            height, width = struct.unpack_from(">HH", data, at + 3)
            outline = tally.canvas(width, height)
            progressive = marker in _PROGRESSIVE
            identifiers = data[at + 8 : at + length : 3]
            missing = {component: bytearray(b"\xff" * _COEFFICIENTS) for component in identifiers}
        elif marker == _SOS:
            tally.add("scans")
            _note_scan(data[at + 2 : at + length], missing, progressive)
        elif marker in _APPLICATION or marker == _COM:
            tally.add("metadata_blocks")
            _count_segment(data[at + 2 : at + 37], length - 2, tally)
        at += length
    else:
        raise CorruptImage("The JPEG ends before its end-of-image marker: send it whole.")
    if outline is None:
        raise CorruptImage("The JPEG holds no picture: save it again.")
    if any(any(coefficients) for coefficients in missing.values()):
        raise CorruptImage("The JPEG lacks some of its scans: send it whole.")
    return outline


def _note_scan(header: bytes, missing: dict[int, bytearray], progressive: bool) -> None:
    """Note the bit down to which a scan brings its coefficients (T.81, B.2.3; `header` is without length)."""
    count = header[0]
    first, last, bits = 0, _COEFFICIENTS - 1, 0
    if progressive:
        first, last, bits = struct.unpack_from("BBB", header, 1 + 2 * count)
    for component in header[1 : 1 + 2 * count : 2]:
        if component in missing:
            for coefficient in range(first, min(last, _COEFFICIENTS - 1) + 1):
                missing[component][coefficient] = bits & 0x0F


def _count_segment(head: bytes, length: int, tally: Tally) -> None:
    if head.startswith(b"Exif\0"):
        tally.add("exif", length)
    elif head.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        tally.add("xmp", length)
    elif head.startswith(b"ICC_PROFILE\0"):
        tally.add("icc", length)


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
