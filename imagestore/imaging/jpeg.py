"""The walk through a JPEG file: from marker to marker, without decoding anything."""

from __future__ import annotations

import re
import struct

from imagestore.core.errors import CorruptImage
from imagestore.imaging.limits import Data, Outline, Tally

# Markers (ITU-T T.81, table B.1). A marker is 0xFF and a byte that is neither 0 (stuffing), 0xFF (fill) nor a
# restart marker: so the same search steps over the entropy-coded data of a scan.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_TEM, _SOI, _EOI, _SOS, _COM = 0x01, 0xD8, 0xD9, 0xDA, 0xFE
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = frozenset({0xC0, 0xC1})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_APPLICATION = range(0xE0, 0xF0)
_MISPLACED = frozenset({*range(0x02, 0xC0), 0xC8, _SOI, 0xDE, 0xDF, *range(0xF0, 0xFE)})
"""Behind the first marker no JPEG has these. Damaged data look like one; a decoder that meets it gives up."""
_COEFFICIENTS = 64


def walk_jpeg(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless the file has one frame, all its scans and the end-of-image marker.

    A progressive JPEG is whole when every coefficient of every component has come down to its last bit: a
    decoder would take one that lacks its last scans, and show it blurred.
    """
    walk = _Walk(tally)
    at = 2
    while match := _MARKER.search(data, at):
        tally.add("blocks")
        at = match.end()
        marker = data[at - 1]
        if marker == _EOI:
            return walk.outline()
        if marker in _MISPLACED:
            raise CorruptImage(
                f"The JPEG is damaged: marker {marker:#x} cannot be where it is. Send it again."
            )
        if marker == _TEM:
            continue
        (length,) = struct.unpack_from(">H", data, at)
        walk.enter(marker, data[at + 2 : at + length], at + length)
        at += length
    raise CorruptImage("The JPEG ends before its end-of-image marker: send it whole.")


class _Walk:
    """What was met so far."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._outline: Outline | None = None
        self._frame = 0
        self._missing: dict[int, bytearray] = {}
        self._scan: int | None = None
        self._last = 0

    def enter(self, marker: int, segment: bytes, end: int) -> None:
        """Note a segment: its bytes without their length, and where what follows it begins."""
        self._last = marker
        if marker in _START_OF_FRAME:
            self._enter_frame(marker, segment)
        elif marker == _SOS:
            self._tally.add("scans")
            self._enter_scan(segment, end)
        elif marker in _APPLICATION or marker == _COM:
            self._tally.add("metadata_blocks")
            _count_segment(segment[:35], len(segment), self._tally)

    def _enter_frame(self, marker: int, segment: bytes) -> None:
        if self._outline is not None:
            raise CorruptImage("The JPEG has more than one frame header: save it again.")
        height, width = struct.unpack_from(">HH", segment, 1)
        self._outline = self._tally.canvas(width, height)
        self._frame = marker
        self._missing = {component: bytearray(b"\xff" * _COEFFICIENTS) for component in segment[6::3]}

    def _enter_scan(self, segment: bytes, end: int) -> None:
        """Note the bit down to which a scan brings its coefficients (T.81, B.2.3)."""
        count = segment[0]
        first, last, bits = 0, _COEFFICIENTS - 1, 0
        if self._frame in _PROGRESSIVE:
            first, last, bits = struct.unpack_from("BBB", segment, 1 + 2 * count)
        for component in segment[1 : 1 + 2 * count : 2]:
            if component in self._missing:
                for coefficient in range(first, min(last, _COEFFICIENTS - 1) + 1):
                    self._missing[component][coefficient] = bits & 0x0F
        self._scan = end

    def outline(self) -> Outline:
        """Of the file, at its end. What follows a scan may bear on how it is decoded, so only the scan that
        ends the file, and holds all of a sequential frame, is told.
        """
        if self._outline is None:
            raise CorruptImage("The JPEG holds no picture: save it again.")
        if any(any(coefficients) for coefficients in self._missing.values()):
            raise CorruptImage("The JPEG lacks some of its scans: send it whole.")
        width, height = self._outline.width, self._outline.height
        alone = self._frame in _SEQUENTIAL and self._last == _SOS and self._tally.total("scans") == 1
        return Outline(width, height, scan=self._scan if alone else None)


def _count_segment(head: bytes, length: int, tally: Tally) -> None:
    if head.startswith(b"Exif\0"):
        tally.add("exif", length)
    elif head.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        tally.add("xmp", length)
    elif head.startswith(b"ICC_PROFILE\0"):
        tally.add("icc", length)
