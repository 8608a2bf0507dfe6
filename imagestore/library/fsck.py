"""The check of everything stored: what is lost, what can be mended, what is waste.

It changes nothing and may run while the service does. Documents are looked at a page at a time, and pages are
not of one moment; so whatever looks wrong is read and looked at again after a moment, and told only if it is
there and wrong both times. What is younger than the grace period is somebody's work in progress, and not
told as waste.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from itertools import chain
from typing import NamedTuple, TypeVar

from imagestore.core.telemetry import Progress, SilentProgress
from imagestore.library.chunks import check_chunks
from imagestore.library.remnants import lone_chunks, lone_parts
from imagestore.library.upkeep import GRACE, Depth, Finding, Kind, Pace, Tally, ago
from imagestore.store.chunks import ChunkRecord
from imagestore.store.inventory import ClaimRecord, FileRecord, Inventory, NameRecord, VersionRecord
from imagestore.store.leftovers import PartRecord

SECOND_LOOK = 0.3
"""Seconds between the two looks: far longer than the steps of a deletion are apart."""

Record = TypeVar("Record")
Found = list[tuple[Record, Finding]]


class Part(NamedTuple):
    """A part of a check: how many records of what kind it was, what was found, and the last one's id."""

    size: int
    what: str
    findings: list[Finding]
    last: str = ""


