"""How shared caches are told what to drop: the requests that each kind of them takes."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")

SIGNATURE = "Imagestore-Signature"


@dataclass(frozen=True, slots=True)
class HookHeaders:
    """Header fields as an operator gives them. The text is a JSON object of their names and values."""

    fields: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> HookHeaders:
        """Raises ValueError, whose words hold nothing of the text."""
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if not isinstance(given, dict) or not all(map(_is_field, given.items())):
            raise ValueError('wants a JSON object of header fields, such as {"X-Name": "value"}')
        return cls(tuple(given.items()))

    def __str__(self) -> str:
        return json.dumps(dict(self.fields))


def hook_token(text: str) -> str:
    """As a header field may hold it. Raises ValueError, whose words hold nothing of the text."""
    if not _VALUE.fullmatch(text):
        raise ValueError("wants printable ASCII characters, with no space before or behind them")
    return text


class PurgeRequest(NamedTuple):
    """One request to a cache."""

    method: str
    url: str
    fields: dict[str, str]
    body: bytes


class Form(NamedTuple):
    """How one kind of cache is told: the most keys of one request, and what that has, by keys and token."""

    most: int
    write: Callable[[Sequence[str], str, float], tuple[str, dict[str, str], bytes]]


def compose(
    form: str, url: str, token: str, more: HookHeaders, keys: Sequence[str], now: float
) -> PurgeRequest:
    """The request that has a cache drop these keys: as many as `batch_of` allows."""
    method, fields, body = FORMS[form].write(keys, token, now)
    named = url.replace("{keys}", ",".join(map(_quoted, keys))).replace("{key}", _quoted(keys[0]))
    known = {name.lower() for name, _ in more.fields}
    kept = {name: value for name, value in fields.items() if name.lower() not in known}
    return PurgeRequest(method, named, {**kept, **dict(more.fields)}, body)


def batch_of(form: str, url: str) -> int:
    """The most keys that one request tells."""
    if "{key}" in url:
        return 1
    return min(FORMS[form].most, IN_URL) if "{keys}" in url else FORMS[form].most


IN_URL = 20
"""Keys in a URL of 4 KiB, which is what servers take at least."""


def sign(token: str, moment: int, body: bytes) -> str:
    """For a receiver to check: HMAC-SHA256, keyed by the token, of the time, a dot and the body."""
    digest = hmac.new(token.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


def _json(keys: Sequence[str], token: str, now: float) -> tuple[str, dict[str, str], bytes]:
    body = json.dumps({"keys": list(keys)}).encode()
    fields = {"Content-Type": "application/json"}
    if token:
        fields[SIGNATURE] = sign(token, int(now), body)
    return "POST", fields, body


def _fastly(keys: Sequence[str], token: str, now: float) -> tuple[str, dict[str, str], bytes]:
    del now
    return "POST", {"Surrogate-Key": " ".join(keys), "Fastly-Key": token, "Accept": "application/json"}, b""


def _cloudflare(keys: Sequence[str], token: str, now: float) -> tuple[str, dict[str, str], bytes]:
    del now
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return "POST", fields, json.dumps({"tags": list(keys)}).encode()


def _varnish(keys: Sequence[str], token: str, now: float) -> tuple[str, dict[str, str], bytes]:
    del now
    return "PURGE", {"xkey": " ".join(keys)} | ({"Authorization": f"Bearer {token}"} if token else {}), b""


FORMS = {
    "json": Form(100, _json),
    "fastly": Form(60, _fastly),  # it takes 256, in a field of 8 KiB
    "cloudflare": Form(30, _cloudflare),
    "varnish": Form(60, _varnish),  # whose fields have 8 KiB
}


def _quoted(key: str) -> str:
    return quote(key, safe="")


def _is_field(item: tuple[object, object]) -> bool:
    name, value = item
    named = isinstance(name, str) and _NAME.fullmatch(name) is not None
    return named and isinstance(value, str) and _VALUE.fullmatch(value) is not None
