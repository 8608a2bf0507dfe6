"""Pictures that no test has had before: blobs are shared by their digest, and tests share a database."""

from __future__ import annotations

import secrets
import zlib

from tests.pictures import PNG_SIGNATURE, png_chunk, tiff

SIDE = 8
TINY_HEAD = (SIDE).to_bytes(4) * 2 + bytes((8, 2, 0, 0, 0))
"""Of a PNG: 8 bits a sample, red, green and blue."""


def tiny() -> bytes:
    """A PNG of some 300 bytes, made in a few microseconds."""
    rows = b"".join(b"\0" + secrets.token_bytes(3 * SIDE) for _ in range(SIDE))
    body = png_chunk(b"IDAT", zlib.compress(rows, 0))
    return PNG_SIGNATURE + png_chunk(b"IHDR", TINY_HEAD) + body + png_chunk(b"IEND", b"")


def large(side: int = 2000) -> bytes:
    """A TIFF of three bytes a pixel that compresses no further.

    By default 12 MB: not written in one transaction, and more than all the buffers between GridFS and a
    client hold.
    """
    return tiff(side, side, noise=True, seed=secrets.randbits(63))
