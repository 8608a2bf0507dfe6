"""Bytes that tell every place from every other, for both ends of a connection."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

CHUNK = 255 * 1024


def pattern(size: int) -> Iterator[bytes]:
    """`size` bytes, chunk by chunk."""
    sent = 0
    while sent < size:
        chunk = (b"%08x" % sent * (CHUNK // 8))[: size - sent]
        yield chunk
        sent += len(chunk)


def pattern_digest(size: int) -> str:
    digest = hashlib.sha256()
    for chunk in pattern(size):
        digest.update(chunk)
    return digest.hexdigest()
