"""Walks through WebP, TIFF and AVIF files, whose pictures lie in a container made for more."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imagestore.core.errors import CorruptImage
from imagestore.imaging.limits import Data, Outline, Tally

_WEBP_METADATA = {b"ICCP": "icc", b"EXIF": "exif", b"XMP ": "xmp"}

# TIFF 6.0, sections 2 and 8: bytes of a value of each type, and the tags that count here.
_TIFF_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_WIDTH, _HEIGHT, _XMP, _ICC = 256, 257, 700, 34675
_DATA_TAGS = ((273, 279), (324, 325), (513, 514))

# ISO/IEC 14496-12 and 23008-12: the boxes that hold other boxes, and the bytes before the first of them.
_BOX_PARENTS = {
    b"meta": 4,
    b"iprp": 0,
    b"ipco": 0,
    b"moov": 0,
    b"trak": 0,
    b"mdia": 0,
    b"minf": 0,
    b"stbl": 0,
}
_BOX_DEPTH = 8


def walk_webp(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless the RIFF chunks are whole and one of them is a picture."""
    end = 8 + int(struct.unpack_from("<I", data, 4)[0])
    if end > len(data):
        raise CorruptImage("The WebP is shorter than it says: send it whole.")
    at, frames, canvas, stills = 12, 0, (0, 0), 0
    while at + 8 <= end:
        tally.add("blocks")
        kind, length = struct.unpack_from("<4sI", data, at)
        if at + 8 + length > end:
            raise CorruptImage("A chunk of the WebP reaches beyond its end: send it again.")
        if kind == b"VP8X":
            canvas = _uint24(data, at + 12) + 1, _uint24(data, at + 15) + 1
        elif kind == b"ANMF":
            frames += 1
            tally.canvas(*canvas, frames)
        elif kind in (b"VP8 ", b"VP8L"):
            stills += 1
            size = _vp8_size(data, at + 8) if kind == b"VP8 " else _vp8l_size(data, at + 8)
            tally.canvas(*size)
            canvas = canvas if canvas != (0, 0) else size
        else:
            tally.add("metadata_blocks")
            tally.add(_WEBP_METADATA.get(kind, "text"), length)
        at += 8 + length + length % 2
    if not stills and not frames:
        raise CorruptImage("The WebP holds no picture: save it again.")
    return tally.canvas(*canvas, max(frames, 1))


def _vp8_size(data: Data, at: int) -> tuple[int, int]:
    """RFC 6386, section 9.1: 14 bits each behind the start code; the other two are a scale for display."""
    width, height = struct.unpack_from("<HH", data, at + 6)
    return width & 0x3FFF, height & 0x3FFF


