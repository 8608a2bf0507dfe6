"""The other commands, and what all of them share: help, errors, the way to the service."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import click
import pytest

import tests.pictures as pictures
from imagestore import __version__
from imagestore.cli import main
from imagestore.client import Client
from imagestore.settings import Settings
from tests.cli.conftest import run_alone
from tests.rules import tables
from tests.service import PATIENCE, Service, environment


def commands() -> list[tuple[str, ...]]:
    found = tables.walk("imagestore", main)
    return [tuple(path.split()[1:]) for path, each in found if not isinstance(each, click.Group)]


@pytest.mark.quick
@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = run_alone(*path, "--help")
    assert result.exit_code == 0
    assert "Example" in result.stdout
    assert f"imagestore {' '.join(path)}" in result.stdout.replace("main", "imagestore").split("Example")[1]


@pytest.mark.quick
def test_version_and_help() -> None:
    assert __version__ in run_alone("--version").stdout
    assert "Exit status" in run_alone("--help").stdout
    assert run_alone("nonsense").exit_code == 2


@pytest.mark.quick
def test_a_command_imports_what_it_needs_alone() -> None:
    heavy = ("flask", "gunicorn", "pymongo", "redis", "PIL", "pydantic", "prometheus_client", "opentelemetry")
    program = """
