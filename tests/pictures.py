"""Pictures that tests make for themselves: honest ones of every format, and hostile files.

This file is longer than 300 lines because each format has its own maker, with its own options.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image

FORMATS = ("jpeg", "png", "gif", "webp", "avif", "tiff", "bmp")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
BOMB_SIDE = 16_000
"""Sides of `bomb_pixels`: each within the limit of 16,384, both together five times over that of 50 MP."""

_ORIENTATION, _GPS, _XMP = 0x0112, 0x8825, 0x02BC


# Honest pictures. The same arguments give the same bytes; another seed gives another picture.


def jpeg(
    width: int = 640,
    height: int = 480,
    *,
    quality: int = 85,
    orientation: int = 1,
    gps: bool = False,
    progressive: bool = False,
    seed: int = 0,
    noise: bool = False,
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """`mode` may be RGB, L or CMYK. `options` go to Pillow's writer, here and below."""
    return _save(
        canvas(width, height, seed=seed, noise=noise, mode=mode),
        "JPEG",
        quality=quality,
        progressive=progressive,
        **_exif_option(orientation, gps),
        **options,
    )


def png(
    width: int = 64,
    height: int = 48,
    *,
    alpha: bool = False,
    orientation: int = 1,
    gps: bool = False,
    frames: int = 1,
    seed: int = 0,
    noise: bool = False,
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """A PNG; with `frames` above 1 an animated one (APNG)."""
    shade = "RGBA" if alpha else mode
    return _save_frames(
        "PNG", width, height, frames, seed, noise, shade, **_exif_option(orientation, gps), **options
    )


def gif(width: int = 64, height: int = 48, *, frames: int = 1, seed: int = 0, **options: Any) -> bytes:
    return _save_frames("GIF", width, height, frames, seed, False, "RGB", **options)


def webp(
    width: int = 64,
    height: int = 48,
    *,
    alpha: bool = False,
    orientation: int = 1,
    gps: bool = False,
    frames: int = 1,
    lossless: bool = False,
    quality: int = 80,
    seed: int = 0,
    noise: bool = False,
    **options: Any,
) -> bytes:
    options = {"lossless": lossless, "quality": quality, **_exif_option(orientation, gps), **options}
    return _save_frames("WEBP", width, height, frames, seed, noise, "RGBA" if alpha else "RGB", **options)


def avif(
    width: int = 64,
    height: int = 48,
    *,
    alpha: bool = False,
    orientation: int = 1,
    gps: bool = False,
    frames: int = 1,
    seed: int = 0,
    **options: Any,
) -> bytes:
    options = {"speed": 10, **_exif_option(orientation, gps), **options}
    return _save_frames("AVIF", width, height, frames, seed, False, "RGBA" if alpha else "RGB", **options)


def tiff(
    width: int = 64,
    height: int = 48,
    *,
    alpha: bool = False,
    orientation: int = 1,
    gps: bool = False,
    frames: int = 1,
    compression: str | None = None,
    seed: int = 0,
    noise: bool = False,
    mode: str = "RGB",
    **options: Any,
) -> bytes:
    """A TIFF of `frames` pages. `compression` is Pillow's name: None, tiff_lzw, tiff_adobe_deflate, jpeg…"""
    shade = "RGBA" if alpha else mode
    options = {"compression": compression, **_exif_option(orientation, gps), **options}
    return _save_frames("TIFF", width, height, frames, seed, noise, shade, **options)


def bmp(width: int = 64, height: int = 48, *, seed: int = 0, mode: str = "RGB") -> bytes:
    return _save(canvas(width, height, seed=seed, mode=mode), "BMP")


def picture(format: str, width: int = 64, height: int = 48, **options: Any) -> bytes:
    """A picture in the format of that name (one of FORMATS); `options` as its own function takes them."""
    makers: dict[str, Any] = {
        "jpeg": jpeg, "png": png, "gif": gif, "webp": webp, "avif": avif, "tiff": tiff, "bmp": bmp,
    }  # fmt: skip
    made: bytes = makers[format](width, height, **options)
    return made


def canvas(width: int, height: int, *, seed: int = 0, noise: bool = False, mode: str = "RGB") -> Image.Image:
    """The drawing itself: soft colours that compress well, or `noise`, which does not."""
    source = random.Random(f"{seed}")
    if noise:
        drawn = Image.frombytes("RGB", (width, height), source.randbytes(width * height * 3))
    else:
        drawn = Image.frombytes("RGB", (8, 8), source.randbytes(192))
        drawn = drawn.resize((width, height), Image.Resampling.BICUBIC)
    if mode == "RGBA":
        drawn.putalpha(Image.linear_gradient("L").resize((width, height)))
    return drawn if drawn.mode == mode else drawn.convert(mode)


def exif(orientation: int = 1, gps: bool = False) -> bytes:
    """An EXIF block as it stands in a file, from its byte order mark on behind `Exif\\0\\0`."""
    block = Image.Exif()
    block[_ORIENTATION] = orientation
    if gps:
        block.get_ifd(_GPS).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)})
    written: bytes = block.tobytes()
    return written


