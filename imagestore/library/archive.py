"""What a backup consists of: its names, its index and its manifest; and what every form of it can do.

    documents/<id>/buckets.jsonl, credentials.jsonl, images.jsonl, versions.jsonl
    documents/<id>/index.json       what those hold: counts, sizes, SHA-256
    blobs/ab/cdef…                  the bytes, each file named by its own SHA-256
    MANIFEST.json                   written last: names the index, with its SHA-256

The documents of one run lie in a folder of their own, so that a run which breaks off leaves the backup that
was there before as it was. Each file is told by the one before: the manifest by being there at all, then
the index, the documents, the bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, Protocol

from imagestore import __version__
from imagestore.core.errors import BlobDamaged
from imagestore.core.image import Digest
from imagestore.core.streams import Blob, Spool
from imagestore.store.snapshot import COLLECTIONS, NEWER, Collection, document_of

FORMAT = "imagestore-backup"
REVISION = 1
MANIFEST = "MANIFEST.json"
SMALL_BYTES = 1024 * 1024
"""Most bytes of an index or a manifest."""

LONGEST_LINE = 64 * 1024 * 1024
"""MongoDB's documents have 16 MiB at most, and JSON escapes."""

READ_SIZE = 256 * 1024

_ID = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
_DOCUMENTS = re.compile(rf"documents/({_ID})/(?:index\.json|(?:{'|'.join(COLLECTIONS)})\.jsonl)")
_BLOB = re.compile(r"blobs/([0-9a-f]{2})/([0-9a-f]{62})")


