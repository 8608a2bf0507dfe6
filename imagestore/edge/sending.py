"""The bytes of an answer that is sent again: 200, 206 or 304, as the request has it (RFC 9110)."""

from __future__ import annotations

import logging
import re
import secrets
from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Literal, NamedTuple
from urllib.parse import unquote

from werkzeug.datastructures import Headers
from werkzeug.http import parse_date

from imagestore.core.logs import REQUEST, RequestNote
from imagestore.edge.asked import Asked
from imagestore.edge.filed import Filed
from imagestore.edge.memory import Entry, Field
from imagestore.edge.rules import parse_demands
from imagestore.web.journal import access_log, is_request_id
from imagestore.web.responses import Representation, judge

Level = Literal["memory", "redis"]

SERVER = (b"server", b"imagestore")
"""Sent with every answer of the application, where gunicorn would name itself."""

_CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range")
_COME_FIRST = (b"if-match", b"if-unmodified-since")
"""Conditions that are judged before If-None-Match (section 13.2.2)."""

_BY_DATE = (b"if-modified-since", b"if-unmodified-since", b"if-range")

_NOT_OF_304 = frozenset(
    (b"accept-ranges", b"content-disposition", b"content-length", b"content-type", b"last-modified")
)
"""Fields that a 304 lacks: those of a body, and a second validator beside the ETag (section 15.4.5)."""

_LINES = {
    "200": b"HTTP/1.1 200 OK\r\n",
    "206": b"HTTP/1.1 206 Partial Content\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n",
}

_STATUS = slice(len("HTTP/1.1 "), len("HTTP/1.1 200"))
_NUMBER = re.compile(rb"\r\nx-request-id: ([^\r]*)\r\n")


class Reply(NamedTuple):
    """What goes to the client: the whole head, and the body behind it. `last`: the connection ends then."""

    head: bytes
    body: bytes | Filed
    last: bool


class Sender:
    """Makes replies of entries, and counts them: by level, method and status; by target; bytes by level."""

    def __init__(self) -> None:
        self._run = secrets.token_hex(4).encode()
        self._numbers = count(secrets.randbits(31))
        self.sent: Counter[tuple[Level, bytes, str]] = Counter()
        self.sent_bytes: Counter[Level] = Counter()
        self.targets: Counter[bytes] = Counter()

    def answer(self, entry: Entry, method: bytes, asked: Asked, now: float, level: Level) -> Reply | None:
        """None where the application has to answer: what is stored will not do, or a condition fails."""
        noted = asked.noted
        if not noted:
            return self._send(entry, "200", method, asked, now, level)
        if not _is_fit(entry, asked, now) or (not entry.dated and _asks_by_date(asked)):
            return None
        if noted.get(b"if-none-match") == entry.etag and noted.keys().isdisjoint(_COME_FIRST):
            return self._send(entry, "304", method, asked, now, level)
        headers = Headers()
        for name in _CONDITIONS:
            value = noted.get(name.encode())
            if value is not None:
                headers[name] = value.decode("latin-1")
        if not headers:
            return self._send(entry, "200", method, asked, now, level)
        verdict = judge(method.decode("ascii"), headers, _representation(entry))
        if verdict.status == 206:
            return self._send_range(entry, (verdict.start, verdict.stop), asked, now, level)
        status = str(verdict.status)
        return self._send(entry, status, method, asked, now, level) if status in ("200", "304") else None

    def describe(self, entry: Entry, now: float) -> list[Field]:
        """The fields with which it is sent now, by whoever adds those of the connection."""
        own = fields_of(_tail(entry, now, "memory"))
        return [*entry.fields, *own, (b"x-request-id", self._number())]

    def _send(
        self, entry: Entry, status: str, method: bytes, asked: Asked, now: float, level: Level
    ) -> Reply:
        head = entry.heads.get(status)
        if head is None:
            left_out: frozenset[bytes] = _NOT_OF_304 if status == "304" else frozenset()
            head = entry.heads[status] = _head(status, entry.fields, left_out)
        body = entry.body if status == "200" and method == b"GET" else b""
        self.sent[level, method, status] += 1
        return self._finish(entry, head, body, asked, now, level)

    def _send_range(
        self, entry: Entry, span: tuple[int, int], asked: Asked, now: float, level: Level
    ) -> Reply:
        start, stop = span
        fields = (
            *(field for field in entry.fields if field[0] != b"content-length"),
            (b"content-length", b"%d" % (stop - start)),
            (b"content-range", b"bytes %d-%d/%d" % (start, stop - 1, len(entry.body))),
        )
        self.sent[level, b"GET", "206"] += 1
        return self._finish(entry, _head("206", fields), entry.body[start:stop], asked, now, level)

    def _finish(
        self, entry: Entry, head: bytes, body: bytes | Filed, asked: Asked, now: float, level: Level
    ) -> Reply:
        self.sent_bytes[level] += len(body)
        self.targets[entry.target] += 1
        entry.hits += 1
        if level == "memory":
            if entry.tail[0] != int(now):  # once a second
                entry.tail = (int(now), _tail(entry, now, level))
            tail = entry.tail[1]
        else:
            tail = _tail(entry, now, level)
        given = asked.noted.get(b"x-request-id")
        number = given if given and is_request_id(given.decode("latin-1")) else self._number()
        end = b"\r\nconnection: close\r\n\r\n" if asked.last else b"\r\n\r\n"
        return Reply(b"%s%sx-request-id: %s%s" % (head, tail, number, end), body, asked.last)

    def _number(self) -> bytes:
        return b"%s%08x" % (self._run, next(self._numbers) & 0xFFFFFFFF)


