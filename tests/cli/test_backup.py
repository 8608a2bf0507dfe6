"""`imagestore backup` and `imagestore restore` on a service that runs: back up, wipe, restore, and look."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from redis import Redis

from imagestore.client import Client
from imagestore.core.errors import NotFound
from tests import pictures
from tests.cli.conftest import run_alone
from tests.service import PATIENCE, Service, environment, running_service

PHOTO = pictures.jpeg(noise=True, quality=95, width=900, height=700)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of this module's own, with a Redis that remembers."""
    with running_service(tmp_path_factory.mktemp("backup"), workers=2) as running:
        yield running


@pytest.fixture
def client(served: Service) -> Iterator[Client]:
    """The service with nothing in it but its first bucket, and a Redis that remembers nothing."""
    with MongoClient(served.mongo_url) as mongo, Redis.from_url(served.redis_url) as redis:
        for name in mongo.imagestore.list_collection_names():
            mongo.imagestore[name].delete_many({})
        redis.flushall()
    with served.client() as client:
        client.create_bucket("default", "public-read")
        yield client


def wipe(served: Service) -> None:
    with MongoClient(served.mongo_url) as mongo:
        mongo.drop_database("imagestore")


def stock(client: Client) -> dict[str, Any]:
    """Images, versions, labels, buckets and credentials, made as users make them."""
    client.create_bucket("private-one")
    client.upload("default", PHOTO, "photo.jpg", tags=["sea", "sun"], context={"alt": "a “view”"})
    for seed in range(3):
        client.upload("default", pictures.png(seed=seed), "a/b ü.png")
    client.upload("private-one", PHOTO, "photo.jpg")
    client.upload("default", pictures.png(seed=1), "twice.png")
    client.upload("default", pictures.png(seed=9), "deleted.png")
    client.delete("default", "deleted.png")
    return dict(client.create_credential(["read", "write"], ["private-one"], "for tests"))


def everything(client: Client) -> dict[str, Any]:
    """All that REST tells, and all that delivery gives, by version too."""
    told: dict[str, Any] = {"buckets": client.buckets(), "credentials": client.credentials()}
    for bucket in ("default", "private-one"):
        for image in client.images(bucket):
            key = image["key"]
            told[f"{bucket}/{key}"] = client.image(bucket, key)
            told[f"{bucket}/{key} newest"] = fetch(client, bucket, key)
            for version in client.versions(bucket, key):
                number = version["version"]
                told[f"{bucket}/{key} v{number}"] = version, fetch(client, bucket, key, number)
    return told


def fetch(client: Client, bucket: str, key: str, version: int | None = None) -> bytes:
    with client.get(bucket, key, version) as download:
        return b"".join(download)


def command(
    served: Service, *arguments: str, data: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """The command as a process of its own, whose standard input and output are pipes."""
    return subprocess.run(
        [sys.executable, "-m", "imagestore", *arguments],
        env=environment({"data": served.data}),
        input=data,
        capture_output=True,
        timeout=PATIENCE,
    )


@pytest.mark.parametrize("form", ["folder", "stream"])
def test_backed_up_wiped_and_restored_all_is_as_it_was(
    served: Service, client: Client, tmp_path: Path, form: str
) -> None:
    """By the real commands as processes of their own, and everything fetched by its URLs."""
    made = stock(client)
    before = everything(client)
    signed = sign_as(served, made)
    where = str(tmp_path / "there") if form == "folder" else "-"
    taken = command(served, "backup", where)
    assert (taken.returncode, b"server key is NOT in the backup" in taken.stderr) == (0, True)

    def restore() -> dict[str, Any]:
        done = command(served, "restore", where, "--json", data=taken.stdout or None)
        assert done.returncode == 0, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        assert report["problems"] == {"counts": {}, "listed": [], "omitted": 0}
        assert report["aliases_forgotten"]
        return report

    wipe(served)
    with pytest.raises(NotFound):
        client.image("default", "a/b ü.png")
    whole = restore()
    assert added(whole) == {"buckets": 2, "credentials": 1, "images": 4, "versions": 6, "blobs": 4}
    assert whole["credentials_added"] == [made["access_key"]]
    assert everything(client) == before
    check_by_urls(served, before, made, signed)
    # Now what is lost is a part: an image with all its bytes, a bucket, a credential.
    client.delete("default", "a/b ü.png")
    client.delete("private-one", "photo.jpg")
    client.delete_bucket("private-one")
    client.revoke_credential(made["access_key"])
    for _ in range(2):  # one marks what nobody names, the other takes it
        assert run_alone("gc", "--grace", "0s", data=served.data).exit_code == 0
    part = restore()
    assert added(part) == {"buckets": 1, "credentials": 1, "images": 2, "versions": 4, "blobs": 2}
    assert (part["images"]["kept"], part["versions"]["kept"], part["blobs"]["kept"]) == (2, 2, 2)
    assert everything(client) == before
    check_by_urls(served, before, made, signed)
    assert "as it should be" in run_alone("fsck", "--deep", data=served.data).stdout
    assert httpx.get(f"{served.url}/readyz").status_code == 200
    assert client.upload("default", pictures.png(seed=5), "a/b ü.png")["digest"]


def added(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name]["added"] for name in ("buckets", "credentials", "images", "versions", "blobs")}


