"""Backups of a real mongod: all of one moment, only what is new, and nothing that is not whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.core.errors import StoreUnavailable
from imagestore.core.image import BlobRef
from imagestore.embedded import Server
from imagestore.library import archive_folder
from imagestore.library.archive import MANIFEST, BackupUnusable
from imagestore.library.archive_folder import FolderTarget
from imagestore.library.backup import Backup, BackupReport, Lost, prune
from imagestore.store import snapshot
from imagestore.store.snapshot import Snapshot
from tests.library.archives import DATA, SMALL, Archives, contents, fill, state, wipe
from tests.library.stored import Stored
from tests.store.commands import failing
from tests.store.samples import BUCKET, digest_of

SNAPSHOT_TOO_OLD = 239


@pytest.mark.parametrize("form", ["folder", "tar"])
@pytest.mark.parametrize("page", [2, 1000])
def test_everything_comes_back_equal(
    stored: Stored, archives, form: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", page)
    fill(stored)
    before, bytes_before = state(stored), contents(stored)
    taken = archives(form).backup(stored)
    assert taken.counts == {
        "buckets": 3,
        "credentials": 2,
        "transformations": 2,
        "images": 6,
        "versions": 7,
    }
    assert (taken.copied, taken.kept, taken.gone, dict(taken.lost.counts)) == (5, 0, 0, {})
    wipe(stored)
    report = archives(form).restore(stored)
    assert not report.problems.counts
    assert (report.images.added, report.versions.added, report.blobs.added) == (5, 7, 5)
    assert report.credentials_added == ["ISALL", "ISSOME"]
    assert state(stored) == before
    assert contents(stored) == bytes_before
    assert set(bytes_before.values()) == {DATA, *SMALL[:4]}
    assert stored.kinds() == {}
    assert not stored.mongo.missing_indexes()


def test_the_folder_can_be_read_without_imagestore(stored: Stored, folder: Archives) -> None:
    fill(stored)
    folder.backup(stored)
    blobs = {path.parent.name + path.name: path for path in (folder.path / "blobs").glob("*/*")}
    assert set(blobs) == {digest_of(data) for data in (DATA, *SMALL[:4])}
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() == name for name, path in blobs.items())
    [versions] = folder.path.glob("documents/*/versions.jsonl")
    rows = [json.loads(line) for line in versions.read_text().split("\n") if line]
    assert {row["key"] for row in rows} == {"large", "a/ü\U0001f304", "a/history", "shared"}
    assert all("file_id" not in row for row in rows)
    manifest = json.loads((folder.path / MANIFEST).read_text())
    assert (manifest["blobs"], manifest["blob_bytes"]) == (5, len(DATA) + sum(map(len, SMALL[:4])))


def files(folder: Archives) -> dict[Path, tuple[int, int]]:
    found = {}
    for path in folder.path.glob("blobs/*/*"):
        status = path.stat()
        found[path] = (status.st_ino, status.st_mtime_ns)
    return found


def test_a_second_run_copies_nothing_and_a_third_what_is_new(stored: Stored, folder: Archives) -> None:
    fill(stored)
    first = folder.backup(stored)
    there = files(folder)
    second = folder.backup(stored)
    assert (second.copied, second.kept, second.kept_bytes) == (0, first.copied, first.copied_bytes)
    assert files(folder) == there
    stored.put("new", b"quite new")
    third = folder.backup(stored)
    assert (third.copied, third.copied_bytes, third.kept) == (1, 9, 5)
    assert files(folder).items() > there.items()
    assert len(list((folder.path / "documents").iterdir())) == 1


def test_what_changes_meanwhile_is_not_in_it(stored: Stored) -> None:
    stored.put("kept", SMALL[0])
    with Snapshot(stored.mongo) as moment:
        images = list(moment.read("images"))
        stored.put("kept", SMALL[1])
        stored.put("new", SMALL[1])
        stored.delete("kept")
        versions = list(moment.read("versions"))
    assert [(image["key"], image["version_id"]) for image in images] == [("kept", versions[0]["_id"])]
    assert len(versions) == 1


def test_a_moment_too_long_ago_is_told(mongo: Server, stored: Stored) -> None:
    too_old = failing(mongo, ["find"], errorCode=SNAPSHOT_TOO_OLD)
    told = pytest.raises(StoreUnavailable, match="minSnapshotHistoryWindowInSeconds")
    with Snapshot(stored.mongo) as moment, too_old, told:
        list(moment.read("versions"))


def test_a_moment_outlasts_a_change_of_connections(mongo: Server, stored: Stored) -> None:
    stored.put("kept", SMALL[0])
    with Snapshot(stored.mongo) as moment:
        assert len(list(moment.read("images"))) == 1
        stored.delete("kept")
        with failing(mongo, ["find"], mode={"times": 3}, closeConnection=True):
            assert len(list(moment.read("versions"))) == 1


def test_uploads_and_deletions_cut_short_are_not_in_it(stored: Stored, folder: Archives) -> None:
    stored.put("image", SMALL[0])
    stored.add("image", SMALL[1])
    stored.add("nothing else", SMALL[2])
    stored.put("half deleted", SMALL[3])
    half = stored.collection("versions").find_one({"key": "half deleted"})
    stored.delete("half deleted")
    stored.collection("versions").insert_one(half)
    report = folder.backup(stored)
    assert (report.counts["versions"], report.copied) == (1, 1)
    wipe(stored)
    assert folder.restore(stored).versions.added == 1
    assert stored.kinds() == {}


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_what_is_deleted_and_swept_meanwhile_is_no_problem(
    stored: Stored, archives, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stored)
    delayed = Backup._copy

    def sweep_first(backup: Backup, row: dict, verify: bool) -> int:
        if stored.documents.find_image(BUCKET, "large") is not None:
            stored.delete("large")
            stored.gc()
        return delayed(backup, row, verify)

    monkeypatch.setattr(Backup, "_copy", sweep_first)
    report = archives(form).backup(stored)
    assert (report.gone, report.copied, dict(report.lost.counts)) == (1, 4, {})
    wipe(stored)
    restored = archives(form).restore(stored)
    assert (restored.passed, dict(restored.problems.counts)) == (1, {})
    assert (restored.images.added, restored.versions.added) == (4, 6)
    assert stored.documents.find_image(BUCKET, "large") is None


@pytest.mark.parametrize("form", ["folder", "tar"])
@pytest.mark.parametrize("damage", list(Lost))
def test_what_the_store_has_lost_is_told_and_the_rest_goes_on(
    stored: Stored, archives, form: str, damage: Lost
) -> None:
    fill(stored)
    ref: BlobRef = stored.documents.find_image(BUCKET, "large").version.blob
    if damage is Lost.DAMAGED:
        stored.collection("blobs.chunks").update_one(stored.chunk(ref, 2), {"$set": {"data": b"x" * 90_000}})
    else:
        stored.collection("claims").delete_one({"_id": ref.digest})
    report = archives(form).backup(stored)
    [lost] = report.lost.listed
    assert (lost.kind, lost.digest, lost.what.rpartition(" ")[0]) == (damage, ref.digest, f"{BUCKET}/large")
    assert report.copied == 4
    wipe(stored)
    restored = archives(form).restore(stored)
    assert dict(restored.problems.counts) == {"blob_absent": 1}
    assert set(contents(stored).values()) == set(SMALL[:4])


def test_verify_finds_a_file_that_rotted_and_copies_it_anew(stored: Stored, folder: Archives) -> None:
    fill(stored)
    folder.backup(stored)
    path = folder.path / "blobs" / digest_of(SMALL[3])[:2] / digest_of(SMALL[3])[2:]
    path.write_bytes(bytes(len(SMALL[3])))
    assert folder.backup(stored).copied == 0
    assert folder.backup(stored, verify=True).copied == 1
    assert path.read_bytes() == SMALL[3]
    path.write_bytes(SMALL[3][:-1])
    assert folder.backup(stored).copied == 1


class Stop(Exception):
    pass


def cut_short(monkeypatch: pytest.MonkeyPatch, stored: Stored, folder: Archives, after: int) -> None:
    """A run that ends in the middle of a blob, once `after` blobs are in place."""
    write, left = archive_folder._write, [after]

    def failing(path: Path, chunks: Iterator[bytes]) -> None:
        def some() -> Iterator[bytes]:
            yield next(iter(chunks))
            raise Stop

        left[0] -= "blobs" in path.parts
        write(path, chunks if left[0] >= 0 else some())

    with monkeypatch.context() as patched, pytest.raises(Stop):
        patched.setattr(archive_folder, "_write", failing)
        folder.backup(stored)


def test_a_run_cut_short_is_no_backup_and_the_next_goes_on(
    stored: Stored, folder: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stored)
    cut_short(monkeypatch, stored, folder, 2)
    with pytest.raises(BackupUnusable, match="no backup was completed"):
        folder.restore(stored)
    report = folder.backup(stored)
    assert (report.kept, report.copied) == (2, 3)
    assert not list(folder.path.rglob("*.part"))


def test_a_later_run_cut_short_leaves_the_backup_before_it(
    stored: Stored, folder: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(stored)
    before = state(stored)
    folder.backup(stored)
    stored.put("new", b"quite new")
    cut_short(monkeypatch, stored, folder, 0)
    wipe(stored)
    assert not folder.restore(stored).problems.counts
    assert state(stored) == before


def test_prune_removes_what_only_earlier_runs_named(stored: Stored, folder: Archives) -> None:
    fill(stored)
    folder.backup(stored)
    stored.delete("large")
    with FolderTarget(folder.path) as target:
        report: BackupReport = Backup(stored.mongo, target).run()
        assert len(files(folder)) == 5
        prune(target, report)
    assert (report.pruned, report.pruned_bytes, len(files(folder))) == (1, len(DATA), 4)
    before = state(stored)
    wipe(stored)
    assert not folder.restore(stored).problems.counts
    assert state(stored) == before


@pytest.mark.quick
def test_a_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BackupUnusable, match=r"thesis\.tex"):
        FolderTarget(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


@pytest.mark.quick
def test_one_backup_into_a_folder_at_a_time(tmp_path: Path) -> None:
    with FolderTarget(tmp_path), pytest.raises(BackupUnusable, match="in use"):
        FolderTarget(tmp_path)
    with FolderTarget(tmp_path):
        pass