import sys
from imagestore.cli import main
context = main.make_context("imagestore", ["ls"])
main.get_command(context, "ls")
print(*{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    assert not set(heavy) & set(done.stdout.split())


@pytest.mark.quick
def test_settings_lists_each_and_hides_secrets() -> None:
    secret = "not-for-anybody"
    chosen = {"secret_key": secret, "mongo_url": f"mongodb://u:{secret}@h", "workers": "7", "data": "x[y]"}
    told = run_alone("settings", "--json", **chosen)
    listed = {each["name"]: each for each in json.loads(told.stdout)}
    assert len(listed) == len(fields(Settings))
    assert listed["IMAGESTORE_WORKERS"]["value"] == 7
    assert listed["IMAGESTORE_WORKERS"]["default"] == 2
    shown = run_alone("settings", **chosen)
    assert secret not in told.output + shown.output
    assert "IMAGESTORE_DECODE_TIMEOUT" in shown.stdout
    assert "x[y]" in shown.stdout


@pytest.mark.quick
def test_a_bad_setting_is_one_line() -> None:
    result = run_alone("settings", workers="many")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("imagestore: IMAGESTORE_WORKERS")


@pytest.mark.quick
def test_no_service_is_one_line_that_says_how(tmp_path: Path) -> None:
    result = run_alone("ls", data=tmp_path)
    assert result.exit_code == 1
    assert "imagestore serve" in result.stderr
    assert "IMAGESTORE_URL" in result.stderr


@pytest.mark.quick
def test_a_noted_secret_goes_to_the_noted_service_alone(tmp_path: Path) -> None:
    noted = {"url": "http://127.0.0.1:1", "access_key": "A", "secret": "B"}
    (tmp_path / "client.json").write_text(json.dumps(noted))
    result = run_alone("ls", data=tmp_path, url="http://elsewhere.invalid")
    assert result.exit_code == 1
    assert "IMAGESTORE_ACCESS_KEY" in result.stderr
    assert "both" in run_alone("ls", data=tmp_path, access_key="A").stderr


@pytest.mark.quick
def test_a_service_that_does_not_answer_is_one_line() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        result = run_alone("ls", url=url, access_key="A", access_secret="B")
    assert (result.exit_code, len(result.stderr.splitlines())) == (75, 1)
    assert result.stderr.endswith("(service_unreachable)\n")


@pytest.mark.quick
def test_ctrl_c_ends_a_command_quietly() -> None:
    """Against a service that takes the connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-m", "imagestore", "ls"],
            env=environment({"url": url, "access_key": "A", "access_secret": "B"}),
            stderr=subprocess.PIPE,
        )
        connection, _ = silent.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=PATIENCE)
    assert (process.returncode, told.strip()) == (130, b"")


def test_the_environment_names_the_service(service: Service, client: Client, tmp_path: Path) -> None:
    who = {"access_key": service.access_key, "access_secret": service.secret}
    assert run_alone("bucket", "ls", url=service.url, data=tmp_path, **who).exit_code == 0
    wrong = run_alone("bucket", "ls", url=service.url, access_key="A", access_secret="B")
    assert wrong.stderr.endswith("(unauthenticated)\n")


def test_buckets_are_made_changed_listed_and_removed(run, client: Client) -> None:
    name = f"made-{os.getpid()}-{time.monotonic_ns()}"
    assert run("bucket", "create", name, "--access", "public-read").exit_code == 0
    assert json.loads(run("bucket", "show", name, "--json").stdout) == client.bucket(name)
    assert run("bucket", "set", name, "--access", "private").stdout.split()[:2] == [name, "private"]
    assert name in run("bucket", "ls").stdout
    assert run("bucket", "create", name).stderr.endswith("(bucket_exists)\n")
    assert run("bucket", "rm", name).exit_code == 0
    assert run("bucket", "show", name).stderr.endswith("(bucket_not_found)\n")


def test_credentials_are_made_listed_and_revoked(run, service: Service, bucket: str) -> None:
    made = json.loads(run("credential", "create", "--scope", "read", "--bucket", bucket, "--json").stdout)
    with service.client(made["access_key"], made["secret"]) as reader:
        assert [each["name"] for each in reader.buckets()] == [bucket]
    listed = run("credential", "ls").stdout
    assert made["access_key"] in listed
    assert made["secret"] not in listed
    assert run("credential", "revoke", made["access_key"]).exit_code == 0
    assert made["access_key"] not in run("credential", "ls").stdout


def test_credentials_have_owners_with_canonical_ids(run) -> None:
    canonical = hashlib.sha256(b"the-shop").hexdigest()
    created = run("credential", "create", "--scope", "write", "--owner", "the-shop").stdout
    access_key = re.search(r"^access key\s+(\S+)$", created, re.MULTILINE)
    assert access_key
    assert re.search(rf"^owner\s+the-shop\ncanonical id\s+{canonical}$", created, re.MULTILINE)
    listed = run("credential", "ls").stdout
    assert re.search(rf"^{access_key[1]} .* the-shop\s+{canonical}\s*$", listed, re.MULTILINE)
    own = json.loads(run("credential", "create", "--scope", "write", "--json").stdout)
    assert own["owner"] == own["access_key"]
    assert own["canonical_id"] == hashlib.sha256(own["access_key"].encode()).hexdigest()
    refused = run("credential", "create", "--scope", "write", "--owner", "not a name")
    assert refused.exit_code
    assert "cannot name an owner" in refused.stderr
    for each in (access_key[1], own["access_key"]):
        run("credential", "revoke", each)


@pytest.fixture
def images(client: Client, bucket: str) -> list[str]:
    keys = [f"{number:03}" for number in range(60)]
    for number, key in enumerate(keys):
        client.upload(bucket, pictures.png(seed=number), key, tags=["odd"] if number % 2 else [])
    return keys


def test_warm_tells_the_hit_ratio_before_and_after(run, bucket: str, images: list[str]) -> None:
    result = run("warm", "--bucket", bucket, "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (told["asked"], told["after"], told["hit_ratio_after"]) == (60, 60, 1.0)
    assert told["loaded"] == told["asked"] - told["before"]
    assert told["hit_ratio_before"] == told["before"] / 60
    shown = run("warm", "--bucket", bucket, "--tag", "odd").stdout
    assert "100.0% before, 100.0% after" in shown
    assert shown.split()[:2] == ["asked", "30"]


def test_warm_takes_keys_and_names_those_that_are_not_there(run, bucket: str, images: list[str]) -> None:
    told = run("warm", "000", "--from-stdin", "--bucket", bucket, input=b"001\nnothing\n")
    assert told.exit_code == 3
    assert told.stderr == "missing: nothing\n"
    assert told.stdout.split()[:2] == ["asked", "3"]


def test_warm_keeps_its_rate(run, bucket: str, images: list[str]) -> None:
    began = time.monotonic()
    assert run("warm", "--bucket", bucket, "--rate", "40/s").exit_code == 0
    assert time.monotonic() - began >= 1  # 40 images, and no sooner than a second later the other 20
    assert run("warm", "--bucket", bucket, "--rate", "fast").exit_code == 2
    assert run("warm", "a", "--prefix", "b").exit_code == 2


def test_explain_tells_of_a_url_what_would_answer_it(run, bucket: str, images: list[str]) -> None:
    url = f"https://cdn.example.com/{bucket}/image/upload/h_9,w_9/{images[0]}?a=b#c"
    shown = run("explain", url).stdout
    assert "h_9,w_9" in shown
    assert "it would be made" in shown
    assert json.loads(run("explain", url, "--json").stdout)["level"] == "render"
    assert run("explain", "/v1/buckets").exit_code == 1


def test_purge_says_how_much_it_dropped(run, bucket: str, images: list[str]) -> None:
    assert json.loads(run("purge", "--all", "--bucket", bucket, "--json").stdout)["images"] == len(images)
    assert "images" in run("purge", images[0], "--bucket", bucket).stdout
    assert run("purge", "--bucket", bucket).exit_code == 2
    assert run("purge", "--all", "--prefix", "x", "--bucket", bucket).exit_code == 2
