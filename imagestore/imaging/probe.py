"""The check of a file's structure before anything decodes it."""

from __future__ import annotations

import struct
from collections.abc import Callable

from imagestore.core.errors import CorruptImage
from imagestore.imaging import containers, jpeg, structure
from imagestore.imaging.formats import AVIF, BMP, GIF, JPEG, PNG, TIFF, WEBP, Format
from imagestore.imaging.limits import Data, Limits, Outline, Tally

__all__ = ["Limits", "Outline", "check"]

_WALKS: dict[Format, Callable[[Data, Tally], Outline]] = {
    JPEG: jpeg.walk_jpeg,
    PNG: structure.walk_png,
    GIF: structure.walk_gif,
    BMP: structure.walk_bmp,
    WEBP: containers.walk_webp,
    TIFF: containers.walk_tiff,
    AVIF: containers.walk_avif,
}


def check(data: Data, format: Format, limits: Limits) -> Outline:
    """Walk a whole file from block to block, decoding nothing; work and memory are bounded by `limits`.

    `data` is bytes or a memory map. Raises ImageLimitExceeded for what is over a limit, CorruptImage for a
    structure that is broken or cut short.
    """
    try:
        return _WALKS[format](data, Tally(limits))
    except (struct.error, IndexError):
        raise CorruptImage(f"The {format.name} file ends before its picture does: send it whole.") from None
