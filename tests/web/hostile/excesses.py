"""Too much of everything."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from tests.web.hostile.rows import FOUND_NOTHING, IMAGES, PUBLIC, SERVED, Row, ask

RANGES = (
    "bytes=" + ",".join(["0-"] * 1300),
    "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 1800, 2)),
    "bytes=0-0,0-0,0-0",
    "bytes=18446744073709551616-",
    "bytes=0-18446744073709551615",
    "bytes=-0",
    "bytes=--1",
    "bytes=5-1",
    "bytes=a-b",
    "bytes=0-\x0b1",
    "bytes= 0 - 5 ",
    "octets=0-5",
    "bytes",
    "=",
    "bytes=" + "9" * 2000 + "-",
    "bytes=٠-٥",
    "bytes=0x0-0x5",
)


def excesses() -> Iterator[Row]:
    yield Row("a path of 9,000", ask("/" + "a" * 9000))
    yield Row("a query of 9,000", ask("/?" + "a" * 9000))
    yield Row("3,000 segments", ask("/" + "a/" * 3000), FOUND_NOTHING)
    yield Row("2,000 parameters", ask(f"{IMAGES}?" + "&".join(f"{n}" for n in range(1500))))
    yield Row("2,000 times one parameter", ask(f"{IMAGES}?" + "&limit=1" * 900), frozenset({200, 400}))
    yield Row("a header of 9,000", ask(PUBLIC, "GET", "X: " + "a" * 9000))
    yield Row("a header's name of 9,000", ask(PUBLIC, "GET", "a" * 9000 + ": x"))
    yield Row("200 headers", ask(PUBLIC, "GET", *["X: y"] * 200))
    yield Row("a head of 2 MB", ask(PUBLIC, "GET", *["X: " + "a" * 8000] * 250))
    yield Row(
        "8,000 of Authorization",
        ask("/v1/buckets", "GET", "Authorization: Basic " + "QUFB" * 2000, auth=False),
    )
    yield Row("8,000 of Cookie", ask(PUBLIC, "GET", "Cookie: " + "a=b; " * 1600), SERVED)
    yield Row("2,000 media types", ask(PUBLIC, "GET", "Accept: " + ",".join(["a/b;q=0.1"] * 800)), SERVED)
    yield Row("1,000 tags", ask(PUBLIC, "GET", "If-None-Match: " + ",".join(['"a"'] * 1900)), SERVED)
    yield Row("an unclosed tag", ask(PUBLIC, "GET", 'If-None-Match: "' + "a" * 8000), SERVED)
    yield Row(
        "1,000 tags of a write", ask(f"{IMAGES}/there.jpg", "DELETE", "If-Match: " + ",".join(['"a"'] * 1900))
    )
    for value in RANGES:
        yield Row(f"Range {value[:40]!r}", ask(PUBLIC, "GET", f"Range: {value}", auth=False), SERVED | {400})
    for limit in ("-1", "0", "1001", "1e9", "٣", "9" * 400, "1.5", "NaN", "true", ""):
        yield Row(f"limit {limit[:20]}", ask(f"{IMAGES}?limit={quote(limit)}"))
    for number in ("-1", "1e3", "9" * 16, "9" * 400, "0x1", "1.5"):
        yield Row(f"version {number[:20]}", ask(f"{IMAGES}/there.jpg/versions/{number}"), FOUND_NOTHING)
        yield Row(f"before {number[:20]}", ask(f"{IMAGES}/there.jpg/versions?before={number}"))
        yield Row(
            f"delivery of v{number[:20]}",
            ask(f"/default/image/upload/v{number}/none", auth=False),
            FOUND_NOTHING,
        )
