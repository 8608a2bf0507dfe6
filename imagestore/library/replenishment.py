"""The bytes of a backup on their way into the store: those that it lacks, or has damaged."""

from __future__ import annotations

from imagestore.core.errors import BlobDamaged
from imagestore.core.image import BlobRef, Digest
from imagestore.core.streams import Spool
from imagestore.imaging.formats import FORMATS
from imagestore.library.archive import Source
from imagestore.library.restore_report import RestoreReport, Trouble
from imagestore.library.seen import Seen
from imagestore.store.blobs import Blobs
from imagestore.store.drafts import CHUNK_SIZE
from imagestore.store.holdings import Holdings
from imagestore.store.mongo import Document, Mongo
from imagestore.store.restoration import Restoration

NOWHERE = ""
"""The file id of bytes that a dry run did not write."""

_MEDIA_TYPES = {each.name: each.media_type for each in FORMATS}


class Replenishment:
    """Asked for the bytes of one version after the other, in their order in the backup.

    With `verify` the store's own bytes are read too, and written over where they are damaged. With
    `dry_run` bytes are read and checked, and not written. What cannot be brought is noted in the report.
    """

    def __init__(
        self,
        mongo: Mongo,
        source: Source,
        seen: Seen,
        report: RestoreReport,
        *,
        dry_run: bool = False,
        verify: bool = False,
    ) -> None:
        self._blobs = Blobs(mongo)
        self._holdings = Holdings(mongo)
        self._names = Restoration(mongo, dry_run=dry_run)
        self._source = source
        self._seen = seen
        self._report = report
        self._dry_run = dry_run
        self._verify = verify
        self._failed: dict[Digest, Trouble] = {}

    def bring(self, row: Document) -> tuple[BlobRef | None, int]:
        """Where the bytes of a version lie, None if they are not to be had; and how many were written.

        Raises BackupUnusable when the backup ends too early, StoreUnavailable.
        """
        digest, size = row["digest"], row["length"]
        first = self._seen.add(digest)
        ref = self._holdings.find(digest)
        if ref is not None and not (first and self._verify and self._is_damaged(ref)):
            if first:
                self._source.take(digest, size, wanted=False)
                self._report.blobs.kept += 1
            return ref, 0
        if self._dry_run and not first and digest not in self._failed:
            return BlobRef(digest, NOWHERE, size, CHUNK_SIZE), 0
        spooled = self._take(row)
        if spooled is None:
            return None, 0
        with spooled:
            return self._write(row, ref, spooled), size

    def _take(self, row: Document) -> Spool | None:
        digest = row["digest"]
        what = f"{row['bucket']}/{row['key']} v{row['number']}"
        try:
            spooled = self._source.take(digest, row["length"], wanted=True)
        except BlobDamaged as error:
            self._failed[digest] = Trouble.BLOB_DAMAGED
            self._report.note(Trouble.BLOB_DAMAGED, what, error.message)
            return None
        if spooled is None:
            # What was damaged further up in a stream is not there again.
            if self._failed.setdefault(digest, Trouble.BLOB_ABSENT) is Trouble.BLOB_DAMAGED:
                self._report.note(Trouble.BLOB_DAMAGED, what, f"Its bytes, {digest}, are damaged.")
            else:
                self._report.note(Trouble.BLOB_ABSENT, what, f"Its bytes, {digest}, are not in the backup.")
            self._report.absent_blobs = sum(
                trouble is Trouble.BLOB_ABSENT for trouble in self._failed.values()
            )
        return spooled

    def _write(self, row: Document, ref: BlobRef | None, spooled: Spool) -> BlobRef:
        media_type = _MEDIA_TYPES.get(row["facts"].get("format"), "application/octet-stream")
        self._report.bytes += spooled.size
        if ref is not None:
            self._report.blobs.changed += 1
            if not self._dry_run:
                self._holdings.mend(ref, spooled, media_type)
            return ref
        self._report.blobs.added += 1
        if self._dry_run:
            return BlobRef(row["digest"], NOWHERE, spooled.size, CHUNK_SIZE)
        fresh = self._blobs.put(spooled, media_type)
        if self._names.is_named(row["digest"]):
            self._names.move_blob(fresh)
        return fresh

    def _is_damaged(self, ref: BlobRef) -> bool:
        try:
            with self._blobs.open(ref) as blob:
                for _ in blob.open():
                    pass
        except BlobDamaged:
            return True
        return False