class Fsck:
    def __init__(self, inventory: Inventory, *, grace: timedelta = GRACE) -> None:
        self._inventory = inventory
        self._grace = grace

    def check(
        self,
        depth: Depth = Depth.SIZES,
        *,
        pace: Pace | None = None,
        progress: Progress | None = None,
        blobs: Iterable[Part] | None = None,
    ) -> Tally[Finding]:
        """Look at everything; raises StoreUnavailable.

        Who names whom, and which chunks there are, is always checked. `pace` counts documents, chunks not
        among them, and the bytes of chunks that are read for the sake of `depth`. `blobs` stands in for a
        reading of all blobs.
        """
        pace, progress = pace or Pace(), progress or SilentProgress()
        counts = self._inventory.count()
        reads = depth is not Depth.NAMES
        files = counts["blobs.files"] if reads else 0
        progress.start(sum(counts.values()) - counts["blobs.chunks"] + files)
        tally: Tally[Finding] = Tally()
        if blobs is None:
            blobs = self.read_blobs(depth, pace) if reads else ()
        for part in chain(self.check_names(pace, whole=not reads), blobs):
            for finding in part.findings:
                tally.add(finding.kind, finding)
            progress.advance(part.size, part.what)
        return tally

    def check_names(self, pace: Pace, *, whole: bool = True) -> Iterator[Part]:
        """Everything but what chunks hold, and, unless `whole`, whether a blob's are all there."""
        inventory = self._inventory
        missing = inventory.missing_indexes()
        detail = "the next start of the service builds it"
        yield Part(0, "indexes", [Finding(Kind.INDEX_MISSING, index, detail) for index in missing])

        def check_files(page: Sequence[FileRecord]) -> Found[FileRecord]:
            return self._check_files(page, whole)

        for files in pace.slices(inventory.files()):
            again = _by_key(inventory.find_files, lambda each: each.file_id)
            yield Part(len(files), "files", _twice(files, check_files, again))
        for owners in inventory.chunks.numbers():
            pace.take(0)
            yield Part(0, "chunks", _twice(list(owners), self._check_owners, list))
        yield from self._check_parts(pace)
        for claims in pace.slices(inventory.claims()):
            again_claims = _by_key(inventory.find_claims, lambda each: each.digest)
            yield Part(len(claims), "claims", _twice(claims, self._check_claims, again_claims))
        for versions in pace.slices(inventory.versions()):
            again_versions = _by_key(inventory.find_versions, lambda each: each.version_id)
            yield Part(len(versions), "versions", _twice(versions, self._check_versions, again_versions))
        for names in pace.slices(inventory.names()):
            again_names = _by_key(inventory.find_names, lambda each: each.name)
            yield Part(len(names), "images", _twice(names, self._check_names, again_names))

    def _check_parts(self, pace: Pace) -> Iterator[Part]:
        """What uploads in parts left behind. The bytes of those that are open are checked when they end."""
        leftovers = self._inventory.leftovers

        def check(page: Sequence[PartRecord]) -> Found[PartRecord]:
            return [
                (part, Finding(Kind.PART_ORPHANED, removal.what, removal.detail))
                for part, removal in lone_parts(leftovers, page)
            ]

        def check_owners(page: Sequence[str]) -> Found[str]:
            return [
                (file_id, Finding(Kind.PART_CHUNKS_ORPHANED, removal.what, removal.detail))
                for file_id, removal in lone_chunks(leftovers, page, self._grace)
            ]

        for parts in pace.slices(leftovers.parts()):
            again = _by_key(leftovers.find_parts, lambda each: each.file_id)
            yield Part(len(parts), "parts", _twice(parts, check, again))
        for owners in leftovers.chunks.numbers():
            pace.take(0)
            yield Part(0, "chunks", _twice(list(owners), check_owners, list))

    def read_blobs(self, depth: Depth, pace: Pace, *, after: str = "") -> Iterator[Part]:
        """The chunks of every blob in use, file by file by their ids, from behind the id `after` on."""
        for page in self._inventory.files(after):
            used = self._used(page)
            for file in page:
                pace.take()
                findings = self._read_blob(file, depth, pace) if file in used else []
                yield Part(1, "blobs", findings, file.file_id)

    def read_again(self, file_ids: Iterable[str], pace: Pace) -> list[Finding]:
        """What is wrong with the bytes of these files, those in use."""
        there = self._inventory.find_files(file_ids)
        return [found for file in self._used(there) for found in self._read_blob(file, Depth.BYTES, pace)]

    def _read_blob(self, file: FileRecord, depth: Depth, pace: Pace) -> list[Finding]:
        def check(files: Sequence[FileRecord]) -> Found[FileRecord]:
            return [(each, found) for each in files for found in self._check_chunks(each, depth, pace)]

        def find_again(files: list[FileRecord]) -> Sequence[FileRecord]:
            return self._used(self._inventory.find_files(each.file_id for each in files))

        return _twice([file], check, find_again)

    def _check_chunks(self, file: FileRecord, depth: Depth, pace: Pace) -> Iterator[Finding]:
        deep = depth is Depth.BYTES
        rows = self._inventory.chunks.of(file.file_id, read=deep)
        return check_chunks(file, _paced(rows, pace), hashlib.sha256() if deep else None)

    def _used(self, page: Sequence[FileRecord]) -> list[FileRecord]:
        """Those that a claim holds or a version names."""
        ids = [file.file_id for file in page]
        used = self._inventory.claimed(ids) | self._inventory.named(ids)
        return [file for file in page if file.file_id in used]

    def _check_files(self, page: Sequence[FileRecord], whole: bool) -> Found[FileRecord]:
        ids = [file.file_id for file in page]
        claimed, named = self._inventory.claimed(ids), self._inventory.named(ids)
        found: Found[FileRecord] = []
        for file in page:
            what = f"file {file.file_id}"
            if file.file_id in named - claimed:
                detail = f"bytes of {file.digest} that are in use, but no claim holds them"
                found.append((file, Finding(Kind.FILE_UNCLAIMED, what, detail)))
            elif file.file_id not in claimed and file.begun <= ago(self._grace):
                detail = f"{file.length} bytes that no claim holds and nothing names"
                found.append((file, Finding(Kind.FILE_ORPHANED, what, detail)))
        used = [file for file in page if file.file_id in claimed | named]
        return found + self._check_spans(used) if whole else found

    def _check_spans(self, page: Sequence[FileRecord]) -> Found[FileRecord]:
        """Blobs whose chunks are not as many, from the first to the last, as they should be: these are
        looked at chunk by chunk."""
        spans = self._inventory.chunks.spans(file.file_id for file in page)
        return [
            (file, finding)
            for file in page
            if spans.get(file.file_id, (0, 0.0, -1.0)) != (file.chunks, 0, file.chunks - 1)
            for finding in check_chunks(file, self._inventory.chunks.of(file.file_id, read=False), None)
        ]

    def _check_owners(self, page: Sequence[str]) -> Found[str]:
        """Chunks without a file. Those that a claim or a name asks for are told as its loss instead."""
        gone = _without(page, (file.file_id for file in self._inventory.find_files(page)))
        gone = _without(gone, self._inventory.claimed(gone) | self._inventory.named(gone))
        return [
            (file_id, Finding(Kind.CHUNKS_ORPHANED, f"file {file_id}", "chunks of a file that is not there"))
            for file_id in gone
            if self._inventory.chunks.last_written(file_id) <= ago(self._grace)
        ]

    def _check_claims(self, page: Sequence[ClaimRecord]) -> Found[ClaimRecord]:
        ids = [claim.file_id for claim in page]
        files = {file.file_id: file for file in self._inventory.find_files(ids)}
        named = self._inventory.named(ids)
        found: Found[ClaimRecord] = []
        for claim in page:
            what, file = f"blob {claim.digest}", files.get(claim.file_id)
            if file is None:
                detail = f"it is claimed for file {claim.file_id}, which is not there"
                found.append((claim, Finding(Kind.CLAIM_DANGLING, what, detail)))
            elif file.digest != claim.digest:
                detail = f"it is claimed for file {claim.file_id}, which is of {file.digest}"
                found.append((claim, Finding(Kind.DIGEST_WRONG, what, detail)))
            if claim.file_id not in named and claim.claimed <= ago(self._grace):
                found.append((claim, Finding(Kind.BLOB_UNNAMED, what, "no version names it")))
        return found

    def _check_versions(self, page: Sequence[VersionRecord]) -> Found[VersionRecord]:
        found = self._check_blobs(page)
        unreached = unpointed(self._inventory, page)
        known = {each.name for each in self._inventory.find_names(version.name for version in unreached)}
        for version in unreached:
            if version.created > ago(self._grace):
                continue
            if version.name in known:
                kind, detail = Kind.VERSION_UNPOINTED, "no image points at it or beyond"
            else:
                kind, detail = Kind.IMAGE_MISSING, "its image's document is lost"
            found.append((version, Finding(kind, show(version), detail)))
        return found

    def _check_blobs(self, page: Sequence[VersionRecord]) -> Found[VersionRecord]:
        wanted = {each.blob.file_id for each in page if each.blob is not None}
        files = {file.file_id for file in self._inventory.find_files(wanted)}
        return [
            (version, Finding(Kind.BLOB_MISSING, show(version), f"its file {version.blob.file_id} is gone"))
            for version in page
            if version.blob is not None and version.blob.file_id not in files
        ]

    def _check_names(self, page: Sequence[NameRecord]) -> Found[NameRecord]:
        """Images, by the version that each points to. What it says of the version can replace it."""
        pointed = [each.pointed for each in page if each.pointed is not None]
        there = {
            each.version_id for each in self._inventory.find_versions(each.version_id for each in pointed)
        }
        lost = [each for each in pointed if each.version_id not in there]
        some = self._inventory.have_versions(each.name for each in lost)
        names = {each.name: each for each in page}
        found = [(names[version.name], finding) for version, finding in self._check_blobs(lost)]
        for version in lost:
            known = version.name in some
            kind = Kind.VERSION_MISSING if known else Kind.IMAGE_WITHOUT_VERSIONS
            detail = f"it points at version {version.number}, which is not there"
            what = f"image {version.bucket}/{version.key}"
            found.append((names[version.name], Finding(kind, what, detail)))
        return found


