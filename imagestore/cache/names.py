"""The Redis keys that names become."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

Kind = Literal["alias", "answer", "blob", "lease", "rate", "variants"]

PREFIX = "imagestore:2:"
"""Begins every Redis key. The number is the revision of keys and values; a new one lets the old expire."""

LONGEST_NAME = 2048


def redis_key(kind: Kind, name: str) -> bytes:
    """The Redis key of a name: readable, binary-safe, different for different names of one kind.

    A name over LONGEST_NAME bytes keeps its beginning, with a hash for the rest, in a key space of its own.
    """
    # Lone surrogates, which a URL can bring, must not raise.
    text = name.encode("utf-8", "surrogatepass")
    if len(text) <= LONGEST_NAME:
        return f"{PREFIX}{kind}:".encode() + text
    return (
        f"{PREFIX}{kind}-long:".encode()
        + text[:128]
        + b"~"
        + blake2b(text, digest_size=32).hexdigest().encode()
    )
