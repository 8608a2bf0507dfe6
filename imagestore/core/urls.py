"""The text of a delivery URL, to and from what it asks for, and the signature that lets a stranger in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, unquote

from imagestore.core.errors import InvalidTransformation, RouteNotFound, SignatureExpired, SignatureInvalid
from imagestore.core.image import check_key
from imagestore.core.transformation.parsing import Transformation, is_component, parse

_VERSION_SEGMENT = re.compile(r"v([0-9]{1,15})")
_SIGNATURE_SEGMENT = re.compile(r"s--([A-Za-z0-9_-]{8,43})--")
_SAFE_IN_PATH = "/!$&'()*+,;=:@~"
_LIKE_A_PARAMETER = re.compile(r"[a-z]{1,3}_[^,]*|\$[^,]*")
_UNESCAPED_BY_SDKS = re.compile(r"[^A-Za-z0-9_./:-]+")
_PART = re.compile(r"([,/])")
_LAYER_TEXT = re.compile(r"([lu]_text:[^:]*:)(.*)", re.DOTALL)
_REFERENCE = re.compile(r"(\$\([A-Za-z]\w+\))")
_EXTENSION = re.compile(r"\.([A-Za-z0-9]{1,8})")

_SHORT_SIGNATURE, _LONG_SIGNATURE = 8, 32


class _Hash(Protocol):
    def digest(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class DeliveryRequest:
    """What a delivery URL asks for. `version` is the number behind the `v`, whether or not it exists.

    `signature` is what stands between `s--` and `--`; `signed` are the texts that it may have been made of.
    """

    bucket: str
    key: str
    version: int | None = None
    transformation: Transformation = field(default_factory=Transformation)
    signature: str | None = None
    signed: tuple[str, ...] = field(default=(), compare=False)

    @property
    def extension(self) -> str:
        """What follows the last dot of the key's last segment, in lower case; it may be part of the name."""
        name = self.key.rpartition("/")[2]
        match = _EXTENSION.fullmatch(name[name.rfind(".") :]) if "." in name[1:] else None
        return match[1].lower() if match else ""


def parse_delivery(bucket: str, rest: str, sent: str | None = None) -> DeliveryRequest:
    """Read what follows `/<bucket>/image/upload/`, percent-decoded once; `sent` is the same as it was sent.

    In this order, each may be left out but the key: `s--<signature>--`, a transformation's components,
    `v<digits>`, the key. A segment is a component if each part between its commas begins with the name of a
    parameter, and none of them is one if nothing follows it. Raises RouteNotFound when nothing is left,
    InvalidKey when the key breaks the naming rules, InvalidTransformation.
    """
    if not rest:
        raise RouteNotFound("A delivery URL ends in a key: /<bucket>/image/upload/[v<n>/]<key>.")
    segments = rest.split("/")
    last = len(segments) - (1 if segments[-1] else 2)
    place = 0
    signature = _SIGNATURE_SEGMENT.fullmatch(segments[0]) if last > 0 else None
    begin = place = 1 if signature else 0
    while place < last and is_component(segments[place]):
        place += 1
    transformation = "/".join(segments[begin:place])
    version = _VERSION_SEGMENT.fullmatch(segments[place]) if place < last else None
    key = check_key("/".join(segments[place + 1 if version else place :]))
    return DeliveryRequest(
        bucket,
        key,
        int(version[1]) if version else None,
        _parsed(transformation),
        signature[1] if signature else None,
        _signed_texts(transformation, key, sent) if signature else (),
    )


def _parsed(text: str) -> Transformation:
    try:
        return parse(text)
    except InvalidTransformation as error:
        if "/" in text or "," in text:
            raise
        raise InvalidTransformation(
            f"{error.message} If it is the first part of the key, put v1/ before it."
        ) from None


def find_stray_parameter(key: str) -> str | None:
    """What in the first segment of a key may have been meant as a parameter of a transformation, and is none
    that there is: `cs_srgb` of `cs_srgb,w_5/a.jpg`."""
    first, slash, _ = key.partition("/")
    parts = first.split(",")
    if not slash or not all(map(_LIKE_A_PARAMETER.fullmatch, parts)):
        return None
    return next((part for part in parts if not is_component(part)), None)


