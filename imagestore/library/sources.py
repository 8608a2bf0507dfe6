"""Originals as files at hand: what decoders read while renditions are made, kept for the next sizes of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from imagestore.core.errors import Overloaded, StoreUnavailable

PREFIX = "sources-"
LOCK = "lock"
"""A file in the folder that its owner holds locked: for a process in another container its number tells
nothing."""

IN_USE_BYTES = 1024 * 1024 * 1024
"""Beyond the bound of what is kept: for as much no file has been removed, since somebody reads it."""

YOUNG_SECONDS = 60.0


@dataclass(slots=True)
class _Held:
    """One file; `lock` is for whoever fills it. It is not removed while it has `readers`."""

    path: Path
    size: int = 0
    readers: int = 0
    filled: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sources:
    """Files of up to `limit` bytes in all in a folder of this process below `directory`: the last used stay.

    What is in use may be more than that, by IN_USE_BYTES at most. Safe to use from many threads.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._folder: Path | None = None
        self._owned: IO[bytes] | None = None
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        _clear_left(directory)

    @contextmanager
    def lend(self, name: str, load: Callable[[], Iterable[bytes]]) -> Iterator[Path]:
        """The file called `name`, which `load` fills if it is not there; it stays until the block ends.

        Raises what `load` does, StoreUnavailable when the disk does not take it, and Overloaded when what is
        in use is too much.
        """
        held = self._borrow(name)
        try:
            with held.lock:
                if not held.filled:
                    self._fill(held, load)
            yield held.path
        finally:
            self._give_back(name, held)

    def close(self) -> None:
        with self._lock:
            folder, self._folder = self._folder, None
            lock, self._owned = self._owned, None
            self._held.clear()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.close()

    def _borrow(self, name: str) -> _Held:
        with self._lock:
            if self._folder is None:
                self._folder, self._owned = _make_folder(self._directory)
            held = self._held.get(name)
            if held is None:
                descriptor, path = tempfile.mkstemp(dir=self._folder)
                os.close(descriptor)
                held = self._held[name] = _Held(Path(path))
            self._held.move_to_end(name)
            held.readers += 1
            return held

    def _fill(self, held: _Held, load: Callable[[], Iterable[bytes]]) -> None:
        if self._bytes > self._limit + IN_USE_BYTES:
            raise Overloaded("Too many large originals are in use: ask again in a moment.")
        size = 0
        try:
            with held.path.open("wb") as file:
                for data in load():
                    size += file.write(data)
        except OSError as error:
            raise StoreUnavailable(
                f"The server has no room for originals just now ({error.strerror}): try again later."
            ) from error
        with self._lock:
            held.filled, held.size = True, size
            self._bytes += size

    def _give_back(self, name: str, held: _Held) -> None:
        with self._lock:
            held.readers -= 1
            if not held.filled and not held.readers and self._held.get(name) is held:
                self._drop(name)
            for other in [each for each, kept in self._held.items() if not kept.readers]:
                if self._bytes <= self._limit:
                    return
                self._drop(other)

    def _drop(self, name: str) -> None:
        held = self._held.pop(name)
        self._bytes -= held.size
        with contextlib.suppress(OSError):
            held.path.unlink()


def _make_folder(directory: Path) -> tuple[Path, IO[bytes]]:
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=directory))
    lock = (folder / LOCK).open("ab")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return folder, lock


def _clear_left(directory: Path) -> None:
    """Remove the folders of processes that are gone: nobody holds their locks. The youngest are let be, since
    their owner may not have got to it."""
    for folder in directory.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < YOUNG_SECONDS:
                continue
            with (folder / LOCK).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
