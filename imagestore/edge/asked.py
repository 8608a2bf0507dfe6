"""What a request asks for, as far as a stored answer's fitness depends on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from imagestore.edge.memory import Field
from imagestore.edge.rules import parse_demands
from imagestore.imaging.formats import accept_class

PASS, HOST, FORWARDED_HOST, ACCEPT, CONNECTION, NOTED = range(6)

_ROLES = {
    # What may change who asks, how much is sent before the answer, or what the connection is for.
    **dict.fromkeys(
        (
            b"authorization",
            b"content-length",
            b"expect",
            b"transfer-encoding",
            b"upgrade",
        ),
        PASS,
    ),
    b"host": HOST,
    b"x-forwarded-host": FORWARDED_HOST,
    b"accept": ACCEPT,
    b"connection": CONNECTION,
    **dict.fromkeys(
        (
            b"cache-control",
            b"if-match",
            b"if-modified-since",
            b"if-none-match",
            b"if-range",
            b"if-unmodified-since",
            b"pragma",
            b"range",
            b"x-request-id",
        ),
        NOTED,
    ),
}


class Peer(NamedTuple):
    """The other side of a connection. `trusted`: a proxy of whom it is believed what Host it was called by;
    `keeps`: it keeps the connection unless it says otherwise, as all do since HTTP/1.1."""

    trusted: bool
    keeps: bool


class Asked(NamedTuple):
    """Of a request what decides whether and how a stored answer will do for it."""

    host: bytes
    accept: bytes
    last: bool
    noted: Mapping[bytes, bytes]

    @property
    def accept_class(self) -> str:
        return accept_class(self.accept.decode("latin-1"))


def forbids_keeping(name: bytes, value: bytes) -> bool:
    """Whether a field keeps the answer out of memory: of a credential, of a part, of who says so."""
    if name == b"cache-control":
        return parse_demands(value).no_store
    return name in (b"authorization", b"range")


def read(fields: Iterable[Field], peer: Peer) -> Asked | None:
    """None for a request that is for the application to judge: with a credential, a body, fields that come
    twice, or without one Host."""
    host = forwarded = accept = None
    last = not peer.keeps
    noted: dict[bytes, bytes] = {}
    for name, value in fields:
        role = _ROLES.get(name)
        if role is None:
            continue
        if role == HOST and host is None:
            host = value
        elif role == FORWARDED_HOST and forwarded is None:
            forwarded = value
        elif role == ACCEPT:
            accept = value if accept is None else accept + b"," + value
        elif role == CONNECTION and value.lower() in (b"keep-alive", b"close"):
            last = last or value.lower() == b"close"
        elif role == NOTED and name not in noted:
            noted[name] = value
        else:
            return None
    if host is None:
        return None
    return Asked(forwarded if peer.trusted and forwarded else host, accept or b"", last, noted)
