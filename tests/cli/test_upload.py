"""`imagestore upload`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import tests.pictures as pictures
from imagestore.client import Client
from tests.service import Service


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures in two folders, a text, and things that are hidden."""
    files = {
        "a.jpg": pictures.jpeg(seed=1),
        "sub/b.png": pictures.png(seed=2),
        "sub/deep/ü c.webp": pictures.webp(seed=3),
        "notes.txt": b"remember the milk",
        ".hidden.jpg": pictures.jpeg(seed=4),
        ".git/d.jpg": pictures.jpeg(seed=5),
    }
    for name, content in files.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "photos"


KEYS = ["a.jpg", "sub/b.png", "sub/deep/ü c.webp"]


def keys(client: Client, bucket: str) -> list[str]:
    return [image["key"] for image in client.images(bucket)]


def test_a_folder_goes_up_with_paths_as_keys(run, client: Client, bucket: str, folder: Path) -> None:
    result = run("upload", str(folder), "--bucket", bucket, "--prefix", "x/", "--tags", "sea, sun")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("3 uploaded, 1 refused (")
    assert "refused: " in result.stderr
    assert "notes.txt" in result.stderr
    assert "unsupported_format" in result.stderr
    assert keys(client, bucket) == [f"x/{key}" for key in KEYS]
    assert all(image["tags"] == ["sea", "sun"] for image in client.images(bucket))
    with client.get(bucket, "x/a.jpg") as download:
        assert b"".join(download) == (folder / "a.jpg").read_bytes()


def test_what_is_there_is_not_sent_again(run, client: Client, bucket: str, folder: Path) -> None:
    run("upload", str(folder), "--bucket", bucket)
    before = list(client.images(bucket))
    result = run("upload", str(folder), "--bucket", bucket)
    assert (result.exit_code, result.stdout) == (0, "3 skipped, 1 refused (0 B sent)\n")
    assert list(client.images(bucket)) == before


def test_what_changed_is_sent_even_with_the_same_size(
    run, client: Client, bucket: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.bmp"
    path.write_bytes(pictures.bmp(seed=1))
    run("upload", str(path), "--bucket", bucket)
    path.write_bytes(pictures.bmp(seed=2))
    assert len(pictures.bmp(seed=1)) == len(pictures.bmp(seed=2))
    assert run("upload", str(path), "--bucket", bucket).stdout.startswith("1 uploaded")
    assert len(list(client.versions(bucket, "a.bmp"))) == 2


def test_other_tags_are_set_without_sending(run, client: Client, bucket: str, folder: Path) -> None:
    run("upload", str(folder / "a.jpg"), "--bucket", bucket, "--tags", "old")
    assert run("upload", str(folder / "a.jpg"), "--bucket", bucket).stdout.startswith("1 skipped")
    result = run("upload", str(folder / "a.jpg"), "--bucket", bucket, "--tags", "new")
    assert result.stdout == "1 relabelled (0 B sent)\n"
    assert client.image(bucket, "a.jpg")["tags"] == ["new"]


def test_json_tells_of_every_file(run, bucket: str, folder: Path) -> None:
    result = run("upload", str(folder), "--bucket", bucket, "--json")
    assert result.stderr == ""
    told = json.loads(result.stdout)
    assert [each["key"] for each in told["uploaded"]] == KEYS
    assert told["uploaded"][0]["path"] == str(folder / "a.jpg")
    assert "unsupported_format" in told["refused"][0]["reason"]
    assert (told["failed"], told["skipped"]) == ([], [])
    assert told["bytes"] == sum((folder / key).stat().st_size for key in KEYS)


def test_a_named_file_that_is_no_picture_is_a_failure(run, client, bucket: str, folder: Path) -> None:
    result = run("upload", str(folder / "notes.txt"), str(folder / "a.jpg"), "--bucket", bucket, "--quiet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("failed: ")
    assert len(result.stderr.splitlines()) == 1
    assert keys(client, bucket) == ["a.jpg"]


def test_a_damaged_picture_in_a_folder_is_a_failure(run, bucket: str, folder: Path) -> None:
    (folder / "cut.jpg").write_bytes(pictures.truncated(pictures.jpeg()))
    result = run("upload", str(folder), "--bucket", bucket)
    assert result.exit_code == 1
    assert result.stdout.startswith("3 uploaded, 1 refused, 1 failed (")
    assert "cut.jpg" in result.stderr
    assert "corrupt_image" in result.stderr


def test_names_come_from_standard_input(run, client, bucket: str, folder: Path, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    names = f"./sub/b.png\n\n{folder / 'a.jpg'}\nmissing.jpg\n".encode()
    result = run("upload", "-", "--bucket", bucket, input=names)
    assert result.exit_code == 1
    assert result.stdout.startswith("2 uploaded, 1 failed (")
    assert "missing.jpg" in result.stderr
    assert keys(client, bucket) == ["a.jpg", "sub/b.png"]


def test_two_files_for_one_key_are_told_apart(run, client, bucket: str, folder: Path) -> None:
    (folder / "sub/a.jpg").write_bytes(pictures.jpeg(seed=9))
    result = run("upload", str(folder / "a.jpg"), str(folder / "sub/a.jpg"), "--bucket", bucket)
    assert result.exit_code == 1
    assert "its key is taken by" in result.stderr
    with client.get(bucket, "a.jpg") as download:
        assert b"".join(download) == (folder / "a.jpg").read_bytes()


def test_a_file_name_that_is_no_text_is_a_failure_of_its_own(run, client, bucket: str, folder: Path) -> None:
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg"))).write_bytes(pictures.jpeg())
    result = run("upload", str(folder), "--bucket", bucket)
    assert result.exit_code == 1
    assert "\\udcff.jpg" in result.stderr
    assert "invalid_key" in result.stderr
    assert keys(client, bucket) == KEYS


def test_many_files_at_once(run, client, bucket: str, tmp_path: Path) -> None:
    for number in range(40):
        (tmp_path / f"{number:02}.jpg").write_bytes(pictures.jpeg(seed=number, noise=True))
    result = run("upload", str(tmp_path), "--bucket", bucket, "--jobs", "8")
    assert result.stdout.startswith("40 uploaded (")
    assert len(keys(client, bucket)) == 40


def test_a_credential_that_may_only_write_uploads(
    run, service: Service, client, bucket: str, folder: Path
) -> None:
    made = client.create_credential(["write"], [bucket])
    who = {"access_key": made["access_key"], "access_secret": made["secret"]}
    result = run("upload", str(folder / "a.jpg"), "--bucket", bucket, **who)
    assert result.stdout.startswith("1 uploaded")


def test_a_bucket_that_is_not_there_is_found_out_before_sending(run, folder: Path) -> None:
    result = run("upload", str(folder), "--bucket", "not-there")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("imagestore: ")
    assert result.stderr.endswith("(bucket_not_found)\n")


def test_nothing_to_upload_is_a_wrong_command_line(run) -> None:
    assert run("upload").exit_code == 2
    assert run("upload", "/nothing/here").exit_code == 2
