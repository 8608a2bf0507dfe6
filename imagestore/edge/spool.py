"""Takes a request's body in, at the client's pace and within limits, before anything runs for it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from imagestore.core.errors import Overloaded, RequestTimeout, UploadTooLarge
from imagestore.edge.asgi import Receive

log = logging.getLogger(__name__)

KiB = 1024
MEMORY_PER_BODY = 1024 * KiB
"""A body up to this size is kept in memory, a larger one in an unnamed file."""

MEMORY_IN_ALL = 64 * MEMORY_PER_BODY
"""What the bodies of one worker hold in memory together before each further one goes to a file."""

WRITE_BYTES = 256 * KiB
"""How much of a body is gathered for one write to its file."""

PACE = 16 * KiB
"""Bytes a second that a body keeps up over its whole length."""

LINGER = 5.0
"""Seconds for which a refused body is still read, and thrown away."""

_LONGEST_LENGTH = 18
"""Digits of a Content-Length beyond which nobody needs to know the number."""


class Spool:
    """Where bodies are taken in. `limit` is bytes, `timeout` seconds of silence; files go to `directory`."""

    def __init__(self, *, limit: int, timeout: float, directory: Path | None) -> None:
        self._limit = limit
        self._timeout = timeout
        self._directory = directory
        self._account = Account()
        # One thread, so that a body's last write is over when its turn to be closed comes.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="spool")

    async def take(self, headers: Iterable[tuple[bytes, bytes]], receive: Receive) -> Body | None:
        """The body that `headers` (lower-case names) announce, whole and rewound; None where there is none.

        Raises UploadTooLarge by an announced length before anything is read (who expects a 100 does not
        get one), or as soon as more has come; RequestTimeout when the client is silent for `timeout`,
        takes longer than that and a second for each 16 KiB in all, or leaves; Overloaded when there is no
        room on disk. The caller closes what it gets.
        """
        announced, chunked = _framing(headers)
        if not chunked and not announced:
            return None
        if announced is not None and announced > self._limit:
            raise UploadTooLarge(self._too_large())
        body = Body(self._account)
        try:
            await self._fill(body, announced, receive)
        except BaseException:
            self._discard(body)
            raise
        return body

    def close(self) -> None:
        """End the thread that writes files, once it is done."""
        self._disk.shutdown()

    async def _fill(self, body: Body, announced: int | None, receive: Receive) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        more = True
        while more:
            size = body.size if announced is None else announced
            deadline = min(now(), began + size / PACE) + self._timeout
            data, more = await self._receive_part(receive, deadline)
            body.add(data)
            if body.size > self._limit:
                raise UploadTooLarge(self._too_large())
            if body.is_heavy():
                await self._on_disk(body)
        if body.is_file():
            await self._on_disk(body)
        body.stream.seek(0)

    async def _receive_part(self, receive: Receive, deadline: float) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise RequestTimeout("The body came too slowly: send it again, faster.") from None
        if message["type"] == "http.disconnect":
            raise RequestTimeout("The body ended before its time: send it again, whole.")
        return message.get("body", b""), message.get("more_body", False)

    async def _on_disk(self, body: Body) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._disk, body.write_out, self._directory)
        except OSError as error:
            log.error("a body of %d bytes so far could not be written to disk: %s", body.size, error)
            raise Overloaded("There is no room to take the body in: try again later.") from error

    def _discard(self, body: Body) -> None:
        try:
            self._disk.submit(body.close)
        except RuntimeError:  # the thread has ended: nothing is being written any more
            body.close()

    def _too_large(self) -> str:
        return f"The body is over the limit of {self._limit} bytes: send a smaller one."


class Body:
    """A request's body: its size in bytes, and a seekable stream of them. Used by one thread at a time."""

    def __init__(self, account: Account) -> None:
        self.size = 0
        self._account = account
        self._memory = io.BytesIO()
        self._in_memory = 0
        self._file: IO[bytes] | None = None

    @property
    def stream(self) -> IO[bytes]:
        return self._memory if self._file is None else self._file

    def is_file(self) -> bool:
        return self._file is not None

    def is_heavy(self) -> bool:
        """Whether what is in memory should move to the file."""
        spare = self._file is None and not self._account.is_full()
        return self._in_memory > (MEMORY_PER_BODY if spare else WRITE_BYTES)

    def add(self, data: bytes) -> None:
        self._memory.write(data)
        self.size += len(data)
        self._in_memory += len(data)
        self._account.change(len(data))

    def write_out(self, directory: Path | None) -> None:
        """Move what is in memory to the file. Raises OSError when it cannot be."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 - close() closes it
        self._file.write(self._memory.getbuffer())
        self._file.flush()
        self._forget_memory()

    def close(self) -> None:
        """Let go of memory and file. Safe to call again."""
        self._forget_memory()
        if self._file is not None:
            self._file.close()

    def _forget_memory(self) -> None:
        self._account.change(-self._in_memory)
        self._in_memory = 0
        self._memory = io.BytesIO()


class Account:
    """The bytes that all bodies of a worker hold in memory."""

    def __init__(self) -> None:
        self._held = 0
        self._lock = threading.Lock()

    def change(self, size: int) -> None:
        with self._lock:
            self._held += size

    def is_full(self) -> bool:
        return self._held > MEMORY_IN_ALL


async def discard_rest(receive: Receive) -> None:
    """Read on, for LINGER seconds at most, after an answer that came before the end of the body.

    Closing a socket with unread bytes resets it, and the client may never see the answer (RFC 9112, 9.6).
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER):
            more = True
            while more:
                more = (await receive()).get("more_body", False)


def _framing(headers: Iterable[tuple[bytes, bytes]]) -> tuple[int | None, bool]:
    """The announced length, if any, and whether the body is chunked. The server has refused what is both."""
    announced, chunked = None, False
    for name, value in headers:
        if name == b"content-length":
            announced = int(value[:_LONGEST_LENGTH])
        elif name == b"transfer-encoding":
            chunked = True
    return announced, chunked
