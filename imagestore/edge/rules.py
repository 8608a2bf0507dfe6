"""What a shared cache may keep of an answer, and for how long, and what a request may be sent (RFC 9111)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from werkzeug.http import parse_date

Field = tuple[bytes, bytes]

_DIRECTIVE = re.compile(
    rb"[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*"  # a token
    rb'(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?\s*(?:,|$)'  # and what it is set to, quoted or not
)
_SECONDS = re.compile(rb"[0-9]{1,10}")


class Lifetime(NamedTuple):
    """Seconds for which an answer may be sent unasked, for how many more if it cannot be made anew, and how
    old it is when it comes."""

    fresh: int
    stale_if_error: int = 0
    age: int = 0


@dataclass(frozen=True, slots=True)
class Demands:
    """What the Cache-Control of a request asks for (section 5.2.1); seconds, None for what it does not."""

    max_age: int | None = None
    min_fresh: int | None = None
    no_cache: bool = False
    no_store: bool = False

    def accept(self, age: float, left: float) -> bool:
        """Whether an answer will do that is so old and so long fresh, in seconds."""
        if self.no_cache or self.no_store:
            return False
        return (self.max_age is None or age <= self.max_age) and (
            self.min_fresh is None or left >= self.min_fresh
        )


@lru_cache(maxsize=256)
def parse_directives(value: bytes) -> dict[bytes, bytes | None]:
    """The directives of Cache-Control by their lower-case names; of one that comes twice the first counts
    (section 4.2.1). What cannot be read as a whole is no-store: nobody can tell what was meant."""
    directives: dict[bytes, bytes | None] = {}
    value = value.rstrip(b" \t,")
    position = 0
    while position < len(value):
        found = _DIRECTIVE.match(value, position)
        if found is None:
            return {b"no-store": None}
        directives.setdefault(found[1].lower(), found[2] if found[2] is not None else found[3])
        position = found.end()
    return directives


@lru_cache(maxsize=256)
def parse_demands(value: bytes) -> Demands:
    asked = parse_directives(value)
    return Demands(
        max_age=_seconds(asked.get(b"max-age")) if b"max-age" in asked else None,
        min_fresh=_seconds(asked.get(b"min-fresh")) if b"min-fresh" in asked else None,
        no_cache=b"no-cache" in asked,
        no_store=b"no-store" in asked,
    )


def lifetime(fields: Iterable[Field]) -> Lifetime | None:
    """For how long a 200 answer to a GET may be kept; None if it may not.

    It must say how long it is fresh (section 4.2.1): nothing is guessed from its Last-Modified, as section
    4.2.2 allows. `Set-Cookie` keeps it out, as most caches have it.
    """
    said, ages, expires, date = b"", list[bytes](), list[bytes](), b""
    for name, value in fields:
        if name == b"cache-control":
            said = said + b"," + value if said else value
        elif name == b"set-cookie" or (name == b"vary" and value.strip().lower() != b"accept"):
            return None
        elif name == b"age":
            ages.append(value.strip())
        elif name == b"expires":
            expires.append(value)
        elif name == b"date":
            date = value
    directives = parse_directives(said)
    if not directives.keys().isdisjoint((b"no-store", b"private", b"no-cache")):
        return None
    if len(ages) > 1 or not all(_SECONDS.fullmatch(each) for each in ages):
        return None  # nobody can tell how old it is
    age = int(ages[0]) if ages else 0
    named = next((name for name in (b"s-maxage", b"max-age") if name in directives), None)
    fresh = (_until(expires, date) if named is None else _seconds(directives[named])) - age
    if fresh <= 0:
        return None
    bound = not directives.keys().isdisjoint((b"must-revalidate", b"proxy-revalidate", b"s-maxage"))
    return Lifetime(fresh, 0 if bound else _seconds(directives.get(b"stale-if-error")), age)


def _until(expires: list[bytes], date: bytes) -> int:
    """From Date to Expires, in seconds; 0 where they do not say it in one way (section 5.3)."""
    end, start = (parse_date(each.decode("latin-1")) for each in (expires[0] if expires else b"", date))
    return int((end - start).total_seconds()) if end and start and len(set(expires)) == 1 else 0


def _seconds(value: bytes | None) -> int:
    """Delta-seconds (section 1.2.2); 0 for what is none, so that it is stale."""
    found = _SECONDS.fullmatch(value.strip()) if value else None
    return int(found[0]) if found else 0
