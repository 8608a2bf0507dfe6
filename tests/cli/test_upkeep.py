"""`imagestore fsck` and `imagestore gc` on the database of a service that runs, beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from imagestore.client import Client
from imagestore.library import fsck as fsck_module
from imagestore.store.inventory import FileRecord
from imagestore.store.mongo import Mongo
from tests import pictures
from tests.cli.conftest import run_alone
from tests.service import Service, running_service

PHOTO = pictures.jpeg(noise=True, quality=95, width=900, height=700)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own: what is damaged here is nobody else's."""
    with running_service(tmp_path_factory.mktemp("upkeep"), workers=1, redis_url="none") as running:
        yield running


@pytest.fixture
def there(served: Service) -> Iterator[Database]:
    """The service's database, without any image before and after the test."""
    with MongoClient(served.mongo_url) as client:
        yield client.imagestore
        for name in ("images", "versions", "claims", "blobs.files", "blobs.chunks", "upkeep"):
            client.imagestore[name].delete_many({})


@pytest.fixture
def served_client(served: Service) -> Iterator[Client]:
    with served.client() as client:
        yield client


def test_a_store_that_is_well(served: Service, there: Database, served_client: Client) -> None:
    served_client.upload("default", PHOTO, "photo.jpg")
    for options in (
        (),
        ("--quick",),
        ("--deep",),
        ("--deep", "--resume"),
        ("--deep", "--rate", "100MB/s"),
        ("--rate", "1000/s"),
        ("--grace", "0s"),
    ):
        result = run_alone("fsck", *options, data=served.data)
        assert (result.exit_code, result.stdout) == (0, "Everything is as it should be.\n")
    told = json.loads(run_alone("fsck", "--json", data=served.data).stdout)
    assert told == {
        "findings": [],
        "omitted": 0,
        "counts": {},
        "severities": {"lost": 0, "repairable": 0, "waste": 0},
    }
    assert run_alone("gc", data=served.data).stdout == "There is nothing to remove.\n"


def test_waste_is_told_and_removed(served: Service, there: Database, served_client: Client) -> None:
    digest = served_client.upload("default", PHOTO, "photo.jpg")["digest"]
    served_client.delete("default", "photo.jpg")
    assert "as it should be" in run_alone("fsck", data=served.data).stdout
    told = run_alone("fsck", "--grace", "0s", data=served.data)
    assert told.exit_code == 0
    assert told.stdout.splitlines() == [
        f"waste: blob unnamed: blob {digest}: no version names it",
        "0 lost, 0 repairable, 1 waste",
    ]
    planned = run_alone("gc", "--grace", "0s", "--dry-run", data=served.data)
    assert f"blob: blob {digest}: no version names it" in planned.stdout
    assert there["blobs.files"].count_documents({}) == 1
    removed = json.loads(run_alone("gc", "--grace", "0s", "--json", data=served.data).stdout)
    assert removed["planned"] == removed["taken"]
    assert removed["taken"]["counts"] == {"blob": 1}
    assert removed["taken"]["bytes"] == len(PHOTO)
    assert there["blobs.chunks"].count_documents({}) == 0
    assert "as it should be" in run_alone("fsck", "--grace", "0s", data=served.data).stdout


