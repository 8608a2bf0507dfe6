"""The framing `aws-chunked`: a body in chunks, signed or not, with header fields behind the last of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from imagestore.access.chunksigning import ChunkChain
from imagestore.core.streams import READ_SIZE, Readable
from imagestore.web.s3.errors import S3Error

LEAST_CHUNK = 8192
"""Bytes of any chunk but the last, as AWS wants it."""

MAX_LINE = 1024
MAX_TRAILERS = 16
TRAILER_SIGNATURE = "x-amz-trailer-signature"

_HEAD = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")
_TRAILER = re.compile(rb"([A-Za-z0-9-]+):([\x20-\x7e\t]*)\n?")


class ChunkedPayload:
    """The bytes that chunks hold; nothing but the piece that is asked for is kept in memory.

    `size` is that of all chunks together. With a `chain` each of them must be signed. `announced` are the
    names of trailers that must come, None where there may be none; they stand in `trailers` after the last
    byte. `read` raises S3Error: of a chunk that does not hold, some bytes may have been given by then.
    """

    def __init__(
        self,
        source: Readable,
        size: int,
        *,
        chain: ChunkChain | None = None,
        announced: frozenset[str] | None = None,
    ) -> None:
        self.size = size
        self.trailers: Mapping[str, str] = {}
        self._source = source
        self._chain = chain
        self._announced = announced
        self._buffer = b""
        self._number = 0
        self._chunk = LEAST_CHUNK
        self._left = 0
        self._given = 0
        self._signature = ""
        self._hash = hashlib.sha256()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        if not self._left and not self._ended:
            self._begin_chunk()
        if self._ended:
            return b""
        data = self._take(min(size, self._left))
        self._left -= len(data)
        self._given += len(data)
        if self._chain is not None:
            self._hash.update(data)
        if not self._left:
            self._end_chunk()
        return data

    def _begin_chunk(self) -> None:
        head = _HEAD.fullmatch(self._line())
        if head is None or (head[2] is None) is not (self._chain is None):
            raise _broken()
        before, self._chunk = self._chunk, int(head[1], 16)
        self._number += 1
        if self._chunk and before < LEAST_CHUNK:
            raise S3Error(
                "InvalidChunkSizeError",
                f"Only the last chunk is allowed to have a size less than {LEAST_CHUNK} bytes",
                Chunk=str(self._number),
                BadChunkSize=str(before),
            )
        if self._chunk > self.size - self._given:
            raise _broken()
        self._left = self._chunk
        self._signature = (head[2] or b"").decode()
        if not self._chunk:
            self._end_chunk()

    def _end_chunk(self) -> None:
        if self._chain is not None:
            digest, self._hash = self._hash.hexdigest(), hashlib.sha256()
            if not self._chain.holds_chunk(digest, self._signature):
                raise _unsigned()
        if self._chunk:
            if self._line():
                raise _broken()
            return
        self._end()

    def _end(self) -> None:
        trailers = self._read_trailers()
        if self._given != self.size or self._buffer or self._source.read(1):
            raise _broken()
        if self._announced is not None:
            signature = trailers.pop(TRAILER_SIGNATURE, "") if self._chain is not None else ""
            if set(trailers) != self._announced:
                raise _malformed_trailer()
            if self._chain is not None and not self._chain.holds_trailers(trailers.items(), signature):
                raise _unsigned()
        self.trailers = trailers
        self._ended = True

    def _read_trailers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while line := self._line():
            field = _TRAILER.fullmatch(line)
            if field is None or self._announced is None or len(found) == MAX_TRAILERS:
                raise _malformed_trailer()
            name = field[1].decode().lower()
            if name in found:
                raise _malformed_trailer()
            found[name] = field[2].decode().strip()
        return found

    def _line(self) -> bytes:
        """The next line, without its end."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            more = self._source.read(MAX_LINE) if len(self._buffer) < MAX_LINE else b""
            if not more:
                raise _broken()
            self._buffer += more
        line, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        return line

    def _take(self, size: int) -> bytes:
        """Some bytes, at most `size`; what lies in the buffer first."""
        if self._buffer:
            data, self._buffer = self._buffer[:size], self._buffer[size:]
        else:
            data = self._source.read(min(size, READ_SIZE))
        if not data and size:
            raise _broken()
        return data


def _broken() -> S3Error:
    return S3Error("IncompleteBody", "The request body terminated unexpectedly")


def _unsigned() -> S3Error:
    return S3Error(
        "SignatureDoesNotMatch",
        "The request signature we calculated does not match the signature you provided."
        " Check your key and signing method.",
    )


def _malformed_trailer() -> S3Error:
    return S3Error(
        "MalformedTrailerError",
        "The request contained trailing data that was not well-formed"
        " or did not conform to our published schema.",
    )
