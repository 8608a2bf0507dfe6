"""Bodies that the kernel sends by itself: each in a file of memory that has no name."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import suppress

LEAST_BYTES = 48 * 1024
"""Below, sendfile's own cost is more than that of copying the bytes once more."""

MOST_FILES = 1024
"""Of a worker: each takes a descriptor."""


class Filed:
    """Bytes in such a file (Linux, `memfd_create`), which goes with this object. Raises OSError."""

    __slots__ = ("_descriptor", "_size")

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        self._descriptor = os.memfd_create("imagestore-body", os.MFD_CLOEXEC)
        left = memoryview(data)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        start, stop, _ = span.indices(self._size)
        return os.pread(self._descriptor, max(stop - start, 0), start)

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):  # it was never opened
            os.close(self._descriptor)

    def send(self, connection: socket.socket, head: bytes) -> int:
        """Send `head` and then the bytes, as many as the connection takes at once; how many that were."""
        sent = 0
        with suppress(OSError):  # it takes no more, or is gone, which its transport will see
            sent = connection.send(head, socket.MSG_MORE | socket.MSG_DONTWAIT)
            if sent == len(head):
                sent += os.sendfile(connection.fileno(), self._descriptor, 0, self._size)
        return sent


def most_files() -> int:
    """How many of them this process may have beside its connections."""
    return min(MOST_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
