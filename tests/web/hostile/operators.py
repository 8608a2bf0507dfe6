"""Operators of MongoDB where text or a number belongs."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from tests.web.hostile.rows import FOUND_NOTHING, IMAGES, PRIVATE, Row, ask, send_json

OPERATORS: tuple[Any, ...] = (
    {"$ne": None},
    {"$gt": ""},
    {"$regex": ".*"},
    {"$where": "sleep(5000) || true"},
    {"$function": {"body": "return 1", "args": [], "lang": "js"}},
)
JSON_FIELDS: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("/v1/buckets", "POST", "name", {}),
    ("/v1/buckets", "POST", "access", {"name": "operators"}),
    ("/v1/buckets/default", "PATCH", "access", {}),
    (f"{IMAGES}/there.jpg", "PATCH", "tags", {}),
    (f"{IMAGES}/there.jpg", "PATCH", "context", {}),
    ("/v1/buckets/default/signed-urls", "POST", "key", {}),
    ("/v1/buckets/default/signed-urls", "POST", "version", {"key": "there.jpg"}),
    ("/v1/buckets/default/signed-urls", "POST", "expires_in", {"key": "there.jpg"}),
    ("/v1/credentials", "POST", "scopes", {}),
    ("/v1/credentials", "POST", "buckets", {"scopes": ["read"]}),
    ("/v1/credentials", "POST", "description", {"scopes": ["read"]}),
    ("/v1/cache/warm", "POST", "bucket", {"keys": ["x"]}),
    ("/v1/cache/warm", "POST", "keys", {"bucket": "default"}),
    ("/v1/cache/warm", "POST", "transformations", {"bucket": "default", "keys": ["x"]}),
    ("/v1/cache/warm", "POST", "accept", {"bucket": "default", "keys": ["x"], "transformations": ["w_9"]}),
    ("/v1/cache/purge", "POST", "bucket", {"keys": ["x"]}),
    *(("/v1/cache/purge", "POST", name, {"bucket": "default"}) for name in ("keys", "tag", "prefix")),
    ("/v1/cache/purge", "POST", "everything", {"bucket": "default"}),
    ("/v1/cache/purge", "POST", "after", {"bucket": "default", "everything": True}),
)
OPERATOR_TEXTS = (
    '{"$ne": null}',
    "[$ne]",
    "'; return true; //",
    "a' || '1'=='1",
    '{"$where": "sleep(9)"}',
    "$where",
)


def operators() -> Iterator[Row]:
    for path, method, name, others in JSON_FIELDS:
        for operator in OPERATORS:
            # A context is an object of text to text, which an operator with text for its operand is too.
            if name == "context" and all(isinstance(value, str) for value in operator.values()):
                operator = {"a": operator}
            request = send_json(path, {**others, name: operator}, method)
            yield Row(f"operator {operator} in {name} of {method} {path}", request)
    for path, method in {(path, method): None for path, method, _, _ in JSON_FIELDS}:
        yield Row(f"operator beside all of {method} {path}", send_json(path, {"$where": "1"}, method))
    for name in ("prefix", "tag", "limit", "cursor"):
        for operator in ("$ne", "$gt", "$regex"):
            yield Row(f"query {name}[{operator}]", ask(f"{IMAGES}?{name}[{operator}]=1"))
    for name in ("key", "tags", "context"):
        yield Row(f"upload with {name}[$ne]", ask(f"{IMAGES}?{name}[$ne]=1", "POST", body=b"x"))
    for operator in ("$ne", "$gt", "$lt"):
        yield Row(
            f"versions with before[{operator}]", ask(f"{IMAGES}/there.jpg/versions?before[{operator}]=0")
        )
        yield Row(
            f"signature[{operator}]", ask(f"{PRIVATE}?access_key=@KEY@&signature[{operator}]=", auth=False)
        )
        yield Row(
            f"access_key[{operator}]",
            ask(f"{PRIVATE}?access_key[{operator}]=&expires=@EXPIRES@&signature=x", auth=False),
        )
    for text in OPERATOR_TEXTS:
        yield Row(f"bucket {text}", ask(f"/v1/buckets/{quote(text, safe='')}"), FOUND_NOTHING)
        yield Row(f"key {text}", ask(f"{IMAGES}/{quote(text)}"), FOUND_NOTHING)
        yield Row(f"delivery of {text}", ask(f"/default/image/upload/{quote(text)}"), FOUND_NOTHING)
        yield Row(
            f"credential {text}", ask(f"/v1/credentials/{quote(text, safe='')}", "DELETE"), FOUND_NOTHING
        )
        yield Row(
            f"listing by {text}",
            ask(f"{IMAGES}?prefix={quote(text)}&tag={quote(text)}"),
            frozenset({200}),
            absent=b"there.jpg",
        )
        basic = base64.b64encode(f"{text}:{text}".encode()).decode()
        yield Row(f"Basic {text}", ask("/v1/buckets", "GET", f"Authorization: Basic {basic}", auth=False))
