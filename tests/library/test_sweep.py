"""The sweep on a real mongod: all waste goes, nothing else does, whatever happens at the same time.

This file is longer than 300 lines because each kind of waste is also swept beside the
writes that could save it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import Binary, ObjectId

from imagestore.core.errors import ImageNotFound, StoreUnavailable, VersionNotFound, WriteContention
from imagestore.core.image import Condition, Facts
from imagestore.library.sweep import Swept
from imagestore.library.upkeep import GRACE, Kind, Pace, Taken
from imagestore.store import drafts as drafts_module
from imagestore.store.drafts import Draft
from tests.library.conftest import BUCKET as HOUSE_BUCKET
from tests.library.conftest import House, picture
from tests.library.stored import Stored
from tests.store.samples import BUCKET, all_at_once, read

DATA = random.Random(7).randbytes(700_000)
LONG_AGO = datetime.now(UTC) - timedelta(days=3)


def litter(stored: Stored) -> None:
    """One of each kind of waste, and two images that are well."""
    stored.put("kept", DATA)
    stored.put("shared", DATA[:5000])
    stored.put("deleted", DATA[:5000])
    stored.put("gone", DATA[1:])
    stored.delete("gone")
    stored.delete("deleted")
    stored.add("gone", DATA[2:])
    owner = ObjectId()
    chunks = stored.collection("blobs.chunks")
    chunks.insert_one({"files_id": ObjectId(), "n": 0, "data": Binary(b"x")})
    chunks.insert_one({"files_id": ObjectId(), "n": 5, "data": Binary(b"x")})
    chunks.insert_one({"files_id": owner, "n": 0, "data": Binary(b"x")})
    file = {"_id": owner, "length": 1, "chunkSize": 4, "filename": "0" * 64}
    stored.collection("blobs.files").insert_one(file)
    kept = stored.documents.find_image(BUCKET, "kept").version
    chunks.insert_one(stored.chunk(kept.blob, 9) | {"data": Binary(b"x")})


def check_kept(stored: Stored) -> None:
    for key, data in (("kept", DATA), ("shared", DATA[:5000])):
        assert read(stored.blobs, stored.documents.find_image(BUCKET, key).version.blob) == data


def taken(swept: Swept) -> dict[str, int]:
    assert swept.taken == swept.planned
    assert swept.kept == 0
    return dict(swept.taken.counts)


def test_all_waste_goes_and_nothing_else(stored: Stored) -> None:
    litter(stored)
    assert set(stored.kinds()) == {
        Kind.BLOB_UNNAMED,
        Kind.VERSION_UNPOINTED,
        Kind.CHUNKS_ORPHANED,
        Kind.FILE_ORPHANED,
        Kind.CHUNK_EXTRA,
    }
    swept = stored.gc()
    assert taken(swept) == {
        Taken.VERSION: 1,
        Taken.BLOB: 2,
        Taken.FILE: 1,
        Taken.CHUNKS: 2,
        Taken.EXTRA_CHUNKS: 1,
    }
    assert swept.taken.size == len(DATA[1:]) + len(DATA[2:]) + 1
    assert stored.kinds() == {}
    assert stored.collection("blobs.files").count_documents({}) == 2
    assert stored.collection("blobs.chunks").count_documents({}) == 4
    check_kept(stored)
    assert taken(stored.gc()) == {}


def test_a_dry_run_changes_nothing(stored: Stored) -> None:
    litter(stored)
    before = stored.everything()
    swept = stored.gc(dry_run=True)
    assert stored.everything() == before
    assert swept.planned.counts == {
        Taken.VERSION: 1,
        Taken.BLOB: 1,
        Taken.FILE: 1,
        Taken.CHUNKS: 2,
        Taken.EXTRA_CHUNKS: 1,
    }
    assert swept.taken.counts == {}


def test_what_is_young_stays(stored: Stored) -> None:
    litter(stored)
    before = stored.everything()
    assert set(taken(stored.gc(grace=GRACE))) == {Taken.EXTRA_CHUNKS}
    after = stored.everything()
    assert len(before.pop("blobs.chunks")) - len(after.pop("blobs.chunks")) == 1
    assert after == before


def test_a_blob_is_marked_first_and_goes_when_the_mark_is_old(stored: Stored) -> None:
    stored.put("gone", DATA)
    stored.delete("gone")
    stored.collection("claims").update_many({}, {"$set": {"claimed": LONG_AGO}})
    assert taken(stored.gc(grace=GRACE)) == {Taken.MARK: 1}
    assert taken(stored.gc(grace=GRACE)) == {}
    assert stored.collection("blobs.files").count_documents({}) == 1
    stored.collection("claims").update_many({}, {"$set": {"unnamed": LONG_AGO}})
    assert taken(stored.gc(grace=GRACE)) == {Taken.BLOB: 1}
    assert stored.collection("blobs.files").count_documents({}) == 0


def test_an_upload_makes_an_old_mark_void(stored: Stored) -> None:
    stored.put("gone", DATA)
    stored.delete("gone")
    stored.collection("claims").update_many({}, {"$set": {"claimed": LONG_AGO, "unnamed": LONG_AGO}})
    stored.put("again", DATA)
    stored.delete("again")
    assert taken(stored.gc(grace=GRACE)) == {}
    stored.collection("claims").update_many({}, {"$set": {"claimed": LONG_AGO}})
    assert taken(stored.gc(grace=GRACE)) == {Taken.MARK: 1}


def test_a_mark_on_what_is_named_is_taken_off(stored: Stored) -> None:
    stored.put("kept", DATA)
    stored.collection("claims").update_many({}, {"$set": {"unnamed": LONG_AGO}})
    assert taken(stored.gc()) == {Taken.UNMARK: 1}
    assert stored.collection("claims").count_documents({"unnamed": None}) == 1


def test_tombstones_go_when_no_cache_and_no_number_needs_them(stored: Stored) -> None:
    for key in ("old", "young", "ahead", "revived"):
        stored.put(key, DATA[:100])
        stored.delete(key)
    images = stored.collection("images")
    past = int(time.time()) - 2 * 3600
    images.update_many({"key": {"$ne": "young"}}, {"$set": {"buried": LONG_AGO}})
    images.update_many({"key": {"$ne": "ahead"}}, {"$set": {"last_number": past, "number": past}})
    stored.put("revived", DATA[:100])
    assert taken(stored.gc()) == {Taken.TOMBSTONE: 1}
    assert {each["key"] for each in images.find()} == {"young", "ahead", "revived"}
    assert stored.put("old", DATA[:100]).generation == 1


def test_a_blob_that_only_an_image_names_stays(stored: Stored) -> None:
    stored.put("kept", DATA)
    stored.collection("versions").delete_many({})
    assert taken(stored.gc()) == {}
    assert read(stored.blobs, stored.documents.find_image(BUCKET, "kept").version.blob) == DATA


def test_what_can_be_mended_is_not_made_worse(stored: Stored) -> None:
    for first, lost in enumerate(("claims", "blobs.files")):
        version = stored.put("kept", DATA[first:]).version
        stored.collection(lost).delete_many({})
        assert taken(stored.gc()) == {}
        assert read(stored.blobs, version.blob) == DATA[first:]


def test_what_was_cut_short_is_gone_on_with(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    litter(stored)
    steps = len(list(stored.sweep().plan(Pace())))
    for number in range(steps):
        plan = stored.sweep().plan(Pace())
        sweep = stored.sweep()
        for _ in range(number):
            next(plan, None)
        step = next(plan, None)
        if step is not None:
            sweep.carry_out(step)
        check_kept(stored)
    drop_chunks = stored.removals._drop_all_chunks

    def break_off(file_id: ObjectId) -> None:
        raise StoreUnavailable("gone")

    stored.put("again", DATA[3:])
    stored.delete("again")
    monkeypatch.setattr(stored.removals, "_drop_all_chunks", break_off)
    with pytest.raises(StoreUnavailable):
        stored.gc()
    monkeypatch.setattr(stored.removals, "_drop_all_chunks", drop_chunks)
    assert Kind.CHUNKS_ORPHANED in stored.kinds()
    stored.gc()
    assert stored.kinds() == {}
    check_kept(stored)


def test_sweeps_at_once_do_the_work_once(stored: Stored) -> None:
    litter(stored)
    for number in range(40):
        stored.put(f"gone {number}", DATA[number + 10 : 3000])
        stored.delete(f"gone {number}")
    together = all_at_once(lambda _: stored.gc(), 4)
    assert sum(each.taken.counts[Taken.BLOB] for each in together) == 42
    assert stored.kinds() == {}
    check_kept(stored)


def test_what_is_left_of_a_lost_image_stays(stored: Stored) -> None:
    version = stored.put("lost", DATA).version
    stored.collection("images").delete_one({"key": "lost"})
    assert taken(stored.gc()) == {}
    assert stored.kinds() == {Kind.IMAGE_MISSING: 1}
    assert read(stored.blobs, version.blob) == DATA


def test_the_rate_is_kept(stored: Stored) -> None:
    for number in range(6):
        stored.put(f"image {number}", DATA[:100])
        stored.add(f"image {number}", DATA[:101])
    looked = sum(stored.inventory.count().values()) - stored.inventory.count()["blobs.chunks"]
    began = time.monotonic()
    swept = stored.sweep().run(pace=Pace(50))
    passed = (
        looked + sum(swept.planned.counts.values()) - swept.taken.counts[Taken.BLOB]
    )  # whose file is gone
    assert time.monotonic() - began >= passed / 50 > 0.5


# Beside uploads


class AnyPicture:
    """In the decoders' place: what is shown here is not about pictures, and they would take the time."""

    @contextmanager
    def prove(self, source: Any, *, digest: str) -> Iterator[AnyPicture]:
        yield self

    def facts(self, within: float | None) -> Facts:
        return Facts(1, 64, 48, "jpeg")


