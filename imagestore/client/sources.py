"""What an upload sends: a file, bytes or a stream, and whether it can be read from its beginning again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from imagestore.core.errors import LengthMismatch

CHUNK = 64 * 1024


class Source:
    """The bytes of one upload. An open file is read from where it stands.

    `repeatable`: they can be sent again, as those of a path, of `bytes` and of a file that can be sought in.
    """

    def __init__(self, given: Path | bytes | IO[bytes]) -> None:
        self._given = given
        self._start: int | None = None
        self._length: int | None = None
        if not isinstance(given, Path | bytes) and given.seekable():
            self._start = given.tell()
            self._length = given.seek(0, os.SEEK_END) - self._start
            given.seek(self._start)
        self.repeatable = isinstance(given, Path | bytes) or self._start is not None

    @contextmanager
    def sending(self) -> Iterator[dict[str, Any]]:
        """What httpx sends, as its arguments: `content`, and `headers` where the length is known.

        Raises OSError where a path cannot be opened; while it is read, LengthMismatch when it ends elsewhere
        than it was announced to.
        """
        given = self._given
        if isinstance(given, bytes):
            yield {"content": given, "headers": {}}
        elif isinstance(given, Path):
            with given.open("rb") as file:
                length = os.fstat(file.fileno()).st_size
                yield _streamed(file, length if given.is_file() else None)
        else:
            if self._start is not None:
                given.seek(self._start)
            yield _streamed(given, self._length)


def _streamed(file: IO[bytes], length: int | None) -> dict[str, Any]:
    """Without a length it goes in chunks (RFC 9112, section 7.1)."""
    headers = {} if length is None else {"Content-Length": str(length)}
    return {"content": _read(file, length), "headers": headers}


def _read(file: IO[bytes], length: int | None) -> Iterator[bytes]:
    sent = 0
    while chunk := file.read(CHUNK):
        sent += len(chunk)
        if length is not None and sent > length:
            break
        yield chunk
    if length is not None and sent != length:
        raise LengthMismatch("The file grew or shrank while it was sent: send it again when it is whole.")
