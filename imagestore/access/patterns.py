"""Patterns of policies: text with the wildcards `*` and `?`, and with variables such as `${aws:username}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

Values = Mapping[str, tuple[str, ...]]
"""What a request has for the keys of conditions, their names in lower case (see `fold`)."""

MANY, ONE = "\ud800", "\ud801"
"""The wildcards in patterns whose variables are filled in; no text of a request has these characters."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_TAGGED = ("s3:existingobjecttag/", "s3:requestobjecttag/")


def fold(key: str) -> str:
    """The name of a condition's key as it is looked up: only the names of tags differ by case."""
    lowered = key.lower()
    prefix = next((each for each in _TAGGED if lowered.startswith(each)), None)
    return prefix + key[len(prefix) :] if prefix else lowered


def has_variable(text: str) -> bool:
    return "${" in text and _VARIABLE.search(text) is not None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` fits: `*` stands for any characters, `?` for one."""
    return _fits(pattern, text, "*", "?")


def expand(pattern: str, values: Values, *, wild: bool) -> str | None:
    """The pattern with what its variables stand for, None where one has no value, or more than one.

    What a variable stands for has no wildcards of its own; `wild` says whether the pattern may have any: they
    then are MANY and ONE.
    """
    literals = _VARIABLE.split(pattern)
    names = literals[1::2]
    literals[1::2] = [""] * len(names)
    if wild:
        literals = [each.replace("*", MANY).replace("?", ONE) for each in literals]
    for at, name in enumerate(names):
        found = (name,) if name in ("*", "?", "$") else values.get(fold(name.strip()), ())
        if len(found) != 1:
            return None
        literals[2 * at + 1] = found[0]
    return "".join(literals)


def is_match(pattern: str, text: str, values: Values) -> bool:
    """Whether `text` fits a pattern that may have variables."""
    if not has_variable(pattern):
        return matches(pattern, text)
    expanded = expand(pattern, values, wild=True)
    return expanded is not None and _fits(expanded, text, MANY, ONE)


def _fits(pattern: str, text: str, many: str, one: str) -> bool:
    """By what stands between the wildcards, each found as early as it can be: none has to be tried twice, so
    that no pattern takes long. Nothing is compiled, since policies have thousands of patterns."""
    pieces = pattern.split(many)
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return len(text) == len(first) and _find(first, text, 0, len(text), one) == 0
    at, end = len(first), len(text) - len(last)
    if end < at or _find(first, text, 0, at, one) != 0 or _find(last, text, end, len(text), one) != end:
        return False
    for piece in pieces[1:-1]:
        found = _find(piece, text, at, end, one)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _find(piece: str, text: str, start: int, stop: int, one: str) -> int:
    """Where it stands first between these places; -1 for nowhere."""
    if one not in piece:
        return text.find(piece, start, stop)
    found = _with_gaps(piece, one).search(text, start, stop)
    return -1 if found is None else found.start()


@lru_cache(maxsize=1024)
def _with_gaps(piece: str, one: str) -> re.Pattern[str]:
    return re.compile(".".join(map(re.escape, piece.split(one))), re.DOTALL)
