"""Which Transfer-Encoding a request may have (RFC 9112, section 6.1), of which gunicorn lets more pass."""

from __future__ import annotations

from collections.abc import Iterable

from gunicorn.http.errors import ParseException


class InvalidCoding(ParseException):  # type: ignore[misc]  # gunicorn has no types
    """The request's body is in a coding that nobody here undoes. It is answered 400."""


def check_coding(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raise InvalidCoding unless a body is chunked once and nothing else, or not coded at all.

    gunicorn takes chunked behind `gzip` or `identity` too, and hands on what is within: another reader of the
    same bytes, before us or behind, might see the end of the request elsewhere.
    """
    codings = [value.strip(b" \t").lower() for name, value in headers if name.lower() == b"transfer-encoding"]
    if codings not in ([], [b"chunked"]):
        raise InvalidCoding("The only transfer coding of a request is chunked, and once")
