"""What an answer was made of, told to whoever may keep the answer and send it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

REPLAY = "imagestore.replay"
"""The key of a WSGI environment under which a Source waits to be filled in."""

SENT_HEADERS = "imagestore.headers"
"""The key under which the request's headers lie as they were sent: a list of pairs of bytes, names in lower
case. The environment itself has no names with underscores, which signatures may cover."""

REMEMBERS = "imagestore.remembers"
"""The key under which lies what tells whether this process would answer from its memory; none where it has
no such memory."""

Remembers = Callable[[bytes, str], bool]
"""A GET for that target, as it is sent, with that Accept field."""


@dataclass(slots=True)
class Source:
    """The names that a complete, public answer depends on, as the aliases of `library/aliases.py` have them;
    none for an answer that nobody may send again. `generations` are those of the aliases then, None for a
    name that no alias tells: with one of them, nobody can find the answer valid by Redis. `blob` is what the
    body is called in Redis, if it is there. `queryless`: whatever the query of the URL is, it is the answer.
    """

    names: tuple[str, ...] = ()
    generations: tuple[int | None, ...] = ()
    blob: str | None = None
    queryless: bool = False
