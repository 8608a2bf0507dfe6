"""What is told of a file's chunks, from records alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest

from imagestore.library.chunks import check_chunks
from imagestore.library.upkeep import Kind
from imagestore.store.chunks import ChunkRecord
from imagestore.store.inventory import FileRecord

pytestmark = pytest.mark.quick

DATA = b"0123456789"
FILE = FileRecord("0" * 24, hashlib.sha256(DATA).hexdigest(), len(DATA), 4)
WHOLE = [ChunkRecord(0, 4, b"0123"), ChunkRecord(1, 4, b"4567"), ChunkRecord(2, 2, b"89")]


def kinds(chunks: Iterable[ChunkRecord], *, read: bool = False, file: FileRecord = FILE) -> list[Kind]:
    return [each.kind for each in check_chunks(file, chunks, hashlib.sha256() if read else None)]


def test_a_whole_file_has_nothing_wrong() -> None:
    assert FILE.chunks == 3
    assert kinds(WHOLE) == kinds(WHOLE, read=True) == []


@pytest.mark.parametrize("gone", range(3))
def test_a_missing_chunk_is_named(gone: int) -> None:
    [finding] = check_chunks(FILE, [each for each in WHOLE if each.number != gone], None)
    assert finding.kind is Kind.CHUNK_MISSING
    assert finding.detail.endswith(f"missing {gone}")


def test_many_missing_chunks_are_told_in_short() -> None:
    large = FileRecord("0" * 24, FILE.digest, 4 * 1000, 4)
    [finding] = check_chunks(large, [ChunkRecord(n, 4) for n in range(0, 1000, 3)], None)
    assert finding.detail.endswith(
        "missing 1-2, 4-5, 7-8, 10-11, 13-14, 16-17, 19-20, 22-23, 25-26, 28-29, ..."
    )
    assert kinds([], file=large) == [Kind.CHUNK_MISSING]


@pytest.mark.parametrize("size", [-1, 0, 1, 3])
def test_a_chunk_of_another_size(size: int) -> None:
    assert kinds([*WHOLE[:2], ChunkRecord(2, size)]) == [Kind.CHUNK_RESIZED]


def test_chunks_beyond_the_end_are_waste() -> None:
    extra = [ChunkRecord(-1, 4), *WHOLE, ChunkRecord(3, 4), ChunkRecord(7, 1)]
    assert kinds(extra) == kinds(extra, read=True) == [Kind.CHUNK_EXTRA]
    assert kinds([WHOLE[0], ChunkRecord(0.5, 4), *WHOLE[1:]]) == [Kind.CHUNK_EXTRA]


def test_a_chunk_twice() -> None:
    assert kinds([WHOLE[0], *WHOLE]) == [Kind.CHUNK_REPEATED]


def test_changed_bytes_are_known_by_their_sum_else_by_the_digest() -> None:
    changed = ChunkRecord(1, 4, b"456!", intact=False)
    assert kinds([WHOLE[0], changed, WHOLE[2]], read=True) == [Kind.CHUNK_CHANGED]
    assert kinds([WHOLE[0], ChunkRecord(1, 4, b"456!"), WHOLE[2]], read=True) == [Kind.DIGEST_WRONG]
