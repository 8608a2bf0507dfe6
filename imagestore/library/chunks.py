"""The chunks of one file held against what its document says of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from imagestore.library.upkeep import Finding, Kind
from imagestore.store.chunks import ChunkRecord
from imagestore.store.inventory import FileRecord

MOST_RANGES = 10


class Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(slots=True)
class Ranges:
    """Chunk numbers in ascending order, kept as ranges."""

    pairs: list[tuple[int, int]] = field(default_factory=list)
    more: bool = False

    def add(self, first: int, last: int) -> None:
        if self.pairs and self.pairs[-1][1] + 1 == first:
            self.pairs[-1] = (self.pairs[-1][0], last)
        elif len(self.pairs) < MOST_RANGES:
            self.pairs.append((first, last))
        else:
            self.more = True

    def __str__(self) -> str:
        shown = (str(first) if first == last else f"{first}-{last}" for first, last in self.pairs)
        return ", ".join(shown) + (", ..." if self.more else "")


def check_chunks(file: FileRecord, chunks: Iterable[ChunkRecord], whole: Hash | None) -> Iterator[Finding]:
    """What is wrong with the chunks, which come in the order of their numbers.

    With `whole`, they were read: then what fits in number and size is held to the digest too.
    """
    wrong: dict[Kind, Ranges] = {}
    at = 0
    for chunk in chunks:
        number = int(chunk.number)
        if not 0 <= chunk.number < file.chunks or number != chunk.number:
            wrong.setdefault(Kind.CHUNK_EXTRA, Ranges()).add(number, number)
            continue
        if number < at:
            wrong.setdefault(Kind.CHUNK_REPEATED, Ranges()).add(number, number)
            continue
        if number > at:
            wrong.setdefault(Kind.CHUNK_MISSING, Ranges()).add(at, number - 1)
        at = number + 1
        if chunk.size != min(file.chunk_size, file.length - number * file.chunk_size):
            wrong.setdefault(Kind.CHUNK_RESIZED, Ranges()).add(number, number)
        elif not chunk.intact:
            wrong.setdefault(Kind.CHUNK_CHANGED, Ranges()).add(number, number)
        if whole is not None:
            whole.update(chunk.data)
    if at < file.chunks:
        wrong.setdefault(Kind.CHUNK_MISSING, Ranges()).add(at, file.chunks - 1)
    for kind, numbers in wrong.items():
        detail = f"of {file.digest}, {file.chunks} chunks: {_SAID[kind]} {numbers}"
        yield Finding(kind, f"file {file.file_id}", detail)
    if whole is not None and not set(wrong) - {Kind.CHUNK_EXTRA} and whole.hexdigest() != file.digest:
        yield Finding(Kind.DIGEST_WRONG, f"file {file.file_id}", f"its bytes are not those of {file.digest}")


_SAID = {
    Kind.CHUNK_MISSING: "missing",
    Kind.CHUNK_RESIZED: "of another size",
    Kind.CHUNK_CHANGED: "with other bytes",
    Kind.CHUNK_REPEATED: "there more than once",
    Kind.CHUNK_EXTRA: "beyond the end",
}
