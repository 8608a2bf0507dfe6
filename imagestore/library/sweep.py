"""The sweep: what nobody can reach any more is planned for removal, then removed.

Everything is planned from pages that are not of one moment, while uploads, deletions, restorations and other
sweeps go on. So a plan only says what to look at; what decides is what `store/removals.py` finds at the
moment of each change. Whatever the grace period, even none, nothing that is named is ever removed:

Blobs. An upload of new bytes makes claim, file, version and the image's pointer in one transaction, so they
are named as soon as they are there. One of bytes that are kept already makes version and pointer in one
transaction with a renewal of the claim, which takes a mark off. A sweep sees a claim that nothing names,
marks it, looks for names, and, once the mark is older than the grace period, removes claim and file in one
transaction that fails if the claim was renewed or marked anew, or if a version or an image names the file.
Both transactions write the claim, so one of the two goes first:

- The upload's: the sweep's begins again, does not find the claim as it was, and keeps the blob.
- The sweep's: the upload's begins again, finds no claim, and is undone, so there is no version without
  bytes. The upload writes the bytes anew, under another file id. To make an older version the newest again,
  there are no bytes to write: the answer is that the version is gone. What puts a backup back renews claims
  in its transactions in the same way.

The mark also dates the moment from which on nobody could begin to read the blob, so that a download under
way has the grace period to end in. A blob goes with the first sweep that comes later than that: the first
sweep after a deletion marks, and a later one removes. What is marked and named after all loses its mark.

Large uploads write chunks before they make file and claim. Chunks without a file are let be until the
newest of them is older than the grace period. Then the first chunk is removed in one transaction with a
look for the file; the transaction that makes the file changes that chunk. So only one of the two succeeds,
and an upload that finds its first chunk gone writes all of them anew. A file without a claim stays without
one, since claims are made only with their files; so it goes once it is old enough and nothing names it.

Versions that their image does not point at or beyond. A version and its image are written in one
transaction, so only damage leaves such. Where the image's own document is lost, they are all that is left of
it, and stay. Before another goes, its number is spent: the image's `last_number` is raised to it in one
update that fails if the image points there or beyond by now, as a backup that is put back at the same time
can have it. No upload gets that number again.

Tombstones keep numbers from being given out twice. When one is a day old, no cache has anything of the name;
when its last number is an hour past, the clock, from which the next number is taken, is beyond it.

Uploads in parts are given up, or forgotten if they have ended, a week after they began. A part whose upload
is not open goes at once, since no upload is opened again; chunks of a part that is not there go when the
newest of them is older than the grace period.

A sweep that is cut short leaves only what the next one finds: run it again, and it goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from imagestore.core.telemetry import Progress, SilentProgress
from imagestore.library import remnants
from imagestore.library.fsck import show, unpointed
from imagestore.library.upkeep import GRACE, Pace, Removal, Taken, Tally, ago
from imagestore.store.documents import Documents
from imagestore.store.inventory import ClaimRecord, FileRecord, Inventory, NameRecord, VersionRecord
from imagestore.store.leftovers import PartRecord, UploadRecord
from imagestore.store.removals import Removals
from imagestore.store.shapes import TOMBSTONE_AGE

NUMBER_AGE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a plan: what it removes, and the record that it was planned from."""

    removal: Removal
    record: VersionRecord | ClaimRecord | FileRecord | NameRecord | UploadRecord | PartRecord | str


@dataclass(slots=True)
class Swept:
    """What a sweep planned; what of that it took, and how much it kept, since it was in use after all."""

    planned: Tally[Removal] = field(default_factory=Tally)
    taken: Tally[Removal] = field(default_factory=Tally)
    kept: int = 0


