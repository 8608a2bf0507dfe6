"""The wrapping of every value in Redis, by which a truncated, swapped or foreign one is found out."""

from __future__ import annotations

import hmac
import struct
from typing import Literal

from blake3 import blake3

Content = Literal[b"a", b"b", b"f", b"h", b"m", b"n"]
"""What is inside: an alias, a blob, the fence that stands where an alias was dropped, an answer's head, a
message to all nodes, or an alias for a moment."""

NAMED: tuple[Content, ...] = (b"a", b"f", b"n")
"""What may stand under an alias's key."""

MAGIC = b"imgs\x02"
_HEADER = struct.Struct(">5scI16s")  # magic and version, content, length of the body, MAC
HEADER_BYTES = _HEADER.size
_MAC_BYTES = 16


class Envelope:
    """Seals and opens values with one integrity key, the same for all processes that share a Redis.

    The MAC is a keyed BLAKE3 over content, name and body: a value under another name, or written by who does
    not know the key, does not open. BLAKE2b takes six times as long for a large value, which is most of what
    a hit costs.
    """

    def __init__(self, integrity_key: bytes) -> None:
        # A key has 32 bytes; this takes one of any length.
        self._key = blake3(integrity_key, derive_key_context="imagestore cache envelope 2").digest()

    def seal(self, content: Content, name: bytes, body: bytes) -> bytes:
        """`body` (below 4 GiB) in its wrapping, bound to `name`."""
        header = _HEADER.pack(MAGIC, content, len(body), self._mac(content, name, body))
        return b"".join((header, body))

    def open(self, name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
        """The content letter and the body of what was sealed under `name`; None for anything else."""
        if len(value) < HEADER_BYTES:
            return None
        magic, content, length, mac = _HEADER.unpack_from(value)
        if magic != MAGIC or length != len(value) - HEADER_BYTES:
            return None
        if not hmac.compare_digest(mac, self._mac(content, name, memoryview(value)[HEADER_BYTES:])):
            return None
        return content, value[HEADER_BYTES:]

    def _mac(self, content: bytes, name: bytes, body: bytes | memoryview) -> bytes:
        mac = blake3(content + len(name).to_bytes(4) + name, key=self._key)
        mac.update(body)
        return mac.digest(length=_MAC_BYTES)