class BackupUnusable(Exception):
    """This cannot be a backup, or cannot be used as one. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Index:
    """What the documents of a backup hold. `digests` are SHA-256 in hexadecimal, by collection."""

    id: str
    counts: dict[Collection, int]
    sizes: dict[Collection, int]
    digests: dict[Collection, str]

    @property
    def folder(self) -> str:
        return f"documents/{self.id}"

    def path(self, collection: Collection) -> str:
        return f"{self.folder}/{collection}.jsonl"

    def text(self) -> bytes:
        head = {"format": FORMAT, "revision": REVISION, "imagestore": __version__}
        return _text(head | asdict(self))

    @classmethod
    def read(cls, text: bytes) -> Index:
        """Raises BackupUnusable."""
        told = _told(text, "index")
        parts: list[Any] = [told.get(name) for name in ("counts", "sizes", "digests")]
        kinds = (int, int, str)
        if not isinstance(told.get("id"), str) or not re.fullmatch(_ID, told["id"]):
            raise BackupUnusable("The backup's index names no backup: it was altered.")
        for part, kind in zip(parts, kinds, strict=True):
            if not isinstance(part, dict) or set(part) | NEWER != set(COLLECTIONS):
                raise BackupUnusable("The backup's index does not tell of every collection: it was altered.")
            if not all(type(value) is kind for value in part.values()):
                raise BackupUnusable("The backup's index has values of a wrong kind: it was altered.")
        nothing = (0, 0, hashlib.sha256().hexdigest())
        return cls(
            told["id"],
            *(dict.fromkeys(NEWER, none) | part for part, none in zip(parts, nothing, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """The word that a backup is complete.

    `gone` blobs were deleted while the backup ran; `lost` ones the store itself had not, or not whole.
    """

    index: str
    index_digest: str
    blobs: int
    blob_bytes: int
    gone: int = 0
    lost: int = 0

    def text(self) -> bytes:
        return _text({"format": FORMAT, "revision": REVISION} | asdict(self))

    @classmethod
    def read(cls, text: bytes) -> Manifest:
        """Raises BackupUnusable."""
        told = _told(text, "manifest")
        index, digest = told.get("index"), told.get("index_digest")
        counts: list[Any] = [told.get(name) for name in ("blobs", "blob_bytes", "gone", "lost")]
        if not isinstance(index, str) or not _DOCUMENTS.fullmatch(index) or not isinstance(digest, str):
            raise BackupUnusable("The backup's manifest names no index: it was altered.")
        if not all(type(each) is int for each in counts):
            raise BackupUnusable("The backup's manifest has no counts: it was altered.")
        return cls(index, digest, *counts)


class Target(Protocol):
    """Where a backup goes. `workspace` is a folder for passing files, on a disk and not in memory."""

    workspace: Path

    def add_documents(self, index: Index, files: dict[Collection, Path]) -> None: ...

    def has_blob(self, digest: Digest, size: int, *, verify: bool) -> bool:
        """Whether the bytes are there already, by their size; by their digest too with `verify`."""
        ...

    def add_blob(self, digest: Digest, blob: Blob) -> None:
        """Take the bytes; nothing is left of them if reading them fails."""
        ...

    def finish(self, manifest: Manifest) -> None:
        """Say that the backup is complete; after this it is."""
        ...


class Source(Protocol):
    """Where a backup comes from."""

    def index(self) -> Index:
        """Read what comes before the blobs. Raises BackupUnusable."""
        ...

    def documents(self, collection: Collection) -> BufferedReader: ...

    def take(self, digest: Digest, size: int, *, wanted: bool) -> Spool | None:
        """The bytes of a digest, None where they are not there; asked in the order of the versions.

        The caller closes what it gets. Unless they are `wanted`, they are passed over: None too. Raises
        BlobDamaged for bytes that are not those of the digest, BackupUnusable when the source ends too early.
        """
        ...

    def manifest(self) -> Manifest:
        """The last of the backup. Raises BackupUnusable when there is none: then it is not complete."""
        ...


@dataclass(slots=True)
class Lines:
    """A file of documents as it is written: how many, how large, and their SHA-256."""

    file: IO[bytes]
    count: int = 0
    size: int = 0
    hash: Any = field(default_factory=hashlib.sha256)

    def add(self, line: bytes) -> None:
        self.file.write(line)
        self.hash.update(line)
        self.count += 1
        self.size += len(line)


def make_id() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def blob_path(digest: Digest) -> str:
    return f"blobs/{digest[:2]}/{digest[2:]}"


def digest_at(path: str) -> Digest | None:
    """The digest of the blob that lies at a path; None for a path where none lies."""
    match = _BLOB.fullmatch(path)
    return Digest(match[1] + match[2]) if match else None


def is_document_path(path: str) -> bool:
    return _DOCUMENTS.fullmatch(path) is not None


def index_path(id: str) -> str:
    return f"documents/{id}/index.json"


def read_small(file: IO[bytes], what: str) -> bytes:
    """All of a small file. Raises BackupUnusable when it is not small."""
    text = file.read(SMALL_BYTES + 1)
    if len(text) > SMALL_BYTES:
        raise BackupUnusable(f"The backup's {what} is far too long: this is no backup of imagestore.")
    return text


def take_whole(file: IO[bytes], digest: Digest, size: int, directory: Path) -> Spool:
    """The bytes of a file, if they are those of the digest. Raises BlobDamaged."""
    spooled = Spool(directory)
    try:
        while spooled.size <= size and (data := file.read(READ_SIZE)):
            spooled.write(data)
        if spooled.size != size or spooled.digest != digest:
            raise BlobDamaged(f"The backup's {blob_path(digest)} is damaged: its bytes are not its name's.")
    except BaseException:
        spooled.close()
        raise
    return spooled


def read_documents(file: IO[bytes], collection: Collection) -> Iterator[dict[str, Any]]:
    """The documents of a file, one by one. Raises BackupUnusable for a line that holds none."""
    while line := file.readline(LONGEST_LINE):
        try:
            yield document_of(collection, line)
        except (ValueError, RecursionError) as error:
            raise BackupUnusable(f"The backup holds {error}: it was altered.") from None


def check_documents(source: Source, index: Index) -> None:
    """Hold every file of documents to the index. Raises BackupUnusable."""
    for collection in COLLECTIONS:
        with source.documents(collection) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != index.digests[collection]:
            raise BackupUnusable(
                f"{index.path(collection)} is damaged: its SHA-256 is not the one in the index. "
                "Nothing was restored: use another copy of the backup."
            )


def _text(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"


def _told(text: bytes, what: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise BackupUnusable(f"The backup's {what} is damaged: it is no JSON.") from None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise BackupUnusable("This is no backup of imagestore.")
    if told.get("revision") != REVISION:
        raise BackupUnusable(
            f"The backup has the format's revision {str(told.get('revision'))[:20]}, and this imagestore "
            f"reads revision {REVISION}: use the imagestore that made it."
        )
    return told
