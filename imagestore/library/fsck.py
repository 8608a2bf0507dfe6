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
from typing import TypeVar

from imagestore.core.telemetry import Progress, SilentProgress
from imagestore.library.chunks import check_chunks
from imagestore.library.upkeep import GRACE, Finding, Kind, Pace, Tally, ago
from imagestore.store.inventory import ClaimRecord, FileRecord, Inventory, NameRecord, VersionRecord

SECOND_LOOK = 0.3
"""Seconds between the two looks: far longer than the steps of a deletion are apart."""

Record = TypeVar("Record")
Found = list[tuple[Record, Finding]]


class Fsck:
    def __init__(self, inventory: Inventory, *, grace: timedelta = GRACE) -> None:
        self._inventory = inventory
        self._grace = grace

    def check(
        self, *, deep: bool = False, pace: Pace | None = None, progress: Progress | None = None
    ) -> Tally[Finding]:
        """Look at everything; raises StoreUnavailable.

        Counts, sizes and who names whom are always checked; `deep` reads all bytes too, and holds them to
        their sums and digests. `pace` counts documents, chunks not among them.
        """
        pace, progress = pace or Pace(), progress or SilentProgress()
        counts = self._inventory.count()
        progress.start(sum(counts.values()) - counts["blobs.chunks"])
        tally: Tally[Finding] = Tally()
        for index in self._inventory.missing_indexes():
            detail = "the next start of the service builds it"
            tally.add(Kind.INDEX_MISSING, Finding(Kind.INDEX_MISSING, index, detail))
        for size, what, findings in self._checks(deep, pace):
            for finding in findings:
                tally.add(finding.kind, finding)
            progress.advance(size, what)
        return tally

    def _checks(self, deep: bool, pace: Pace) -> Iterator[tuple[int, str, list[Finding]]]:
        """Every part checked: its size, what it is of, and what was found."""
        inventory = self._inventory

        def check_files(page: Sequence[FileRecord]) -> Found[FileRecord]:
            return self._check_files(page, deep)

        for part in _parts(inventory.files(), pace):
            again = _by_key(inventory.find_files, lambda each: each.file_id)
            yield len(part), "files", _twice(part, check_files, again)
        for owners in inventory.chunk_numbers():
            yield 0, "chunks", _twice(list(owners), self._check_owners, list)
        for claims in _parts(inventory.claims(), pace):
            again_claims = _by_key(inventory.find_claims, lambda each: each.digest)
            yield len(claims), "claims", _twice(claims, self._check_claims, again_claims)
        for versions in _parts(inventory.versions(), pace):
            again_versions = _by_key(inventory.find_versions, lambda each: each.version_id)
            yield len(versions), "versions", _twice(versions, self._check_versions, again_versions)
        for names in _parts(inventory.names(), pace):
            again_names = _by_key(inventory.find_names, lambda each: each.name)
            yield len(names), "images", _twice(names, self._check_names, again_names)

    def _check_files(self, page: Sequence[FileRecord], deep: bool) -> Found[FileRecord]:
        """The file documents, and the chunks of those that are in use."""
        ids = [file.file_id for file in page]
        claimed, named = self._inventory.claimed(ids), self._inventory.named(ids)
        found: Found[FileRecord] = []
        for file in page:
            if file.file_id in claimed | named:
                rows = self._inventory.chunks(file.file_id, read=deep)
                whole = hashlib.sha256() if deep else None
                found += [(file, finding) for finding in check_chunks(file, rows, whole)]
                if file.file_id not in claimed:
                    detail = f"bytes of {file.digest} that are in use, but no claim holds them"
                    found.append((file, Finding(Kind.FILE_UNCLAIMED, f"file {file.file_id}", detail)))
            elif file.begun <= ago(self._grace):
                detail = f"{file.length} bytes that no claim holds and nothing names"
                found.append((file, Finding(Kind.FILE_ORPHANED, f"file {file.file_id}", detail)))
        return found

    def _check_owners(self, page: Sequence[str]) -> Found[str]:
        """Chunks without a file. Those that a claim or a name asks for are told as its loss instead."""
        gone = _without(page, (file.file_id for file in self._inventory.find_files(page)))
        gone = _without(gone, self._inventory.claimed(gone) | self._inventory.named(gone))
        return [
            (file_id, Finding(Kind.CHUNKS_ORPHANED, f"file {file_id}", "chunks of a file that is not there"))
            for file_id in gone
            if self._inventory.last_written(file_id) <= ago(self._grace)
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
        for version in unpointed(self._inventory, page):
            if version.created <= ago(self._grace):
                detail = "no image points at it or beyond: its image's document is lost or damaged"
                found.append((version, Finding(Kind.VERSION_UNPOINTED, show(version), detail)))
        return found

    def _check_blobs(self, page: Sequence[VersionRecord]) -> Found[VersionRecord]:
        files = {file.file_id for file in self._inventory.find_files({each.blob.file_id for each in page})}
        return [
            (version, Finding(Kind.BLOB_MISSING, show(version), f"its file {version.blob.file_id} is gone"))
            for version in page
            if version.blob.file_id not in files
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


def _parts(pages: Iterator[list[Record]], pace: Pace) -> Iterator[Sequence[Record]]:
    for page in pages:
        yield from pace.slices(page)


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
