"""What uploads in parts leave behind: seen by the check and by the sweep, and what is waste of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from imagestore.library.upkeep import Pace, Removal, Taken, ago
from imagestore.store.leftovers import Leftovers, PartRecord, UploadRecord

UPLOADS_LAST = timedelta(days=7)
"""From the begin of an upload in parts, until it is given up; so long it is remembered what has ended."""

Remnant = tuple[Removal, UploadRecord | PartRecord | str]


def plan(leftovers: Leftovers, pace: Pace, grace: timedelta) -> Iterator[Remnant]:
    """What a sweep is to take, uploads first, so that what they leave behind is seen after them."""
    for uploads in pace.slices(leftovers.expired(ago(UPLOADS_LAST))):
        for upload in uploads:
            what, detail = (
                f"upload {upload.upload_id}",
                f"of {upload.bucket}/{upload.key}, begun too long ago",
            )
            yield Removal(Taken.UPLOAD, what, detail), upload
    for parts in pace.slices(leftovers.parts()):
        for part, removal in lone_parts(leftovers, parts):
            yield removal, part
    last = None
    for numbers in leftovers.chunks.numbers():
        pace.take(0)
        for file_id, removal in lone_chunks(leftovers, numbers, grace):
            if file_id != last:  # it may go on in the next page
                yield removal, file_id
            last = file_id


def take(leftovers: Leftovers, record: UploadRecord | PartRecord | str) -> bool:
    """Whether it was still waste, and is gone. Raises StoreUnavailable."""
    match record:
        case UploadRecord():
            return leftovers.drop_upload(record)
        case PartRecord():
            return leftovers.drop_part(record)
        case str():
            return leftovers.drop_chunks(record)


def lone_parts(leftovers: Leftovers, page: Sequence[PartRecord]) -> list[tuple[PartRecord, Removal]]:
    """Parts of uploads that are not open."""
    return [
        (
            part,
            Removal(
                Taken.PART,
                f"part {part.number} of upload {part.upload_id}",
                f"{part.size} bytes of an upload that was given up or has ended",
                part.size,
            ),
        )
        for part in leftovers.of_nothing(page)
    ]


def lone_chunks(leftovers: Leftovers, file_ids: Iterable[str], grace: timedelta) -> list[tuple[str, Removal]]:
    """Chunks of parts that are not there, the newest of them older than the grace period."""
    wanted = list(file_ids)
    there = {part.file_id for part in leftovers.find_parts(wanted)}
    return [
        (file_id, Removal(Taken.PART_CHUNKS, f"part file {file_id}", "chunks of a part that is not there"))
        for file_id in wanted
        if file_id not in there and leftovers.chunks.last_written(file_id) <= ago(grace)
    ]