class Sweep:
    def __init__(
        self, inventory: Inventory, removals: Removals, documents: Documents, *, grace: timedelta = GRACE
    ) -> None:
        self._inventory = inventory
        self._removals = removals
        self._documents = documents
        self._grace = grace

    def missing_indexes(self) -> list[str]:
        """Without one of these a sweep would take for ever, or not be safe: then it must not run."""
        return self._inventory.missing_indexes()

    def run(
        self, *, dry_run: bool = False, pace: Pace | None = None, progress: Progress | None = None
    ) -> Swept:
        """Plan and carry out, step by step; a dry run only plans. Raises StoreUnavailable.

        What becomes waste by a step is planned later in the same run: a dry run does not see that.
        `pace` counts the documents that are looked at, and what is taken.
        """
        pace, progress = pace or Pace(), progress or SilentProgress()
        progress.start(None)
        swept = Swept()
        for step in self.plan(pace):
            removal = step.removal
            swept.planned.add(removal.taken, removal, removal.size)
            progress.advance(1, removal.what)
            if dry_run:
                continue
            pace.take()
            if self.carry_out(step):
                swept.taken.add(removal.taken, removal, removal.size)
            else:
                swept.kept += 1
        return swept

    def plan(self, pace: Pace) -> Iterator[Step]:
        """Names first, so that what they leave behind is seen after them."""
        for versions in pace.slices(self._inventory.versions()):
            yield from self._plan_versions(versions)
        for claims in pace.slices(self._inventory.claims()):
            yield from self._plan_blobs(claims)
        for files in pace.slices(self._inventory.files()):
            yield from self._plan_files(files)
        last = None
        for numbers in self._inventory.chunks.numbers():
            pace.take(0)
            for step in self._plan_chunks(numbers):
                if step != last:  # a file may go on in the next page
                    yield step
                last = step
        for removal, record in remnants.plan(self._inventory.leftovers, pace, self._grace):
            yield Step(removal, record)
        for names in pace.slices(self._inventory.names()):
            yield from self._plan_tombstones(names)

    def carry_out(self, step: Step) -> bool:
        """Whether it was still waste, and is gone. Raises StoreUnavailable."""
        removals, record = self._removals, step.record
        match step.removal.taken, record:
            case Taken.VERSION, VersionRecord():
                return self._drop_version(record)
            case Taken.MARK, ClaimRecord():
                return removals.mark_unnamed(record) is not None
            case Taken.UNMARK, ClaimRecord():
                return removals.unmark(record)
            case Taken.BLOB, ClaimRecord():
                marked = record if record.unnamed else removals.mark_unnamed(record)
                return marked is not None and removals.drop_blob(marked)
            case Taken.FILE, FileRecord():
                return removals.drop_file(record.file_id)
            case Taken.CHUNKS, str():
                return removals.drop_chunks(record)
            case Taken.EXTRA_CHUNKS, FileRecord():
                return removals.drop_extra_chunks(record.file_id, record.chunks)
            case Taken.TOMBSTONE, NameRecord():
                return removals.drop_tombstone(record)
            case Taken.UPLOAD | Taken.PART | Taken.PART_CHUNKS, UploadRecord() | PartRecord() | str():
                return remnants.take(self._inventory.leftovers, record)
        raise ValueError(f"no step of a plan: {step}")

    def _drop_version(self, record: VersionRecord) -> bool:
        version = self._documents.find_version(record.bucket, record.key, record.number)
        if version is None or not self._removals.spend_number(version):
            return False
        self._documents.withdraw(version)
        return True

    def _plan_versions(self, page: Sequence[VersionRecord]) -> Iterator[Step]:
        known = {each.name for each in self._inventory.find_names(version.name for version in page)}
        for version in unpointed(self._inventory, page):
            # Where the image's own document is lost, its versions are all that is left of it.
            if version.name in known and version.created <= ago(self._grace):
                yield Step(Removal(Taken.VERSION, show(version), "no image points at it or beyond"), version)

    def _plan_blobs(self, page: Sequence[ClaimRecord]) -> Iterator[Step]:
        ids = [claim.file_id for claim in page]
        named = self._inventory.named(ids)
        sizes = {file.file_id: file.length for file in self._inventory.find_files(ids)}
        for claim in page:
            what, size = f"blob {claim.digest}", sizes.get(claim.file_id, 0)
            if claim.file_id in named:
                if claim.unnamed is not None:
                    yield Step(Removal(Taken.UNMARK, what, "a version names it after all"), claim)
            elif (claim.unnamed or datetime.now(UTC)) <= ago(self._grace):
                yield Step(Removal(Taken.BLOB, what, "no version names it", size), claim)
            elif claim.unnamed is None and claim.claimed <= ago(self._grace):
                yield Step(Removal(Taken.MARK, what, "no version names it any more"), claim)

    def _plan_files(self, page: Sequence[FileRecord]) -> Iterator[Step]:
        ids = [file.file_id for file in page if file.begun <= ago(self._grace)]
        used = self._inventory.claimed(ids) | self._inventory.named(ids)
        for file in page:
            if file.file_id in ids and file.file_id not in used:
                detail = "no claim holds it and nothing names it"
                yield Step(Removal(Taken.FILE, f"file {file.file_id}", detail, file.length), file)

    def _plan_chunks(self, page: dict[str, list[float]]) -> Iterator[Step]:
        files = {file.file_id: file for file in self._inventory.find_files(page)}
        gone = [file_id for file_id in page if file_id not in files]
        used = self._inventory.claimed(gone) | self._inventory.named(gone)
        for file_id, numbers in page.items():
            file, what = files.get(file_id), f"file {file_id}"
            if file is not None:
                if any(not 0 <= number < file.chunks for number in numbers):
                    yield Step(Removal(Taken.EXTRA_CHUNKS, what, "chunks beyond its end"), file)
            elif file_id not in used and self._inventory.chunks.last_written(file_id) <= ago(self._grace):
                yield Step(Removal(Taken.CHUNKS, what, "chunks of a file that is not there"), file_id)

    def _plan_tombstones(self, page: Sequence[NameRecord]) -> Iterator[Step]:
        spent = ago(NUMBER_AGE).timestamp()
        old = [each for each in page if each.buried is not None and each.buried <= ago(TOMBSTONE_AGE)]
        used = self._inventory.have_versions(each.name for each in old if each.pointed is None)
        for each in old:
            if each.pointed is None and each.last_number < spent and each.name not in used:
                detail = f"deleted on {each.buried:%Y-%m-%d}"
                yield Step(Removal(Taken.TOMBSTONE, f"image {each.bucket}/{each.key}", detail), each)
