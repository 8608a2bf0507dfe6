"""What S3 keeps of a version beside its bytes: headers, metadata, tags, checksums, parts; delete markers."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from imagestore.core.errors import InvalidKey, InvalidParameter

ChecksumType = Literal["FULL_OBJECT", "COMPOSITE"]

OCTETS = "application/octet-stream"

NULL_ID = "null"
"""The id that S3 shows of a version that was made while its bucket kept none."""

SYSTEM_HEADERS = ("cache-control", "content-disposition", "content-encoding", "content-language", "expires")

MAX_KEY_BYTES = 1024
MAX_METADATA_BYTES = 2048
MAX_HEADER_BYTES = 4096
MAX_OBJECT_TAGS = 10
MAX_TAG_NAME = 128
MAX_TAG_VALUE = 256
MAX_ACL_BYTES = 16 * 1024

BUCKET_DOCUMENTS: Mapping[str, int] = {
    "policy": 20 * 1024,
    "cors": 64 * 1024,
    "lifecycle": 256 * 1024,
    "tags": 16 * 1024,
    "acl": 16 * 1024,
    "public_access_block": 1024,
    "ownership": 1024,
}
"""The texts that a bucket can have, and the bytes that each has at most."""

_PRINTABLE = re.compile(r"[\x20-\x7e]*")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_VERSION_ID = re.compile(r"[0-9a-f]{34}")

_LATEST = 253_402_300_799
"""The last second of the year 9999: no date is later."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a version has by S3. Names of headers and metadata are in lower case, checksums are base64.

    `etag` is without quotes, None for what was kept before there were any; `md5` is that of the bytes, in
    hexadecimal, where the ETag is another. `sizes` are those of the parts it was uploaded in, as runs of (how
    many, of how many bytes). `acl` is as the door made it, `owner` the account of who
    put it.
    """

    media_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    md5: str | None = None
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: ChecksumType | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    acl: str | None = None
    owner: str | None = None

    @property
    def part_count(self) -> int:
        """0 for what was not uploaded in parts."""
        return sum(count for count, _ in self.sizes)

    def part_range(self, number: int) -> tuple[int, int] | None:
        """The bytes of a part, from 1 on, as start and stop; None where there is no such part."""
        start, left = 0, number - 1
        for count, size in self.sizes:
            if 0 <= left < count:
                return start + left * size, start + (left + 1) * size
            start, left = start + count * size, left - count
        return None


@dataclass(frozen=True, slots=True)
class Marker:
    """A delete marker: a version that says that its key names nothing."""

    bucket: str
    key: str
    number: int
    version_id: str
    created: datetime
    unversioned: bool = False
    owner: str | None = None

    @property
    def shown_id(self) -> str:
        return NULL_ID if self.unversioned else self.version_id

    @property
    def modified(self) -> datetime:
        return moment_of(self.number)


def moment_of(number: int) -> datetime:
    """The time by which a version of that number is known."""
    return datetime.fromtimestamp(min(number, _LATEST), UTC)


def make_version_id(number: int) -> str:
    """An id that nobody can guess, and that tells its version's place when the version is gone."""
    return f"{number:010x}{secrets.token_hex(12)}"


def number_of(version_id: str) -> int | None:
    """The number that such an id was made with; None for an id of another kind."""
    return int(version_id[:10], 16) if _VERSION_ID.fullmatch(version_id) else None


def runs_of(sizes: list[int]) -> tuple[tuple[int, int], ...]:
    """Sizes of parts, in their order, as runs of (how many, of how many bytes)."""
    runs: list[tuple[int, int]] = []
    for size in sizes:
        if runs and runs[-1][1] == size:
            runs[-1] = (runs[-1][0] + 1, size)
        else:
            runs.append((1, size))
    return tuple(runs)


def check_object_key(key: str) -> str:
    """Return `key` if S3 takes it: 1 to 1024 bytes of UTF-8, whatever they are. Raises InvalidKey."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidKey("A key must be valid UTF-8 text.") from None
    if not 1 <= size <= MAX_KEY_BYTES:
        raise InvalidKey(f"A key has 1 to {MAX_KEY_BYTES} bytes of UTF-8; this one has {size}.")
    return key


def check_attributes(attributes: Attributes) -> Attributes:
    """Return what may be kept. Raises InvalidParameter over a bound."""
    strange = set(attributes.headers) - set(SYSTEM_HEADERS)
    if strange:
        raise InvalidParameter(f"{min(strange)!r} is no header that is kept with an object.")
    if not _PRINTABLE.fullmatch(attributes.media_type or ""):
        raise InvalidParameter("The media type is not of printable ASCII characters.")
    texts = [*attributes.headers.values(), *attributes.metadata, *attributes.metadata.values()]
    if any(_CONTROL.search(text) for text in texts):
        raise InvalidParameter("Headers and metadata hold no control characters.")
    for name, value in [("content-type", attributes.media_type or ""), *attributes.headers.items()]:
        if _size(value) > MAX_HEADER_BYTES:
            raise InvalidParameter(f"The header {name} has at most {MAX_HEADER_BYTES} bytes.")
    size = sum(_size(name) + _size(value) for name, value in attributes.metadata.items())
    if size > MAX_METADATA_BYTES:
        raise InvalidParameter(f"Metadata have at most {MAX_METADATA_BYTES} bytes; these have {size}.")
    check_object_tags(attributes.tags)
    check_acl(attributes.acl)
    return attributes


def check_object_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Raises InvalidParameter for more than AWS takes ("Categorizing your objects using tags")."""
    if len(tags) > MAX_OBJECT_TAGS:
        raise InvalidParameter(f"An object has at most {MAX_OBJECT_TAGS} tags; {len(tags)} were given.")
    for name, value in tags.items():
        if not 1 <= len(name) <= MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            raise InvalidParameter(
                f"A tag's name has 1 to {MAX_TAG_NAME} characters and its value at most {MAX_TAG_VALUE}."
            )
        _size(name + value)
    return tags


def check_acl(text: str | None) -> str | None:
    if text is not None and _size(text) > MAX_ACL_BYTES:
        raise InvalidParameter(f"An access control list has at most {MAX_ACL_BYTES} bytes.")
    return text


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise InvalidParameter("Headers, metadata and tags must be valid UTF-8 text.") from None
