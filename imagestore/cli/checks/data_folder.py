"""Checks of the data folder: can it be used, has it room, are the keys in it for our eyes only."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagestore.cli.checks.report import Finding, Place, Subject, ok, problem, warning
from imagestore.cli.terminal import size_text

SECRETS = ("server.key", "client.json", "curlrc")
OTHERS = stat.S_IRWXG | stat.S_IRWXO


@dataclass(frozen=True, slots=True)
class Folder:
    """`path` may not exist yet; `home` is the nearest folder above that does. `needed` is bytes: what uploads
    in progress may take at once."""

    path: Path
    home: Path
    writable: str
    free: int
    needed: int

    @property
    def exists(self) -> bool:
        return self.path == self.home


def look(place: Place) -> Folder:
    settings = place.settings
    path = settings.data.resolve()
    home = next(each for each in (path, *path.parents) if each.is_dir())
    needed = settings.upload_bytes * settings.workers * settings.threads
    return Folder(path, home, _try_to_write(home), shutil.disk_usage(home).free, needed)


def _try_to_write(folder: Path) -> str:
    """Why nothing can be written there; empty if something can."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def writable(folder: Folder) -> Iterator[Finding]:
    if folder.writable:
        advice = "Give this user the right to write there, or choose another folder with IMAGESTORE_DATA."
        yield problem(f"{folder.path} cannot be written: {folder.writable}.", advice)
    elif folder.exists:
        yield ok(f"{folder.path} can be written.")
    else:
        yield ok(f"{folder.path} is not there yet: the first start makes it.")


def room(folder: Folder) -> Iterator[Finding]:
    told = f"{size_text(folder.free)} are free there."
    if folder.free < folder.needed:
        most = size_text(folder.needed)
        yield warning(
            told, f"Uploads in progress may take up to {most}: make room, or lower IMAGESTORE_UPLOAD_BYTES."
        )
    else:
        yield ok(told)


def secrecy(folder: Folder) -> Iterator[Finding]:
    for name in SECRETS:
        path = folder.path / name
        try:
            found = path.stat()
        except OSError:
            continue
        if found.st_mode & OTHERS:
            yield problem(f"{path} can be read by others.", f"chmod 600 {path}; then change what is in it.")
        elif found.st_uid != os.geteuid():
            yield warning(f"{path} is of another user.", "Run this command, and the service, as its owner.")
        else:
            yield ok(f"{name} is for its owner alone.")


DATA_FOLDER = Subject("data folder", look, (writable, room, secrecy))
