"""Blobs that are opened by range and closed by whoever has them; spools that take a body in, and go."""

from __future__ import annotations

import gc
import hashlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.core.errors import EmptyUpload, LengthMismatch, StoreUnavailable, UploadTooLarge
from imagestore.core.streams import HEAD_BYTES, READ_SIZE, SPOOL_MEMORY, Blob, Spool, spool

pytestmark = pytest.mark.quick

DATA = bytes(range(256)) * 4


class Source:
    """Bytes by the piece, with an eye on how many were asked for."""

    def __init__(self, data: bytes, piece: int = READ_SIZE, error: Exception | None = None) -> None:
        self._data = io.BytesIO(data)
        self._piece = piece
        self._error = error
        self.given = 0

    def read(self, size: int, /) -> bytes:
        data = self._data.read(min(size, self._piece))
        if not data and self._error is not None:
            raise self._error
        self.given += len(data)
        return data


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


# Blob


@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, None), (0, 1024), (0, 0), (1024, None), (1024, 1024), (1, 2), (100, 900), (1023, 1024)],
)
def test_a_range_is_what_a_slice_would_be(start: int, stop: int | None) -> None:
    with Blob.of(DATA) as blob:
        assert b"".join(blob.open(start, stop)) == DATA[start:stop]


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (5, 4), (0, 1025), (1025, None), (1025, 1025), (0, -1)])
def test_a_range_outside_is_an_error(start: int, stop: int | None) -> None:
    with Blob.of(DATA) as blob:
        with pytest.raises(ValueError, match="outside"):
            blob.open(start, stop)
        assert b"".join(blob.open()) == DATA


def test_a_blob_is_opened_once_and_not_after_its_end() -> None:
    with Blob.of(DATA) as blob:
        blob.open()
        with pytest.raises(ValueError, match="once"):
            blob.open()
    with pytest.raises(ValueError, match="closed"):
        blob.open()


def test_closing_lets_go_of_what_the_open_stream_holds() -> None:
    held = []

    def opener(start: int, stop: int) -> Iterator[bytes]:
        held.append("open")
        try:
            yield DATA[start:stop]
            yield b"never asked for"
        finally:
            held.append("closed")

    blob = Blob(len(DATA), opener)
    next(blob.open())
    blob.close()
    blob.close()
    assert held == ["open", "closed"]


def test_nothing_is_opened_before_somebody_reads() -> None:
    def opener(start: int, stop: int) -> Iterator[bytes]:
        raise AssertionError("nobody asked for bytes")
        yield b""

    with Blob(10, opener) as blob:
        blob.open(2, 3)


@pytest.mark.parametrize("opened", [False, True])
def test_a_blob_that_is_dropped_unclosed_warns(opened: bool) -> None:
    blob = Blob.of(DATA)
    if opened:
        list(blob.open())
    with pytest.warns(ResourceWarning, match="1024 bytes was dropped unclosed"):
        del blob
        gc.collect()


def test_a_blob_that_was_closed_does_not_warn() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Blob.of(DATA).close()
        with Blob.of(DATA) as blob:
            blob.open()
        del blob
        gc.collect()
    assert [each for each in caught if "unclosed" in str(each.message)] == []


# Spool

SIZES = [
    1,
    HEAD_BYTES,
    HEAD_BYTES + 1,
    READ_SIZE,
    SPOOL_MEMORY - 1,
    SPOOL_MEMORY,
    SPOOL_MEMORY + 1,
    3 * SPOOL_MEMORY,
]


