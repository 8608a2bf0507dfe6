"""Which Host a request must have (RFC 9112, section 3.2), which neither gunicorn nor its parser looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address

from gunicorn.http.errors import ParseException

_AUTHORITY = re.compile(
    rb"(?:\[(?P<ipv6>[0-9A-Fa-f:.]{2,45})\]|[A-Za-z0-9._~-]{1,255})(?::(?P<port>[0-9]{0,5}))?"
)
"""`uri-host [":" port]` (RFC 3986, section 3.2), of registered names those alone that networks have."""

ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
"""The beginning of a target in absolute form (RFC 9112, section 3.2.2)."""


class InvalidHost(ParseException):  # type: ignore[misc]  # gunicorn has no types
    """The request has no Host, more than one, one that names no host, or no path. It is answered 400."""


def check_host(version: tuple[int, int], headers: Iterable[tuple[bytes, bytes]], target: bytes) -> None:
    """Raise InvalidHost unless there is one valid Host; before HTTP/1.1, none will do too.

    A target in absolute form (section 3.2.2) must name the same host: else each reader could take another.
    And a target must have one of the forms there are: who reads the path in it could begin anywhere.
    """
    if not (target.startswith(b"/") or target == b"*" or ABSOLUTE.match(target)):
        raise InvalidHost("The request's target must be a path that begins with '/', or an http URL")
    hosts = [value for name, value in headers if name.lower() == b"host"]
    named = ABSOLUTE.match(target)
    if not hosts and version < (1, 1) and named is None:
        return
    if len(hosts) != 1 or not is_authority(hosts[0]):
        raise InvalidHost("The request must have one Host header that names a host")
    if named is not None and named[1].lower() != hosts[0].lower():
        raise InvalidHost("The request's target and its Host header must name the same host")


@lru_cache(maxsize=256)
def is_authority(value: bytes) -> bool:
    """Whether this is `host` or `host:port`, an IPv6 address being in brackets."""
    found = _AUTHORITY.fullmatch(value)
    if found is None or int(found["port"] or 0) > 65535:
        return False
    if found["ipv6"] is None:
        return True
    try:
        IPv6Address(found["ipv6"].decode())
    except ValueError:
        return False
    return True