def sign_as(served: Service, made: dict[str, Any]) -> str:
    """A URL that the credential signs: it opens the private image for whoever has it."""
    with served.client(made["access_key"], made["secret"]) as reader:
        return reader.sign_url("private-one", "photo.jpg")


def check_by_urls(served: Service, told: dict[str, Any], made: dict[str, Any], signed: str) -> None:
    """Every URL that REST had told gives the bytes of the digest that goes with it; the credential opens."""
    own = (made["access_key"], made["secret"])
    with httpx.Client(auth=own) as reader, httpx.Client() as stranger:
        for name, facts in told.items():
            image = facts[0] if isinstance(facts, tuple) else facts
            if not isinstance(image, dict):
                continue
            private = name.startswith("private-one/")
            for url in filter(None, (image.get("url"), image["version_url"])):
                assert stranger.get(url).status_code == (401 if private else 200)
                fetched = (reader if private else stranger).get(url)
                assert hashlib.sha256(fetched.content).hexdigest() == image["digest"], url
        assert stranger.get(signed).content == PHOTO
    with served.client(*own) as reader_client:
        assert [each["name"] for each in reader_client.buckets()] == ["private-one"]
        assert reader_client.image("private-one", "photo.jpg")["digest"]


def test_into_a_store_that_has_some_only_what_is_missing_comes(
    served: Service, client: Client, tmp_path: Path
) -> None:
    stock(client)
    there = str(tmp_path)
    assert run_alone("backup", there, data=served.data).exit_code == 0
    old = fetch(client, "default", "photo.jpg")
    client.delete("private-one", "photo.jpg")
    client.delete("default", "twice.png")
    newer = client.upload("default", pictures.png(seed=7), "photo.jpg", tags=["newer"])
    own = client.upload("default", pictures.png(seed=8), "own.png")
    planned = run_alone("restore", there, "--dry-run", data=served.data)
    assert planned.exit_code == 0
    assert "2 would come back, 2 there" in planned.stdout
    with pytest.raises(NotFound):
        client.image("default", "twice.png")
    restored = run_alone("restore", there, data=served.data)
    assert restored.exit_code == 0
    assert restored.stdout.splitlines()[3:6] == [
        "images           2 came back, 2 there",
        "versions         2 came back, 4 there",
        "blobs            0 came back, 4 there",  # no sweep has come by
    ]
    assert client.image("default", "photo.jpg") == newer
    assert client.image("default", "own.png") == own
    assert fetch(client, "private-one", "photo.jpg") == old == PHOTO
    assert fetch(client, "default", "twice.png") == pictures.png(seed=1)
    again = json.loads(run_alone("restore", there, "--json", data=served.data).stdout)
    assert all(again[name]["added"] == 0 for name in ("buckets", "images", "versions", "blobs"))


