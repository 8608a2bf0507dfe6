"""What a shared cache may keep of an answer, and for how long, and what a request may be sent (RFC 9111)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

Field = tuple[bytes, bytes]

_DIRECTIVE = re.compile(
    rb"[\s,]*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*"  # a token
    rb'(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?\s*(?:,|$)'  # and what it is set to, quoted or not
)
_SECONDS = re.compile(rb"[0-9]{1,10}")


class Lifetime(NamedTuple):
    """Seconds for which an answer may be sent unasked, and for how many more if it cannot be made anew."""

    fresh: float
    stale_if_error: float


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

    It must say that it is `public`: what says nothing is not taken for it. Nothing is guessed from its
    Last-Modified (section 4.2.2 allows that), and `Set-Cookie` keeps it out, as most caches have it.
    """
    said = b""
    age = 0
    for name, value in fields:
        if name == b"cache-control":
            said = said + b"," + value if said else value
        elif name == b"set-cookie" or (name == b"vary" and value.strip().lower() != b"accept"):
            return None
        elif name == b"age":
            age = max(age, _seconds(value))
    directives = parse_directives(said)
    if b"public" not in directives or not directives.keys().isdisjoint(
        (b"no-store", b"private", b"no-cache")
    ):
        return None
    fresh = _seconds(directives.get(b"s-maxage", directives.get(b"max-age"))) - age
    if fresh <= 0:
        return None
    bound = not directives.keys().isdisjoint((b"must-revalidate", b"proxy-revalidate", b"s-maxage"))
    stale = 0 if bound else _seconds(directives.get(b"stale-if-error"))
    return Lifetime(fresh, stale)


def _seconds(value: bytes | None) -> int:
    """Delta-seconds (section 1.2.2); 0 for what is none, so that it is stale."""
    found = _SECONDS.fullmatch(value.strip()) if value else None
    return int(found[0]) if found else 0
