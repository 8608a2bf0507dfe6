"""Restores into a real mongod: only what is missing, only what is whole, and what the store has wins.

This file is longer than 300 lines because every case of one verb is easier found in one place.
"""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagestore.core.image import Condition, Labels
from imagestore.library import restore as restore_module
from imagestore.library.archive import BackupUnusable
from imagestore.library.restore_report import Trouble
from imagestore.library.upkeep import GRACE, Kind
from imagestore.store.registry import CredentialRecord, Registry
from imagestore.store.restoration import PutBack, Restoration
from tests.library.archives import DATA, SMALL, THEN, Archives, contents, fill, state, wipe
from tests.library.stored import Stored
from tests.store.samples import BUCKET, digest_of, drop_version, read

FORMS = pytest.mark.parametrize("form", ["folder", "tar"])


def blob_file(folder: Archives, data: bytes) -> Path:
    digest = digest_of(data)
    return folder.path / "blobs" / digest[:2] / digest[2:]


@FORMS
def test_again_adds_nothing(stored: Stored, archives, form: str) -> None:
    fill(stored)
    archives(form).backup(stored)
    before = stored.everything()
    report = archives(form).restore(stored)
    assert (report.buckets.added, report.credentials.added, report.images.added) == (0, 0, 0)
    assert (report.versions.added, report.versions.kept, report.blobs.added, report.bytes) == (0, 7, 0, 0)
    assert (report.images.kept, report.images.changed, dict(report.problems.counts)) == (5, 0, {})
    assert stored.everything() == before


@FORMS
def test_only_what_is_missing_is_added(stored: Stored, archives, form: str) -> None:
    fill(stored)
    archives(form).backup(stored)
    before, bytes_before = state(stored), contents(stored)
    stored.delete("large")
    stored.gc()
    history = stored.documents.list_versions(BUCKET, "a/history")
    stored.collection("versions").delete_one({"_id": history[1].version_id})
    stored.collection("credentials").delete_one({"_id": "ISALL"})
    files = {row["_id"] for row in stored.collection("blobs.files").find()}
    report = archives(form).restore(stored)
    assert not report.problems.counts
    assert (report.images.added, report.images.kept) == (1, 4)
    assert (report.versions.added, report.versions.kept) == (2, 5)
    # the sweep has taken the bytes of the dropped version too, which nothing else named
    assert (report.blobs.added, report.bytes) == (1, len(DATA))
    assert (report.credentials.added, report.credentials_added) == (1, ["ISALL"])
    assert report.buckets.added == 0
    assert files < {row["_id"] for row in stored.collection("blobs.files").find()}
    after = state(stored)
    generations = []
    for images in (before["images"], after["images"]):
        grown = [row for row in images if row["key"] in ("large", "a/history")]
        generations.append([row.pop("generation") for row in grown])
    assert all(old < new for old, new in zip(*generations, strict=True))
    assert after == before
    assert contents(stored) == bytes_before


def test_what_is_newer_in_the_store_stays(stored: Stored, folder: Archives) -> None:
    fill(stored)
    folder.backup(stored)
    newer = stored.put("large", b"newer bytes")
    stored.documents.set_labels(BUCKET, "shared", Labels(("mine",), None), Condition())
    Registry(stored.mongo).change_bucket(BUCKET, visibility="private")
    own = stored.put("own", b"its own bytes")
    folder.restore(stored)
    assert stored.documents.find_image(BUCKET, "large") == newer
    assert stored.documents.find_image(BUCKET, "shared").tags == ("mine",)
    assert stored.documents.find_image(BUCKET, "own") == own
    assert Registry(stored.mongo).find_bucket(BUCKET).visibility == "private"


def test_an_older_store_is_brought_up(stored: Stored, folder: Archives) -> None:
    registry = Registry(stored.mongo)
    registry.add_bucket(BUCKET, "private")
    first = stored.put("image", SMALL[0])
    second = stored.put("image", SMALL[1])
    second = stored.documents.set_labels(BUCKET, "image", Labels(("new",), {"a": "b"}), Condition())
    folder.backup(stored)
    stored.documents.withdraw(second.version)
    assert stored.documents.find_image(BUCKET, "image").version == first.version
    report = folder.restore(stored)
    image = stored.documents.find_image(BUCKET, "image")
    assert (report.images.changed, report.versions.added) == (1, 1)
    assert (image.version, image.tags, image.context) == (second.version, ("new",), {"a": "b"})
    assert image.generation > second.generation


