"""Checksums of bytes that stream by: MD5 and those of S3, and what a body must fit."""

from __future__ import annotations

import hashlib
import os
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from awscrt import checksums

from imagestore.core.errors import BadDigest, InvalidParameter

ALGORITHMS = ("crc32", "crc32c", "crc64nvme", "sha1", "sha256")
"""As S3 names them, in lower case."""

ASIDE_BYTES = 256 * 1024


class _Hash(Protocol):
    @property
    def digest_size(self) -> int: ...

    def update(self, data: bytes, /) -> object: ...

    def digest(self) -> bytes: ...


class _Crc:
    """A cyclic redundancy check with the face of a hash."""

    def __init__(self, step: Callable[[bytes, int], int], width: int) -> None:
        self._step = step
        self.digest_size = width
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self.digest_size, "big")


_MAKERS: dict[str, Callable[[], _Hash]] = {
    "crc32": lambda: _Crc(zlib.crc32, 4),
    "crc32c": lambda: _Crc(checksums.crc32c, 4),
    "crc64nvme": lambda: _Crc(checksums.crc64nvme, 8),
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}


class _Aside:
    """A hash that goes on in another thread from ASIDE_BYTES on, while its caller reads, hashes or writes.

    What it was given and has not seen yet is bounded: twice as much, and one piece.
    """

    def __init__(self, own: _Hash) -> None:
        self._own = own
        self._gathered: list[bytes] = []
        self._size = 0
        self._last: Future[None] | None = None

    def update(self, data: bytes, /) -> None:
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= ASIDE_BYTES:
            self._await()
            self._last = _threads().submit(self._add, self._gathered)
            self._gathered, self._size = [], 0

    def digest(self) -> bytes:
        self._await()
        self._add(self._gathered)
        self._gathered, self._size = [], 0
        return self._own.digest()

    def _await(self) -> None:
        if self._last is not None:
            self._last.result()
            self._last = None

    def _add(self, pieces: list[bytes]) -> None:
        for each in pieces:
            self._own.update(each)


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="hash")


os.register_at_fork(after_in_child=_threads.cache_clear)


class Sums:
    """MD5, and each of some algorithms, of the bytes that `update` is given one after the other.

    MD5, the slowest by far, is computed aside.
    """

    def __init__(self, algorithms: Iterable[str] = ()) -> None:
        self._md5 = _Aside(hashlib.md5(usedforsecurity=False))
        self._hashes = {name: make(name) for name in algorithms}

    def update(self, data: bytes) -> None:
        self._md5.update(data)
        for each in self._hashes.values():
            each.update(data)

    @property
    def md5(self) -> bytes:
        return self._md5.digest()

    def all(self) -> dict[str, str]:
        """In base64, by algorithm."""
        return {name: b64encode(each.digest()).decode() for name, each in self._hashes.items()}


def make(algorithm: str) -> _Hash:
    """Raises InvalidParameter for an algorithm that there is not."""
    try:
        return _MAKERS[algorithm]()
    except KeyError:
        raise InvalidParameter(f"Checksums are of {', '.join(ALGORITHMS)}; not {algorithm[:40]!r}.") from None


def composite(algorithm: str, parts: Iterable[bytes]) -> str:
    """The checksum of the checksums of parts, in base64, with their number behind it."""
    whole, count = make(algorithm), 0
    for each in parts:
        whole.update(each)
        count += 1
    return f"{b64encode(whole.digest()).decode()}-{count}"


def _nothing() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Checks:
    """What a body must fit: an MD5, and checksums in base64 that are `expected` once its last byte is read.

    All of `algorithms` are computed, whether something is expected of them or not.
    """

    md5: bytes | None = None
    algorithms: tuple[str, ...] = ()
    expected: Callable[[], Mapping[str, str]] = _nothing

    def hold(self, sums: Sums) -> dict[str, str]:
        """The checksums, if the body fits. Raises BadDigest."""
        if self.md5 is not None and self.md5 != sums.md5:
            raise BadDigest("The body does not have the MD5 that was announced: send it again.")
        found = sums.all()
        for algorithm, value in self.expected().items():
            if found.get(algorithm) != value:
                raise BadDigest(f"The body does not have the {algorithm} that was announced: send it again.")
        return found


NO_CHECKS = Checks()
