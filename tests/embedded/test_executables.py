"""Where the servers' programs are found, and what is said where there are none."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from imagestore.embedded import EmbeddedError, executables
from imagestore.embedded.executables import MONGOD, REDIS_SERVER, Program

pytestmark = pytest.mark.quick


def program(folder: Path, name: str, mode: int = 0o755) -> Path:
    file = folder / name
    file.write_text("#!/bin/sh\n")
    file.chmod(mode)
    return file


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program of the installed distribution `thing`, which is not executable."""
    site = tmp_path / "site"
    (site / "thing-1.dist-info").mkdir(parents=True)
    (site / "thing-1.dist-info" / "METADATA").write_text("Name: thing\nVersion: 1\n")
    program(site, "thingd", 0o644)
    monkeypatch.syspath_prepend(str(site))
    return Program("IMAGESTORE_THING", ("thingd",), (("thing", "thingd"),), "install thing")


def test_the_setting_wins_over_path(path: Path, tmp_path: Path) -> None:
    program(path, "mongod")
    own = program(tmp_path, "own-mongod")
    assert executables.find(MONGOD, str(own)) == own


def test_the_setting_may_be_a_name_on_path(path: Path) -> None:
    named = program(path, "mongod-8")
    assert executables.find(MONGOD, "mongod-8") == named


@pytest.mark.parametrize("mode", [None, 0o644])
def test_the_setting_names_nothing_that_runs(path: Path, tmp_path: Path, mode: int | None) -> None:
    named = tmp_path / "gone"
    if mode is not None:
        program(tmp_path, "gone", mode)
    with pytest.raises(EmbeddedError, match=f"IMAGESTORE_MONGOD names '{named}'"):
        executables.find(MONGOD, str(named))


def test_redis_comes_before_valkey(path: Path) -> None:
    valkey = program(path, "valkey-server")
    assert executables.find(REDIS_SERVER) == valkey
    redis = program(path, "redis-server")
    assert executables.find(REDIS_SERVER) == redis


def test_path_wins_over_a_wheel(path: Path, wheel: Program) -> None:
    assert executables.find(wheel).parent != path
    own = program(path, "thingd")
    assert executables.find(wheel) == own


def test_a_program_from_a_wheel_is_made_executable(path: Path, wheel: Program) -> None:
    found = executables.find(wheel)
    assert found.name == "thingd"
    assert found.stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize(("wanted", "advice"), [(MONGOD, "install MongoDB"), (REDIS_SERVER, "install redis")])
def test_none_at_all_says_what_to_install(
    path: Path, monkeypatch: pytest.MonkeyPatch, wanted: Program, advice: str
) -> None:
    def none(name: str) -> metadata.Distribution:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", none)
    with pytest.raises(EmbeddedError, match=advice) as raised:
        executables.find(wanted)
    assert "\n" not in str(raised.value)