def _vp8l_size(data: Data, at: int) -> tuple[int, int]:
    """WebP lossless bitstream specification, section 3."""
    (bits,) = struct.unpack_from("<I", data, at + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _uint24(data: Data, at: int) -> int:
    low, high = struct.unpack_from("<HB", data, at)
    return int(low) | int(high) << 16


@dataclass(frozen=True, slots=True)
class _Field:
    """One entry of a TIFF directory: `count` values of `type`, the first of them at `at` in the file."""

    type: int
    count: int
    at: int

    @property
    def size(self) -> int:
        return self.count * _TIFF_TYPE_BYTES.get(self.type, 1)


def walk_tiff(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless the pages end, none comes twice, and each one's data lies in the file."""
    order = "<" if data[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", data, 4)
    seen: set[int] = set()
    first: tuple[int, int] | None = None
    while at:
        if at in seen:
            raise CorruptImage("The pages of the TIFF run in a circle: save it again.")
        seen.add(at)
        fields, at = _read_directory(data, at, order, tally)
        width, height = (_first_value(data, fields.get(tag), order) for tag in (_WIDTH, _HEIGHT))
        tally.page(width, height)
        first = first or (width, height)
        for tag, limit in ((_XMP, "xmp"), (_ICC, "icc")):
            if tag in fields:
                tally.add(limit, fields[tag].size)
        for offsets, counts in _DATA_TAGS:
            _check_data(data, order, tally, fields.get(offsets), fields.get(counts))
    if first is None:
        raise CorruptImage("The TIFF holds no page: save it again.")
    return Outline(*first, len(seen))


def _read_directory(data: Data, at: int, order: str, tally: Tally) -> tuple[dict[int, _Field], int]:
    """The fields of the page at `at`, by tag, and where the next page is; 0 when there is none."""
    (entries,) = struct.unpack_from(order + "H", data, at)
    tally.add("blocks", entries)
    fields: dict[int, _Field] = {}
    total = 0
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        tag, kind, count, value = struct.unpack_from(order + "HHII", data, entry)
        field = _Field(kind, count, entry + 8)
        if field.size > 4:
            field = _Field(kind, count, value)
            total += field.size
        fields[tag] = field
    # Values do not share bytes: a few that all claim the whole file would fill the memory of a reader.
    if total > len(data):
        raise CorruptImage("The values of a TIFF's page reach beyond its end: send it whole.")
    (following,) = struct.unpack_from(order + "I", data, at + 2 + 12 * entries)
    return fields, int(following)


def _values(data: Data, field: _Field, order: str, tally: Tally) -> tuple[int, ...]:
    tally.add("blocks", field.count)
    letter = {3: "H", 4: "I", 13: "I"}.get(field.type)
    if letter is None:
        raise CorruptImage("A TIFF's page says where its data is in no whole numbers: save it again.")
    return struct.unpack_from(f"{order}{field.count}{letter}", data, field.at)


def _first_value(data: Data, field: _Field | None, order: str) -> int:
    letter = {3: "H", 4: "I"}.get(field.type) if field is not None and field.count else None
    return int(struct.unpack_from(order + letter, data, field.at)[0]) if field and letter else 0


def _check_data(data: Data, order: str, tally: Tally, offsets: _Field | None, counts: _Field | None) -> None:
    """Raises CorruptImage if a strip, a tile or a JPEG of the page reaches beyond the end of the file."""
    if offsets is None or counts is None:
        return
    starts, lengths = (_values(data, each, order, tally) for each in (offsets, counts))
    if any(start + length > len(data) for start, length in zip(starts, lengths, strict=False)):
        raise CorruptImage("The TIFF ends before its picture does: send it whole.")


def walk_avif(data: Data, tally: Tally) -> Outline:
    """Raises CorruptImage unless the boxes are whole and one of them gives the picture's size.

    The size is that of the largest item or track, the frames those of the longest track.
    """
    width, height, frames, metadata = 0, 0, 1, False
    for kind, at, end in _boxes(data, 0, len(data), tally, 0):
        metadata = metadata or kind == b"meta"
        size = (0, 0)
        if kind == b"ispe":
            size = struct.unpack_from(">II", data, at + 4)
        elif kind == b"tkhd":
            # A track's size is its last field, in 16.16 fixed point.
            size = tuple(side >> 16 for side in struct.unpack_from(">II", data, end - 8))
        elif kind == b"stsz":
            (samples,) = struct.unpack_from(">I", data, at + 8)
            frames = max(frames, samples)
        elif kind == b"colr" and data[at : at + 4] in (b"prof", b"rICC"):
            tally.add("icc", end - at - 4)
        if size != (0, 0):
            tally.canvas(*size, frames)
        width, height = max(width, size[0]), max(height, size[1])
    if not metadata:
        raise CorruptImage("The AVIF holds no picture: save it again.")
    return tally.canvas(width, height, frames)


def _boxes(data: Data, at: int, end: int, tally: Tally, depth: int) -> Iterator[tuple[bytes, int, int]]:
    """Every box from `at` to `end` and in those: its type, where its content begins, where it ends."""
    if depth > _BOX_DEPTH:
        raise CorruptImage("The boxes of the AVIF are nested too deep: save it again.")
    while at < end:
        tally.add("blocks")
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        stop = at + size if size else end
        if stop > end or stop < at + head:
            raise CorruptImage("The AVIF is shorter than it says: send it whole.")
        yield kind, at + head, stop
        if kind in _BOX_PARENTS:
            yield from _boxes(data, at + head + _BOX_PARENTS[kind], stop, tally, depth + 1)
        at = stop
