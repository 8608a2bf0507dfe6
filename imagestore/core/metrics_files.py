"""The folder in which workers keep their counters: made empty at start, bounded while workers come and go."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Where the client library looks for the folder, both when it is imported and when it counts."""

LOCK_SECONDS = 1.0
_LIVES = "lives"
_LASTING = re.compile(r"(counter|histogram)_(\d+)\.db")


class MetricsFolder:
    """A folder of this service's own below `home`, until `remove`; what dead services left there is removed.

    Two services may share a `home`: a folder is locked for as long as a process of its service lives.
    Made before the first worker is forked, and before anything imports the client library.
    """

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(home):
            for folder in home.iterdir():
                with contextlib.suppress(OSError):  # in use, or not ours to remove
                    os.close(_lock(folder / _LIVES))
                    shutil.rmtree(folder)
            self.path = Path(tempfile.mkdtemp(prefix="", dir=home))
            self._held = _lock(self.path / _LIVES)
        os.environ[FOLDER_VARIABLE] = str(self.path)

    def fold(self, dead: int, living: Collection[int]) -> None:
        """Worker `dead` has ended: its gauges go, its counters are added to those of all that ended before.

        `living` are the workers that count on: only files of others are taken. A scrape under way is not
        waited for longer than LOCK_SECONDS; then the files stay as they are until the next worker ends.
        """
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(dead, str(self.path))  # type: ignore[no-untyped-call]
        ended: dict[str, list[Path]] = {}
        for file in self.path.glob("*.db"):
            match = _LASTING.fullmatch(file.name)
            if match and int(match[2]) not in living:
                ended.setdefault(match[1], []).append(file)
        for kind, files in ended.items():
            self._fold(self.path / f"{kind}_ended.db", files)

    def _fold(self, home: Path, files: list[Path]) -> None:
        from prometheus_client.mmap_dict import MmapedDict

        # Not *.db, so that no scrape reads it before it is whole.
        fresh = home.with_suffix(".new")
        present = [home, *files] if home.exists() else files
        fresh.unlink(missing_ok=True)
        # No key is new, so the sum of the sizes is room enough.
        allocate(fresh, sum(file.stat().st_size for file in present))
        sums: Any = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
        for file in present:
            for key, value, _, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
                sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
        sums.close()
        with locked(self.path) as alone:
            if not alone:
                return
            fresh.replace(home)
            for file in files:
                file.unlink()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)


def allocate(path: str | Path, size: int) -> None:
    """A file of `size` zeros, unless it has something already. Raises OSError where the disk is too full."""
    with open(path, "ab") as file:
        if file.tell() == 0:
            os.posix_fallocate(file.fileno(), 0, size)


@contextlib.contextmanager
def locked(folder: str | Path, *, shared: bool = False) -> Iterator[bool]:
    """Alone with the folder, or with those who share it; False when LOCK_SECONDS were not enough for that."""
    deadline = time.monotonic() + LOCK_SECONDS
    held: int | None = None
    while held is None and time.monotonic() < deadline:
        try:
            held = _lock(folder, shared=shared)
        except BlockingIOError:
            time.sleep(0.005)
    try:
        yield held is not None
    finally:
        if held is not None:
            os.close(held)


def _lock(path: str | Path, *, shared: bool = False) -> int:
    """A lock that ends with its descriptor. Raises BlockingIOError when another has it."""
    mode = os.O_DIRECTORY if os.path.isdir(path) else os.O_CREAT
    descriptor = os.open(path, os.O_RDONLY | mode, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
