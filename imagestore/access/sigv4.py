"""AWS Signature Version 4 as S3 takes it: who signed a request by header or by query, and whether it holds.

Rules: the pages "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference. The
request is read as it was sent: its path and query raw, before anything has decoded them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from imagestore.access.signed import Asked, Refusal, read_pairs

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
STREAMING_FORMS = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
)
MAX_SKEW = 15 * 60
MAX_EXPIRES = 7 * 24 * 3600

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_SAFE = "-_.~"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a request says of its signature. Nothing of it is proven before `check`."""

    access_key: str
    date: str
    region: str
    stamp: str
    signed_headers: tuple[str, ...]
    signature: str
    payload: str
    """The hash of the body, or the form in which the body comes."""
    expires: int | None
    """How many seconds a presigned request lasts; None for one that is signed by header."""

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/s3/aws4_request"

    @property
    def code(self) -> str:
        """AWS's code for a claim that is malformed where this one stands."""
        return _code(self.expires is not None)


def read_claim(asked: Asked) -> Claim | None:
    """The claim of a request; None if it makes none of this version. Raises Refusal."""
    fields = read_pairs(asked.query)
    algorithm = _one(fields, "X-Amz-Algorithm", required=False)
    headers = [value for value in asked.values("authorization") if value.startswith(ALGORITHM)]
    if algorithm and asked.value("authorization") is not None:
        raise Refusal("InvalidArgument", "Only one auth mechanism allowed: sign by header or by query.")
    if algorithm:
        return _claim_by_query(asked, fields, algorithm)
    if headers:
        return _claim_by_header(asked, headers)
    return None


def check(claim: Claim, asked: Asked, secret: str, *, region: str, now: float) -> bytes:
    """Return the signing key if `claim` holds for `asked`; chunks of the body are signed with it.

    Raises Refusal. `now` is in seconds since the epoch.
    """
    _check_region(claim, region)
    _check_time(claim, now)
    _check_headers(claim, asked)
    key = signing_key(secret, claim.date, claim.region)
    expected = sign(key, string_to_sign(claim, canonical_request(claim, asked)))
    if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "surrogatepass")):
        raise Refusal(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided."
            " Check your key and signing method.",
        )
    return key


