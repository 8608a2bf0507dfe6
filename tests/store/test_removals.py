"""Removals against uploads, step by step: whichever comes first, nothing that is named goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from imagestore.core.errors import WriteContention
from imagestore.core.image import BlobRef, Condition, Labels, Version
from imagestore.store import blobs as blobs_module
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.inventory import ClaimRecord, Inventory
from imagestore.store.mongo import Mongo
from imagestore.store.removals import Removals
from tests.store.samples import BUCKET, facts, put, read

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


def name(documents: Documents, ref: BlobRef, key: str = "a") -> Version:
    return documents.add_version(BUCKET, key, ref, facts())


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
    assert not blobs.confirm(ref)


def test_a_named_blob_is_not_marked(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    seen = claim_of(inventory, ref)
    name(documents, ref)
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


def test_a_version_that_is_not_confirmed_yet_keeps_the_blob(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    name(documents, ref)
    assert not removals.drop_blob(marked)
    assert blobs.confirm(ref)
    assert claim_of(inventory, ref).unnamed is None
    assert read(blobs, ref) == DATA


def test_a_confirmation_takes_the_mark_off_for_good(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    marked = removals.mark_unnamed(claim_of(inventory, ref))
    version = name(documents, ref)
    assert blobs.confirm(ref)
    documents.drop_version(version)
    assert not removals.drop_blob(marked)


def test_an_upload_that_finds_its_blob_gone_writes_it_anew(
    blobs: Blobs, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    removals.drop_blob(removals.mark_unnamed(claim_of(inventory, ref)))
    again = put(blobs, DATA)
    assert again.file_id != ref.file_id
    assert not blobs.confirm(ref)
    assert blobs.confirm(again)
    assert read(blobs, again) == DATA


def test_an_image_that_lost_its_version_keeps_its_blob(
    blobs: Blobs, documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    version = documents.point(name(documents, ref), Labels(), Condition()).version
    documents.drop_version(version)
    assert removals.mark_unnamed(claim_of(inventory, ref)) is None


# Chunks and files


def test_a_large_upload_whose_chunks_are_swept_writes_them_anew(
    store: Mongo, blobs: Blobs, removals: Removals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs_module, "TRANSACTION_BYTES", 0)
    commit, swept = blobs._commit, []

    def sweep_then_commit(file_id: ObjectId, *rest: object) -> None:
        if not swept:
            swept.append(str(file_id))
            assert removals.drop_chunks(str(file_id))
        commit(file_id, *rest)

    monkeypatch.setattr(blobs, "_commit", sweep_then_commit)
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
    version = name(documents, ref)
    assert not removals.drop_chunks(ref.file_id)
    assert read(blobs, ref) == DATA
    documents.drop_version(version)
    assert removals.drop_chunks(ref.file_id)
    assert store.collection("blobs.chunks").count_documents({}) == 0


def test_a_file_goes_only_without_claim_and_name(
    store: Mongo, blobs: Blobs, documents: Documents, removals: Removals
) -> None:
    ref = put(blobs, DATA)
    assert not removals.drop_file(ref.file_id)
    store.collection("claims").delete_many({})
    version = name(documents, ref)
    assert not removals.drop_file(ref.file_id)
    documents.drop_version(version)
    assert removals.drop_file(ref.file_id)
    assert store.collection("blobs.chunks").count_documents({}) == 0


# Versions and tombstones


def test_a_spent_number_is_never_pointed_at(documents: Documents, removals: Removals) -> None:
    ref = BlobRef("0" * 64, "0" * 24, 1, 1)
    version = name(documents, ref)
    assert removals.spend_number(version)
    with pytest.raises(WriteContention):
        documents.point(version, Labels(), Condition())
    documents.withdraw(version)
    assert documents.find_image(BUCKET, "a") is None
    later = name(documents, ref)
    assert later.number > version.number
    assert documents.point(later, Labels(), Condition(exists=False)).version == later


def test_the_number_of_an_image_and_of_its_history_is_not_spent(
    documents: Documents, removals: Removals
) -> None:
    ref = BlobRef("0" * 64, "0" * 24, 1, 1)
    older = documents.point(name(documents, ref), Labels(), Condition()).version
    newer = documents.point(name(documents, ref), Labels(), Condition()).version
    assert not removals.spend_number(newer)
    assert not removals.spend_number(older)
    assert removals.spend_number(name(documents, ref))
    assert documents.find_image(BUCKET, "a").version == newer


def test_a_tombstone_goes_as_it_was_seen_or_not_at_all(
    documents: Documents, inventory: Inventory, removals: Removals
) -> None:
    ref = BlobRef("0" * 64, "0" * 24, 1, 1)
    documents.point(name(documents, ref), Labels(), Condition())
    documents.bury(BUCKET, "a", Condition())
    [seen] = inventory.find_names([(BUCKET, "a")])
    assert seen.pointed is None
    assert not removals.drop_tombstone(seen)
    documents.drop_leftovers(BUCKET, "a")
    assert not removals.drop_tombstone(replace(seen, generation=seen.generation + 1))
    documents.point(name(documents, ref), Labels(), Condition())
    assert not removals.drop_tombstone(seen)
    assert documents.find_image(BUCKET, "a") is not None
    documents.bury(BUCKET, "a", Condition())
    documents.drop_leftovers(BUCKET, "a")
    [seen] = inventory.find_names([(BUCKET, "a")])
    assert datetime.now(UTC) - seen.buried < timedelta(hours=1)
    assert removals.drop_tombstone(seen)
    assert inventory.find_names([(BUCKET, "a")]) == []
