"""A form as it is posted to a bucket (multipart/form-data): fields first, then the file, which streams by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from imagestore.core.streams import Readable
from imagestore.web.s3.errors import S3Error

FIELDS_BYTES = 20 * 1024
"""Of all that comes before the file, as AWS has it."""
PIECE_BYTES = 16 * 1024
MAX_BOUNDARY = 200
MAX_PARTS = 1000

FILE = "file"


@dataclass(frozen=True, slots=True)
class Form:
    """`fields` by their names in lower case; `filename` as the browser gave it."""

    fields: dict[str, str]
    filename: str
    file: PostedFile


class PostedFile:
    """The bytes of the file, of which there are `least` to `most`. What comes behind it is passed over.

    Reading raises S3Error: EntityTooLarge as soon as there are too many, EntityTooSmall at the end, and
    MalformedPOSTRequest for a form that is cut short.
    """

    def __init__(self, events: Iterator[Event]) -> None:
        self.least = 0
        self.most: int | None = None
        self._events = events
        self._data = b""
        self._size = 0
        self._ended = False

    def read(self, size: int, /) -> bytes:
        while not self._data and not self._ended:
            self._advance()
        data, self._data = self._data[:size], self._data[size:]
        return data

    def _advance(self) -> None:
        event = next(self._events)
        if not isinstance(event, Data):
            raise malformed()
        self._data = event.data
        self._size += len(event.data)
        if self.most is not None and self._size > self.most:
            raise S3Error(
                "EntityTooLarge",
                "Your proposed upload exceeds the maximum allowed size",
                ProposedSize=str(self._size),
                MaxSizeAllowed=str(self.most),
            )
        if event.more_data:
            return
        self._ended = True
        if self._size < self.least:
            raise S3Error(
                "EntityTooSmall",
                "Your proposed upload is smaller than the minimum allowed size",
                ProposedSize=str(self._size),
                MinSizeAllowed=str(self.least),
            )
        for _ in self._events:  # to the end, so that a form cut short is none
            pass


def read_form(source: Readable, content_type: str) -> Form:
    """The form that `source` reads, up to its file. Raises S3Error."""
    kind, options = parse_options_header(content_type)
    if kind.lower() != "multipart/form-data":
        raise S3Error(
            "PreconditionFailed",
            "At least one of the pre-conditions you specified did not hold",
            Condition="Bucket POST must be of the enclosure-type multipart/form-data",
        )
    boundary = options.get("boundary", "").encode("latin-1", "replace")
    if not 1 <= len(boundary) <= MAX_BOUNDARY:
        raise malformed()
    events = _events(source, boundary)
    fields: dict[str, str] = {}
    size = 0
    for event in events:
        if not isinstance(event, (Field, File)):
            continue
        name = (event.name or "").lower()
        if name == FILE:
            return Form(fields, event.filename if isinstance(event, File) else "", PostedFile(events))
        value = b""
        for piece in events:
            if not isinstance(piece, Data):
                raise malformed()
            value += piece.data
            if size + len(name) + len(value) > FIELDS_BYTES:
                raise _too_large()
            if not piece.more_data:
                break
        size += len(name) + len(value)
        fields.setdefault(name, _text(value))
    raise S3Error(
        "InvalidArgument",
        "POST requires exactly one file upload per request.",
        ArgumentName=FILE,
        ArgumentValue="0",
    )


def _events(source: Readable, boundary: bytes) -> Iterator[Event]:
    decoder = MultipartDecoder(boundary, max_form_memory_size=2 * FIELDS_BYTES, max_parts=MAX_PARTS)
    try:
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(source.read(PIECE_BYTES) or None)
                continue
            yield event
            if isinstance(event, Epilogue):
                return
    except RequestEntityTooLarge:
        raise _too_large() from None
    except ValueError:
        raise malformed() from None


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise malformed() from None


def malformed() -> S3Error:
    return S3Error(
        "MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data."
    )


def _too_large() -> S3Error:
    return S3Error(
        "MaxPostPreDataLengthExceededError",
        "Your POST request fields preceding the upload file was too large.",
    )
