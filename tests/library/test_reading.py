"""The reading of all blobs on a real mongod: cut short and gone on with, and its findings looked at again."""

from __future__ import annotations

import random

import pytest
from bson import ObjectId

from imagestore.library import reading as reading_module
from imagestore.library.fsck import Fsck
from imagestore.library.reading import Reader, Reading
from imagestore.library.upkeep import Depth, Kind, Pace
from imagestore.store.diary import Diary
from tests.library.stored import NONE, Stored

DATA = random.Random(7).randbytes(300_000)
"""Two chunks."""


class Enough(Exception):
    pass


@pytest.fixture
def files(stored: Stored) -> list[str]:
    """Five blobs in the order in which they are read."""
    for number in range(5):
        stored.put(f"image {number}", DATA[number:])
    return [str(each["_id"]) for each in stored.collection("blobs.files").find().sort("_id", 1)]


def reader(stored: Stored, depth: Depth = Depth.BYTES) -> Reader:
    return Reader(Fsck(stored.inventory, grace=NONE), Diary(stored.mongo), "reading", depth)


def read(stored: Stored, depth: Depth = Depth.BYTES, *, count: int = 99) -> tuple[Reading, list[str]]:
    """Read `count` files at most; the reading as it was kept, and what was read of it now."""
    mine, seen = reader(stored, depth), []
    for part in mine.go_on(mine.begin(), Pace()):
        seen.append(part.last)
        if len(seen) == count:
            break
    kept = mine.last()
    assert kept is not None
    return kept, seen


def lose(stored: Stored, *file_ids: str) -> None:
    stored.collection("blobs.chunks").delete_many(
        {"files_id": {"$in": list(map(ObjectId, file_ids))}, "n": 1}
    )


def test_it_goes_on_where_it_was_cut_short(
    stored: Stored, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "KEEP_SECONDS", 0)
    lose(stored, files[0], files[3])
    first, seen = read(stored, count=2)
    assert (seen, first.place, first.files, first.ended) == (files[:2], files[1], 2, None)
    assert first.found.counts == {Kind.CHUNK_MISSING: 1}
    second, seen = read(stored)
    assert (seen, second.place, second.files) == (files[2:], files[4], 5)
    assert second.began == first.began
    assert second.ended is not None
    assert second.found.counts == {Kind.CHUNK_MISSING: 2}
    assert [each.what for each in second.found.listed] == [f"file {files[0]}", f"file {files[3]}"]
    third, seen = read(stored)
    assert (seen, third.files) == (files, 5)
    assert third.began > second.began


def test_what_is_stored_meanwhile_is_read_too(
    stored: Stored, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_module, "KEEP_SECONDS", 0)
    read(stored, count=2)
    stored.put("later", DATA[9:])
    stored.collection("blobs.files").delete_one({"_id": ObjectId(files[1])})
    _, seen = read(stored)
    assert seen[:-1] == files[2:]
    assert len(seen) == 4


def test_another_depth_begins_anew(stored: Stored, files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "KEEP_SECONDS", 0)
    read(stored, count=2)
    assert read(stored, Depth.SIZES)[1] == files


@pytest.mark.parametrize("page", [{"began": "yesterday"}, {"place": 3, "depth": "bytes"}, {}])
def test_what_cannot_be_read_begins_anew(stored: Stored, files: list[str], page: dict) -> None:
    Diary(stored.mongo).write("reading", page)
    assert read(stored)[1] == files


def test_a_finding_is_kept_at_once(stored: Stored, files: list[str]) -> None:
    lose(stored, files[1])
    kept, _ = read(stored, count=3)
    assert (kept.place, kept.files) == (files[1], 2)
    assert kept.found.counts == {Kind.CHUNK_MISSING: 1}


def test_what_is_mended_is_forgotten(stored: Stored, files: list[str]) -> None:
    chunks = stored.collection("blobs.chunks")
    [mended] = chunks.find({"files_id": ObjectId(files[0]), "n": 1})
    lose(stored, *files[:3])
    kept, _ = read(stored)
    chunks.insert_one(mended)
    stored.delete("image 1")
    stored.gc()
    mine = reader(stored)
    mine.look_again(kept, Pace())
    assert mine.last() == kept
    assert kept.found.counts == {Kind.CHUNK_MISSING: 1}
    assert [each.what for each in kept.found.listed] == [f"file {files[2]}"]


def test_what_is_not_listed_stays_counted(
    stored: Stored, files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagestore.library.upkeep.MOST_LISTED", 2)
    [mended] = stored.collection("blobs.chunks").find({"files_id": ObjectId(files[0]), "n": 1})
    lose(stored, *files)
    kept, _ = read(stored)
    assert (kept.found.counts, kept.found.omitted) == ({Kind.CHUNK_MISSING: 5}, 3)
    stored.collection("blobs.chunks").insert_one(mended)
    reader(stored).look_again(kept, Pace())
    assert (kept.found.counts, kept.found.omitted) == ({Kind.CHUNK_MISSING: 4}, 3)


def test_the_pace_of_bytes_can_stop_it(stored: Stored, files: list[str]) -> None:
    """Within a blob too: a large one takes a while at a low rate."""
    beats = 0

    def beat() -> None:
        nonlocal beats
        beats += 1
        if beats == 3:  # before the first file, and with each of its chunks
            raise Enough

    mine = reader(stored)
    with pytest.raises(Enough):
        list(mine.go_on(mine.begin(), Pace(beat=beat)))
    assert mine.last() is None
