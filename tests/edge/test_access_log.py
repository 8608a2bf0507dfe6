"""The access log's lines of what the edge answers: what `imagestore plan` reads of them."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from imagestore.core.logs import JsonLines, Redactor
from imagestore.edge.sending import Reply, note_access
from imagestore.library.accesslog import open_log
from imagestore.web.journal import access_log

pytestmark = pytest.mark.quick
HEAD = b"HTTP/1.1 %s\r\ncontent-length: 4\r\nx-request-id: abcdefgh\r\n\r\n"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines(Redactor([])))
    monkeypatch.setattr(access_log, "handlers", [handler])
    monkeypatch.setattr(access_log, "propagate", False)
    previous = access_log.level
    access_log.setLevel(logging.INFO)
    yield stream
    access_log.setLevel(previous)


def test_a_line_tells_target_status_and_bytes(lines: io.StringIO) -> None:
    note_access(b"GET", b"/b/image/upload/a%20b.jpg?x=1", Reply(HEAD % b"200 OK", b"data", False))
    note_access(b"GET", b"/b/image/upload/a%20b.jpg", Reply(HEAD % b"304 Not Modified", b"", False))
    note_access(b"HEAD", b"/b/image/upload/c.jpg", Reply(HEAD % b"200 OK", b"", False))
    assert '"request_id": "abcdefgh"' in lines.getvalue()
    with open_log(io.BytesIO(lines.getvalue().encode())) as log:
        found = [(each.name, each.method, each.status, each.size) for each in log.deliveries()]
    assert found == [
        ("b/a b.jpg", "GET", 200, 4),
        ("b/a b.jpg", "GET", 304, 0),
        ("b/c.jpg", "HEAD", 200, None),
    ]


def test_nothing_is_written_where_nothing_is_wanted(lines: io.StringIO) -> None:
    access_log.setLevel(logging.CRITICAL + 1)
    note_access(b"GET", b"/b/image/upload/a.jpg", Reply(HEAD % b"200 OK", b"data", False))
    assert lines.getvalue() == ""
