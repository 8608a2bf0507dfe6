"""A backup as a folder: plain files, each put in place whole, that a later run adds to."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self

from imagestore.core.image import Digest
from imagestore.core.streams import Blob, Spool
from imagestore.library.archive import (
    MANIFEST,
    BackupUnusable,
    Index,
    Manifest,
    blob_path,
    digest_at,
    read_small,
    take_whole,
)
from imagestore.store.snapshot import NEWER, Collection

_OURS = {"blobs", "documents", "lost+found", MANIFEST, f".{MANIFEST}.part"}


class FolderTarget:
    """Files are written aside, synced and renamed. One backup at a time: the folder is locked (flock(2)).

    Made, for this user's eyes only, unless it is there. Raises BackupUnusable for a folder that is in use
    or holds other things; OSError for one that cannot be written. A context manager.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in _OURS)
        if foreign:
            raise BackupUnusable(
                f"{folder} holds other things, such as {foreign[0]!r}: choose an empty folder, "
                "or one that a backup was made into."
            )
        self.folder = folder
        self._lock = _lock(folder, fcntl.LOCK_EX)
        self.workspace = folder / "documents" / ".part"
        shutil.rmtree(self.workspace, ignore_errors=True)
        self.workspace.mkdir(parents=True)
        self._touched: set[Path] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        shutil.rmtree(self.workspace, ignore_errors=True)
        os.close(self._lock)

    def add_documents(self, index: Index, files: dict[Collection, Path]) -> None:
        home = self.folder / index.folder
        home.mkdir()
        for collection, path in files.items():
            with path.open("rb") as file:
                os.fsync(file.fileno())
            path.replace(self.folder / index.path(collection))
        _write(home / "index.json", [index.text()])
        _sync_folder(home)

    def has_blob(self, digest: Digest, size: int, *, verify: bool) -> bool:
        path = self.folder / blob_path(digest)
        try:
            if path.stat().st_size != size:
                return False
            if not verify:
                return True
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return False

    def add_blob(self, digest: Digest, blob: Blob) -> None:
        path = self.folder / blob_path(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._touched |= {path.parent, path.parent.parent}
        _write(path, blob.open())

    def finish(self, manifest: Manifest) -> None:
        """After this the documents of earlier runs go. Bytes that only those named stay: see `prune`."""
        documents = self.folder / "documents"
        for folder in (*self._touched, documents):
            _sync_folder(folder)
        _write(self.folder / MANIFEST, [manifest.text()])
        _sync_folder(self.folder)
        current = Path(manifest.index).parent.name
        for entry in documents.iterdir():
            if entry.name not in (current, self.workspace.name):
                shutil.rmtree(entry)

    def blobs(self) -> Iterator[Digest]:
        """The digests of all blobs that lie here, in no order."""
        for path in (self.folder / "blobs").glob("??/*"):
            digest = digest_at(path.relative_to(self.folder).as_posix())
            if digest is not None:
                yield digest

    def drop_blob(self, digest: Digest) -> int:
        """Remove a blob; its bytes."""
        path = self.folder / blob_path(digest)
        size = path.stat().st_size
        path.unlink()
        return size


class FolderSource:
    """A folder with a complete backup. Raises BackupUnusable otherwise. A context manager."""

    def __init__(self, folder: Path, workspace: Path) -> None:
        self._folder = folder
        self._workspace = workspace
        if not folder.is_dir():
            raise BackupUnusable(f"{folder} is no folder: name one that `imagestore backup` wrote.")
        self._lock = _lock(folder, fcntl.LOCK_SH)
        try:
            self._manifest = Manifest.read(self._small(MANIFEST))
            text = self._small(self._manifest.index)
            if hashlib.sha256(text).hexdigest() != self._manifest.index_digest:
                raise BackupUnusable(f"{self._manifest.index} is damaged: its SHA-256 is not the manifest's.")
            self._index = Index.read(text)
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def index(self) -> Index:
        return self._index

    def documents(self, collection: Collection) -> BufferedReader:
        try:
            return (self._folder / self._index.path(collection)).open("rb")
        except FileNotFoundError:
            if collection in NEWER and not self._index.sizes[collection]:
                return Path(os.devnull).open("rb")
            raise BackupUnusable(f"{self._index.path(collection)} is missing from the backup.") from None

    def take(self, digest: Digest, size: int, *, wanted: bool) -> Spool | None:
        if not wanted:
            return None
        try:
            file = (self._folder / blob_path(digest)).open("rb")
        except FileNotFoundError:
            return None
        with file:
            return take_whole(file, digest, size, self._workspace)

    def manifest(self) -> Manifest:
        return self._manifest

    def _small(self, path: str) -> bytes:
        try:
            with (self._folder / path).open("rb") as file:
                return read_small(file, path)
        except FileNotFoundError:
            raise BackupUnusable(
                f"{self._folder} has no {path}: no backup was completed here. "
                "Run `imagestore backup` again, which goes on where it was cut short."
            ) from None


def _lock(folder: Path, kind: int) -> int:
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise BackupUnusable(f"{folder} is in use by another backup or restore: wait for its end.") from None
    return lock


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    """The file appears, or is replaced, only once it is whole and on the disk."""
    aside = path.with_name(f".{path.name}.part")
    try:
        with aside.open("wb") as file:
            for data in chunks:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
