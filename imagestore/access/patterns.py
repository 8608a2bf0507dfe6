"""Patterns of policies: text with the wildcards `*` and `?`, and with variables such as `${aws:username}`."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from functools import lru_cache

Values = Mapping[str, tuple[str, ...]]
"""What a request has for the keys of conditions, their names in lower case (see `fold`)."""

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_WILD = re.compile(r"[*?\[]")
_TAGGED = ("s3:existingobjecttag/", "s3:requestobjecttag/")


def fold(key: str) -> str:
    """The name of a condition's key as it is looked up: only the names of tags differ by case."""
    lowered = key.lower()
    prefix = next((each for each in _TAGGED if lowered.startswith(each)), None)
    return prefix + key[len(prefix) :] if prefix else lowered


def has_variable(text: str) -> bool:
    return _VARIABLE.search(text) is not None


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of `text` fits: `*` stands for any characters, `?` for one."""
    return _compile(pattern).match(text) is not None


def expand(pattern: str, values: Values, *, wild: bool) -> str | None:
    """The pattern with what its variables stand for, None where one has no value, or more than one.

    What a variable stands for has no wildcards of its own; `wild` says whether the pattern may have any.
    """

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        if name not in ("*", "?", "$"):
            [name] = values.get(fold(name.strip()), ())
        return _WILD.sub(r"[\g<0>]", name) if wild else name

    try:
        return _VARIABLE.sub(value_of, _plain(pattern) if wild else pattern)
    except ValueError:
        return None


def is_match(pattern: str, text: str, values: Values) -> bool:
    """Whether `text` fits a pattern that may have variables."""
    expanded = expand(pattern, values, wild=True) if has_variable(pattern) else _plain(pattern)
    return expanded is not None and _glob(expanded).match(text) is not None


def _compile(pattern: str) -> re.Pattern[str]:
    return _glob(_plain(pattern))


def _plain(pattern: str) -> str:
    """For fnmatch, which knows classes of characters too: policies do not."""
    return pattern.replace("[", "[[]")


@lru_cache(maxsize=512)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))
