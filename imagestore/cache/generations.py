"""When each name was last changed, known to all processes of a node at once: in a file that they all map."""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

SLOTS = 65536
_SLOT_BYTES = 8
_HEADER_SLOTS = 16
"""At the beginning: which boot of the machine the moments are of. The last two slots are for all names."""
EVERYTHING = _HEADER_SLOTS - 1
DOUBT = _HEADER_SLOTS - 2
_SIZE = (_HEADER_SLOTS + SLOTS) * _SLOT_BYTES
_BOOT = Path("/proc/sys/kernel/random/boot_id")

TURN_SECONDS = 0.2
_PAUSE_SECONDS = 0.002
"""Longest wait for a turn to write, and between two looks: a turn takes microseconds, but a process can be
stopped in its own."""


class Generations:
    """The moment of the last change of every name: nanoseconds of the machine's monotonic clock.

    What was made of some names is out of date once one of them has changed since its making began. A name has
    one of SLOTS places, by its hash: others that share it make more seem changed than is, never less. So what
    `touch` has told holds for every process of this machine that has opened the same `path`, when it returns.

    The clock is one for all processes and begins anew when the machine does, so the file is of one boot. Safe
    to use from many threads. `node` names all who share the file. Raises OSError where it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._turns = threading.Lock()
        self._file = descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            boot = _boot_id()
            if os.pread(descriptor, len(boot), 0) != boot or os.fstat(descriptor).st_size != _SIZE:
                os.ftruncate(descriptor, 0)
                os.posix_fallocate(descriptor, 0, _SIZE)  # a mapped page without room would be a SIGBUS
                os.pwrite(descriptor, boot, 0)
            file = os.fstat(descriptor)
            self.node = blake2b(b"%s %d %d" % (boot, file.st_dev, file.st_ino), digest_size=8).hexdigest()
            self._moments = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except BaseException:
            os.close(descriptor)
            raise
        weakref.finalize(self, os.close, descriptor)

    def slots_of(self, names: Iterable[str]) -> tuple[int, ...]:
        """The places of names, and before them those that are for all names."""
        return (DOUBT, EVERYTHING, *(_slot(name) for name in names))

    def unchanged(self, slots: tuple[int, ...], since: int) -> bool:
        """Whether nothing at these places has changed since the moment (`time.monotonic_ns`)."""
        moments = self._moments
        for slot in slots:  # noqa: SIM110 - `all` over a generator takes three times as long
            if moments[slot] >= since:
                return False
        return True

    def unrefuted(self, slots: tuple[int, ...], since: int) -> bool:
        """Whether no change at these places is known of, although word of one may have been lost."""
        return self.unchanged(slots[1:], since)

    def touch(self, names: Iterable[str]) -> None:
        """These names have just changed."""
        self._write([_slot(name) for name in names])

    def touch_all(self) -> None:
        """Anything may have changed."""
        self._write([EVERYTHING])

    def doubt_all(self) -> None:
        """Word of what has changed elsewhere may have been lost."""
        self._write([DOUBT])

    def _write(self, slots: Sequence[int]) -> None:
        with self._turn():
            now = time.monotonic_ns()
            for slot in slots:
                self._moments[slot] = now  # 8 bytes at once: nobody reads half of it

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Writers of all threads and processes go one after the other, each with the moment of its turn: one
        that dawdles behind the clock would write over a later moment with an earlier one, and so make good
        again what the later change had put out of date. Nobody waits for one that was stopped in its turn."""
        deadline = time.monotonic() + TURN_SECONDS
        mine = self._turns.acquire(timeout=TURN_SECONDS)
        try:
            while mine and not self._lock() and time.monotonic() < deadline:
                time.sleep(_PAUSE_SECONDS)
            yield
        finally:
            if mine:
                fcntl.flock(self._file, fcntl.LOCK_UN)
                self._turns.release()

    def _lock(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _slot(name: str) -> int:
    """The same in every process, unlike Python's own hash."""
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return _HEADER_SLOTS + int.from_bytes(digest) % SLOTS


def _boot_id() -> bytes:
    return _BOOT.read_bytes()[:64]
