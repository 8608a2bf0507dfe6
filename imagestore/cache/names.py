"""The names of what the cache keeps, and the Redis keys that they become."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal

from imagestore.core.image import Digest

Kind = Literal["alias", "blob", "lease"]

PREFIX = "imagestore:1:"
"""Begins every Redis key. The number is the revision of keys and values; a new one lets the old expire."""

LONGEST_NAME = 2048


def alias_name(bucket: str, key: str = "", version: int | None = None) -> str:
    """The name of the alias of an image, of one version of it, or, without a key, of the bucket itself.

    NUL separates the parts, since neither a bucket name nor a key can hold it.
    """
    return "\0".join((bucket, key) if version is None else (bucket, key, str(version)))


def blob_name(digest: Digest, transformation: str, format: str, revision: int) -> str:
    """The name of a rendition's bytes: the version's digest, the canonical transformation, the output format,
    and the revision of the rendering code. It names content, so it never needs invalidating."""
    return f"{digest}/{transformation}/{format}/{revision}"


def redis_key(kind: Kind, name: str) -> bytes:
    """The Redis key of a name: readable, binary-safe, different for different names of one kind.

    A name over LONGEST_NAME bytes keeps its beginning, with a hash for the rest, in a key space of its own.
    """
    text = encode(name)
    if len(text) <= LONGEST_NAME:
        return f"{PREFIX}{kind}:".encode() + text
    return (
        f"{PREFIX}{kind}-long:".encode()
        + text[:128]
        + b"~"
        + blake2b(text, digest_size=32).hexdigest().encode()
    )


def encode(name: str) -> bytes:
    """UTF-8 that takes any text at all: lone surrogates, which a URL can bring, included."""
    return name.encode("utf-8", "surrogatepass")
