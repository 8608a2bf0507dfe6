"""`imagestore ls`, `show`, `get`, `rm` and `sign`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

import tests.pictures as pictures
from imagestore.client import Client
from tests.service import Service, environment

PICTURE = pictures.jpeg(64, 48)


@pytest.fixture
def images(client: Client, bucket: str) -> list[str]:
    keys = ["a/1.jpg", "a/2.jpg", "b/1.jpg"]
    for key in keys:
        client.upload(bucket, PICTURE, key, tags=["one"] if "1" in key else [], context={"alt": "Ada"})
    return keys


def test_ls_lists_keys_by_prefix_and_tag(run, bucket: str, images: list[str]) -> None:
    assert run("ls", "--bucket", bucket).stdout.splitlines() == images
    assert run("ls", "a/", "--bucket", bucket).stdout.splitlines() == images[:2]
    assert run("ls", "--bucket", bucket, "--tag", "one").stdout.splitlines() == ["a/1.jpg", "b/1.jpg"]
    assert run("ls", "--bucket", bucket, "--limit", "1").stdout.splitlines() == images[:1]
    (line,) = run("ls", "b/", "--bucket", bucket, "-l").stdout.splitlines()
    assert line.split()[2:4] == ["64x48", "jpeg"]
    assert line.endswith("  b/1.jpg")


def test_ls_of_nothing_is_nothing(run, bucket: str) -> None:
    for more in ([], ["-l"]):
        result = run("ls", "--bucket", bucket, *more)
        assert (result.exit_code, result.output) == (0, "")
    assert json.loads(run("ls", "--bucket", bucket, "--json").stdout) == []


def test_ls_and_show_print_what_rest_says_as_json(run, client, bucket: str, images: list[str]) -> None:
    assert json.loads(run("ls", "--bucket", bucket, "--json").stdout) == list(client.images(bucket))
    shown = run("show", images[0], "--bucket", bucket, "--json").stdout
    assert json.loads(shown) == client.image(bucket, images[0])


def test_show_prints_facts_and_urls(run, client, bucket: str, images: list[str]) -> None:
    lines = run("show", images[0], "--bucket", bucket).stdout.splitlines()
    shown = {name: value.strip() for name, _, value in (line.partition(" ") for line in lines)}
    image = client.image(bucket, images[0])
    assert (shown["digest"], shown["url"], shown["width"]) == (image["digest"], image["url"], "64")
    assert (shown["tags"], shown["context"], shown["has_gps"]) == ("one", "alt=Ada", "no")


def test_get_writes_the_bytes_where_they_are_wanted(
    run, bucket: str, images: list[str], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("get", images[0], "--bucket", bucket).exit_code == 0
    assert (tmp_path / "1.jpg").read_bytes() == PICTURE
    Path("sub").mkdir()
    run("get", images[0], "--bucket", bucket, "-o", "sub")
    run("get", images[0], "--bucket", bucket, "-o", "other.jpg")
    assert Path("sub/1.jpg").read_bytes() == Path("other.jpg").read_bytes() == PICTURE
    assert run("get", images[0], "--bucket", bucket, "-o", "-").stdout_bytes == PICTURE
    assert run("get", images[0], "--bucket", bucket, "-o", "/dev/null").exit_code == 0
    assert Path("/dev/null").is_char_device()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.jpg", "other.jpg", "sub"]


def test_get_fetches_an_older_version(run, client, bucket: str) -> None:
    first = client.upload(bucket, PICTURE, "a")
    client.upload(bucket, pictures.jpeg(seed=2), "a")
    got = run("get", "a", "--bucket", bucket, "--version", str(first["version"]), "-o", "-")
    assert got.stdout_bytes == PICTURE


def test_a_failed_get_leaves_the_file_as_it_was(run, bucket: str, tmp_path: Path) -> None:
    target = tmp_path / "kept.jpg"
    target.write_bytes(b"kept")
    result = run("get", "nothing", "--bucket", bucket, "-o", str(target))
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.endswith("(image_not_found)\n")
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_bytes() == b"kept"


def test_get_where_nothing_can_be_written_is_one_line(run, bucket: str, images: list[str]) -> None:
    result = run("get", images[0], "--bucket", bucket, "-o", "/nothing/here.jpg")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_rm_deletes_keys_and_tells_of_those_that_are_not_there(run, client, bucket, images) -> None:
    result = run("rm", images[0], "nothing", "--bucket", bucket)
    assert result.exit_code == 3
    assert "nothing: " in result.stderr
    assert [image["key"] for image in client.images(bucket)] == images[1:]


def test_rm_by_prefix_asks_first(run, client, bucket: str, images: list[str]) -> None:
    assert run("rm", "--prefix", "a/", "--bucket", bucket, input=b"n\n").exit_code == 1
    assert run("rm", "--prefix", "a/", "--bucket", bucket, input=b"").exit_code == 1
    assert len(list(client.images(bucket))) == 3
    assert run("rm", "--prefix", "a/", "--bucket", bucket, input=b"y\n").exit_code == 0
    assert [image["key"] for image in client.images(bucket)] == images[2:]
    assert run("rm", "--prefix", "", "--bucket", bucket, "--yes").exit_code == 0
    assert list(client.images(bucket)) == []


def test_rm_wants_keys_or_a_prefix(run, bucket: str) -> None:
    assert run("rm", "--bucket", bucket).exit_code == 2
    assert run("rm", "a", "--prefix", "b", "--bucket", bucket).exit_code == 2


def test_sign_prints_a_url_that_opens(run, bucket: str, images: list[str]) -> None:
    url = run("sign", images[0], "--bucket", bucket, "--expires", "60").stdout.strip()
    assert httpx.get(url, trust_env=False).content == PICTURE
    assert run("sign", images[0], "--bucket", bucket, "--expires", "0").exit_code == 2


def test_a_closed_pipe_ends_the_list_without_a_traceback(service: Service, client, bucket: str) -> None:
    for number in range(3):
        client.upload(bucket, PICTURE, f"{number}")
    listing = f"{sys.executable} -m imagestore ls --json --bucket {bucket} | head -c 1"
    done = subprocess.run(
        listing, shell=True, env=environment({"data": service.data}), capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[", "")