# Hostile files.


def truncated(data: bytes, keep: float = 0.5) -> bytes:
    """The first part of `data`: `keep` is a share of 0 to 1; at least one byte is missing."""
    return data[: min(int(len(data) * keep), len(data) - 1)]


def bomb_pixels(format: str, side: int = BOMB_SIDE) -> bytes:
    """A small file in that format whose header says `side` × `side` pixels."""
    if format == "png":
        rows = zlib.compress(bytes((side + 7) // 8 + 1) * side, 9)
        return PNG_SIGNATURE + _header_chunk(side, side, depth=1, colour=0) + _png_end(rows)
    if format == "tiff":
        return _tiff_bomb(side)
    data = bytearray(picture(format, 64, 48, **({"lossless": True} if format == "webp" else {})))
    if format == "jpeg":
        struct.pack_into(">HH", data, data.index(b"\xff\xc0") + 5, side, side)
    elif format == "gif":
        struct.pack_into("<HH", data, 6, side, side)
        struct.pack_into("<HH", data, data.index(b"\x2c\0\0\0\0") + 5, side, side)
    elif format == "webp":
        at = data.index(b"VP8L") + 9
        (word,) = struct.unpack_from("<I", data, at)
        struct.pack_into("<I", data, at, (word & 0xF0000000) | (side - 1) << 14 | (side - 1))
    elif format == "avif":
        struct.pack_into(">II", data, data.index(b"ispe") + 8, side, side)
    elif format == "bmp":
        struct.pack_into("<ii", data, 18, side, side)
    return bytes(data)


def bomb_frames_gif(frames: int = 300, side: int = 2000) -> bytes:
    """A GIF of `frames` full frames of `side` × `side`: small as a file, huge once decoded."""
    drawn = Image.new("P", (side, side))
    drawn.putpalette([0, 0, 0] * 2)
    return _repeat_frame(_save(drawn, "GIF"), frames)


def many_frames_gif(frames: int = 10_000) -> bytes:
    """A GIF of that many frames of 4 × 4 pixels."""
    drawn = Image.new("P", (4, 4))
    drawn.putpalette([0, 0, 0] * 2)
    return _repeat_frame(_save(drawn, "GIF"), frames)


def many_scans_jpeg(scans: int = 400, width: int = 1600, height: int = 1200) -> bytes:
    """A progressive JPEG whose last scan is repeated until it has `scans` of them."""
    data = jpeg(width, height, progressive=True, quality=30)
    starts = list(_find_all(data, b"\xff\xda"))
    last, end = data[starts[-1] : -2], data[-2:]
    return data[:-2] + last * (scans - len(starts)) + end


def thin_png(length: int = 1_000_000) -> bytes:
    """A whole PNG of 1 × `length` pixels."""
    return (
        PNG_SIGNATURE
        + _header_chunk(1, length, depth=8, colour=0)
        + _png_end(zlib.compress(bytes(2 * length)))
    )


def text_chunks_png(chunks: int = 400_000) -> bytes:
    """A PNG of 1 × 1 pixel with that many text chunks."""
    text = png_chunk(b"tEXt", b"a\0b")
    return (
        PNG_SIGNATURE
        + _header_chunk(1, 1, depth=8, colour=0)
        + text * chunks
        + _png_end(zlib.compress(b"\0\0"))
    )


def inflating_text_png(size: int = 64 * 1024 * 1024) -> bytes:
    """A PNG whose one compressed text chunk inflates to `size` bytes."""
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(size), 9))
    return PNG_SIGNATURE + _header_chunk(1, 1, depth=8, colour=0) + text + _png_end(zlib.compress(b"\0\0"))


