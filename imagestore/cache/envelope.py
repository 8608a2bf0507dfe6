"""The wrapping of every value in Redis, by which a truncated, swapped or foreign one is found out."""

from __future__ import annotations

import hmac
import struct
from hashlib import blake2b
from typing import Literal

Content = Literal[b"a", b"b", b"f", b"h", b"m", b"n"]
"""What is inside: an alias, a blob, the fence that stands where an alias was dropped, an answer's head, a
message to all nodes, or an alias for a moment."""

NAMED: tuple[Content, ...] = (b"a", b"f", b"n")
"""What may stand under an alias's key."""

MAGIC = b"imgs\x01"
_HEADER = struct.Struct(">5scI16s")  # magic and version, content, length of the body, MAC
HEADER_BYTES = _HEADER.size
_MAC_BYTES = 16


class Envelope:
    """Seals and opens values with one integrity key, the same for all processes that share a Redis.

    The MAC is a keyed BLAKE2b (RFC 7693) over content, name and body: a value under another name, or written
    by who does not know the key, does not open.
    """

    def __init__(self, integrity_key: bytes) -> None:
        # BLAKE2b takes at most 64 bytes of key; this takes a key of any length.
        self._key = blake2b(integrity_key, digest_size=32, person=b"imagestore-cache").digest()

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
        mac = blake2b(content + len(name).to_bytes(4), key=self._key, digest_size=_MAC_BYTES)
        mac.update(name)
        mac.update(body)
        return mac.digest()
