"""Uploads in parts as values: one that is open, its parts, and what is told at its end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imagestore.core.image import Condition
from imagestore.core.objects import Attributes, ChecksumType

LEAST_PART = 5 * 1024 * 1024
"""Bytes of a part that is not the last."""

MOST_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Open:
    """An upload in parts. With an `algorithm` each part has that checksum, and the whole one by its type.

    `initiator` is the owner whose credential began it; None where nobody noted that.
    """

    upload_id: str
    bucket: str
    key: str
    begun: datetime
    attributes: Attributes
    algorithm: str | None = None
    checksum_type: ChecksumType | None = None
    initiator: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was uploaded. `etag` is its MD5, in hexadecimal; checksums are base64."""

    number: int
    size: int
    etag: str
    checksums: Mapping[str, str]
    modified: datetime
    file_id: str
    chunk_size: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the client tells of a part at the end."""

    number: int
    etag: str
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finish:
    """The end of an upload as it was asked for: its parts in their order, and what the whole must fit."""

    bucket: str
    key: str
    upload_id: str
    parts: tuple[Told, ...]
    condition: Condition = field(default_factory=Condition)
    checksums: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None


def make_upload_id() -> str:
    """An id that nobody can guess; later ones come behind earlier ones."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(18)}"
