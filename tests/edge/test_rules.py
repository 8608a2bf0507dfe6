"""What may be kept, for how long, and what a request will take (RFC 9111)."""

from __future__ import annotations

import pytest

from imagestore.edge.rules import Lifetime, lifetime, parse_demands, parse_directives

pytestmark = pytest.mark.quick

DATE = b"Sun, 06 Nov 1994 08:49:37 GMT"
NO_STORE = {b"no-store": None}


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        (b"public, max-age=60", {b"public": None, b"max-age": b"60"}),
        (b"PUBLIC,Max-Age=60", {b"public": None, b"max-age": b"60"}),
        (b'max-age="60"', {b"max-age": b"60"}),
        (b"max-age=1, max-age=2", {b"max-age": b"1"}),
        (b', ,public,, x="a, b\\"c" ,', {b"public": None, b"x": b'a, b\\"c'}),
        (b"", {}),
        (b'public, x="open', NO_STORE),
        (b"public max-age=60", NO_STORE),
    ],
)
def test_directives(value: bytes, directives: dict[bytes, bytes | None]) -> None:
    assert parse_directives(value) == directives


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({b"cache-control": b"public, max-age=60"}, Lifetime(60, 0)),
        ({b"cache-control": b"public, max-age=60, stale-if-error=9"}, Lifetime(60, 9)),
        ({b"cache-control": b"public, max-age=60, s-maxage=7, stale-if-error=9"}, Lifetime(7, 0)),
        ({b"cache-control": b"public, max-age=60, must-revalidate, stale-if-error=9"}, Lifetime(60, 0)),
        ({b"cache-control": b"public, max-age=60", b"age": b"20"}, Lifetime(40, 0, 20)),
        ({b"cache-control": b"public, max-age=60", b"vary": b"Accept"}, Lifetime(60, 0)),
        ({b"cache-control": b"public, max-age=60", b"age": b"60"}, None),
        ({b"cache-control": b"public"}, None),
        ({b"cache-control": b"public, max-age=x"}, None),
        ({b"cache-control": b"max-age=60"}, Lifetime(60)),
        ({b"date": DATE, b"expires": b"Sun, 06 Nov 1994 08:50:07 GMT"}, Lifetime(30)),
        (
            {b"date": DATE, b"expires": b"Sun, 06 Nov 1994 08:50:07 GMT", b"cache-control": b"max-age=5"},
            Lifetime(5),
        ),
        ({b"date": DATE, b"expires": b"0"}, None),
        ({b"expires": b"Sun, 06 Nov 1994 08:50:07 GMT"}, None),
        ({b"cache-control": b"public, max-age=60", b"age": b"0, 0"}, None),
        ({b"cache-control": b"public, max-age=60", b"age": b"old"}, None),
        ({b"cache-control": b"private, max-age=60"}, None),
        ({b"cache-control": b"public, no-store, max-age=60"}, None),
        ({b"cache-control": b"public, no-cache, max-age=60"}, None),
        ({b"cache-control": b"public, max-age=60", b"vary": b"*"}, None),
        ({b"cache-control": b"public, max-age=60", b"vary": b"Accept, Cookie"}, None),
        ({b"cache-control": b"public, max-age=60", b"set-cookie": b"a=b"}, None),
        ({}, None),
    ],
)
def test_lifetime(fields: dict[bytes, bytes], wanted: Lifetime | None) -> None:
    assert lifetime(fields.items()) == wanted


def test_fields_of_one_name_are_one_list() -> None:
    assert lifetime([(b"cache-control", b"public"), (b"cache-control", b"max-age=5")]) == Lifetime(5, 0)


@pytest.mark.parametrize(
    ("value", "age", "left", "accepted"),
    [
        (b"max-age=10", 10, 5, True),
        (b"max-age=10", 11, 5, False),
        (b"max-age=0", 0.5, 5, False),
        (b"max-age=x", 1, 5, False),
        (b"min-fresh=5", 1, 5, True),
        (b"min-fresh=6", 1, 5, False),
        (b"max-stale=100", 1, 5, True),
        (b"only-if-cached", 1, 5, True),
        (b"no-cache", 0, 5, False),
        (b"no-store", 0, 5, False),
    ],
)
def test_demands(value: bytes, age: float, left: float, accepted: bool) -> None:
    assert parse_demands(value).accept(age, left) is accepted