def test_a_second_backup_copies_nothing(served: Service, client: Client, tmp_path: Path) -> None:
    stock(client)
    first = json.loads(run_alone("backup", str(tmp_path), "--json", data=served.data).stdout)
    second = json.loads(run_alone("backup", str(tmp_path), "--json", data=served.data).stdout)
    assert (first["copied"], first["kept"], first["complete"]) == (4, 0, True)
    assert (second["copied"], second["kept"], second["copied_bytes"]) == (0, 4, 0)
    client.delete("default", "photo.jpg")
    client.delete("private-one", "photo.jpg")
    assert "blobs pruned" in run_alone("backup", str(tmp_path), "--prune", data=served.data).stdout


def test_old_names_are_forgotten_by_redis(served: Service, client: Client, tmp_path: Path) -> None:
    """What Redis remembers points at files that are gone with the database."""
    client.upload("default", PHOTO, "photo.jpg")
    assert run_alone("backup", str(tmp_path), data=served.data).exit_code == 0
    client.upload("default", pictures.png(seed=3), "photo.jpg")
    assert fetch(client, "default", "photo.jpg") == pictures.png(seed=3)
    wipe(served)
    assert run_alone("restore", str(tmp_path), data=served.data).exit_code == 0
    assert fetch(client, "default", "photo.jpg") == PHOTO


def test_lost_bytes_fail_the_backup_and_prune_nothing(
    served: Service, client: Client, tmp_path: Path
) -> None:
    digest = client.upload("default", PHOTO, "photo.jpg")["digest"]
    client.upload("default", pictures.png(seed=3), "old.png")
    assert run_alone("backup", str(tmp_path), data=served.data).exit_code == 0
    client.delete("default", "old.png")
    with MongoClient(served.mongo_url) as mongo:
        mongo.imagestore["blobs.chunks"].delete_one({"n": 1})
    fresh = tmp_path / "fresh"
    result = run_alone("backup", str(fresh), data=served.data)
    assert result.exit_code == 1
    assert "damaged in the store: default/photo.jpg v" in result.stderr
    assert digest in result.stderr
    mended = run_alone("restore", str(tmp_path), "--verify", data=served.data)
    assert (mended.exit_code, "1 mended" in mended.stdout) == (0, True)
    assert fetch(client, "default", "photo.jpg") == PHOTO


def test_what_cannot_be_restored_is_told(served: Service, client: Client, tmp_path: Path) -> None:
    digest = client.upload("default", PHOTO, "photo.jpg")["digest"]
    assert run_alone("backup", str(tmp_path), data=served.data).exit_code == 0
    whole = command(served, "backup", "-").stdout
    (tmp_path / "blobs" / digest[:2] / digest[2:]).write_bytes(b"rotten")
    wipe(served)
    result = run_alone("restore", str(tmp_path), data=served.data)
    assert result.exit_code == 1
    assert "blob damaged: default/photo.jpg v" in result.stderr
    (tmp_path / "MANIFEST.json").unlink()
    refused = run_alone("restore", str(tmp_path), data=served.data)
    assert (refused.exit_code, "no backup was completed" in refused.stderr) == (1, True)
    cut = command(served, "restore", "-", data=whole[: len(whole) // 2])
    assert (cut.returncode, b"backup incomplete" in cut.stderr) == (1, True)
    assert command(served, "restore", "-", data=whole).returncode == 0
    assert fetch(client, "default", "photo.jpg") == PHOTO


def test_the_stream_goes_to_standard_output_alone(served: Service, client: Client) -> None:
    client.upload("default", PHOTO, "photo.jpg")
    done = command(served, "backup", "-", "--json")
    assert json.loads(done.stderr.partition(b"\nThe server key")[0])["copied"] == 1
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert tar.getnames()[-1] == "MANIFEST.json"


@pytest.mark.quick
@pytest.mark.parametrize("option", ["--verify", "--prune"])
def test_a_stream_has_nothing_to_verify_or_prune(option: str) -> None:
    assert run_alone("backup", "-", option).exit_code == 2


@pytest.mark.quick
def test_a_folder_that_is_none_is_one_line(tmp_path: Path) -> None:
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"
    settings = {"data": tmp_path, "mongo_url": url, "redis_url": "none"}
    for arguments, status in ((("restore", str(tmp_path / "none")), 75), (("backup", "/dev/null/x"), 75)):
        result = run_alone(*arguments, **settings)
        assert (result.exit_code, result.stdout) == (status, "")
        assert result.stderr.startswith("imagestore: ")