def test_a_deleted_bucket_comes_back_and_a_revoked_credential_is_named(
    stored: Stored, folder: Archives
) -> None:
    registry = Registry(stored.mongo)
    made = registry.add_bucket("others", "public-read")
    registry.add_credential(CredentialRecord("ISREVOKED", ("admin",), None, "", THEN))
    folder.backup(stored)
    gone = registry.set_live("others", False)
    registry.drop_credential("ISREVOKED")
    report = folder.restore(stored)
    bucket = registry.find_bucket("others")
    assert (bucket.visibility, bucket.created) == ("public-read", made.created)
    assert bucket.generation > gone
    assert report.credentials_added == ["ISREVOKED"]


@pytest.mark.parametrize("moved", [-100, 0, 100], ids=["older", "about the same", "newer"])
def test_numbers_of_the_backup_are_not_given_out_again(stored: Stored, folder: Archives, moved: int) -> None:
    far = 4_000_000_000
    stored.put("deleted", SMALL[0])
    stored.delete("deleted")
    stored.collection("images").update_one({"key": "deleted"}, {"$set": {"last_number": far}})
    stored.put("there", SMALL[1])
    stored.collection("images").update_one({"key": "there"}, {"$set": {"last_number": far}})
    folder.backup(stored)
    wipe(stored)
    stored.mongo.ensure_indexes()
    stored.put("there", SMALL[2])
    stored.collection("versions").update_one({"key": "there"}, {"$inc": {"number": moved}})
    stored.collection("images").update_one({"key": "there"}, {"$inc": {"number": moved}})
    folder.restore(stored)
    assert stored.put("deleted", SMALL[3]).version.number == far + 1
    assert stored.put("there", SMALL[3]).version.number == far + 1


def test_another_version_under_the_number_is_kept_and_told(stored: Stored, folder: Archives) -> None:
    old = stored.put("image", SMALL[0])
    folder.backup(stored)
    wipe(stored)
    stored.mongo.ensure_indexes()
    new = stored.put("image", SMALL[1])
    stored.collection("versions").update_one({}, {"$set": {"number": old.version.number}})
    numbers = {"number": old.version.number, "last_number": 0}
    stored.collection("images").update_one({}, {"$set": numbers})
    report = folder.restore(stored)
    assert stored.collection("images").find_one()["last_number"] == old.version.number
    assert dict(report.problems.counts) == {Trouble.NUMBER_TAKEN: 1}
    [version] = stored.documents.list_versions(BUCKET, "image")
    assert version.version_id == new.version.version_id


@FORMS
def test_a_dry_run_tells_the_same_and_writes_nothing(stored: Stored, archives, form: str) -> None:
    fill(stored)
    archives(form).backup(stored)
    stored.delete("large")
    stored.delete("shared")
    stored.gc()
    Registry(stored.mongo).set_live("others", False)
    before = stored.everything(), state(stored)
    planned = archives(form).restore(stored, dry_run=True)
    assert (stored.everything(), state(stored)) == before
    assert (planned.images.added, planned.blobs.added, planned.buckets.added) == (2, 1, 1)
    assert archives(form).restore(stored) == planned


def test_a_dry_run_on_an_empty_store_checks_the_whole_backup(stored: Stored, folder: Archives) -> None:
    fill(stored)
    folder.backup(stored)
    wipe(stored)
    blob_file(folder, SMALL[2]).write_bytes(b"rotten")
    report = folder.restore(stored, dry_run=True)
    assert dict(report.problems.counts) == {Trouble.BLOB_DAMAGED: 1}
    assert (report.blobs.added, report.versions.added) == (4, 6)
    assert stored.mongo.database.list_collection_names() == []


