"""What an entry takes of Redis' memory: the value, its wrapping, its key, and Redis' own records of them."""

from __future__ import annotations

from imagestore.cache.envelope import HEADER_BYTES
from imagestore.cache.names import redis_key

NAME_BYTES = 70
"""Of a blob's name: a digest of 64 digits, and a few letters. A rendition's has its transformation too."""
ALIAS_BYTES = 600
"""What the alias of an image takes in all, as measured: facts of some 300 bytes, and the image's name."""
ANSWER_BYTES = 900
"""What the record of an answer's head takes in all, as measured."""
SERVER_BYTES = 1024 * 1024
"""What an empty server takes with some connections, and counts: of a small `maxmemory` not a little."""
_TABLES_BYTES = 2 * (24 + 16)
"""The entries of the key and of its expiry in Redis' two tables, and their share of the slots."""
_STRING_BYTES = 10
"""The most that stands before and behind the bytes of a string (sds)."""


def blob_bytes(size: int, name_bytes: int = NAME_BYTES) -> int:
    """The memory that a Redis with jemalloc takes to keep a blob of `size` bytes, without what stands beside.

    With the C library's allocator, as in a redis-server from Python wheels, it is up to a fifth less.
    """
    key = len(redis_key("blob", "")) + name_bytes + _STRING_BYTES
    value = size + HEADER_BYTES + _STRING_BYTES
    return _allocated(key) + _allocated(value) + _allocated(16) + _TABLES_BYTES


def entry_bytes(size: int) -> int:
    """The memory that a blob of `size` bytes takes, with the alias and the answer's head that lead to it."""
    return blob_bytes(size) + ALIAS_BYTES + ANSWER_BYTES


def _allocated(size: int) -> int:
    """What jemalloc gives: four sizes from each power of two to the next (its manual, "Size classes")."""
    if size <= 128:
        return -(-size // 16) * 16
    step = 1 << (size - 1).bit_length() - 3
    return -(-size // step) * step
