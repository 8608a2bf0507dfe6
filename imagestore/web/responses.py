"""Conditions and ranges (RFC 9110): what a request's headers ask of a representation, and the answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Response
from werkzeug.datastructures import Headers
from werkzeug.http import http_date, parse_date, parse_etags

from imagestore.core.streams import Blob

_RANGES = re.compile(r"\s*bytes\s*=\s*(.*)", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))", re.ASCII)
MAX_RANGES = 64


@dataclass(frozen=True, slots=True)
class Representation:
    """What preconditions and ranges are decided from, before any byte is opened.

    `etag` is the opaque part of a strong entity tag; `modified` has whole seconds, and is None where
    no date tells whether it changed; `size` is in bytes.
    """

    etag: str
    modified: datetime | None
    size: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status to answer with, and the bytes `start` up to but without `stop` for a 200 or 206."""

    status: int
    start: int = 0
    stop: int = 0

    @property
    def has_body(self) -> bool:
        return self.status in (200, 206)


def judge(method: str, headers: Headers, subject: Representation) -> Verdict:
    """Decide a GET or HEAD in the order of RFC 9110, section 13.2.2."""
    if (status := _judge_conditions(headers, subject)) is not None:
        return Verdict(status)
    whole = Verdict(200, 0, subject.size)
    asked = headers.get("Range")
    if method != "GET" or asked is None or not _range_applies(headers.get("If-Range"), subject):
        return whole
    return _judge_range(asked, subject.size) or whole


def _judge_conditions(headers: Headers, subject: Representation) -> int | None:
    if (match := headers.get("If-Match")) is not None:
        # Section 13.1.1: strong comparison, so a weak tag never matches.
        tags = parse_etags(match)
        if not (tags.star_tag or tags.is_strong(subject.etag)):
            return 412
    elif _is_later(subject, headers.get("If-Unmodified-Since")) is True:
        return 412
    if (none_match := headers.get("If-None-Match")) is not None:
        # Section 13.1.2: weak comparison; it also switches If-Modified-Since off (section 13.1.3).
        tags = parse_etags(none_match)
        if tags.star_tag or tags.contains_weak(subject.etag):
            return 304
    elif _is_later(subject, headers.get("If-Modified-Since")) is False:
        return 304
    return None


def _is_later(subject: Representation, value: str | None) -> bool | None:
    """Whether it is newer than the date of a header field; None where one of the two has no date."""
    since = _date(value)
    return None if since is None or subject.modified is None else subject.modified > since


def _date(value: str | None) -> datetime | None:
    """A date that cannot be read does not count (sections 13.1.3 and 13.1.4)."""
    return parse_date(value) if value else None


def _range_applies(if_range: str | None, subject: Representation) -> bool:
    """Section 13.1.5: our own strong entity tag, or exactly our Last-Modified; else the whole is sent."""
    if if_range is None:
        return True
    value = if_range.strip()
    if value.startswith(('"', "W/")):
        return value == f'"{subject.etag}"'
    return subject.modified is not None and parse_date(value) == subject.modified


def _judge_range(value: str, size: int) -> Verdict | None:
    """206 for a range that is one after joining, 416 for none that fits, None where the whole is sent.

    Section 14.2 lets a server ignore Range: so it is here for what is malformed, for other units, and for
    several ranges with gaps between them.
    """
    match = _RANGES.fullmatch(value)
    parts = [part.strip() for part in match[1].split(",")] if match else []
    parts = [part for part in parts if part]
    if not parts or len(parts) > MAX_RANGES:
        return None
    spans = []
    for part in parts:
        span = _RANGE.fullmatch(part)
        if span is None or (span[2] and int(span[2]) < int(span[1])):
            return None
        if span[3] is not None:
            start, stop = max(size - int(span[3]), 0), size
        else:
            start, stop = int(span[1]), min(int(span[2]) + 1, size) if span[2] else size
        if start < stop:
            spans.append((start, stop))
    if not spans:
        return Verdict(416)
    spans.sort()
    start, stop = spans[0]
    for next_start, next_stop in spans[1:]:
        if next_start > stop:
            return None
        stop = max(stop, next_stop)
    return Verdict(206, start, stop)


def answer(verdict: Verdict, subject: Representation, blob: Blob | None) -> Response:
    """The response to a verdict, with the validators; `blob` is None where no body is sent.

    The first bytes are read here, while an error can still become a status. Closes the blob, at the latest
    when the server closes the response.
    """
    # Added, not set: each name comes once, and setting looks through all that is there.
    response = Response(status=verdict.status)
    add = response.headers.add
    if verdict.has_body:
        add("Accept-Ranges", "bytes")
        add("Content-Length", str(verdict.stop - verdict.start))
    if verdict.status == 206:
        add("Content-Range", f"bytes {verdict.start}-{verdict.stop - 1}/{subject.size}")
    elif verdict.status == 416:
        add("Content-Range", f"bytes */{subject.size}")
    add("ETag", f'"{subject.etag}"')
    # Section 8.8.2.1: never later than Date, as it would be after a clock was set back. The server's own Date
    # may be a second old.
    now = datetime.now(UTC)
    add("Date", http_date(now))
    if subject.modified is not None:
        add("Last-Modified", http_date(min(subject.modified, now)))
    if blob is not None:
        body = _Body(blob, verdict.start, verdict.stop)
        response.response = body
        response.direct_passthrough = True
    return response


class _Body:
    """A blob's range as a WSGI iterable whose first piece is in hand; `close` closes the blob."""

    def __init__(self, blob: Blob, start: int, stop: int) -> None:
        self._blob = blob
        try:
            self._pieces = blob.open(start, stop)
            self._first: bytes | None = next(self._pieces, b"")
        except BaseException:
            blob.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        return next(self._pieces)

    def close(self) -> None:
        self._blob.close()
