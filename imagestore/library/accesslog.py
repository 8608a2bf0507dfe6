"""Access logs, read line by line: which images were asked for, how they were answered, how large they were.

Understood are the common and the combined log format (Apache, nginx), our own log as JSON and as text,
CloudFront's standard log, and request traces of `key,size` lines; each plain or compressed by gzip. The
format is found out from the first lines. Memory is bounded, however long the log or a line of it.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO

from imagestore.core.errors import ImagestoreError, InvalidParameter
from imagestore.core.urls import DeliveryRequest, parse_delivery
from imagestore.library.logformats import FORMATS, Entry, FormatName, Parser

LINE_BYTES = 64 * 1024
"""What is longer is no line of an access log; it is counted as unread."""
LOOK_LINES = 200
LOOK_BYTES = 256 * 1024
_GZIP = b"\x1f\x8b"
_DELIVERY = re.compile(r"(?:https?://[^/]*)?/([^/]+)/image/upload/(.*)", re.DOTALL)
_HIDDEN_SIGNATURE = "s--***--/"
"""What our own log has in the place of a signature."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One answer of a delivery URL, or one line of a trace.

    `name` tells images and renditions apart: the bucket and what follows `/image/upload/`, without a
    signature; of a trace, its key. `request` is None for a trace. `size` is what the answer's body had, of a
    206 a part of the whole; None where the log does not say. `time` is seconds since 1970, None if unknown.
    """

    name: str
    request: DeliveryRequest | None
    method: str
    status: int
    size: int | None
    time: float | None


@dataclass(slots=True)
class Counts:
    """What became of the lines so far: each is read, skipped, of another kind or unread."""

    lines: int = 0
    deliveries: int = 0
    others: int = 0
    """Requests that were none for an image, and lines that a log has beside its requests."""
    unread: int = 0
    """Lines that are not of the log's format, or too long."""
    first_unread: list[tuple[int, str]] = field(default_factory=list)
    """Number and beginning of the first few of them."""


class AccessLog:
    """One log, open for reading once. Made by `open_log`, which says what it raises."""

    def __init__(self, lines: IO[bytes], raw: IO[bytes], total: int | None, label: str) -> None:
        self.counts = Counts()
        self.total = total
        """How long the file is, as it lies on the disk; None for a stream."""
        self._raw = raw
        self._lines = lines
        self._label = label
        self._head = _first_lines(lines)
        self.format: FormatName
        self.format, self._parse = _detect(self._head, label)

    @property
    def position(self) -> int:
        """How much of `total` has been read."""
        return self._raw.tell() if self.total is not None else 0

    def deliveries(self) -> Iterator[Delivery]:
        """What was asked for, in the log's order. `counts` grows along. Raises InvalidParameter when the
        compressed file is damaged or cut short."""
        for entry in self._entries():
            delivery = _delivery_of(entry, is_trace=self.format == "trace")
            if delivery is None:
                self.counts.others += 1
            else:
                self.counts.deliveries += 1
                yield delivery

    def _entries(self) -> Iterator[Entry]:
        counts = self.counts
        for line in self._all_lines():
            counts.lines += 1
            text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
            entry = self._parse(text) if len(line) <= LINE_BYTES else None
            if isinstance(entry, Entry):
                yield entry
            elif entry == "other" or not text:
                counts.others += 1
            else:
                counts.unread += 1
                if len(counts.first_unread) < 3:
                    counts.first_unread.append((counts.lines, text[:80]))

    def _all_lines(self) -> Iterator[bytes]:
        yield from self._head
        self._head = []
        with _readable(self._label):
            yield from _bounded_lines(self._lines)


@contextmanager
def open_log(source: Path | IO[bytes]) -> Iterator[AccessLog]:
    """Open a log by its path, or take a stream of bytes such as standard input.

    Raises InvalidParameter when it cannot be read, or is in none of the formats.
    """
    if not isinstance(source, Path):
        yield _opened(source, None, "standard input")
        return
    try:
        raw = source.open("rb")
    except OSError as error:
        raise InvalidParameter(f"{source} cannot be read: {error.strerror}.") from None
    with raw:
        yield _opened(raw, source.stat().st_size, str(source))


def _opened(raw: IO[bytes], total: int | None, label: str) -> AccessLog:
    with _readable(label):
        buffered = raw if hasattr(raw, "peek") else io.BufferedReader(raw)  # type: ignore[type-var]
        packed = buffered.peek(2)[:2] == _GZIP
        lines: IO[bytes] = gzip.GzipFile(fileobj=buffered) if packed else buffered  # type: ignore[assignment]
        return AccessLog(lines, raw, total, label)


@contextmanager
def _readable(label: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        raise InvalidParameter(f"{label} cannot be read to its end: {error}.") from None


def _first_lines(lines: IO[bytes]) -> list[bytes]:
    found: list[bytes] = []
    for line in _bounded_lines(lines):
        found.append(line)
        if len(found) >= LOOK_LINES or sum(map(len, found)) > LOOK_BYTES:
            break
    return found


def _bounded_lines(lines: IO[bytes]) -> Iterator[bytes]:
    """Lines; of one that is too long its beginning, one byte more than may be."""
    while line := lines.readline(LINE_BYTES + 1):
        yield line
        rest = line
        while len(rest) > LINE_BYTES and not rest.endswith(b"\n"):
            rest = lines.readline(LINE_BYTES + 1)


def _detect(head: list[bytes], label: str) -> tuple[FormatName, Parser]:
    """The format that reads most of the first lines, and a fresh parser of it."""
    texts = [line.decode("utf-8", "surrogateescape").rstrip("\r\n") for line in head]
    if not any(texts):
        raise InvalidParameter(f"{label} is empty.")

    def lines_read(make: Callable[[], Parser]) -> int:
        parse = make()
        return sum(isinstance(parse(text), Entry) for text in texts)

    scores = {name: lines_read(make) for name, make in FORMATS.items()}
    best = max(scores, key=lambda name: scores[name])
    if scores[best] == 0:
        raise InvalidParameter(
            f"{label} is no access log: none of its first {len(texts)} lines is in the common or combined "
            "format, a line of our own access log (JSON or text), of CloudFront's standard log with its "
            "#Fields, or `key,size` of a trace."
        )
    return best, FORMATS[best]()


def _delivery_of(entry: Entry, *, is_trace: bool) -> Delivery | None:
    name, request = (entry.path, None) if is_trace else _asked(entry.path)
    if not is_trace and request is None:
        return None
    return Delivery(name, request, entry.method, entry.status, entry.size, entry.time)


@lru_cache(maxsize=16384)
def _asked(path: str) -> tuple[str, DeliveryRequest | None]:
    """The name, and what a path that was decoded once asks for; None if it is no delivery URL."""
    match = _DELIVERY.fullmatch(path)
    if match is None:
        return "", None
    bucket, rest = match[1], match[2].removeprefix(_HIDDEN_SIGNATURE)
    try:
        request = parse_delivery(bucket, rest)
    except ImagestoreError:
        return "", None
    if request.signature is not None:
        rest = rest.partition("/")[2]
    return f"{bucket}/{rest}", request
