"""Backup: every bucket, credential, image and version as of one moment, and the bytes that they name.

The documents are read first, all of one moment (a snapshot), and lie on a disk before the first blob is
read. So the backup holds what was acknowledged before that moment, and nothing half: an upload whose image
did not point at its version yet is not in it. The blobs come after, however long that takes, and that is
safe since they never change: what was named at that moment is still there, unless its names were deleted
meanwhile. Even then the sweep lets the bytes be for its grace period; when a backup takes longer than that,
some are gone. Those are counted, their versions come back from no restore, and that is no fault: they were
deleted.

Every blob is held to its digest while it is read. One that the store itself has not, or not whole, is told
as a problem, and the rest goes on.

The server key is not in the backup, since secrets are derived from it: who has both has every secret.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from imagestore.core.errors import BlobDamaged
from imagestore.core.image import BlobRef, Digest
from imagestore.core.telemetry import Progress, SilentProgress
from imagestore.library.archive import Index, Lines, Manifest, Target, index_path, make_id, read_documents
from imagestore.library.archive_folder import FolderTarget
from imagestore.library.seen import Seen
from imagestore.library.upkeep import Tally
from imagestore.store.blobs import Blobs
from imagestore.store.holdings import Holdings
from imagestore.store.mongo import Document, Mongo
from imagestore.store.restoration import Restoration
from imagestore.store.shapes import is_pointing
from imagestore.store.snapshot import COLLECTIONS, Collection, Snapshot, line_of


class Lost(StrEnum):
    """Why a blob is not in a backup, though a version in the store names it."""

    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class LostBlob:
    """`what` is the first version of it, by its name."""

    kind: Lost
    digest: Digest
    what: str


@dataclass(slots=True)
class BackupReport:
    """What a backup holds. `copied` blobs were read from the store, `kept` ones were there already.

    `gone` counts the blobs that were deleted while the backup ran; `lost` are problems of the store.
    """

    id: str = ""
    counts: dict[Collection, int] = field(default_factory=dict)
    copied: int = 0
    copied_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    gone: int = 0
    pruned: int = 0
    pruned_bytes: int = 0
    lost: Tally[LostBlob] = field(default_factory=Tally)

    @property
    def blobs(self) -> int:
        return self.copied + self.kept


class ByteProgress(Progress, Protocol):
    """Progress that is told of bytes too."""

    def advance_bytes(self, size: int) -> None: ...


class SilentBytes(SilentProgress):
    """Says nothing: the default."""

    def advance_bytes(self, size: int) -> None:
        pass


class Backup:
    """One run into one target."""

    def __init__(self, mongo: Mongo, target: Target) -> None:
        self._mongo = mongo
        self._blobs = Blobs(mongo)
        self._holdings = Holdings(mongo)
        self._names = Restoration(mongo, dry_run=True)
        self._target = target
        self._report = BackupReport()

    def run(self, *, verify: bool = False, progress: ByteProgress | None = None) -> BackupReport:
        """Take the backup. With `verify` blobs that are there already are read, and copied anew if wrong.

        Raises StoreUnavailable and OSError: then the backup is not complete, and another run goes on where
        this one was cut short.
        """
        progress, report = progress or SilentBytes(), self._report
        files = {each: self._target.workspace / f"{each}.jsonl" for each in COLLECTIONS}
        index = self._read_documents(files)
        report.id, report.counts = index.id, index.counts
        progress.start(index.counts["versions"])
        with Seen(self._target.workspace) as seen, files["versions"].open("rb") as file:
            self._target.add_documents(index, files)  # which may take the files away
            for row in read_documents(file, "versions"):
                if not row.get("marker") and seen.add(row["digest"]):
                    progress.advance_bytes(self._copy(row, verify))
                progress.advance(1, row["key"])
        self._target.finish(self._manifest(index))
        return report

    def _read_documents(self, files: dict[Collection, Path]) -> Index:
        written = {}
        with Snapshot(self._mongo) as snapshot:
            for collection in COLLECTIONS:  # versions come last, after the images that point at them
                with files[collection].open("wb") as file:
                    lines = Lines(file)
                    for document in self._documents(snapshot, collection, files["images"]):
                        lines.add(line_of(document))
                written[collection] = lines
        return Index(
            make_id(),
            {each: lines.count for each, lines in written.items()},
            {each: lines.size for each, lines in written.items()},
            {each: lines.hash.hexdigest() for each, lines in written.items()},
        )

    def _documents(self, snapshot: Snapshot, collection: Collection, images: Path) -> Iterator[Document]:
        if collection != "versions":
            yield from snapshot.read(collection)
            return
        with images.open("rb") as file:
            yield from _pointed(read_documents(file, "images"), snapshot.read("versions"))

    def _copy(self, row: Document, verify: bool) -> int:
        """One blob into the target, if it is not there; how many bytes were read for it."""
        digest, size, report = row["digest"], row["length"], self._report
        if self._target.has_blob(digest, size, verify=verify):
            report.kept += 1
            report.kept_bytes += size
            return 0
        tried: list[BlobRef] = []
        while (ref := self._holdings.find(digest)) is not None and ref not in tried:
            tried.append(ref)
            try:
                with self._blobs.open(ref) as blob:
                    self._target.add_blob(digest, blob)
            except BlobDamaged:
                continue  # or it was swept while it was read, and perhaps uploaded again: so look once more
            report.copied += 1
            report.copied_bytes += size
            return int(size)
        if ref is None and not self._names.is_named(digest):
            report.gone += 1
        else:
            lost = Lost.MISSING if ref is None else Lost.DAMAGED
            report.lost.add(lost, LostBlob(lost, digest, f"{row['bucket']}/{row['key']} v{row['number']}"))
        return 0

    def _manifest(self, index: Index) -> Manifest:
        report = self._report
        return Manifest(
            index=index_path(index.id),
            index_digest=sha256(index.text()).hexdigest(),
            blobs=report.blobs,
            blob_bytes=report.copied_bytes + report.kept_bytes,
            gone=report.gone,
            lost=sum(report.lost.counts.values()),
        )


def prune(target: FolderTarget, report: BackupReport) -> None:
    """Remove the blobs that the folder's backup, just taken, does not name: earlier runs into it did."""
    versions = target.folder / Index(report.id, {}, {}, {}).path("versions")
    with Seen(target.workspace) as named, versions.open("rb") as file:
        for row in read_documents(file, "versions"):
            if not row.get("marker"):
                named.add(row["digest"])
        for digest in target.blobs():
            if digest not in named:
                report.pruned += 1
                report.pruned_bytes += target.drop_blob(digest)


def _pointed(images: Iterator[Document], versions: Iterator[Document]) -> Iterator[Document]:
    """The versions that are their image's newest or its history; both come in the order of names.

    The others are of uploads and deletions under way, or of such as were cut short: nobody was promised them.
    """
    image = next(images, None)
    for (bucket, key), group in itertools.groupby(versions, lambda row: (row["bucket"], row["key"])):
        while image is not None and (image["bucket"], image["key"]) < (bucket, key):
            image = next(images, None)
        if image is not None and is_pointing(image) and (image["bucket"], image["key"]) == (bucket, key):
            yield from (row for row in group if row["number"] <= image["number"])
