"""The text of a delivery URL, to and from what it asks for, and the signature that lets a stranger in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import quote

from imagestore.core.errors import RouteNotFound, SignatureExpired, SignatureInvalid
from imagestore.core.image import check_key

_VERSION_SEGMENT = re.compile(r"v([0-9]{1,15})")
_SIGNATURE_SEGMENT = re.compile(r"s--[A-Za-z0-9_-]{8,43}--")
_SAFE_IN_PATH = "/!$&'()*+,;=:@~"


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """What a delivery URL asks for. `version` is the number behind the `v`, whether or not it exists."""

    bucket: str
    key: str
    version: int | None = None


def parse_delivery(bucket: str, rest: str) -> DeliveryRequest:
    """Read what follows `/<bucket>/image/upload/` (percent-decoded).

    A first segment `v<digits>` is a version when a key follows it. Raises RouteNotFound when nothing is
    left, InvalidKey when the key breaks the naming rules.
    """
    if not rest:
        raise RouteNotFound("A delivery URL ends in a key: /<bucket>/image/upload/[v<n>/]<key>.")
    first, slash, key = rest.partition("/")
    match = _VERSION_SEGMENT.fullmatch(first)
    if match and slash and key:
        return DeliveryRequest(bucket, check_key(key), int(match[1]))
    return DeliveryRequest(bucket, check_key(rest))


def delivery_path(bucket: str, key: str, version: int | None = None) -> str:
    """The path that delivers `key`, percent-encoded (RFC 3986): `parse_delivery` reads it back.

    A key whose own first segment looks like a version or a signature gets `v1/` in front, as in
    Cloudinary's URLs, so that it is not taken for one.
    """
    first = key.partition("/")[0]
    guarded = bool(_VERSION_SEGMENT.fullmatch(first) or _SIGNATURE_SEGMENT.fullmatch(first))
    segment = f"v{version}/" if version is not None else ("v1/" if guarded else "")
    return f"/{bucket}/image/upload/{segment}{quote(key, safe=_SAFE_IN_PATH)}"


def sign(secret: str, path: str, expires: int) -> str:
    """HMAC-SHA256 over a percent-decoded path and an expiry (Unix seconds), as unpadded URL-safe base64."""
    text = f"imagestore-url-1\n{path}\n{expires}".encode("utf-8", "surrogateescape")
    mac = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def signed_query(access_key: str, secret: str, path: str, expires: int) -> str:
    """The query that makes a private path readable until `expires`: append it after a `?`."""
    return f"access_key={quote(access_key)}&expires={expires}&signature={sign(secret, path, expires)}"


def check_signature(secret: str, path: str, expires: int, signature: str, *, now: float) -> None:
    """Raises SignatureInvalid unless `signature` fits, SignatureExpired when `expires` is past."""
    if not hmac.compare_digest(sign(secret, path, expires).encode(), signature.encode("utf-8", "replace")):
        raise SignatureInvalid(
            "The URL's signature does not fit its path and expiry: ask for a new signed URL."
        )
    if now >= expires:
        raise SignatureExpired("The signed URL has expired: ask for a new one.")