def _signed_texts(transformation: str, key: str, sent: str | None) -> tuple[str, ...]:
    """All that Cloudinary's SDKs may have signed: neither the signature's segment nor the version is in it.

    They sign the transformation as they write it into the URL, where only texts are percent-encoded, and the
    key percent-encoded by a rule of their own. A browser or a proxy may have encoded either anew. Each text
    here decodes to what the URL asks for, so that none of them stands for anything else.
    """
    keys = [_escape_like_sdks(key), quote(key, safe=_SAFE_IN_PATH), *_if_plain(key)]
    if not transformation:
        return tuple(dict.fromkeys(keys))
    written = [*_as_sdks_write(transformation), quote(transformation, safe=_SAFE_IN_PATH)]
    written += _if_plain(transformation)
    if sent is not None:
        count = transformation.count("/") + 1
        piece = "/".join(sent.split("/")[1 : count + 1])
        if unquote(piece, errors="surrogateescape") == transformation:
            written.insert(0, piece)
    return tuple(dict.fromkeys(f"{each}/{name}" for each in written for name in keys))


def _if_plain(text: str) -> list[str]:
    """`text` as it is, unless that could be taken for another one percent-encoded."""
    return [] if "%" in text else [text]


def _as_sdks_write(transformation: str) -> list[str]:
    """The texts of layers are escaped but for their `$(variables)`; their styles, and all else, are not."""
    written = ""
    for part in _PART.split(transformation):
        match = _LAYER_TEXT.fullmatch(part)
        plain, text = (match[1], match[2]) if match else (part, "")
        if "%" in plain:
            return []
        pieces = _REFERENCE.split(text)
        escaped = (piece if number % 2 else _escape_like_sdks(piece) for number, piece in enumerate(pieces))
        written += plain + "".join(escaped)
    return [written]


def _escape_like_sdks(text: str) -> str:
    return _UNESCAPED_BY_SDKS.sub(
        lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape")), text
    )


def delivery_path(
    bucket: str,
    key: str,
    version: int | None = None,
    *,
    transformation: str = "",
    signature: str = "",
) -> str:
    """The path that delivers `key`, percent-encoded (RFC 3986): `parse_delivery` reads it back.

    A key whose own first segment looks like a version, a signature or a component gets `v1/` in front, as in
    Cloudinary's URLs, so that it is not taken for one.
    """
    first = key.partition("/")[0]
    guarded = _VERSION_SEGMENT.fullmatch(first) or _SIGNATURE_SEGMENT.fullmatch(first) or is_component(first)
    parts = [
        f"s--{signature}--" if signature else "",
        quote(transformation.strip("/"), safe=_SAFE_IN_PATH),
        f"v{version}" if version is not None else ("v1" if guarded else ""),
        quote(key, safe=_SAFE_IN_PATH),
    ]
    return f"/{bucket}/image/upload/{'/'.join(filter(None, parts))}"


def sign_delivery(secret: str, transformation: str, key: str) -> str:
    """Cloudinary's signature of a delivery URL, for `delivery_path`: SHA-256, 32 characters."""
    written = quote(transformation.strip("/"), safe=_SAFE_IN_PATH)
    text = "/".join(filter(None, [written, _escape_like_sdks(key)]))
    return _sign_like_sdks(secret, text, hashlib.sha256)[:_LONG_SIGNATURE]


def is_signed(request: DeliveryRequest, secret: str) -> bool:
    """Whether the URL bears a signature that `secret` makes: one of 8 characters by SHA-1 or SHA-256, or one
    of 32 by SHA-256 (Cloudinary's "Signed delivery URLs")."""
    given = (request.signature or "").encode()
    algorithms = {_SHORT_SIGNATURE: (hashlib.sha1, hashlib.sha256), _LONG_SIGNATURE: (hashlib.sha256,)}
    fits = False
    for algorithm in algorithms.get(len(given), ()):
        for text in request.signed:
            made = _sign_like_sdks(secret, text, algorithm)[: len(given)]
            fits |= hmac.compare_digest(made.encode(), given)
    return fits


def _sign_like_sdks(secret: str, text: str, algorithm: Callable[[bytes], _Hash]) -> str:
    digest = algorithm(f"{text}{secret}".encode("utf-8", "surrogateescape")).digest()
    return base64.urlsafe_b64encode(digest).decode()


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