@pytest.mark.parametrize("data", [None, b"", SMALL[0][:-1], SMALL[0] + b"x", bytes(len(SMALL[0]))])
def test_a_damaged_file_is_refused_and_the_rest_goes_on(
    stored: Stored, folder: Archives, data: bytes | None
) -> None:
    fill(stored)
    folder.backup(stored)
    wipe(stored)
    if data is None:
        blob_file(folder, SMALL[0]).unlink()
    else:
        blob_file(folder, SMALL[0]).write_bytes(data)
    report = folder.restore(stored)
    kind = Trouble.BLOB_ABSENT if data is None else Trouble.BLOB_DAMAGED
    assert dict(report.problems.counts) == {kind: 2}  # two images are of these bytes
    assert set(contents(stored).values()) == {DATA, *SMALL[1:4]}
    assert stored.documents.find_image(BUCKET, "a/ü\U0001f304") is None
    blob_file(folder, SMALL[0]).write_bytes(SMALL[0])
    assert not folder.restore(stored).problems.counts
    assert stored.documents.find_image(BUCKET, "shared").tags == ("sea", "$where")


def test_when_the_newest_is_damaged_the_one_before_it_stands_in(stored: Stored, folder: Archives) -> None:
    stored.put("image", SMALL[0])
    stored.put("image", SMALL[1])
    folder.backup(stored)
    wipe(stored)
    blob_file(folder, SMALL[1]).write_bytes(b"rotten")
    assert folder.restore(stored).problems.counts
    assert read(stored.blobs, stored.documents.find_image(BUCKET, "image").version.blob) == SMALL[0]
    blob_file(folder, SMALL[1]).write_bytes(SMALL[1])
    assert not folder.restore(stored).problems.counts
    assert read(stored.blobs, stored.documents.find_image(BUCKET, "image").version.blob) == SMALL[1]


@pytest.mark.parametrize("name", ["buckets", "credentials", "transformations", "images", "versions"])
def test_altered_documents_are_refused_before_anything_is_written(
    stored: Stored, folder: Archives, name: str
) -> None:
    fill(stored)
    folder.backup(stored)
    wipe(stored)
    [path] = folder.path.glob(f"documents/*/{name}.jsonl")
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))
    with pytest.raises(BackupUnusable, match=f"{name}.jsonl is damaged"):
        folder.restore(stored)
    assert stored.mongo.database.list_collection_names() == []


def test_a_backup_from_before_there_were_named_transformations(stored: Stored, folder: Archives) -> None:
    stored.put("image", SMALL[0])
    folder.backup(stored)
    wipe(stored)
    [path] = folder.path.glob("documents/*/transformations.jsonl")
    path.unlink()
    [index] = folder.path.glob("documents/*/index.json")
    told = json.loads(index.read_text())
    for part in ("counts", "sizes", "digests"):
        del told[part]["transformations"]
    index.write_text(json.dumps(told))
    manifest = folder.path / "MANIFEST.json"
    kept = json.loads(manifest.read_text())
    kept["index_digest"] = hashlib.sha256(index.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(kept))
    report = folder.restore(stored)
    assert (report.images.added, report.transformations.added) == (1, 0)


