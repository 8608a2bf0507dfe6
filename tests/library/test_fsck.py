"""fsck on a real mongod: each kind of damage made by hand and found, and nothing told of what is well."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from bson import Binary, ObjectId

from imagestore.core.image import Image
from imagestore.library import fsck as fsck_module
from imagestore.library.upkeep import GRACE, MOST_LISTED, Depth, Kind, Pace, Severity
from imagestore.store import drafts as drafts_module
from imagestore.store.drafts import SUM
from tests.library.stored import Stored
from tests.store.samples import BUCKET

DATA = random.Random(7).randbytes(700_000)
"""Three chunks."""


@pytest.fixture
def image(stored: Stored) -> Image:
    """An image with a history, among others that are well."""
    stored.put("other", DATA[:1000])
    stored.put("image", DATA[1:])
    return stored.put("image", DATA)


def test_what_is_well_is_not_told(stored: Stored, image: Image) -> None:
    stored.put("deleted", DATA)
    stored.delete("deleted")
    for depth in Depth:
        assert stored.kinds(depth) == {}


def break_chunk(change: Callable[[bytes], bytes]) -> Callable[[Stored, Image], object]:
    def act(stored: Stored, image: Image) -> object:
        which = stored.chunk(image.version.blob, 1)
        data = stored.collection("blobs.chunks").find_one(which)["data"]
        return stored.collection("blobs.chunks").update_one(which, {"$set": {"data": Binary(change(data))}})

    return act


def flip(data: bytes) -> bytes:
    return data[:500] + bytes([data[500] ^ 1]) + data[501:]


def drop(collection: str, selection: Callable[[Image], dict]) -> Callable[[Stored, Image], object]:
    return lambda stored, image: stored.collection(collection).delete_one(selection(image))


def by_file(image: Image) -> dict:
    return {"files_id": ObjectId(image.version.blob.file_id), "n": 1}


def flip_and_forget_the_sum(stored: Stored, image: Image) -> None:
    break_chunk(flip)(stored, image)
    which = stored.chunk(image.version.blob, 1)
    stored.collection("blobs.chunks").update_one(which, {"$unset": {SUM: ""}})


def add_chunks(stored: Stored, image: Image) -> None:
    for number in (-1, 3, 9):
        extra = stored.chunk(image.version.blob, number) | {"data": Binary(b"x")}
        stored.collection("blobs.chunks").insert_one(extra)


def drop_all_versions(stored: Stored, image: Image) -> None:
    stored.collection("versions").delete_many({"key": image.key})


def move_claim(stored: Stored, image: Image) -> None:
    other = stored.documents.find_image(BUCKET, "other").version
    stored.collection("claims").update_one(
        {"_id": image.version.digest}, {"$set": {"file_id": ObjectId(other.blob.file_id)}}
    )


DAMAGE: dict[str, tuple[Callable[[Stored, Image], object], set[Kind]]] = {
    "no chunk": (drop("blobs.chunks", by_file), {Kind.CHUNK_MISSING}),
    "a chunk cut": (break_chunk(lambda data: data[:-1]), {Kind.CHUNK_RESIZED}),
    "a chunk grown": (break_chunk(lambda data: data + b"x"), {Kind.CHUNK_RESIZED}),
    "a chunk empty": (break_chunk(lambda data: b""), {Kind.CHUNK_RESIZED}),
    "more chunks": (add_chunks, {Kind.CHUNK_EXTRA}),
    "no file": (
        drop("blobs.files", lambda image: {"_id": ObjectId(image.version.blob.file_id)}),
        {Kind.BLOB_MISSING, Kind.CLAIM_DANGLING},
    ),
    "no claim": (drop("claims", lambda image: {"_id": image.version.digest}), {Kind.FILE_UNCLAIMED}),
    "another's file": (move_claim, {Kind.FILE_UNCLAIMED, Kind.DIGEST_WRONG}),
    "no version": (drop("versions", lambda image: {"_id": image.version.version_id}), {Kind.VERSION_MISSING}),
    "no image": (drop("images", lambda image: {"key": image.key}), {Kind.IMAGE_MISSING}),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_by_every_check(
    stored: Stored, image: Image, damage: Callable[[Stored, Image], object], expected: set[Kind]
) -> None:
    damage(stored, image)
    for depth in Depth:
        unseen = {Kind.CHUNK_RESIZED} if depth is Depth.NAMES else set()
        assert set(stored.kinds(depth)) == expected - unseen


@pytest.mark.parametrize(
    ("damage", "expected"),
    [(break_chunk(flip), Kind.CHUNK_CHANGED), (flip_and_forget_the_sum, Kind.DIGEST_WRONG)],
)
def test_other_bytes_of_the_same_size_are_found_by_reading(
    stored: Stored, image: Image, damage: Callable[[Stored, Image], object], expected: Kind
) -> None:
    damage(stored, image)
    assert stored.kinds(Depth.NAMES) == stored.kinds(Depth.SIZES) == {}
    assert stored.kinds() == {expected: 1}
    [finding] = stored.fsck().listed
    assert finding.what == f"file {image.version.blob.file_id}"


def test_an_image_without_any_version(stored: Stored, image: Image) -> None:
    drop_all_versions(stored, image)
    assert stored.kinds()[Kind.IMAGE_WITHOUT_VERSIONS] == 1


def test_chunks_and_files_that_nobody_owns(stored: Stored, image: Image) -> None:
    stray = {"files_id": ObjectId(), "n": 0, "data": Binary(b"x")}
    stored.collection("blobs.chunks").insert_one(stray)
    assert stored.kinds() == {Kind.CHUNKS_ORPHANED: 1}
    file = {"_id": stray["files_id"], "length": 1, "chunkSize": 4, "filename": "0" * 64}
    stored.collection("blobs.files").insert_one(file)
    assert stored.kinds() == {Kind.FILE_ORPHANED: 1}
    assert stored.fsck().severities() == {Severity.WASTE: 1}


def test_a_blob_without_a_name(stored: Stored, image: Image) -> None:
    stored.put("gone", b"bytes of its own")
    stored.delete("gone")
    assert stored.kinds() == {Kind.BLOB_UNNAMED: 1}


def test_versions_that_no_image_reaches(stored: Stored, image: Image) -> None:
    stored.add("image", DATA)
    stored.add("never pointed", DATA)
    stored.put("buried", DATA)
    stored.delete("buried")
    stored.add("buried", DATA)
    assert stored.kinds() == {Kind.VERSION_UNPOINTED: 2, Kind.IMAGE_MISSING: 1}
    assert stored.fsck().severities() == {Severity.WASTE: 2, Severity.REPAIRABLE: 1}


def test_a_missing_index(stored: Stored, image: Image) -> None:
    stored.collection("versions").drop_index("number")
    stored.collection("blobs.chunks").drop_index("files_id_1_n_1")
    found = stored.fsck()
    assert {each.what for each in found.listed} == {
        "versions: bucket, key, number",
        "blobs.chunks: files_id, n",
    }
    again = stored.chunk(image.version.blob, 1) | {"data": Binary(b"x")}
    stored.collection("blobs.chunks").insert_one(again)
    assert stored.kinds()[Kind.CHUNK_REPEATED] == 1


def test_what_is_young_is_not_told_as_waste(stored: Stored, image: Image) -> None:
    stored.collection("blobs.chunks").insert_one({"files_id": ObjectId(), "n": 0, "data": Binary(b"x")})
    stored.add("in progress", b"bytes of its own")
    stored.put("gone", b"others")
    stored.delete("gone")
    assert stored.kinds(grace=GRACE) == {}
    old = datetime.now(UTC) - GRACE - timedelta(minutes=1)
    stored.collection("versions").update_many({"key": "in progress"}, {"$set": {"created": old}})
    stored.collection("claims").update_many({}, {"$set": {"claimed": old}})
    assert stored.kinds(grace=GRACE) == {Kind.IMAGE_MISSING: 1, Kind.BLOB_UNNAMED: 1}


def test_more_than_a_report_lists_is_counted(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    strays = [{"files_id": ObjectId(), "n": 0, "data": Binary(b"x")} for _ in range(MOST_LISTED + 500)]
    stored.collection("blobs.chunks").insert_many(strays)
    found = stored.fsck()
    assert found.counts == {Kind.CHUNKS_ORPHANED: MOST_LISTED + 500}
    assert (len(found.listed), found.omitted) == (MOST_LISTED, 500)


def test_everything_is_seen_however_many_pages(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsck_module, "SECOND_LOOK", 0.01)  # nothing changes meanwhile
    for name in ("inventory.PAGE", "chunks.NUMBER_PAGE", "chunks.SIZE_PAGE", "chunks.DATA_PAGE"):
        monkeypatch.setattr(f"imagestore.store.{name}", 2)
    for number in range(7):
        stored.put(f"image {number}", DATA[number:])
    assert [stored.kinds(depth) for depth in Depth] == [{}] * 3
    stored.collection("blobs.chunks").delete_many({"n": 2})
    stored.collection("images").delete_many({})
    expected = {Kind.CHUNK_MISSING: 7, Kind.IMAGE_MISSING: 7}
    assert [stored.kinds(depth) for depth in Depth] == [expected] * 3
    assert pace_of(stored, 50.0) == expected


def pace_of(stored: Stored, rate: float) -> dict:
    return fsck_module.Fsck(stored.inventory, grace=timedelta(0)).check(pace=Pace(rate)).counts


def test_progress_is_told(stored: Stored, image: Image) -> None:
    totals, seen = [], []

    class Told:
        def start(self, total: int | None) -> None:
            totals.append(total)

        def advance(self, count: int, note: str) -> None:
            seen.append((note, count))

    fsck_module.Fsck(stored.inventory).check(progress=Told())
    assert totals == [3 + 3 + 3 + 2 + 3]
    parts = [("indexes", 0), ("files", 3), ("chunks", 0), ("claims", 3), ("versions", 3), ("images", 2)]
    assert seen == parts + [("blobs", 1)] * 3


def test_nothing_false_beside_uploads_and_deletions(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the usual grace period, whatever threads do to the same few names and bytes."""
    monkeypatch.setattr(drafts_module, "BATCH_BYTES", 600_000)
    done, failed = threading.Event(), []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not done.is_set():
                key = chance.choice("abcd")
                stored.put(key, DATA[chance.randrange(5) :: chance.choice((1, 2))])
                if chance.random() < 0.5:
                    image = stored.documents.find_image(BUCKET, key)
                    if image is not None:
                        stored.documents.withdraw(image.version)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(12):
            found = stored.fsck(list(Depth)[turn % 3], grace=GRACE)
            assert found.counts == {}, found.listed
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert stored.kinds(grace=GRACE) == {}
