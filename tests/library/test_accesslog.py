"""Access logs: each format is found out and read, gzip or not, and what cannot be read is counted."""

from __future__ import annotations

import gzip
import io
import json
import logging
import tracemalloc
from pathlib import Path

import pytest

from imagestore.core.errors import InvalidParameter
from imagestore.core.logs import REQUEST, JsonLines, Redactor, RequestNote, TextLines
from imagestore.library.accesslog import Counts, Delivery, open_log

pytestmark = pytest.mark.quick

COMMON = '127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET {target} HTTP/1.0" 200 {size}\n'
COMBINED = (
    '2001:db8::1 - - [25/Nov/2026:06:37:29 +0000] "GET {target} HTTP/2.0" {status} {size} '
    '"https://example.com/?a=\\"b\\"" "Mozilla/5.0 (X11; [like])"\n'
)
CLOUDFRONT = (
    "#Version: 1.0\n"
    "#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status "
    "sc-content-len\n"
    "2026-11-25\t06:37:29\tFRA2\t1300\t192.0.2.1\tGET\td1.cloudfront.net\t"
    "/default/image/upload/a%2520b.jpg\t200\t1000\n"
    "2026-11-25\t06:37:30\tFRA2\t1301\t192.0.2.1\tGET\td1.cloudfront.net\t"
    "/default/image/upload/c.jpg\t200\t-\n"
    "2026-11-25\t06:37:31\tFRA2\t0\t192.0.2.1\tGET\td1.cloudfront.net\t/default/image/upload/d.jpg\t000\t-\n"
)


def read(text: str | bytes) -> tuple[str, list[Delivery], Counts]:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    with open_log(io.BytesIO(data)) as log:
        return log.format, list(log.deliveries()), log.counts


def test_common_log() -> None:
    form, [found], _ = read(
        COMMON.format(target="/default/image/upload/w_300/v7/sea/a%20b.jpg?x=1", size=2326)
    )

    assert form == "combined"
    assert found.name == "default/w_300/v7/sea/a b.jpg"
    assert found.request is not None
    assert (found.request.bucket, found.request.key, found.request.version) == ("default", "sea/a b.jpg", 7)
    assert str(found.request.transformation.canonical()) == "w_300"
    assert (found.method, found.status, found.size) == ("GET", 200, 2326)
    assert found.time == 971211336.0


def test_combined_log_and_nginx_default() -> None:
    text = COMBINED.format(target="/b/image/upload/a.jpg", status=206, size=10)
    text += COMBINED.format(target="https://img.example.com/b/image/upload/%C3%A4.jpg", status=304, size="-")
    _, [part, unchanged], counts = read(text)

    assert (part.name, part.status, part.size, part.time) == ("b/a.jpg", 206, 10, 1795588649.0)
    assert (unchanged.name, unchanged.status, unchanged.size) == ("b/ä.jpg", 304, None)
    assert (counts.lines, counts.deliveries, counts.unread) == (2, 2, 0)


@pytest.mark.parametrize("form", [JsonLines, TextLines])
def test_our_own_log(form: type[JsonLines] | type[TextLines]) -> None:
    """Written by the formatters of the service, so that neither changes without the other."""
    formatter = form(Redactor([]))

    def line(logger: str, message: str, **fields: object) -> str:
        record = logging.LogRecord(logger, logging.INFO, "", 0, message, (), None)
        record.fields = fields
        return formatter.format(record) + "\n"

    token = REQUEST.set(RequestNote("abcdefgh", "GET", "/b/image/upload/s--abcdefgh--/w_5/ü: 'x'\\y.jpg"))
    try:
        text = line("imagestore.access", "answered", status=200, duration_ms=1.5, bytes=5, address="::1")
        text += line("imagestore.audit", "put_image", status=201)
    finally:
        REQUEST.reset(token)
    found_form, [found], counts = read(text + line("imagestore", "started"))

    assert found_form == ("json" if form is JsonLines else "text")
    assert (found.name, found.status, found.size) == ("b/w_5/ü: 'x'\\y.jpg", 200, 5)
    assert found.request is not None and found.request.key == "ü: 'x'\\y.jpg"
    assert found.time is not None and found.time > 1.7e9
    assert (counts.others, counts.unread) == (2, 0)


def test_cloudfront_log() -> None:
    form, found, counts = read(gzip.compress(CLOUDFRONT.encode()))

    assert form == "cloudfront"
    assert [(each.name, each.size) for each in found] == [("default/a b.jpg", 1000), ("default/c.jpg", 1301)]
    assert found[0].time == 1795588649.0
    assert (counts.others, counts.unread) == (3, 0)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_trace(pack: type[bytes]) -> None:
    form, found, counts = read(pack(b"key,size\n0,13620\na,b,0\r\n1,99999999\n"))

    assert form == "trace"
    assert [(each.name, each.size) for each in found] == [("0", 13620), ("a,b", 0), ("1", 99999999)]
    assert found[0].request is None
    assert (counts.others, counts.unread) == (1, 0)


def test_counts_what_is_no_delivery_and_what_cannot_be_read() -> None:
    text = COMMON.format(target="/v1/buckets", size=1) + COMMON.format(target="/b/image/upload/", size=1)
    text += COMMON.format(target="/b/image/upload/a.jpg", size=1) + 'x - - [oops] "GET /" 200 1\n'
    text += 'x - - [25/Nov/2026:06:37:29 +0000] "\\x16\\x03\\x01" 400 150\n' + "\n"
    text += COMMON.format(target="/b/image/upload/" + "l" * 70_000, size=1)
    text += COMMON.format(target="/b/image/upload/b.jpg", size=1).rstrip("\n")
    _, found, counts = read(text)

    assert [each.name for each in found] == ["b/a.jpg", "b/b.jpg"]
    assert (counts.lines, counts.deliveries, counts.others, counts.unread) == (8, 2, 4, 2)
    assert counts.first_unread[0] == (4, 'x - - [oops] "GET /" 200 1')


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"hello\nworld\n", "no access log: none of its first 2 lines"),
        (b"\x00\xff" * 1000, "no access log"),
        (gzip.compress(b"0,1\n" * 1000, mtime=0)[:-20], "to its end"),
        (json.dumps({"some": "object"}).encode(), "no access log"),
    ],
)
def test_says_why_a_log_cannot_be_read(data: bytes, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        read(data)


def test_says_that_a_file_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="No such file"), open_log(tmp_path / "none"):
        pass


def test_a_file_tells_how_far_it_was_read(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text("0,13620\n" * 100_000)
    with open_log(path) as log:
        before = log.position
        assert sum(1 for _ in log.deliveries()) == 100_000
        assert before < log.position == log.total == path.stat().st_size


def test_memory_is_bounded_whatever_the_log_holds() -> None:
    """Ten million bytes in one line, and a hundred thousand names."""
    lines = b"".join(
        COMMON.format(target=f"/b/image/upload/{number}", size=1).encode() for number in range(60_000)
    )
    data = io.BytesIO(
        COMMON.format(target="/b/image/upload/a", size=1).encode() + b"x" * 10_000_000 + b"\n" + lines
    )
    tracemalloc.start()
    try:
        with open_log(data) as log:
            assert sum(1 for _ in log.deliveries()) == 60_001
        assert tracemalloc.get_traced_memory()[1] < 24_000_000
    finally:
        tracemalloc.stop()