def unpointed(inventory: Inventory, page: Sequence[VersionRecord]) -> list[VersionRecord]:
    """The versions that are neither their image's newest nor its history."""
    newest = {
        each.name: each.pointed.number if each.pointed else -1
        for each in inventory.find_names(version.name for version in page)
    }
    return [version for version in page if version.number > newest.get(version.name, -1)]


def show(version: VersionRecord) -> str:
    return f"version {version.bucket}/{version.key} v{version.number}"


def _paced(chunks: Iterable[ChunkRecord], pace: Pace) -> Iterator[ChunkRecord]:
    for chunk in chunks:
        pace.take_bytes(max(chunk.size, 0))
        yield chunk


def _twice(
    page: Sequence[Record],
    check: Callable[[Sequence[Record]], Found[Record]],
    read_again: Callable[[list[Record]], Sequence[Record]],
) -> list[Finding]:
    """What `check` finds of a page, and finds again a moment later of what is still there of it."""
    first = check(page)
    if not first:
        return []
    time.sleep(SECOND_LOOK)
    suspects = read_again(list(dict.fromkeys(record for record, _ in first)))
    second = {finding for _, finding in check(suspects)}
    return [finding for _, finding in first if finding in second]


Key = TypeVar("Key")


def _by_key(
    find: Callable[[Iterable[Key]], list[Record]], key: Callable[[Record], Key]
) -> Callable[[list[Record]], list[Record]]:
    return lambda records: find(key(record) for record in records)


def _without(values: Iterable[str], others: Iterable[str]) -> list[str]:
    known = set(others)
    return [value for value in values if value not in known]
