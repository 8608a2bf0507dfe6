"""Which digests a long job has met: kept on the disk, so that memory does not grow with their number."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Self

from imagestore.core.image import Digest


class Seen:
    """A set of digests in a file of its own under `folder`, which goes with it. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "seen.sqlite"
        self._path.unlink(missing_ok=True)
        self._database = sqlite3.connect(self._path, isolation_level=None)
        # It is of no use after a crash, so nothing is written for the sake of one.
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._path.unlink(missing_ok=True)

    def add(self, digest: Digest) -> bool:
        """Whether it was not there before."""
        found = self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (bytes.fromhex(digest),))
        return found.rowcount == 1

    def __contains__(self, digest: Digest) -> bool:
        found = self._database.execute("SELECT 1 FROM seen WHERE digest = ?", (bytes.fromhex(digest),))
        return found.fetchone() is not None