def test_damage_is_told_and_fails(served: Service, there: Database, served_client: Client) -> None:
    digest = served_client.upload("default", PHOTO, "photo.jpg")["digest"]
    there["blobs.chunks"].delete_one({"n": 1})
    result = run_alone("fsck", data=served.data)
    assert result.exit_code == 1
    file_id = there["blobs.files"].find_one()["_id"]
    count = -(-len(PHOTO) // (255 * 1024))
    assert result.stdout.splitlines() == [
        f"lost: chunk missing: file {file_id}: of {digest}, {count} chunks: missing 1",
        "1 lost, 0 repairable, 0 waste",
    ]
    told = json.loads(run_alone("fsck", "--json", data=served.data).stdout)
    [finding] = told["findings"]
    assert (finding["severity"], finding["kind"]) == ("lost", "chunk_missing")
    assert run_alone("gc", "--grace", "0s", data=served.data).exit_code == 0
    assert there["claims"].count_documents({}) == 1


def test_a_check_goes_on_where_it_was_cut_short(
    served: Service, there: Database, served_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(3):
        served_client.upload("default", pictures.jpeg(seed=seed), f"{seed}.jpg")
    first, _, last = [each["_id"] for each in there["blobs.files"].find().sort("_id", 1)]
    there["blobs.chunks"].delete_many({"files_id": {"$in": [first, last]}})
    check, checked = fsck_module.check_chunks, []

    def stop_at_the_second(file: FileRecord, *arguments: Any) -> Any:
        checked.append(file.file_id)
        if len(set(checked)) == 2:
            raise KeyboardInterrupt
        return check(file, *arguments)

    monkeypatch.setattr(fsck_module, "check_chunks", stop_at_the_second)
    assert run_alone("fsck", "--deep", "--resume", data=served.data).exit_code == 130
    monkeypatch.setattr(
        fsck_module, "check_chunks", lambda file, *rest: checked.append(file.file_id) or check(file, *rest)
    )
    checked.clear()
    told = json.loads(run_alone("fsck", "--deep", "--resume", "--json", data=served.data).stdout)
    assert str(first) not in checked
    assert {each["what"] for each in told["findings"]} == {f"file {first}", f"file {last}"}
    assert told["counts"] == {"chunk_missing": 2}
    checked.clear()
    assert run_alone("fsck", "--deep", "--resume", data=served.data).exit_code == 1
    assert str(first) in checked


@pytest.mark.quick
def test_a_quick_check_has_no_place_to_keep(tmp_path: Path) -> None:
    assert run_alone("fsck", "--quick", "--resume", data=tmp_path).exit_code == 2


def test_a_damaged_image_is_mended_as_the_page_says(
    served: Service, there: Database, served_client: Client
) -> None:
    served_client.upload("default", PHOTO, "photo.jpg")
    there["blobs.chunks"].delete_one({"n": 1})
    served_client.delete("default", "photo.jpg")
    assert run_alone("gc", "--grace", "0s", data=served.data).exit_code == 0
    served_client.upload("default", PHOTO, "photo.jpg")
    with served_client.get("default", "photo.jpg") as download:
        assert b"".join(download) == PHOTO
    assert run_alone("fsck", "--deep", "--grace", "0s", data=served.data).exit_code == 0


def test_an_image_without_its_document_is_mended_as_the_page_says(
    served: Service, there: Database, served_client: Client
) -> None:
    number = served_client.upload("default", PHOTO, "photo.jpg")["version"]
    there["images"].delete_many({})
    told = run_alone("fsck", "--grace", "0s", data=served.data)
    assert told.exit_code == 1
    assert told.stdout.splitlines()[-1] == "0 lost, 1 repairable, 0 waste"
    assert run_alone("gc", "--grace", "0s", data=served.data).stdout == "There is nothing to remove.\n"
    with served_client.get("default", "photo.jpg", number) as download:
        assert b"".join(download) == PHOTO
    served_client.restore("default", "photo.jpg", number)
    with served_client.get("default", "photo.jpg") as download:
        assert b"".join(download) == PHOTO
    assert "as it should be" in run_alone("fsck", "--grace", "0s", data=served.data).stdout


def test_the_database_of_the_settings_is_used(mongo, mongo_database: str, tmp_path: Path) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "data": tmp_path}
    lacking = run_alone("fsck", **settings)
    assert lacking.exit_code == 1
    assert "repairable: index missing: versions: file_id" in lacking.stdout
    refused = run_alone("gc", **settings)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "indexes" in refused.stderr
    opened = Mongo(mongo.url, mongo_database, write_timeout=60, read_timeout=60)
    opened.ensure_indexes()
    opened.close()
    with MongoClient(mongo.url) as client:
        client[mongo_database]["blobs.chunks"].insert_one({"files_id": ObjectId(), "n": 0, "data": b"x"})
    assert "chunks orphaned" in run_alone("fsck", "--grace", "0s", **settings).stdout
    assert run_alone("gc", "--grace", "0s", **settings).stdout.split() == ["chunks", "1"]


@pytest.mark.quick
@pytest.mark.parametrize("command", ["fsck", "gc"])
def test_no_database_is_one_line(tmp_path: Path, command: str) -> None:
    result = run_alone(command, data=tmp_path)
    assert result.exit_code == 1
    assert "IMAGESTORE_MONGO_URL" in result.stderr


@pytest.mark.quick
@pytest.mark.parametrize("command", ["fsck", "gc"])
def test_a_database_that_does_not_answer_is_one_line(tmp_path: Path, command: str) -> None:
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"
    result = run_alone(command, data=tmp_path, mongo_url=url)
    assert result.exit_code == 75
    assert result.stderr.splitlines()[-1].endswith("(store_unavailable)")


@pytest.mark.quick
@pytest.mark.parametrize(
    "options", [("--grace", "soon"), ("--grace", "1"), ("--rate", "0"), ("--rate", "x/s"), ("--rate", "MB/s")]
)
@pytest.mark.parametrize("command", ["fsck", "gc"])
def test_a_wrong_option_is_a_usage_error(tmp_path: Path, command: str, options: tuple[str, ...]) -> None:
    assert run_alone(command, *options, data=tmp_path).exit_code == 2


def test_the_note_of_the_database_goes_with_an_embedded_one(
    tmp_path: Path, mongo, mongo_database: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mongo.url").write_text("mongodb://127.0.0.1:1/\n")
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    with running_service(tmp_path, **settings, workers=1) as running:
        assert "IMAGESTORE_MONGO_URL" in run_alone("fsck", data=running.data).stderr
