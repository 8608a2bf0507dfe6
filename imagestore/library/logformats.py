"""The formats of access logs: for each a parser, which takes lines and tells the requests in them."""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from urllib.parse import unquote

FormatName = Literal["json", "text", "cloudfront", "combined", "trace"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: its path without a query, percent-decoded once; bytes of the answer's body, if known."""

    path: str
    method: str
    status: int
    size: int | None
    time: float | None


Parsed = Entry | Literal["other"] | None
"""A request; a line that belongs into such a log but is no request; None for one that does not."""
Parser = Callable[[str], Parsed]

_COMBINED = re.compile(
    r'\S+ \S+ .*?\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)(?: .*)?',
    re.DOTALL,
)
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S.*?)(?: HTTP/[\d.]+)?")
_ESCAPED = re.compile(r'\\x([0-9A-Fa-f]{2})|\\(["\\])')
_TEXT = re.compile(
    r"(\S+ \S+) +\w+ +imagestore\.access: \[[^\]]*\] ([A-Z]+) (/.*): answered status=(\d{3})(.*)"
)
_TEXT_LOG = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +[\w.]+: ")
_TEXT_BYTES = re.compile(r" bytes=(\d+)")
_UNICODE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(\\)|(['\"]))")
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr)}


def parse_combined(line: str) -> Parsed:
    """The common log format, with or without what the combined one adds; nginx's default is the latter.

    https://httpd.apache.org/docs/current/logs.html#accesslog
    """
    match = _COMBINED.fullmatch(line)
    if match is None:
        return None
    request = _REQUEST_LINE.fullmatch(_ESCAPED.sub(_unescape, match[2]))
    if request is None:
        return "other"  # a head that no server could read is logged too, as `"-"` or as it came
    size = None if match[4] == "-" else int(match[4])
    return Entry(_decoded(request[2]), request[1], int(match[3]), size, _clf_time(match[1]))


def parse_json(line: str) -> Parsed:
    """Our own log with IMAGESTORE_LOG_FORMAT=json: the lines of IMAGESTORE_ACCESS_LOG among the others."""
    if not line.startswith("{"):
        return None
    try:
        fields: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict) or "logger" not in fields:
        return None
    if fields["logger"] != "imagestore.access":
        return "other"
    match fields:
        case {"path": str(path), "method": str(method), "status": int(status)}:
            size = fields.get("bytes")
            return Entry(path, method, status, size if isinstance(size, int) else None, _iso_time(fields))
    return None


def parse_text(line: str) -> Parsed:
    """Our own log as text, which is its default."""
    match = _TEXT.fullmatch(line)
    if match is None:
        return "other" if _TEXT_LOG.match(line) else None
    path = _UNICODE.sub(_unescape_unicode, match[3])
    size = _TEXT_BYTES.search(match[5])
    when = _parsed_time(match[1].replace(",", "."))
    return Entry(path, match[2], int(match[4]), int(size[1]) if size else None, when)


def parse_trace(line: str) -> Parsed:
    """`key,size in bytes`, as traces of requests are published; a first line of titles is passed over."""
    key, comma, size = line.rpartition(",")
    if not comma or not key:
        return None
    size = size.strip()
    if size.isascii() and size.isdigit() and len(size) < 16:
        return Entry(key, "GET", 200, int(size), None)
    return "other" if (key.strip().lower(), size.lower()) == ("key", "size") else None


class CloudFront:
    """CloudFront's standard log: fields separated by tabs, named by a line `#Fields: …`.

    https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logs-reference.html
    """

    def __init__(self) -> None:
        self._names: list[str] = []

    def __call__(self, line: str) -> Parsed:
        if line.startswith("#"):
            if line.startswith("#Fields:"):
                self._names = line.removeprefix("#Fields:").split()
            return "other" if line.startswith(("#Fields:", "#Version:")) else None
        values = line.split("\t")
        if not self._names or len(values) != len(self._names):
            return None
        row = dict(zip(self._names, values, strict=True))
        stem, status = row.get("cs-uri-stem", ""), row.get("sc-status", "")
        if not stem.startswith("/"):
            return None
        if not status.isdigit() or status == "000":
            return "other"  # 000: the viewer went away before it was answered; `-` likewise
        # `sc-bytes` counts the head of the answer too.
        size = _first_number(row.get("sc-content-len"), row.get("sc-bytes"))
        when = _parsed_time(f"{row.get('date', '')} {row.get('time', '')}+00:00")
        # Values are percent-encoded for the log, percent signs included.
        return Entry(_decoded(unquote(stem)), row.get("cs-method", "GET"), int(status), size, when)


FORMATS: dict[FormatName, Callable[[], Parser]] = {
    "json": lambda: parse_json,
    "text": lambda: parse_text,
    "cloudfront": CloudFront,
    "combined": lambda: parse_combined,
    "trace": lambda: parse_trace,
}
"""Name → what makes a parser, in the order in which they are preferred."""


def _decoded(target: str) -> str:
    return unquote(target.partition("?")[0], errors="surrogateescape")


def _first_number(*texts: str | None) -> int | None:
    return next((int(text) for text in texts if text is not None and text.isdigit()), None)


def _unescape(found: re.Match[str]) -> str:
    return found[2] or bytes.fromhex(found[1]).decode("latin-1")


def _unescape_unicode(found: re.Match[str]) -> str:
    code = found[1] or found[2] or found[3]
    return chr(int(code, 16)) if code else found[4] or found[5]


def _clf_time(text: str) -> float | None:
    """Of `25/Nov/2026:06:37:29 +0000`. Not by strptime, which is slow and asks the locale for its months."""
    try:
        day, month, year = int(text[:2]), _MONTHS[text[3:6]], int(text[7:11])
        clock = (int(text[12:14]), int(text[15:17]), int(text[18:20]))
        ahead = (int(text[22:24]) * 60 + int(text[24:26])) * 60 * (-1 if text[21] == "-" else 1)
        return calendar.timegm(time.struct_time((year, month, day, *clock, 0, 0, 0))) - ahead
    except (KeyError, ValueError):
        return None


def _iso_time(fields: dict[str, Any]) -> float | None:
    value = fields.get("time")
    return _parsed_time(value) if isinstance(value, str) else None


def _parsed_time(text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
