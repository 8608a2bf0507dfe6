"""AWS Signature Version 2 as S3 takes it: who signed a request by header, by query or in a form.

Rules: the page "Signing and authenticating REST requests (AWS signature version 2)" of the Amazon S3 guide.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from imagestore.access.signed import Asked, Refusal

MAX_SKEW = 15 * 60

SIGNED_QUERY = frozenset(
    re.findall(
        r"[\w-]+",
        "accelerate acl analytics cors delete inventory lifecycle location logging metrics notification"
        " object-lock ownershipControls partNumber policy policyStatus publicAccessBlock replication"
        " requestPayment response-cache-control response-content-disposition response-content-encoding"
        " response-content-language response-content-type response-expires restore select select-type tagging"
        " torrent uploadId uploads versionId versioning versions website",
    )
)
"""What of the query belongs to the resource and is signed; all else in the query is not."""


NEWER = frozenset({"ownershipControls", "policyStatus", "publicAccessBlock"})
"""Of these what botocore does not sign. A GET may leave them out, since it only reads what its signer may;
but of a signed DELETE of a bucket nobody must make one of its public access block."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature. `expires` is in seconds since the epoch, None by header."""

    access_key: str
    signature: str
    expires: int | None


def read_claim(asked: Asked) -> Claim | None:
    """The claim of a request; None if it makes none of this version. Raises Refusal."""
    said = asked.value("authorization")
    fields = _fields(asked.query)
    shown = {name: value for name, value in fields if name in ("AWSAccessKeyId", "Signature", "Expires")}
    if said is not None and said.startswith("AWS "):
        if "Signature" in shown:
            raise Refusal("InvalidArgument", "Only one auth mechanism allowed: sign by header or by query.")
        access_key, _, signature = said[4:].strip().rpartition(":")
        if not access_key or not signature:
            raise Refusal(
                "InvalidArgument", "AWS authorization header is invalid. Expected AwsAccessKeyId:signature"
            )
        return Claim(access_key, signature, None)
    if "AWSAccessKeyId" not in shown and "Signature" not in shown:
        return None
    if len(shown) != 3:
        raise Refusal(
            "AccessDenied",
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        )
    expires = shown["Expires"]
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        raise Refusal("AccessDenied", "Invalid date (should be seconds since epoch): Expires")
    return Claim(_text(shown["AWSAccessKeyId"]), _text(shown["Signature"]), int(expires))


def check(claim: Claim, asked: Asked, secret: str, *, bucket: str = "", now: float) -> None:
    """Return if `claim` holds for `asked`. Raises Refusal.

    `bucket` is the one that the host names (virtual-host style); it stands before the path in what is signed.
    """
    _check_time(claim, asked, now)
    *others, last = _as_signed(asked, bucket)
    for each in others:
        with suppress(Refusal):
            check_text(string_to_sign(claim, each, bucket), claim.signature, secret)
            return
    check_text(string_to_sign(claim, last, bucket), claim.signature, secret)


def _as_signed(asked: Asked, bucket: str) -> list[Asked]:
    """The request in the forms in which clients sign it."""
    found = [asked]
    if not bucket and asked.path.strip("/") and "/" not in asked.path[1:]:
        # A bucket's own resource ends in a slash, whether the path does or not: so botocore signs it.
        found.append(replace(asked, path=f"{asked.path}/"))
    parts = asked.query.split("&")
    older = [part for part in parts if part.partition("=")[0] not in NEWER]
    if asked.method == "GET" and len(older) < len(parts):
        found += [replace(each, query="&".join(older)) for each in found]
    return found


def check_text(text: str, signature: str, secret: str) -> None:
    """Return if `signature` is that of `text`: in a form, the policy document as it was sent."""
    expected = base64.b64encode(hmac.new(secret.encode(), text.encode("latin-1"), hashlib.sha1).digest())
    if not hmac.compare_digest(expected, signature.encode("utf-8", "surrogatepass")):
        raise Refusal(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided."
            " Check your key and signing method.",
        )


def string_to_sign(claim: Claim, asked: Asked, bucket: str) -> str:
    """The text that is signed; Latin-1, as the request's headers are."""
    if claim.expires is not None:
        date = str(claim.expires)
    else:
        # An x-amz-date is signed among the amz headers and leaves the place of Date empty.
        date = "" if asked.values("x-amz-date") else asked.value("date") or ""
    names = sorted({name.lower() for name, _ in asked.headers if name.lower().startswith("x-amz-")})
    amz = [f"{name}:{','.join(' '.join(value.split()) for value in asked.values(name))}\n" for name in names]
    signed = sorted((name, value) for name, value in _fields(asked.query) if name in SIGNED_QUERY)
    # A subresource without a value is signed without "="; what has one is signed decoded.
    query = "&".join(f"{name}={_text(value)}" if value else name for name, value in signed)
    resource = (f"/{bucket}" if bucket else "") + asked.path + (f"?{query}" if query else "")
    head = (asked.method, asked.value("content-md5") or "", asked.value("content-type") or "", date)
    return "\n".join((*head, "".join(amz) + resource))


def _fields(query: str) -> list[tuple[str, str]]:
    split = [part.partition("=") for part in query.split("&") if part]
    return [(name, value) for name, _, value in split]


def _text(raw: str) -> str:
    return unquote_to_bytes(raw.replace("+", "%20").encode("latin-1")).decode("latin-1")


def _check_time(claim: Claim, asked: Asked, now: float) -> None:
    if claim.expires is not None:
        if now > claim.expires:
            raise Refusal("AccessDenied", "Request has expired")
        return
    said = asked.value("x-amz-date")
    try:
        moment = parsedate_to_datetime((asked.value("date") if said is None else said) or "")
        signed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if signed < 0:
            raise ValueError("a date before the epoch")
    except (ValueError, OverflowError):
        raise Refusal(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        ) from None
    if abs(now - signed) > MAX_SKEW:
        raise Refusal(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
