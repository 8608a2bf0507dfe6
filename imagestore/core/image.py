"""What an image is: its names, its versions, its facts. Values only."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NewType

from imagestore.core.errors import (
    ImageNotFound,
    InvalidBucketName,
    InvalidKey,
    InvalidParameter,
    PreconditionFailed,
)
from imagestore.core.objects import NULL_ID, Attributes, check_object_key, moment_of

Digest = NewType("Digest", str)
"""SHA-256 of the bytes, 64 lower-case hexadecimal digits."""

Visibility = Literal["public-read", "private"]
VISIBILITIES: tuple[Visibility, ...] = ("public-read", "private")

Accept = Literal["images", "any"]
Versioning = Literal["off", "enabled", "suspended"]

MAX_TAGS = 100
MAX_TAG_LENGTH = 255
MAX_CONTEXT_ENTRIES = 100
MAX_CONTEXT_BYTES = 8192

RESERVED_BUCKET_NAMES = frozenset(
    {"v1", "v1_1", "v2", "console", "static", "healthz", "readyz", "metrics", "search"}
)

_BUCKET_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]")
_IP_ADDRESS = re.compile(r"\d+\.\d+\.\d+\.\d+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")
_KEY_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a picture's bytes without decoding them again.

    `width` and `height` are in pixels as a viewer sees them, after the EXIF orientation (1 to 8) is applied.
    """

    bytes: int
    width: int
    height: int
    format: str
    frames: int = 1
    orientation: int = 1
    has_alpha: bool = False
    has_gps: bool = False

    @classmethod
    def of_no_image(cls, size: int) -> Facts:
        """Of bytes that are kept as they are: nothing but their number."""
        return cls(size, 0, 0, "")


@dataclass(frozen=True, slots=True)
class BlobRef:
    """Where a blob's bytes lie in GridFS: enough to read any range without asking for the file document."""

    digest: Digest
    file_id: str
    length: int
    chunk_size: int


@dataclass(frozen=True, slots=True)
class Version:
    """One immutable revision of an image. `number` is Unix time in seconds, stepped to grow within a key.

    `unversioned`: the one of a bucket that keeps no versions. `changes`: of tags and ACL, if found by its id.
    """

    bucket: str
    key: str
    number: int
    version_id: str
    blob: BlobRef
    facts: Facts
    created: datetime
    object: Attributes = field(default_factory=Attributes, hash=False)
    unversioned: bool = False
    changes: int = field(default=0, compare=False)

    @property
    def digest(self) -> Digest:
        return self.blob.digest

    @property
    def is_image(self) -> bool:
        """Whether its bytes were proven to be a picture; otherwise they are only kept."""
        return bool(self.facts.format)

    @property
    def shown_id(self) -> str:
        """The id that S3 shows."""
        return NULL_ID if self.unversioned else self.version_id

    @property
    def etag(self) -> str:
        """As S3 has it, without quotes. Where there is no MD5, one that no client takes for an MD5."""
        return self.object.etag or f"{self.digest[:32]}-1"

    @property
    def modified(self) -> datetime:
        """The time by which HTTP's conditions know it: that of its number.

        `created` may be the same for two versions of a key, or go back with the clock: a client would keep
        the older one's bytes for the newer one's.
        """
        return moment_of(self.number)


@dataclass(frozen=True, slots=True)
class Image:
    """What a key names: the newest version with the tags and context that belong to the name.

    `generation` grows with every write to the name, deletion included. `replaced` are the numbers of the
    versions that went with the write which this is the outcome of.
    """

    version: Version
    generation: int
    tags: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    replaced: tuple[int, ...] = field(default=(), compare=False)

    @property
    def bucket(self) -> str:
        return self.version.bucket

    @property
    def key(self) -> str:
        return self.version.key


