"""Cross-origin rules of a bucket: which pages of other sites may ask what of it, as S3 has it.

Rules: "Elements of a CORS configuration" of the Amazon S3 guide; the protocol is that of the Fetch standard.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")


@dataclass(frozen=True, slots=True)
class Rule:
    """Origins and names of request headers may have one `*` each; `max_age` is in seconds."""

    methods: tuple[str, ...]
    origins: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None
    id: str | None = None

    def origin_for(self, origin: str) -> str | None:
        """The origin that an answer names: any, or the one that asks; None for one that is not allowed."""
        if "*" in self.origins:
            return "*"
        return origin if any(fits(pattern, origin) for pattern in self.origins) else None

    def allows_headers(self, names: Iterable[str]) -> bool:
        patterns = [pattern.lower() for pattern in self.headers]
        return all(any(fits(pattern, name.lower()) for pattern in patterns) for name in names)


_RULES = TypeAdapter(tuple[Rule, ...])


def write_rules(rules: Sequence[Rule]) -> str:
    """As a bucket keeps them."""
    return _RULES.dump_json(tuple(rules), exclude_defaults=True).decode()


def read_rules(text: str | None) -> tuple[Rule, ...]:
    return _RULES.validate_json(text) if text is not None else ()


def choose(rules: Iterable[Rule], origin: str, method: str, headers: Sequence[str] = ()) -> Rule | None:
    """The first rule that lets a page of `origin` send this method with these headers."""
    for rule in rules:
        if method in rule.methods and rule.origin_for(origin) is not None and rule.allows_headers(headers):
            return rule
    return None


def fits(pattern: str, text: str) -> bool:
    before, star, behind = pattern.partition("*")
    if not star:
        return text == pattern
    return len(text) >= len(before) + len(behind) and text.startswith(before) and text.endswith(behind)
