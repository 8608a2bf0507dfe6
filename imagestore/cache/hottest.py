"""What is asked for most of late on this node: counted in each process, told to the others by files."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

MOST = 1000
"""Names that a process counts. From twice as many on the lesser half is dropped, so that what comes again and
again is not, however much comes once."""

MOST_TOLD = 200
"""Names in the file of a process."""

LONGEST_NAME = 1024
WRITE_SECONDS = 10.0
HALF_LIFE_SECONDS = 600.0
"""Counts are halved so often: what was asked for long ago makes room."""


class Hottest:
    """One in each process, safe to use from many threads. The `folder` is one node's; None: nothing counts.

    What processes that are gone have left there is taken over, so a node that starts knows what was asked for
    before. Nothing is raised for the sake of files: what cannot be written or read is not told.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._untold = False
        self._written = self._halved = time.monotonic()
        if folder is not None:
            with suppress(OSError):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._counts.update(_left_behind(folder))
                self._write(folder)

    def add(self, counts: Mapping[str, int]) -> None:
        """These names were asked for so often since the last time. Whoever calls this now and then, with none
        too, sees to it that what was counted is told."""
        if self._folder is None:
            return
        with self._lock:
            self._counts.update({name: by for name, by in counts.items() if len(name) <= LONGEST_NAME})
            self._untold = self._untold or bool(counts)
            now = time.monotonic()
            if now - self._halved >= HALF_LIFE_SECONDS:
                self._halved = now
                halves = {name: count // 2 for name, count in self._counts.items()}
                self._counts = Counter({name: count for name, count in halves.items() if count})
            if len(self._counts) > 2 * MOST:
                self._counts = Counter(dict(self._counts.most_common(MOST)))
            if self._untold and now - self._written >= WRITE_SECONDS:
                self._written = now
                self._write(self._folder)

    def top(self, most: int) -> list[tuple[str, int]]:
        """The names that all processes of this node counted most, and about how often, as they told last."""
        if self._folder is None:
            return []
        found: Counter[str] = Counter()
        with suppress(OSError):
            for file in self._folder.glob("*.json"):
                found.update(dict(_read(file)))
        return found.most_common(most)

    def close(self) -> None:
        """Tell what was counted."""
        if self._folder is not None:
            with self._lock:
                self._write(self._folder)

    def _write(self, folder: Path) -> None:
        self._untold = False
        told = json.dumps(self._counts.most_common(MOST_TOLD))
        home = folder / f"{os.getpid()}.json"
        fresh = home.with_suffix(".new")
        with suppress(OSError):
            fresh.write_text(told)
            fresh.replace(home)


def _left_behind(folder: Path) -> dict[str, int]:
    """What processes that are gone have told. Of several that start at once each file falls to one."""
    found: Counter[str] = Counter()
    for file in folder.glob("*.json"):
        if not file.stem.isdigit() or _lives(int(file.stem)):
            continue
        taken = file.with_suffix(f".{os.getpid()}")
        with suppress(FileNotFoundError):  # another one was first
            file.replace(taken)
            found.update(dict(_read(taken)))
            taken.unlink()
    return found


def _lives(pid: int) -> bool:
    """Whether another process of that number runs."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _read(file: Path) -> Iterator[tuple[str, int]]:
    """What is in a file, but for what is no count: it may be damaged."""
    try:
        told = json.loads(file.read_text())
    except (OSError, ValueError):
        return
    for each in told if isinstance(told, list) else ():
        if isinstance(each, list) and len(each) == 2:
            name, count = each
            if isinstance(name, str) and type(count) is int:
                yield name, count
