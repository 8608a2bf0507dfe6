"""Removals against uploads, step by step: whichever comes first, nothing that is named goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from bson import ObjectId

from imagestore.core.image import BlobRef, Condition, Image
from imagestore.core.streams import spool
from imagestore.store import drafts as drafts_module
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents, Naming
from imagestore.store.drafts import Draft
from imagestore.store.inventory import ClaimRecord, Inventory
from imagestore.store.mongo import Mongo
from imagestore.store.removals import Removals
from imagestore.store.uploads import Uploads
from tests.store.samples import BUCKET, add, add_unpointed, blob, drop_version, facts, put, read

DATA = bytes(range(256)) * 3000


@pytest.fixture
def documents(store: Mongo) -> Documents:
    return Documents(store)


@pytest.fixture
def inventory(store: Mongo) -> Inventory:
    return Inventory(store)


@pytest.fixture
def removals(store: Mongo) -> Removals:
    return Removals(store)


def claim_of(inventory: Inventory, ref: BlobRef) -> ClaimRecord:
    [claim] = inventory.find_claims([ref.digest])
    return claim


def publish(documents: Documents, ref: BlobRef) -> Image | None:
    return documents.publish(Naming(BUCKET, "a"), ref, facts())


# Blobs


def test_a_marked_blob_goes_with_claim_file_and_chunks(
    store: Mongo, blobs: Blobs, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    assert marked is not None
    assert claim_of(inventory, ref) == marked
    assert removals.drop_blob(marked)
    for collection in ("claims", "blobs.files", "blobs.chunks"):
        assert store.collection(collection).count_documents({}) == 0
    assert not removals.drop_blob(marked)


def test_a_named_blob_is_not_marked(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    seen = claim_of(inventory, ref)
    add_unpointed(documents, "a", ref)
    assert removals.mark_unnamed(seen) is None
    assert claim_of(inventory, ref).unnamed is None


def test_an_upload_that_renews_the_claim_after_the_plan_keeps_the_blob(
    blobs: Blobs, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    seen = claim_of(inventory, ref)
    put(blobs, DATA)
    assert removals.mark_unnamed(seen) is None
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    assert put(blobs, DATA) == ref
    assert claim_of(inventory, ref).unnamed is None
    assert not removals.drop_blob(marked)
    assert read(blobs, ref) == DATA


def test_a_version_keeps_the_blob_and_takes_the_mark_off(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    assert publish(documents, ref).version.blob == ref
    assert claim_of(inventory, ref).unnamed is None
    assert not removals.drop_blob(marked)
    assert read(blobs, ref) == DATA


def test_a_version_that_renewed_no_claim_keeps_the_blob_as_well(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    add_unpointed(documents, "a", ref)
    assert not removals.drop_blob(marked)
    assert read(blobs, ref) == DATA


def test_a_version_that_went_again_took_the_mark_off_for_good(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    publish(documents, ref)
    documents.bury(BUCKET, "a", Condition())
    assert not removals.drop_blob(marked)


def test_what_was_swept_is_not_published(
    store: Mongo, blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    removals.drop_blob(removals.mark_unnamed(claim_of(inventory, ref)))
    assert publish(documents, ref) is None
    again = put(blobs, DATA)
    assert publish(documents, ref) is None
    for collection in ("versions", "images"):
        assert store.collection(collection).count_documents({}) == 0
    assert publish(documents, again).version.blob == again


def test_an_upload_that_finds_its_blob_gone_writes_it_anew(
    blobs: Blobs, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    removals.drop_blob(removals.mark_unnamed(claim_of(inventory, ref)))
    again = put(blobs, DATA)
    assert again.file_id != ref.file_id
    assert read(blobs, again) == DATA


def test_an_image_that_lost_its_version_keeps_its_blob(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    drop_version(documents, publish(documents, ref).version)
    assert removals.mark_unnamed(claim_of(inventory, ref)) is None


# Chunks and files


def sweep_first_draft(removals: Removals, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Take the chunks of the next upload, which counts as large, before it commits; its file's id."""
    monkeypatch.setattr(drafts_module, "BATCH_BYTES", 0)
    write_ahead, swept = Draft.write_ahead, list[str]()

    def write_for_nothing(draft: Draft) -> None:
        write_ahead(draft)
        if not swept:
            swept.append(draft.ref.file_id)
            assert removals.drop_chunks(swept[0])

    monkeypatch.setattr(Draft, "write_ahead", write_for_nothing)
    return swept