def signing_key(secret: str, date: str, region: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (date, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def sign(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def string_to_sign(claim: Claim, request: str) -> str:
    digest = hashlib.sha256(request.encode("latin-1")).hexdigest()
    return "\n".join((ALGORITHM, claim.stamp, claim.scope, digest))


def canonical_request(claim: Claim, asked: Asked) -> str:
    """The text that is hashed and signed: each part in the one form that both sides can come to."""
    lines = [
        f"{name}:{','.join(' '.join(value.split()) for value in asked.values(name))}\n"
        for name in claim.signed_headers
    ]
    return "\n".join(
        (
            asked.method,
            quote(unquote_to_bytes(asked.path.encode("latin-1")), safe="/" + _SAFE) or "/",
            canonical_query(asked.query),
            "".join(lines),
            ";".join(claim.signed_headers),
            claim.payload,
        )
    )


def canonical_query(query: str) -> str:
    """The query in order of its encoded names and values, without the signature itself."""
    encoded = sorted(
        (quote(name, safe=_SAFE), quote(value, safe=_SAFE))
        for name, value in read_pairs(query)
        if name != b"X-Amz-Signature"
    )
    return "&".join(f"{name}={value}" for name, value in encoded)


def _one(fields: list[tuple[bytes, bytes]], name: str, *, required: bool = True) -> str:
    found = [value for known, value in fields if known == name.encode()]
    if len(found) > 1 or (required and not (found and found[0])):
        raise Refusal(
            "AuthorizationQueryParametersError",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential,"
            " X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters, each once.",
        )
    return found[0].decode("latin-1") if found else ""


def _claim_by_query(asked: Asked, fields: list[tuple[bytes, bytes]], algorithm: str) -> Claim:
    if algorithm != ALGORITHM:
        raise Refusal("AuthorizationQueryParametersError", f'X-Amz-Algorithm only supports "{ALGORITHM}".')
    values = {
        name: _one(fields, f"X-Amz-{name}") for name in ("Credential", "Date", "SignedHeaders", "Expires")
    }
    signature = _one(fields, "X-Amz-Signature")
    lasts = values["Expires"]
    if not re.fullmatch(r"-?[0-9]{1,12}", lasts):
        raise Refusal("AuthorizationQueryParametersError", "X-Amz-Expires should be a number")
    if not 1 <= int(lasts) <= MAX_EXPIRES:
        raise Refusal(
            "AccessDenied", f"X-Amz-Expires wants 1 to {MAX_EXPIRES} seconds (a week): it never holds."
        )
    payload = _one(fields, "X-Amz-Content-Sha256", required=False) or asked.value("x-amz-content-sha256")
    return _claim(
        (values["Credential"], values["SignedHeaders"], signature),
        values["Date"],
        _checked_payload(payload or UNSIGNED_PAYLOAD),
        int(lasts),
    )


def _claim_by_header(asked: Asked, headers: list[str]) -> Claim:
    rest = headers[0][len(ALGORITHM) :]
    parts = [part.strip().partition("=") for part in rest.split(",")]
    named = {name: value for name, _, value in parts}
    wanted = ("Credential", "SignedHeaders", "Signature")
    if (
        len(asked.values("authorization")) > 1
        or len(parts) != 3
        or not all(named.get(name) for name in wanted)
    ):
        raise Refusal(
            "AuthorizationHeaderMalformed",
            f"The authorization header is malformed: it wants {ALGORITHM} and then each of Credential,"
            " SignedHeaders and Signature once.",
        )
    payload = asked.value("x-amz-content-sha256")
    if payload is None:
        raise Refusal("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    stamp = asked.value("x-amz-date") or _stamp_of_date(asked.value("date"))
    if not _STAMP.fullmatch(stamp):
        raise Refusal("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    shown = (named["Credential"], named["SignedHeaders"], named["Signature"])
    return _claim(shown, stamp, _checked_payload(payload), None)


def _claim(shown: tuple[str, str, str], stamp: str, payload: str, expires: int | None) -> Claim:
    credential, signed_headers, signature = shown
    code = _code(expires is not None)
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0] or not re.fullmatch(r"[0-9]{8}", parts[1]):
        raise Refusal(
            code, "The Credential is malformed: it wants <access key>/YYYYMMDD/<region>/s3/aws4_request."
        )
    access_key, date, region, service, terminal = parts
    if service != "s3":
        raise Refusal(code, f'The credential is malformed: incorrect service "{service}"; it wants "s3".')
    if terminal != "aws4_request":
        raise Refusal(
            code, f'The credential is malformed: incorrect terminal "{terminal}"; it wants "aws4_request".'
        )
    if not _STAMP.fullmatch(stamp):
        raise Refusal(code, "The date of the signature must be in the ISO8601 form YYYYMMDD'T'HHMMSS'Z'.")
    if stamp[:8] != date:
        raise Refusal(
            code, f"Invalid credential date {date}: it is not the date of the request, {stamp[:8]}."
        )
    names = tuple(signed_headers.split(";"))
    if len(set(names)) != len(names) or any(name != name.lower() for name in names):
        raise Refusal(code, "SignedHeaders wants each header's name once, in lower case, separated by ';'.")
    return Claim(access_key, date, region, stamp, names, signature, payload, expires)


def _code(presigned: bool) -> str:
    return "AuthorizationQueryParametersError" if presigned else "AuthorizationHeaderMalformed"


def _checked_payload(payload: str) -> str:
    if payload == UNSIGNED_PAYLOAD or payload in STREAMING_FORMS or _HASH.fullmatch(payload):
        return payload
    raise Refusal(
        "InvalidArgument",
        f"x-amz-content-sha256 must be {UNSIGNED_PAYLOAD}, {', '.join(STREAMING_FORMS)}"
        " or a valid sha256 value.",
    )


def _stamp_of_date(date: str | None) -> str:
    """The stamp of a Date header, which stands in where there is no x-amz-date; empty if it is no date."""
    if date is None or _STAMP.fullmatch(date):
        return date or ""
    try:
        moment = datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    except ValueError:
        return ""
    return moment.strftime("%Y%m%dT%H%M%SZ")


def _check_region(claim: Claim, region: str) -> None:
    if claim.region != region:
        raise Refusal(claim.code, f"The region '{claim.region}' is wrong; expecting '{region}'")


def _check_time(claim: Claim, now: float) -> None:
    try:
        signed = datetime.strptime(claim.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal(claim.code, "The date of the signature is no date of the calendar.") from None
    if claim.expires is None:
        if abs(now - signed) > MAX_SKEW:
            raise Refusal(
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
    elif signed - now > MAX_SKEW:
        raise Refusal("AccessDenied", "Request is not valid yet")
    elif now > signed + claim.expires:
        raise Refusal("AccessDenied", "Request has expired")


def _check_headers(claim: Claim, asked: Asked) -> None:
    """What is not signed could have been added on the way: the host and all of x-amz- must be."""
    sent = {name.lower() for name, _ in asked.headers}
    must = {name for name in sent if name.startswith("x-amz-")}
    if claim.expires is not None:
        # Presigned, the hash of the body is signed itself, in the last line of the canonical request.
        must.discard("x-amz-content-sha256")
    unsigned = sorted((must | {"host"}) - set(claim.signed_headers))
    if unsigned:
        raise Refusal(
            "AccessDenied",
            f"There were headers present in the request which were not signed: {', '.join(unsigned)}",
        )
