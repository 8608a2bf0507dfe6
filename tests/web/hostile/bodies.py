"""Bodies of JSON that are too deep, too long, or none."""

from __future__ import annotations

from collections.abc import Iterator

from tests.web.hostile.rows import IMAGES, Row, ask, send_json

BOMBS: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" " * 1000,
    "text": b"name=x",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1",
    "a string": b'"x"',
    "a string of JSON": b'"[[[[[[["',
    "half": b'{"name": "half',
    "two": b'{"name": "x"}{"name": "y"}',
    "a comment": b'{"name": "xxx" /* */}',
    "100,000 lists": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000,
    "a closed tower": b"[" * 50_000 + b"]" * 50_000,
    "a tower in a field": b'{"name": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "100,000 fields": b"{" + b",".join(b'"%d": 0' % n for n in range(60_000)) + b"}",
    "100,000 items": b'{"name": [' + b"0," * 100_000 + b"0]}",
    "a number of 5,000 digits": b'{"name": ' + b"9" * 5000 + b"}",
    "a huge power": b'{"name": 1e999999}',
    "NaN": b'{"name": NaN}',
    "over 1 MB": b'{"name": "' + b"x" * 1024 * 1024 + b'"}',
    "half a pair": b'{"name": "\\ud800"}',
    "a pair the wrong way round": b'{"name": "\\udc00\\ud800"}',
    "NUL": b'{"name": "a\\u0000"}',
    "a raw NUL": b'{"name": "a\x00"}',
    "UTF-16": '{"name": "no"}'.encode("utf-16"),
    "no UTF-8": b'{"name": "\xff\xfe"}',
    "overlong UTF-8": b'{"name": "\xc0\xafxx"}',
    "a BOM": b'\xef\xbb\xbf{"name": "A"}',
    "twice one name": b'{"name": "A", "name": {"$ne": 1}}',
    "a prototype": b'{"__proto__": {"admin": true}, "name": "A"}',
    "a constructor": b'{"constructor": {"prototype": {}}, "name": "A"}',
    "a class": b'{"__class__": "x", "name": "A"}',
    "an id": b'{"_id": "x", "name": "A"}',
    "a date": b'{"created": {"$date": 0}, "name": "A"}',
}


def bodies() -> Iterator[Row]:
    for name, body in BOMBS.items():
        for path, method in (
            ("/v1/buckets", "POST"),
            (f"{IMAGES}/there.jpg", "PATCH"),
            ("/v1/credentials", "POST"),
        ):
            yield Row(f"{name} to {method} {path}", send_json(path, body, method))
    for kind in (
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "application/json/x",
        "",
        "*/*",
    ):
        request = ask("/v1/buckets", "POST", f"Content-Type: {kind}", body=b'{"name": "other-type"}')
        yield Row(f"a body of {kind!r}", request)
    for coding in ("gzip", "deflate", "br", "zstd", "identity, gzip", "x"):
        request = ask(
            "/v1/buckets",
            "POST",
            "Content-Type: application/json",
            f"Content-Encoding: {coding}",
            body=b"\x1f\x8b",
        )
        yield Row(f"a body in {coding}", request)
    xml = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    yield Row(
        "an external entity", ask("/v1/buckets", "POST", "Content-Type: text/xml", body=xml), absent=b"root:"
    )