def test_a_large_upload_with_its_name_does_so_too(
    store: Mongo, blobs: Blobs, documents: Documents, removals: Removals, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = sweep_first_draft(removals, monkeypatch)
    uploads = Uploads(store, blobs, documents)
    with spool(BytesIO(DATA), limit=len(DATA)) as spooled:
        survey = documents.survey(BUCKET, "a", spooled.digest)
        image = uploads.store(Naming(BUCKET, "a"), spooled, "image/png", lambda _: facts(), survey)
    assert image.version.blob.file_id != swept[0]
    assert read(blobs, image.version.blob) == DATA
    assert documents.list_versions(BUCKET, "a") == [image.version]
    assert store.collection("blobs.chunks").count_documents({"files_id": ObjectId(swept[0])}) == 0


def test_a_large_upload_whose_chunks_are_swept_writes_them_anew(
    store: Mongo, blobs: Blobs, removals: Removals, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = sweep_first_draft(removals, monkeypatch)
    ref = put(blobs, DATA)
    assert ref.file_id != swept[0]
    assert read(blobs, ref) == DATA
    assert store.collection("blobs.chunks").count_documents({"files_id": ObjectId(swept[0])}) == 0


def test_chunks_with_a_file_or_a_claim_or_a_name_stay(
    store: Mongo, blobs: Blobs, documents: Documents, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    assert not removals.drop_chunks(ref.file_id)
    store.collection("blobs.files").delete_many({})
    assert not removals.drop_chunks(ref.file_id)
    store.collection("claims").delete_many({})
    version = add_unpointed(documents, "a", ref)
    assert not removals.drop_chunks(ref.file_id)
    assert read(blobs, ref) == DATA
    drop_version(documents, version)
    assert removals.drop_chunks(ref.file_id)
    assert store.collection("blobs.chunks").count_documents({}) == 0


def test_a_file_goes_only_without_claim_and_name(
    store: Mongo, blobs: Blobs, documents: Documents, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    assert not removals.drop_file(ref.file_id)
    store.collection("claims").delete_many({})
    version = add_unpointed(documents, "a", ref)
    assert not removals.drop_file(ref.file_id)
    drop_version(documents, version)
    assert removals.drop_file(ref.file_id)
    assert store.collection("blobs.chunks").count_documents({}) == 0


# Versions and tombstones


def test_a_spent_number_is_never_given_out(documents: Documents, removals: Removals) -> None:
    version = add_unpointed(documents, "a", blob())
    assert removals.spend_number(version)
    documents.withdraw(version)
    assert documents.find_image(BUCKET, "a") is None
    assert add(documents, "a", condition=Condition(exists=False)).version.number > version.number


def test_the_number_of_an_image_and_of_its_history_is_not_spent(
    documents: Documents, removals: Removals
) -> None:
    older, newer = add(documents, "a", 1), add(documents, "a", 2)
    assert not removals.spend_number(newer.version)
    assert not removals.spend_number(older.version)
    assert removals.spend_number(add_unpointed(documents, "a", blob()))
    assert documents.find_image(BUCKET, "a") == newer


def test_a_tombstone_goes_as_it_was_seen_or_not_at_all(
    documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    add(documents, "a")
    documents.bury(BUCKET, "a", Condition())
    [seen] = inventory.find_names([(BUCKET, "a")])
    assert seen.pointed is None
    left = add_unpointed(documents, "a", blob())
    assert not removals.drop_tombstone(seen)
    drop_version(documents, left)
    assert not removals.drop_tombstone(replace(seen, generation=seen.generation + 1))
    add(documents, "a")
    assert not removals.drop_tombstone(seen)
    assert documents.find_image(BUCKET, "a") is not None
    documents.bury(BUCKET, "a", Condition())
    [seen] = inventory.find_names([(BUCKET, "a")])
    assert datetime.now(UTC) - seen.buried < timedelta(hours=1)
    assert removals.drop_tombstone(seen)
    assert inventory.find_names([(BUCKET, "a")]) == []
