"""A signed request as it was sent, and the refusal of one: what every version of AWS's signatures reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes


class Refusal(Exception):
    """A request whose signature does not hold. `code` is the name that AWS gives to the failure."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent: `path` and `query` raw, each header's value as Latin-1 text."""

    method: str
    path: str
    query: str
    headers: Sequence[tuple[str, str]]

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.headers if known.lower() == name]

    def value(self, name: str) -> str | None:
        """The value of a header that may come once; None where it is missing."""
        found = self.values(name)
        return found[0] if found else None


def read_pairs(query: str) -> list[tuple[bytes, bytes]]:
    """The names and values of a raw query, decoded, in their order.

    `+` is a space, as it is for what the request then asks: signed and done must be the same.
    """
    split = [part.partition("=") for part in query.replace("+", "%20").split("&") if part]
    return [
        (unquote_to_bytes(name.encode("latin-1")), unquote_to_bytes(value.encode("latin-1")))
        for name, _, value in split
    ]
