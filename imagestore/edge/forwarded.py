"""What trusted proxies say of a request: who sent it, over which scheme, for which host.

Read are X-Forwarded-For, -Proto and -Host, and not Forwarded (RFC 7239), which says the same: few proxies
write that one, and where both are read, a proxy hands on what it does not know, as a client made it up.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from imagestore.core.addresses import Address, Networks, parse_address
from imagestore.edge.asgi import Scope
from imagestore.edge.host import is_authority

MOST_PROXIES = 16
"""Entries of X-Forwarded-For that are looked at, from its end: nobody stands behind more."""

Field = tuple[bytes, bytes]

_FOR, _PROTO, _HOST = b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"
_ENTRY = re.compile(
    r"\[(?P<bracketed>[^\[\]]*)\](?::[0-9]{1,5})?|(?P<four>[0-9.]+)(?::[0-9]{1,5})?|(?P<six>[0-9A-Fa-f:.]+)"
)
"""Some proxies write the port behind the address: `192.0.2.1:80`, `[2001:db8::1]:80`."""


def resolve(scope: Scope, trusted: Networks) -> None:
    """Put into `scope` the client, scheme and Host that hold, and take out the headers that spoke of them.

    They count where the peer of the connection is one of `trusted`. The client is then the last address in
    X-Forwarded-For that is not trusted itself: what stands before it may be made up. X-Forwarded-Proto and
    -Host count if they come once and are one valid value: of two nobody knows which is the proxy's own. From
    all other peers nothing counts.
    """
    said = _take_out(scope)
    host, port = scope["client"] or ("", 0)
    peer = parse_address(host)
    if peer is None:
        return
    scope["client"] = (str(peer), port)
    if peer not in trusted:
        return
    client = _client(peer, [value for name, value in said if name == _FOR], trusted)
    if client != peer:
        scope["client"] = (str(client), 0)
    scheme = _only(said, _PROTO).lower()
    if scheme in (b"http", b"https"):
        scope["scheme"] = scheme.decode()
    authority = _only(said, _HOST)
    if is_authority(authority):
        others = [field for field in scope["headers"] if field[0] != b"host"]
        scope["headers"] = [*others, (b"host", authority)]


def is_trusted(peer: object, trusted: Networks) -> bool:
    """Whether a connection's peer, as its socket names it, is one of the proxies that are believed."""
    address = parse_address(str(peer[0])) if isinstance(peer, tuple) and peer else None
    return address is not None and address in trusted


def _take_out(scope: Scope) -> Sequence[Field]:
    headers: list[Field] = scope["headers"]
    said = [field for field in headers if _speaks_of_others(field[0])]
    if said:
        scope["headers"] = [field for field in headers if not _speaks_of_others(field[0])]
    return said


def _speaks_of_others(name: bytes) -> bool:
    return name.startswith(b"x-forwarded-") or name == b"forwarded"


def _client(peer: Address, lines: Sequence[bytes], trusted: Networks) -> Address:
    """Go back from the peer, entry by entry, for as long as each was noted by one who is trusted."""
    client = peer
    for entry in b",".join(lines).rsplit(b",", MOST_PROXIES)[: -MOST_PROXIES - 1 : -1]:
        found = _ENTRY.fullmatch(entry.strip(b" \t").decode("latin-1"))
        address = parse_address(found[found.lastgroup or 0]) if found else None
        if address is None:
            break
        client = address
        if client not in trusted:
            break
    return client


def _only(said: Sequence[Field], name: bytes) -> bytes:
    """The value of a header that came once; empty where it did not."""
    values = [value for each, value in said if each == name]
    return values[0].strip(b" \t") if len(values) == 1 else b""