def dawdling(act: Callable[..., Any]) -> Callable[..., Any]:
    """The steps of an upload with time between them for a whole sweep."""

    def later(*arguments: Any) -> Any:
        time.sleep(random.uniform(0, 0.05))
        return act(*arguments)

    return later


CONTENTS = [picture(seed) for seed in range(3)]
KEYS = "abc"
ROUNDS = 12


@pytest.fixture
def busy(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Uploads, deletions and restorations of a few names with a few contents, as `seed` has it."""
    monkeypatch.setattr(house.services.ingest, "_decoders", AnyPicture())
    catalog, ingest = house.services.catalog, house.services.ingest
    for name in ("publish", "look"):
        monkeypatch.setattr(ingest._documents, name, dawdling(getattr(ingest._documents, name)))
    monkeypatch.setattr(Draft, "write_ahead", dawdling(Draft.write_ahead))

    def act(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(6):
            key = chance.choice(KEYS)
            try:
                match chance.randrange(6):
                    case 0 | 1 | 2:
                        house.put(key, chance.choice(CONTENTS))
                    case 3:
                        catalog.delete_image(HOUSE_BUCKET, key, Condition())
                    case 4:
                        catalog.delete_version(
                            HOUSE_BUCKET, key, catalog.image(HOUSE_BUCKET, key).version.number
                        )
                    case 5:
                        # None, where the image was deleted and then uploaded again under the listing.
                        for oldest in catalog.list_versions(HOUSE_BUCKET, key)[-1:]:
                            ingest.restore(oldest, Condition())
            except (ImageNotFound, VersionNotFound, WriteContention, StoreUnavailable):
                continue  # another thread was there first, and the answer says so

    return act


@pytest.mark.parametrize(
    ("chunk_size", "batch_bytes"),
    [(drafts_module.CHUNK_SIZE, drafts_module.BATCH_BYTES), (500, drafts_module.BATCH_BYTES), (500, 0)],
    ids=["one chunk", "small", "large"],
)
def test_whatever_happens_at_once_what_has_a_name_is_whole(
    house: House,
    busy: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
    chunk_size: int,
    batch_bytes: int,
) -> None:
    """Sweeps without any grace period among threads that upload, delete and restore the same few bytes."""
    monkeypatch.setattr(drafts_module, "CHUNK_SIZE", chunk_size)
    monkeypatch.setattr(drafts_module, "BATCH_BYTES", batch_bytes)
    assert chunk_size > 500 or all(len(each) > chunk_size for each in CONTENTS)
    stored, swept = Stored(house.services.mongo), 0
    for turn in range(ROUNDS):
        at_work = set(range(4))

        def work(number: int, turn: int = turn, at_work: set[int] = at_work) -> int:
            """Numbers 0 to 3 are busy; the others sweep for as long as they are."""
            count = 0
            try:
                if number in at_work:
                    busy(turn * 10 + number)
                while number > 3 and at_work:
                    count += sum(stored.gc().taken.counts.values())
            finally:
                at_work.discard(number)
            return count

        for result in all_at_once(work, 6):
            assert isinstance(result, int), result
            swept += result
        for image in stored.documents.list_images(HOUSE_BUCKET):
            for version in [image.version, *stored.documents.list_versions(HOUSE_BUCKET, image.key)]:
                assert read(stored.blobs, version.blob) in CONTENTS
    assert swept > ROUNDS
    stored.gc()
    assert stored.kinds() == {}
