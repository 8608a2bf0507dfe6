"""Surrogate keys: short names that shared caches keep beside an answer, and drop it by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

SEPARATORS = {"Surrogate-Key": " ", "xkey": " ", "Cache-Tag": ",", "Edge-Cache-Tag": ","}
"""The fields that caches know, and what parts the keys in each: that of Fastly, of Varnish's module xkey, of
Cloudflare, Google and CloudFront, of Akamai."""

EVERYTHING = "imagestore"
"""A key of every answer of this service."""

LONGEST_KEY = 120
"""Bytes of a key: caches take 128 at least."""

MOST_KEYS_BYTES = 2048
"""Of all keys of an answer, in one field: proxies have 4 KiB for a whole head by default."""

MARK = "~"
"""Between the parts of a key. No bucket's name has it, and the grammar of every cache does."""

_HASH_CHARACTERS = 40


def keys_of_answer(names: Iterable[str]) -> list[str]:
    """Those of an answer that depends on these alias names (see `library/aliases.py`). Of one that depends on
    too many images they are the buckets of those, as keys of another kind, `any`."""
    places = _places(names)
    keys = [_key(place) for place in places]
    if sum(len(key) + 1 for key in keys) > MOST_KEYS_BYTES:
        keys = [_wide_key(place) for place in places]
    return list(dict.fromkeys([EVERYTHING, *keys]))


def keys_to_drop(names: Iterable[str]) -> list[str]:
    """Those by which every answer is dropped that depends on any of these alias names."""
    places = _places(names)
    return list(dict.fromkeys([*map(_key, places), *map(_wide_key, places)]))


@dataclass(frozen=True, slots=True)
class SurrogateFields:
    """In which header fields answers have their keys. Its text has their names separated by commas."""

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> SurrogateFields:
        """Raises ValueError."""
        known = {name.lower(): name for name in SEPARATORS}
        wanted = [part.strip().lower() for part in text.split(",")]
        if not all(each in known for each in wanted):
            raise ValueError(f"wants one of {', '.join(SEPARATORS)}, or several, separated by commas")
        return cls(tuple(dict.fromkeys(known[each] for each in wanted)))

    def write(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """The fields of an answer that depends on these alias names."""
        keys = keys_of_answer(names)
        return [(name, SEPARATORS[name].join(keys)) for name in self.names]

    def __str__(self) -> str:
        return ",".join(self.names)


_Place = tuple[str, ...]
"""The kind, the bucket, and what is in it."""


def _places(names: Iterable[str]) -> list[_Place]:
    """What alias names are of, each once: a version goes with its image, a credential is in no answer."""
    places = dict[_Place, None]()
    for name in names:
        kind, _, rest = name.partition("/")
        bucket, _, inner = rest.partition("/")
        if kind == "version":
            kind, inner = "image", inner.partition("/")[2]
        if kind == "bucket":
            places[kind, bucket] = None
        elif kind in ("image", "transformation"):
            places[kind, bucket, inner] = None
    return list(places)


def _key(place: _Place) -> str:
    key = MARK.join(quote(part, safe="", errors="surrogatepass") for part in place)
    if len(key) <= LONGEST_KEY:
        return key
    kind, bucket, inner = place
    digest = hashlib.sha256(inner.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARACTERS]
    return MARK.join((kind, bucket, "", digest))


def _wide_key(place: _Place) -> str:
    return _key(place) if place[0] == "bucket" else MARK.join(("any", place[1]))
