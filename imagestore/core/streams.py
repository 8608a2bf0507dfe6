"""Bytes in motion: the Blob that is opened by range, and the spool that takes a body in."""

from __future__ import annotations

import hashlib
import io
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol, Self

from imagestore.core.checksums import NO_CHECKS, Checks, Sums
from imagestore.core.errors import EmptyUpload, LengthMismatch, StoreUnavailable, UploadTooLarge
from imagestore.core.image import Digest

READ_SIZE = 256 * 1024
SPOOL_MEMORY = 256 * 1024
"""A body up to this size is spooled in memory; a larger one goes to a file."""

HEAD_BYTES = 4096


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Blob:
    """Bytes of a known size, opened by range, once.

    `open(start, stop)` yields the bytes from `start` up to but without `stop`. Whoever gets a Blob closes it,
    opened or not (it is a context manager too); one that is dropped unclosed warns with ResourceWarning.
    """

    def __init__(self, size: int, opener: Callable[[int, int], Iterator[bytes]]) -> None:
        self.size = size
        self._opener: Callable[[int, int], Iterator[bytes]] | None = opener
        self._stream: Iterator[bytes] | None = None
        self._closed = False

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """A Blob of bytes that are in memory already: for what is bounded, such as a cached value."""

        def slice_of(start: int, stop: int) -> Iterator[bytes]:
            yield data if (start, stop) == (0, len(data)) else data[start:stop]

        return cls(len(data), slice_of)

    def open(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Yield the bytes of a range. Raises ValueError for a range outside the blob or a second opening."""
        end = self.size if stop is None else stop
        if not 0 <= start <= end <= self.size:
            raise ValueError(f"range {start}-{end} lies outside a blob of {self.size} bytes")
        if self._opener is None or self._closed:
            raise ValueError("a blob is opened once, and not after it was closed")
        self._stream = self._opener(start, end)
        self._opener = None
        return self._stream

    def close(self) -> None:
        """Let go of whatever the open stream holds. Safe to call again."""
        self._closed = True
        self._opener = None
        stream, self._stream = self._stream, None
        close = getattr(stream, "close", None)
        if close is not None:
            close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if not getattr(self, "_closed", True):
            warnings.warn(f"a Blob of {self.size} bytes was dropped unclosed", ResourceWarning, stacklevel=2)


class Spool:
    """A body taken in: its size, its digest, and the bytes, in memory or in a file that goes with it.

    `sums` are its MD5 and the checksums of `algorithms`, `checksums` those that it was held to.
    """

    def __init__(self, directory: Path | None = None, algorithms: Iterable[str] = ()) -> None:
        self._directory = directory
        self._hash = hashlib.sha256()
        self.sums = Sums(algorithms)
        self.checksums: dict[str, str] = {}
        self._buffer: bytearray | None = bytearray()
        self._file: IO[bytes] | None = None
        self.size = 0
        self.head = b""

    def write(self, data: bytes) -> None:
        self._hash.update(data)
        self.sums.update(data)
        self.size += len(data)
        if len(self.head) < HEAD_BYTES:
            self.head = (self.head + data)[:HEAD_BYTES]
        if self._buffer is not None and self.size <= SPOOL_MEMORY:
            self._buffer += data
            return
        if self._file is None:
            self._file = tempfile.NamedTemporaryFile(  # noqa: SIM115 - close() deletes it
                prefix="imagestore-upload-", dir=self._directory
            )
            self._file.write(self._buffer or b"")
            self._buffer = None
        self._file.write(data)

    def flush(self) -> None:
        """Hand all bytes to the disk, if they go there. Raises OSError."""
        if self._file is not None:
            self._file.flush()

    @property
    def digest(self) -> Digest:
        return Digest(self._hash.hexdigest())

    @property
    def md5(self) -> str:
        return self.sums.md5.hex()

    @property
    def path(self) -> Path | None:
        """Where the bytes lie, complete, for another process to read; None while they are in memory."""
        if self._file is None:
            return None
        self.flush()
        return Path(self._file.name)

    def content(self) -> bytes:
        """All the bytes, of a spool that keeps them in memory."""
        if self._buffer is None:
            raise ValueError("a spool in a file, or a closed one, is not read whole")
        return bytes(self._buffer)

    def open(self) -> IO[bytes]:
        """The bytes from their beginning. The reader closes what it got; the spool itself stays.

        Raises ValueError for a closed spool, which would seem empty.
        """
        path = self.path
        if path is not None:
            return path.open("rb")
        if self._buffer is None:
            raise ValueError("a closed spool has no bytes any more")
        return io.BytesIO(self.content())

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._buffer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def spool(
    source: Readable,
    *,
    limit: int,
    expected: int | None = None,
    directory: Path | None = None,
    checks: Checks = NO_CHECKS,
    empty: bool = False,
) -> Spool:
    """Read `source` to its end into a Spool, hashing on the way; the caller closes what it gets.

    `limit` and `expected` are bytes. Raises UploadTooLarge as soon as the limit is passed (nothing more is
    read), LengthMismatch when the body does not have the `expected` size, BadDigest when it does not fit
    `checks`, EmptyUpload for no byte at all unless it may be `empty`, and StoreUnavailable when the disk does
    not take it.
    """
    if expected is not None and expected > limit:
        raise UploadTooLarge(_over_limit(limit))
    spooled = Spool(directory, checks.algorithms)
    try:
        while data := source.read(READ_SIZE):
            with _disk():
                spooled.write(data)
            if spooled.size > limit:
                raise UploadTooLarge(_over_limit(limit))
        if expected is not None and spooled.size != expected:
            raise LengthMismatch(
                f"The body has {spooled.size} bytes where {expected} were announced: send it again, whole."
            )
        spooled.checksums = checks.hold(spooled.sums)
        if spooled.size == 0 and not empty:
            raise EmptyUpload("The body is empty: send the image's bytes.")
        with _disk():
            spooled.flush()
    except BaseException:
        spooled.close()
        raise
    return spooled


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            f"The server has no room for uploads just now ({error.strerror}): try again later."
        ) from error


def _over_limit(limit: int) -> str:
    return f"The upload is over the limit of {limit} bytes (IMAGESTORE_UPLOAD_BYTES): send a smaller file."
