"""A backup as a tar stream: the files of the folder in one order, and none of them read by its path."""

from __future__ import annotations

import hashlib
import io
import shutil
import tarfile
import time
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from imagestore.core.errors import BlobDamaged
from imagestore.core.image import Digest
from imagestore.core.streams import Blob, Spool
from imagestore.library.archive import (
    MANIFEST,
    READ_SIZE,
    BackupUnusable,
    Index,
    Manifest,
    blob_path,
    digest_at,
    index_path,
    is_document_path,
    read_small,
    take_whole,
)
from imagestore.store.snapshot import COLLECTIONS, NEWER, Collection

MODE = 0o600


class TarTarget:
    """The order: documents, index, blobs as the versions first name them, manifest. A context manager."""

    def __init__(self, stream: IO[bytes], workspace: Path) -> None:
        self.workspace = workspace
        # GNU's format has no need of extra headers for names as short as these, of whatever size the file is.
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._now = int(time.time())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._tar.close()

    def add_documents(self, index: Index, files: dict[Collection, Path]) -> None:
        for collection in COLLECTIONS:
            with files[collection].open("rb") as file:
                self._add(index.path(collection), index.sizes[collection], file)
        text = index.text()
        self._add(index_path(index.id), len(text), io.BytesIO(text))

    def has_blob(self, digest: Digest, size: int, *, verify: bool) -> bool:
        """Never: a stream begins empty."""
        del digest, size, verify
        return False

    def add_blob(self, digest: Digest, blob: Blob) -> None:
        """Read whole before any of it is written, since what is in the stream cannot be taken back."""
        with Spool(self.workspace) as spooled:
            for data in blob.open():
                spooled.write(data)
            if spooled.digest != digest:
                raise BlobDamaged("The stored bytes are damaged: they are not in the backup.")
            with spooled.open() as file:
                self._add(blob_path(digest), spooled.size, file)

    def finish(self, manifest: Manifest) -> None:
        text = manifest.text()
        self._add(MANIFEST, len(text), io.BytesIO(text))

    def _add(self, name: str, size: int, file: IO[bytes]) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, MODE, self._now
        self._tar.addfile(member, file)
        self._tar.members = []  # type: ignore[attr-defined]  # it would remember every one


class _Member(tarfile.TarInfo):
    """A header that is refused, before anything is done with it, unless it is of a plain file."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        member = super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]  # as its caller gives it
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE):
            raise BackupUnusable(
                f"The stream holds {member.name[:100]!r}, which is no plain file: it is not a stream that "
                "`imagestore backup -` wrote. The tar of a backup's folder is to be unpacked first."
            )
        return member


class TarSource:
    """A tar stream of a backup. Nothing is unpacked by its name: names are only compared with known ones.

    Documents lie in the workspace while it is open. A context manager.
    """

    def __init__(self, stream: IO[bytes], workspace: Path) -> None:
        self._workspace = workspace
        try:
            self._tar = tarfile.open(fileobj=stream, mode="r|", tarinfo=_Member)  # noqa: SIM115
        except tarfile.TarError as error:
            raise BackupUnusable(f"This is no tar stream of a backup: {error}.") from None
        self._next = self._tar.next()
        self._index: Index | None = None
        self._index_digest = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tar.close()

    def index(self) -> Index:
        if self._index is None:
            self._index = self._read_documents()
        return self._index

    def documents(self, collection: Collection) -> BufferedReader:
        return (self._workspace / f"{collection}.jsonl").open("rb")

    def take(self, digest: Digest, size: int, *, wanted: bool) -> Spool | None:
        """What is passed over is read too: a stream has no other way."""
        if self._next is None:
            raise _cut_short()
        if self._next.name != blob_path(digest):
            return None
        if not wanted:
            self._advance()
            return None
        try:
            return take_whole(self._open(), digest, size, self._workspace)
        except tarfile.TarError:
            raise _cut_short() from None
        finally:
            self._advance()

    def manifest(self) -> Manifest:
        while self._next is not None and digest_at(self._next.name) is not None:
            self._advance()
        if self._next is None:
            raise _cut_short()
        if self._next.name != MANIFEST:
            raise _foreign(self._next.name)
        manifest = Manifest.read(self._small(MANIFEST))
        if manifest.index_digest != self._index_digest:
            raise BackupUnusable("The stream's index is damaged: its SHA-256 is not the manifest's.")
        return manifest

    def _read_documents(self) -> Index:
        """Files of documents, whose names are of a fixed few, up to the index."""
        while self._next is not None and is_document_path(self._next.name):
            name = self._next.name.rpartition("/")[2]
            if name == "index.json":
                text = self._small(name)
                self._index_digest = hashlib.sha256(text).hexdigest()
                index = Index.read(text)
                for each in NEWER:
                    (self._workspace / f"{each}.jsonl").touch()
                if any(not (self._workspace / f"{each}.jsonl").exists() for each in COLLECTIONS):
                    raise BackupUnusable("The stream's index comes before its documents: it was altered.")
                self._advance()
                return index
            with (self._workspace / name).open("wb") as kept:
                self._copy(self._open(), kept)
            self._advance()
        raise _cut_short() if self._next is None else _foreign(self._next.name)

    def _open(self) -> IO[bytes]:
        assert self._next is not None
        file = self._tar.extractfile(self._next)
        assert file is not None  # only plain files come this far
        return file

    def _small(self, name: str) -> bytes:
        try:
            return read_small(self._open(), name)
        except tarfile.TarError:
            raise _cut_short() from None

    def _copy(self, file: IO[bytes], kept: IO[bytes]) -> None:
        try:
            shutil.copyfileobj(file, kept, READ_SIZE)
        except tarfile.TarError:
            raise _cut_short() from None

    def _advance(self) -> None:
        try:
            self._next = self._tar.next()
        except tarfile.TarError:
            raise _cut_short() from None
        self._tar.members = []  # type: ignore[attr-defined]  # it would remember every one


def _cut_short() -> BackupUnusable:
    return BackupUnusable(
        "The stream ends before the backup does. What came before was restored; "
        "the rest needs a stream that is whole."
    )


def _foreign(name: str) -> BackupUnusable:
    return BackupUnusable(f"The stream holds {name[:100]!r}, which has no place there: it was altered.")