@dataclass(frozen=True, slots=True)
class Bucket:
    """A named container with its own policy. In a `strict` one only named or signed transformations are made.

    `owner` is the account of who made it by S3, None for one of the house; `region` None for the service's
    own, `documents` are texts of the kinds in `core/objects.py`.
    """

    name: str
    visibility: Visibility
    created: datetime
    generation: int = 1
    strict: bool = False
    accept: Accept = "images"
    versioning: Versioning = "enabled"
    owner: str | None = None
    region: str | None = None
    documents: Mapping[str, str] = field(default_factory=dict)

    @property
    def keeps_versions(self) -> bool:
        return self.versioning == "enabled"


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a bucket is made; by default those of REST."""

    accept: Accept = "images"
    versioning: Versioning = "enabled"
    owner: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Labels:
    """Tags and context to set; None leaves what is there."""

    tags: tuple[str, ...] | None = None
    context: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a name for a write to it to happen (RFC 9110, sections 13.1.1 and 13.1.2).

    `digests`: the current version has one of these digests (If-Match); `exists`: there is one at all
    (`If-Match: *`), or, if False, there is none (`If-None-Match: *`). By S3: its ETag is one of `etags`, it
    was `modified` then, it has this `size`; that there is none at all is another error then. `other_than`:
    its ETag is none of these.
    """

    exists: bool | None = None
    digests: tuple[Digest, ...] | None = None
    etags: tuple[str, ...] | None = None
    modified: datetime | None = None
    size: int | None = None
    other_than: tuple[str, ...] | None = None

    def check(self, image: Image | None) -> None:
        """Raises PreconditionFailed when it does not hold of `image` (None: none), else as `fits`."""
        version = image.version if image else None
        digest = version.digest if version else None
        if (
            (self.exists is not None and self.exists != (version is not None))
            or (self.digests is not None and digest not in self.digests)
            or not self.fits(version)
            or (self.other_than is not None and version is not None and version.etag in self.other_than)
        ):
            raise PreconditionFailed("It is not in the state that was asked for: look again, then decide.")

    def fits(self, version: Version | None) -> bool:
        """Whether the conditions of S3 hold. Raises ImageNotFound where there are some and no version."""
        if (self.etags, self.modified, self.size) == (None, None, None):
            return True
        if version is None:
            raise ImageNotFound("There is no such object, so it cannot be in the state that was asked for.")
        return (
            (self.etags is None or version.etag in self.etags)
            and (self.modified is None or version.modified == self.modified.replace(microsecond=0))
            and (self.size is None or version.blob.length == self.size)
        )


def check_bucket_name(name: str) -> str:
    """Return `name` if it can name a bucket: S3's rules, less the first words of our own paths.

    Raises InvalidBucketName. 3 to 63 of a-z, 0-9, dot and hyphen, a letter or digit at both ends, no two
    dots in a row, not shaped like an IPv4 address (AWS, "General purpose bucket naming rules").
    """
    if not _BUCKET_NAME.fullmatch(name) or ".." in name or _IP_ADDRESS.fullmatch(name):
        raise InvalidBucketName(
            f"{name[:80]!r} cannot name a bucket: use 3 to 63 of a-z, 0-9, '.' and '-', "
            "a letter or digit at both ends, no '..', and not an IP address."
        )
    if name in RESERVED_BUCKET_NAMES:
        raise InvalidBucketName(f"{name!r} is reserved for the service's own paths: choose another name.")
    return name


def check_key(key: str) -> str:
    """Return `key` if it can name an image; raises InvalidKey otherwise.

    UTF-8 text of 1 to 1024 bytes, no control character, no leading `/`, no `.` or `..` segment. The key is
    kept as sent: no case or Unicode folding, since there is no file system behind it.
    """
    check_object_key(key)
    if _CONTROL.search(key):
        raise InvalidKey("A key cannot hold control characters, NUL, line breaks or undecodable bytes.")
    if key.startswith("/"):
        raise InvalidKey("A key cannot begin with '/': leave it out.")
    if any(segment in (".", "..") for segment in key.split("/")):
        raise InvalidKey("A key cannot have '.' or '..' as a segment: name the image by its full key.")
    return key


def make_key() -> str:
    """A fresh random key of 20 letters and digits (103 bits): for uploads that name none."""
    return "".join(secrets.choice(_KEY_ALPHABET) for _ in range(20))


def check_tags(tags: list[str]) -> tuple[str, ...]:
    """Tags without repeats, in the order given. Raises InvalidParameter for one that is empty or too long."""
    unique = tuple(dict.fromkeys(tag.strip() for tag in tags))
    if len(unique) > MAX_TAGS:
        raise InvalidParameter(f"An image has at most {MAX_TAGS} tags; {len(unique)} were given.")
    for tag in unique:
        if not 1 <= len(tag) <= MAX_TAG_LENGTH or _has_bad_text(tag) or "," in tag:
            raise InvalidParameter(
                f"The tag {tag[:40]!r} is not 1 to {MAX_TAG_LENGTH} printable characters without a comma."
            )
    return unique


def check_context(context: Mapping[str, str]) -> dict[str, str]:
    """Context as a plain dict of text to text. Raises InvalidParameter over 100 entries or 8 KiB in all."""
    if len(context) > MAX_CONTEXT_ENTRIES:
        raise InvalidParameter(f"A context has at most {MAX_CONTEXT_ENTRIES} entries.")
    size = 0
    for name, value in context.items():
        if not name:
            raise InvalidParameter("A context maps names to text, and no name is empty.")
        if _has_bad_text(name) or _has_bad_text(value, allow_breaks=True):
            raise InvalidParameter(f"The context entry {name[:40]!r} holds control characters.")
        size += len(name.encode()) + len(value.encode())
    if size > MAX_CONTEXT_BYTES:
        raise InvalidParameter(f"A context has at most {MAX_CONTEXT_BYTES} bytes; this one has {size}.")
    return dict(context)


def _has_bad_text(text: str, *, allow_breaks: bool = False) -> bool:
    checked = text.replace("\n", "").replace("\t", "") if allow_breaks else text
    return bool(_CONTROL.search(checked)) or any("\ud800" <= each <= "\udfff" for each in text)