def _asks_by_date(asked: Asked) -> bool:
    return not asked.noted.keys().isdisjoint(_BY_DATE)


def _is_fit(entry: Entry, asked: Asked, now: float) -> bool:
    """Whether the request takes what was made a while ago (RFC 9111, sections 5.2.1 and 5.4)."""
    directives = asked.noted.get(b"cache-control")
    if directives is None:
        return b"no-cache" not in asked.noted.get(b"pragma", b"").lower()
    return parse_demands(directives).accept(now - entry.born, entry.fresh_until - now)


def _head(status: str, fields: Iterable[Field], left_out: frozenset[bytes] = frozenset()) -> bytes:
    return _LINES[status] + lines_of(field for field in (*fields, SERVER) if field[0] not in left_out)


def lines_of(fields: Iterable[Field]) -> bytes:
    """Fields as a head has them, each with the end of its line."""
    return b"".join([b"%s: %s\r\n" % field for field in fields])


def fields_of(lines: bytes) -> tuple[Field, ...]:
    """What `lines_of` was given."""
    parts = (line.partition(b": ") for line in lines.split(b"\r\n")[:-1])
    return tuple((name, value) for name, _, value in parts)


def _tail(entry: Entry, now: float, level: Level) -> bytes:
    """Where it comes from (RFC 9211). What Redis has is not of a certain age: it was just found to hold."""
    if level == "redis":
        return b"cache-status: imagestore; hit; detail=redis\r\n"
    age, left = now - entry.born, entry.fresh_until - now
    return b"age: %d\r\ncache-status: imagestore; hit; ttl=%d; detail=memory\r\n" % (age, left)


def _representation(entry: Entry) -> Representation:
    modified = dict(entry.fields).get(b"last-modified")
    return Representation(
        entry.etag.decode("latin-1").strip('"'),
        parse_date(modified.decode("latin-1")) if modified else None,
        len(entry.body),
    )


def note_access(method: bytes, target: bytes, reply: Reply) -> None:
    """A line of the access log, if it is wanted, as the application writes them; without a duration: there
    is none to speak of."""
    if not access_log.isEnabledFor(logging.INFO):
        return
    number = _NUMBER.search(reply.head)
    path = unquote(target.partition(b"?")[0].decode("latin-1"), errors="replace")
    told = number[1].decode("latin-1") if number else ""
    token = REQUEST.set(RequestNote(told, method.decode("ascii"), path))
    try:
        size = None if method == b"HEAD" else len(reply.body)
        access_log.info("answered", extra={"fields": {"status": int(reply.head[_STATUS]), "bytes": size}})
    finally:
        REQUEST.reset(token)
