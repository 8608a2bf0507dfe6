"""Restore: what a backup holds and the store has not, put back; nothing is overwritten or taken away.

One image after the other, in the order of names: the bytes of its versions, then, in one transaction, its
versions and its name. So what is back is back whole, a restore that is cut short leaves whole images, and
running it again goes on. The service may run meanwhile, sweeps too: bytes come in by the same claims as an
upload's, and the transaction renews the claims of what it names.

What the store has wins: an image that points at this or a later version stays as it is, and so do its
labels. What was deleted since the backup is missing, and comes back. Versions keep number, id and time; the
last number of a name only grows, so that none is given out twice, deleted names included.

What Redis remembers of names is forgotten first, since the database may be another than it was; and what is
changed after that, name by name. Names that were not there need none of that: nobody remembers what is not
there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

from imagestore.core.image import BlobRef
from imagestore.library.aliases import Aliases
from imagestore.library.archive import BackupUnusable, Source, check_documents, read_documents
from imagestore.library.backup import ByteProgress, SilentBytes
from imagestore.library.replenishment import Replenishment
from imagestore.library.restore_report import RestoreReport, Trouble
from imagestore.library.seen import Seen
from imagestore.library.upkeep import MOST_LISTED
from imagestore.store.mongo import Document, Mongo
from imagestore.store.restoration import Change, PutBack, Restoration
from imagestore.store.snapshot import Collection

BATCH = 200


class Restore:
    """One run from one source. `workspace` is a folder on a disk, for what does not fit into memory.

    A dry run writes nothing, but reads and checks what would be written. With `verify` the blobs that the
    store has are read too, and damaged ones written anew from the backup.
    """

    def __init__(
        self,
        mongo: Mongo,
        source: Source,
        aliases: Aliases,
        workspace: Path,
        *,
        dry_run: bool = False,
        verify: bool = False,
    ) -> None:
        self._mongo = mongo
        self._source = source
        self._aliases = aliases
        self._workspace = workspace
        self._dry_run = dry_run
        self._verify = verify
        self._names = Restoration(mongo, dry_run=dry_run)
        self._report = RestoreReport()

    def run(self, progress: ByteProgress | None = None) -> RestoreReport:
        """Put back what is missing; what cannot be is told in the report, and the rest goes on.

        Raises BackupUnusable before anything is changed, and StoreUnavailable: then run it again.
        """
        source, report, progress = self._source, self._report, progress or SilentBytes()
        index = source.index()
        check_documents(source, index)
        if not self._dry_run:
            self._mongo.ensure_indexes()
            report.aliases_forgotten = self._aliases.forget_all()
        self._put_registry()
        progress.start(index.counts["images"])
        with Seen(self._workspace) as seen:
            bytes_in = Replenishment(
                self._mongo, source, seen, report, dry_run=self._dry_run, verify=self._verify
            )
            try:
                for row, versions in _joined(self._rows("images"), self._rows("versions")):
                    self._put_image(row, versions, bytes_in, progress)
                    progress.advance(1, row["key"])
                report.settle(source.manifest().gone)
            except BackupUnusable as error:
                report.note(Trouble.BACKUP_INCOMPLETE, "the backup", str(error))
                report.settle(0)
        return report

    def _rows(self, collection: Collection) -> Iterator[Document]:
        with self._source.documents(collection) as file:
            yield from read_documents(file, collection)

    def _put_registry(self) -> None:
        report = self._report
        for row in self._rows("buckets"):
            change, generation = self._names.add_named("buckets", row)
            report.buckets.note(change)
            if change is not Change.KEPT and generation != row["generation"]:
                self._aliases.forget_bucket(row["_id"], generation)
        for row in self._rows("transformations"):
            change, generation = self._names.add_named("transformations", row)
            report.transformations.note(change)
            if change is not Change.KEPT and generation != row["generation"]:
                self._aliases.forget_transformation(row["_id"]["bucket"], row["_id"]["name"], generation)
        for row in self._rows("credentials"):
            change = self._names.add_credential(row)
            report.credentials.note(change)
            if change is Change.ADDED and len(report.credentials_added) < MOST_LISTED:
                report.credentials_added.append(row["_id"])

    def _put_image(
        self, row: Document, versions: Iterator[Document], bytes_in: Replenishment, progress: ByteProgress
    ) -> None:
        """A batch of versions at a time, newest first: so the image points at its newest at once."""
        change: Change | None = None
        while batch := list(itertools.islice(versions, BATCH)):
            brought: list[tuple[Document, BlobRef | None]] = []
            for version in batch:
                if version.get("marker"):
                    brought.append((version, None))
                    continue
                ref, size = bytes_in.bring(version)
                progress.advance_bytes(size)
                if ref is not None:
                    brought.append((version, ref))
            if brought:
                done = self._names.put_back(row, brought)
                self._note(row, brought, done)
                if done.pointed and change in (None, Change.KEPT):
                    change = done.change
        if change is not None:
            self._report.images.note(change)
        else:  # deleted, or all its bytes are lost: its numbers are spent all the same
            self._note(row, [], self._names.put_back(row, []))

    def _note(self, row: Document, brought: list[tuple[Document, BlobRef | None]], done: PutBack) -> None:
        report = self._report
        for version, _ in brought:
            what = f"{row['bucket']}/{row['key']} v{version['number']}"
            if version["_id"] in done.taken:
                detail = "The store has another version under this number: it was uploaded since."
                report.note(Trouble.NUMBER_TAKEN, what, detail)
            elif version["_id"] in done.swept:
                detail = "A sweep took its bytes before the version was there: run the restore again."
                report.note(Trouble.SWEPT, what, detail)
            else:
                report.versions.note(Change.ADDED if version["_id"] in done.added else Change.KEPT)
        # An image that never was in this store may be known to be missing, since the restore began.
        if (done.change is not Change.KEPT or done.added) and not self._dry_run:
            self._aliases.forget_image(row["bucket"], row["key"], done.generation)


def _joined(
    images: Iterator[Document], versions: Iterator[Document]
) -> Iterator[tuple[Document, Iterator[Document]]]:
    """Each image with its versions; both come in the order of names. Raises BackupUnusable when not."""
    groups = itertools.groupby(versions, lambda row: (row["bucket"], row["key"]))
    group = next(groups, None)
    for image in images:
        name = (image["bucket"], image["key"])
        if group is not None and group[0] == name:
            yield image, group[1]
            group = next(groups, None)
        else:
            yield image, iter(())
    if group is not None:
        raise BackupUnusable(f"The backup has versions of {group[0][1]!r}, and no image: it was altered.")
