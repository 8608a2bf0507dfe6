"""The log: lines of text or JSON that name the request they belong to, and that no secret gets into."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

Form = Literal["text", "json"]

HIDDEN = "***"
CHATTY = ("pymongo", "httpx", "httpcore", "urllib3", "asyncio", "PIL")
SHORTEST_SECRET = 4
"""What is shorter is no secret, and hiding it would tear words apart."""

_TRACES = (
    (re.compile(r"(?<=://)[^/\s]+(?=@)"), HIDDEN),
    (
        re.compile(
            r"(?i)((?:signature|secret|password|passwd|token|api_key)\w*['\"]?\s*[=:]\s*['\"]?)[^\s&'\",}]+"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)(authorization['\"]?\s*[=:,]\s*b?['\"]?)[^'\"\r\n]+"), r"\1***"),
    (re.compile(r"\b((?:Basic|Bearer) )[A-Za-z0-9+/_.~-]{6,}=*"), r"\1***"),
    (re.compile(r"(?<![\w-])(?=[^A-Z]{0,42}[A-Z])(?=[^a-z]{0,42}[a-z])[A-Za-z0-9_-]{43}(?![\w-])"), HIDDEN),
    (re.compile(r"\bs--[A-Za-z0-9_-]{8,43}--"), "s--***--"),
)
"""What secrets look like wherever they turn up: URLs with a password, signed URLs, headers; and 32 bytes in
URL-safe base64, which is what the secrets of credentials are, pasted where a name belongs."""


@dataclass(frozen=True, slots=True)
class RequestNote:
    """What each line of a request says of it. `path` has no query: that may hold a signature. `trace_id` is
    empty where there is no trace."""

    id: str
    method: str
    path: str
    trace_id: str = ""


REQUEST: ContextVar[RequestNote | None] = ContextVar("imagestore_request", default=None)
"""The request that this code runs for. A context of its own for each request is the edge's work."""


def set_up_logging(
    level: str, form: Form = "text", *, access: bool = False, audit: bool = True, secrets: Iterable[str] = ()
) -> None:
    """One line a record on standard error, for the whole process. `level` is a name of the logging module.

    `access` and `audit` say whether the lines of each request and of each write are wanted, whatever the
    level. Wherever one of `secrets` would stand in the log, HIDDEN does. May be called again.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter((JsonLines if form == "json" else TextLines)(Redactor(secrets)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    for name, wanted in (("imagestore.access", access), ("imagestore.audit", audit)):
        logging.getLogger(name).setLevel(logging.INFO if wanted else logging.CRITICAL + 1)
    logging.captureWarnings(True)


class Redactor:
    """Hides the secrets that it is told, as they are and percent-encoded, and all that looks like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {form for secret in secrets for form in (secret, quote(secret, safe=""), repr(secret)[1:-1])}
        ordered = sorted((each for each in known if len(each) >= SHORTEST_SECRET), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def hide(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(HIDDEN, text)
        for pattern, instead in _TRACES:
            text = pattern.sub(instead, text)
        return text


def passwords_of(url: str) -> Iterator[str]:
    """The passwords within a URL, percent-encoded as they stand there: before its hosts, and of sentinels."""
    place, _, options = url.partition("://")[2].partition("?")
    yield place.partition("/")[0].rpartition("@")[0].partition(":")[2]
    for option in options.partition("#")[0].split("&"):
        name, _, value = option.partition("=")
        if name.endswith("password"):
            yield value


class _Lines(logging.Formatter):
    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._redactor = redactor

    def fields(self, record: logging.LogRecord) -> dict[str, Any]:
        """What the record was given under `extra={"fields": …}`, secrets hidden."""
        given: dict[str, Any] = getattr(record, "fields", {})
        return {
            name: self._redactor.hide(value) if isinstance(value, str) else value
            for name, value in given.items()
            if value is not None
        }


class TextLines(_Lines):
    """A line for people; fields stand behind the message as name=value. Only a traceback has more lines."""

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.hide(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        note = REQUEST.get()
        if note is not None:
            record.message = f"[{note.id}] {note.method} {ascii(note.path)[1:-1]}: {record.message}"
        for name, value in self.fields(record).items():
            record.message += f" {name}={json.dumps(value)}"
        return super().formatMessage(record)


class JsonLines(_Lines):
    """An object a line: time, level, logger, message; of a request its id, method and path; any fields."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redactor.hide(record.getMessage()),
        }
        note = REQUEST.get()
        if note is not None:
            path = self._redactor.hide(note.path)
            entry |= {"request_id": note.id, "method": note.method, "path": path}
            if note.trace_id:
                entry["trace_id"] = note.trace_id
        entry |= self.fields(record)
        if record.exc_info:
            entry["exception"] = self._redactor.hide(self.formatException(record.exc_info))
        return json.dumps(entry, default=str)