def looping_tiff() -> bytes:
    """A TIFF whose second page is its first again."""
    data = bytearray(_tiff_bomb(8))
    struct.pack_into("<I", data, len(data) - 4, 16)
    return bytes(data)


def html_with_png_head() -> bytes:
    """A page that begins like a PNG: what a browser that guesses might run."""
    return PNG_SIGNATURE + html()


def with_comment(comment: bytes) -> bytes:
    """A whole JPEG that has another language in its comment, right behind the mark that begins it."""
    return b"\xff\xd8\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg()[2:]


def html() -> bytes:
    return b"<!DOCTYPE html><html><body><script>alert(document.domain)</script></body></html>"


def svg() -> bytes:
    return (
        b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10">'
        b"<script>alert(1)</script></svg>"
    )


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


# Parts.


def _exif_option(orientation: int, gps: bool) -> dict[str, bytes]:
    return {"exif": exif(orientation, gps)} if orientation != 1 or gps else {}


def _save(drawn: Image.Image, name: str, **options: Any) -> bytes:
    written = io.BytesIO()
    drawn.save(written, name, **options)
    return written.getvalue()


def _save_frames(
    name: str, width: int, height: int, frames: int, seed: int, noise: bool, mode: str, **options: Any
) -> bytes:
    first, *others = [
        canvas(width, height, seed=seed + 1000 * number, noise=noise, mode=mode) for number in range(frames)
    ]
    if others:
        options = {"save_all": True, "append_images": others, **options}
        if name in ("GIF", "PNG", "WEBP", "AVIF"):
            options.setdefault("duration", 100)
    return _save(first, name, **options)


def _header_chunk(width: int, height: int, *, depth: int, colour: int) -> bytes:
    return png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def _png_end(rows: bytes) -> bytes:
    return png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


def _tiff_bomb(side: int) -> bytes:
    """One page of one bit a pixel, its only strip 8 bytes long; the offset of the next page comes last."""
    entries = [
        (256, 4, side), (257, 4, side), (258, 3, 1), (259, 3, 1), (262, 3, 1),
        (273, 4, 0), (277, 3, 1), (278, 4, side), (279, 4, 8),
    ]  # fmt: skip
    strip = 8 + 2 + 12 * len(entries) + 4
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value or strip) for tag, kind, value in entries)
    page = struct.pack("<H", len(entries)) + body + struct.pack("<I", 0)
    if side > 8:
        return b"II*\0" + struct.pack("<I", 8) + page + bytes(8)
    ahead = struct.pack("<I", 16) + bytes(8) + page
    shifted = ahead.replace(struct.pack("<HHII", 273, 4, 1, strip), struct.pack("<HHII", 273, 4, 1, 8))
    return b"II*\0" + shifted


def _repeat_frame(data: bytes, frames: int) -> bytes:
    """A GIF of one frame, with that frame written `frames` times."""
    palette = 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    head, frame = data[: 13 + palette], data[13 + palette : -1]
    return head + frame * frames + b";"


def _find_all(data: bytes, mark: bytes) -> Iterator[int]:
    at = data.find(mark)
    while at >= 0:
        yield at
        at = data.find(mark, at + len(mark))
