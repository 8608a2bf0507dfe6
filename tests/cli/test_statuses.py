"""Exit statuses: one for every error, and every command ends with the one that its error calls for."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from imagestore.cli import main
from imagestore.cli.statuses import BY_ERROR, FAILED, MEANINGS, status_of, status_of_all
from imagestore.client import Client
from imagestore.client import retries as retries_module
from imagestore.core import errors
from imagestore.core.errors import leaves
from tests import pictures
from tests.cli.conftest import run_alone
from tests.rules import tables
from tests.service import Service

SERVICE: dict[str, list[str]] = {
    "upload": ["upload", __file__, "--bucket", "{bucket}"],
    "ls": ["ls", "--bucket", "{bucket}"],
    "show": ["show", "nothing", "--bucket", "{bucket}"],
    "get": ["get", "nothing", "--bucket", "{bucket}", "-o", "/dev/null"],
    "rm": ["rm", "nothing", "--bucket", "{bucket}"],
    "sign": ["sign", "nothing", "--bucket", "{bucket}"],
    "warm": ["warm", "nothing", "--bucket", "{bucket}"],
    "explain": ["explain", "/{bucket}/image/upload/nothing"],
    "purge": ["purge", "nothing", "--bucket", "{bucket}"],
    "bucket create": ["bucket", "create", "{taken}"],
    "bucket ls": ["bucket", "ls"],
    "bucket rm": ["bucket", "rm", "{bucket}"],
    "bucket set": ["bucket", "set", "{bucket}", "--access", "private"],
    "bucket show": ["bucket", "show", "{bucket}"],
    "credential create": ["credential", "create", "--scope", "read"],
    "credential ls": ["credential", "ls"],
    "credential revoke": ["credential", "revoke", "NOBODY"],
    "transformation put": ["transformation", "put", "{bucket}", "thumb", "c_scale,w_10"],
    "transformation ls": ["transformation", "ls", "{bucket}"],
    "transformation show": ["transformation", "show", "{bucket}", "thumb"],
    "transformation rm": ["transformation", "rm", "{bucket}", "thumb"],
}
"""Commands that ask a service. `{bucket}` is not there, `{taken}` is."""

DATABASE: dict[str, list[str]] = {
    "fsck": ["fsck"],
    "gc": ["gc"],
    "stats": ["stats"],
    "backup": ["backup", "{folder}"],
    "restore": ["restore", "{folder}"],
}
ALONE = {"serve", "settings", "completion", "doctor", "plan"}

CONFLICTS = {"bucket create", "bucket rm"}
FOUND = {"bucket create", "bucket ls", "credential create", "credential ls", "sign"}
"""What has nothing to look for: a URL can be signed before there is an image."""


def filled(command: list[str], folder: Path, taken: str = "default") -> list[str]:
    return [each.format(bucket="not-there", taken=taken, folder=folder) for each in command]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between tries here."""
    monkeypatch.setattr(retries_module.time, "sleep", lambda seconds: None)


@pytest.mark.quick
def test_every_command_is_in_one_of_the_tables() -> None:
    commands = {path.removeprefix("imagestore "): each for path, each in tables.walk("imagestore", main)}
    leaves = {path for path, each in commands.items() if not isinstance(each, click.Group)}
    assert leaves == set(SERVICE) | set(DATABASE) | ALONE


def others_of(name: str) -> set[int]:
    """What a command may end with, beside what every command may."""
    if name in SERVICE:
        return {4, 75} | ({5} if name in CONFLICTS else set()) | (set() if name in FOUND else {3})
    return {75} if name in DATABASE or name == "serve" else set()


@pytest.mark.quick
def test_the_page_tells_of_every_command_how_it_may_end() -> None:
    row = re.compile(r"^\| `imagestore ([a-z ]+)` \| .+ \| .+ \| (none|[\d, ]+) \|$", re.MULTILINE)
    told = row.findall((tables.DOCS / "cli.md").read_text())
    names = {*SERVICE, *DATABASE, *ALONE}
    assert [name for name, _ in told] == sorted(names)
    assert {name: set(map(int, re.findall(r"\d+", others))) for name, others in told} == {
        name: others_of(name) for name in names
    }


@pytest.mark.quick
@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.code)
def test_every_error_has_a_status_with_a_meaning(leaf: type[errors.ImagestoreError]) -> None:
    assert status_of(leaf) == status_of(leaf("message"))
    assert status_of(leaf) in set(MEANINGS) - {0, 2, 130}


@pytest.mark.quick
def test_the_nearest_class_of_the_tree_decides() -> None:
    assert status_of(errors.ImageNotFound) == 3
    assert status_of(errors.Forbidden) == 4
    assert status_of(errors.BucketExists) == 5
    assert status_of(errors.StoreUnavailable) == status_of(errors.WriteContention) == 75
    assert status_of(errors.CorruptImage) == status_of(errors.BlobDamaged) == FAILED
    assert set(BY_ERROR.values()) == set(MEANINGS) - {0, 2, 130}


@pytest.mark.quick
def test_many_failures_have_the_status_that_they_share() -> None:
    assert [status_of_all(each) for each in ([], [3], [75, 75], [3, 75])] == [0, 3, 75, FAILED]


@pytest.mark.quick
@pytest.mark.parametrize("name", SERVICE)
def test_no_service_is_unavailable(name: str, tmp_path: Path) -> None:
    settings = {"url": "http://127.0.0.1:1", "access_key": "KEY", "access_secret": "secret"}
    result = run_alone(*filled(SERVICE[name], tmp_path), **settings)
    assert result.exit_code == 75
    assert "(service_unreachable)" in result.stderr


@pytest.mark.quick
@pytest.mark.parametrize("name", DATABASE)
def test_no_database_is_unavailable(name: str, tmp_path: Path) -> None:
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    result = run_alone(
        *filled(DATABASE[name], tmp_path), mongo_url=url, redis_url="none", read_timeout=0.2, data=tmp_path
    )
    assert (result.exit_code, "(store_unavailable)" in result.stderr) == (75, True)


@pytest.mark.parametrize("name", sorted(set(SERVICE) - {"get"}))
def test_a_wrong_credential_is_refused(name: str, service: Service, tmp_path: Path) -> None:
    """Delivery looks for the bucket first, which may be open to everybody."""
    settings = {"url": service.url, "access_key": "KEY", "access_secret": "wrong"}
    result = run_alone(*filled(SERVICE[name], tmp_path), **settings)
    assert (result.exit_code, "(unauthenticated)" in result.stderr) == (4, True)


@pytest.mark.parametrize("name", sorted(set(SERVICE) - FOUND))
def test_what_is_not_there_is_not_found(run, name: str, tmp_path: Path) -> None:
    assert run(*filled(SERVICE[name], tmp_path)).exit_code == 3


def test_what_stands_in_the_way_is_a_conflict(run, client: Client, bucket: str, tmp_path: Path) -> None:
    assert run(*filled(SERVICE["bucket create"], tmp_path, bucket)).exit_code == 5
    client.upload(bucket, pictures.png(), "a")
    assert run("bucket", "rm", bucket).exit_code == 5


def test_different_failures_have_no_status_of_their_own(run, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(pictures.html())
    (tmp_path / "b.jpg").write_bytes(pictures.truncated(pictures.jpeg()))
    assert run("upload", str(tmp_path / "a.jpg"), "--bucket", bucket).exit_code == 1
    assert run("rm", "nothing", "\udcff", "--bucket", bucket).exit_code == 1
    assert run("rm", "nothing", "neither", "--bucket", bucket).exit_code == 3