@FORMS
def test_sweeps_beside_a_restore_do_no_harm(
    stored: Stored, archives, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions that are back are as old as they were: a sweep would take one that no image points at."""
    fill(stored)
    stored.collection("versions").update_many({}, {"$set": {"created": THEN}})
    stored.collection("images").update_many({"live": True}, {"$set": {"created": THEN}})
    before, bytes_before = state(stored), contents(stored)
    archives(form).backup(stored)
    wipe(stored)
    put_back = Restoration.put_back

    def sweep_too(restoration: Restoration, row: dict, versions: list) -> PutBack:
        stored.gc(grace=GRACE)
        done = put_back(restoration, row, versions)
        stored.gc(grace=GRACE)
        return done

    monkeypatch.setattr(Restoration, "put_back", sweep_too)
    assert not archives(form).restore(stored).problems.counts
    assert state(stored) == before
    assert contents(stored) == bytes_before
    assert stored.kinds() == {}


def test_bytes_swept_before_their_version_is_there_are_told(
    stored: Stored, folder: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a sweep without a grace period can do that."""
    stored.put("image", SMALL[0])
    folder.backup(stored)
    wipe(stored)
    put_back = Restoration.put_back

    def swept_first(restoration: Restoration, row: dict, versions: list) -> PutBack:
        stored.gc()
        return put_back(restoration, row, versions)

    with monkeypatch.context() as patched:
        patched.setattr(Restoration, "put_back", swept_first)
        assert dict(folder.restore(stored).problems.counts) == {Trouble.SWEPT: 1}
    assert stored.collection("versions").count_documents({}) == 0
    assert not folder.restore(stored).problems.counts
    assert set(contents(stored).values()) == {SMALL[0]}


def test_an_image_with_more_versions_than_go_at_once(
    stored: Stored, folder: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore_module, "BATCH", 2)
    for number in range(5):
        stored.put("image", SMALL[number])
    before = state(stored)
    folder.backup(stored)
    wipe(stored)
    assert folder.restore(stored).versions.added == 5
    after = state(stored)
    [generation] = [row.pop("generation") for row in before["images"]]
    assert [row.pop("generation") > generation for row in after["images"]] == [True]
    assert after == before
    drop_version(stored.documents, stored.documents.list_versions(BUCKET, "image")[4])
    report = folder.restore(stored)
    assert (report.versions.added, report.images.kept) == (1, 1)
    after = state(stored)
    assert [row.pop("generation") > generation for row in after["images"]] == [True]
    assert after == before


@FORMS
def test_uploads_beside_a_restore_stay_the_newest(stored: Stored, archives, form: str) -> None:
    for number in range(20):
        stored.put(f"image {number}", SMALL[0])
    archives(form).backup(stored)
    wipe(stored)
    stored.mongo.ensure_indexes()
    gate = threading.Barrier(2)

    def upload() -> None:
        gate.wait(60)
        for number in range(20):
            stored.put(f"image {number}", SMALL[1])

    with ThreadPoolExecutor(1) as pool:
        uploaded = pool.submit(upload)
        gate.wait(60)
        report = archives(form).restore(stored)
        uploaded.result(120)
    assert set(report.problems.counts) <= {Trouble.NUMBER_TAKEN}
    for number in range(20):
        image = stored.documents.find_image(BUCKET, f"image {number}")
        assert image.version.digest == digest_of(SMALL[1])
    assert set(stored.kinds()) <= {Kind.BLOB_UNNAMED}


@FORMS
def test_verify_mends_damaged_bytes_from_the_backup(stored: Stored, archives, form: str) -> None:
    fill(stored)
    archives(form).backup(stored)
    ref = stored.documents.find_image(BUCKET, "large").version.blob
    chunks = stored.collection("blobs.chunks")
    chunks.update_one(stored.chunk(ref, 0), {"$set": {"data": b"x"}})
    chunks.delete_one(stored.chunk(ref, 1))
    small = stored.documents.find_image(BUCKET, "shared").version.blob
    stored.collection("blobs.files").delete_one({"filename": small.digest})
    chunks.delete_many({"files_id": stored.chunk(small, 0)["files_id"]})
    assert archives(form).restore(stored).blobs.changed == 0
    assert archives(form).restore(stored, verify=True, dry_run=True).blobs.changed == 2
    report = archives(form).restore(stored, verify=True)
    assert (report.blobs.changed, report.blobs.kept, dict(report.problems.counts)) == (2, 3, {})
    assert set(contents(stored).values()) == {DATA, *SMALL[:4]}
    assert stored.kinds() == {Kind.BLOB_UNNAMED: 1}  # of the image that was deleted before


@FORMS
def test_bytes_that_the_store_has_lost_altogether_come_back(stored: Stored, archives, form: str) -> None:
    fill(stored)
    archives(form).backup(stored)
    for name in ("claims", "blobs.files", "blobs.chunks"):
        stored.collection(name).delete_many({})
    report = archives(form).restore(stored)
    assert (report.blobs.added, report.versions.kept) == (5, 7)
    assert set(contents(stored).values()) == {DATA, *SMALL[:4]}
    assert stored.kinds() == {}