@pytest.mark.parametrize("piece", [1000, READ_SIZE])
@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_kept_as_it_came(tmp_path: Path, size: int, piece: int) -> None:
    data = (DATA * (size // len(DATA) + 1))[:size]
    with spool(Source(data, piece), limit=size, expected=size, directory=tmp_path) as taken:
        assert (taken.size, taken.digest) == (size, hashlib.sha256(data).hexdigest())
        assert taken.head == data[:HEAD_BYTES]
        for _ in range(2):
            with taken.open() as source:
                assert source.read() == data
        in_file = size > SPOOL_MEMORY
        assert (taken.path is not None) is in_file
        assert len(files_in(tmp_path)) == int(in_file)
        if taken.path is not None:
            assert taken.path.read_bytes() == data
            assert taken.path.stat().st_mode & 0o077 == 0
    assert files_in(tmp_path) == []
    assert taken.path is None


REFUSALS = [
    # size, limit, announced, error, how much was read at most
    (0, 10, None, EmptyUpload, 0),
    (0, 10, 0, EmptyUpload, 0),
    (0, 10, 5, LengthMismatch, 0),
    (11, 10, None, UploadTooLarge, 11),
    (10, 10, 9, LengthMismatch, 10),
    (10, 10, 11, UploadTooLarge, 0),
    (9, 10, 10, LengthMismatch, 9),
    (5, 10, 11, UploadTooLarge, 0),
    (SPOOL_MEMORY + 100, SPOOL_MEMORY + 99, None, UploadTooLarge, SPOOL_MEMORY + 100),
    (SPOOL_MEMORY + 100, 2 * SPOOL_MEMORY, SPOOL_MEMORY + 101, LengthMismatch, SPOOL_MEMORY + 100),
    (4 * SPOOL_MEMORY, 2 * SPOOL_MEMORY, None, UploadTooLarge, 2 * SPOOL_MEMORY + READ_SIZE),
    (4 * SPOOL_MEMORY, 2 * SPOOL_MEMORY, 5, (UploadTooLarge, LengthMismatch), 2 * SPOOL_MEMORY + READ_SIZE),
]


@pytest.mark.parametrize(("size", "limit", "announced", "error", "most"), REFUSALS)
def test_a_body_of_the_wrong_size_is_refused_and_leaves_nothing(
    tmp_path: Path, size: int, limit: int, announced: int | None, error: type[Exception], most: int
) -> None:
    source = Source(bytes(size))
    with pytest.raises(error):
        spool(source, limit=limit, expected=announced, directory=tmp_path)
    assert source.given <= most
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("size", [10, SPOOL_MEMORY + 1])
@pytest.mark.parametrize("error", [OSError("cut"), RuntimeError("odd")])
def test_a_source_that_fails_leaves_nothing(tmp_path: Path, size: int, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        spool(Source(bytes(size), error=error), limit=2 * size, directory=tmp_path)
    assert files_in(tmp_path) == []


def test_a_spool_is_closed_as_often_as_one_likes(tmp_path: Path) -> None:
    taken = spool(Source(bytes(SPOOL_MEMORY + 1)), limit=2 * SPOOL_MEMORY, directory=tmp_path)
    taken.close()
    taken.close()
    assert files_in(tmp_path) == []


def test_a_reader_of_a_spool_does_not_disturb_another(tmp_path: Path) -> None:
    data = DATA * (SPOOL_MEMORY // 512)
    with spool(Source(data), limit=len(data), directory=tmp_path) as taken:
        with taken.open() as first, taken.open() as second:
            assert first.read(100) == second.read(100) == data[:100]
            assert first.read() == data[100:]
        with taken.open() as third:
            assert third.read(10) == data[:10]


@pytest.mark.parametrize("size", [10, SPOOL_MEMORY + 1])
def test_a_closed_spool_has_no_bytes_to_give(tmp_path: Path, size: int) -> None:
    taken = Spool(tmp_path)
    taken.write(bytes(size))
    taken.close()
    with pytest.raises(ValueError, match="closed"):
        taken.open()


def test_a_disk_that_takes_nothing_makes_the_upload_one_for_later(tmp_path: Path) -> None:
    source = io.BytesIO(b"x" * (SPOOL_MEMORY + 1))
    with pytest.raises(StoreUnavailable, match="no room"):
        spool(source, limit=10 * SPOOL_MEMORY, directory=tmp_path / "gone")
