"""Who may what by the S3 door, and whose things are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from imagestore.access import circumstances, owners
from imagestore.access.actions import Action
from imagestore.access.circumstances import Circumstances
from imagestore.access.owners import HOUSE
from imagestore.access.policies import may, may_know, rule
from imagestore.access.rulings import Ruling
from imagestore.access.sigv4 import ALGORITHM
from imagestore.core.image import Bucket, Version
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.xml import Child

EXPECTED_OWNER = "x-amz-expected-bucket-owner"

_ACTIONS = {action.id: action for action in Action}


def require(
    call: Call,
    action: str,
    bucket: Bucket,
    version: Version | None = None,
    *,
    key: str = "",
    asked: Circumstances | None = None,
) -> None:
    """Return if the sender may. `action` is AWS's, such as s3:GetObject; `key` is the version's or the
    request's unless it is given, and so are the circumstances. Raises S3Error AccessDenied, also where the
    bucket is not whose the sender expects (AWS, "Verifying bucket ownership with bucket owner condition")."""
    if bucket.name == call.bucket:
        check_expected_owner(call, bucket, EXPECTED_OWNER)
    wanted = _ACTIONS[action]
    named = key or (version.key if version is not None else call.key)
    attributes = version.object if version is not None else None
    where = named if wanted.level == "object" else None
    if not may(call.principal, wanted, bucket, asked or circumstances_of(call), where, attributes):
        raise denied()


def refuse_denied(call: Call, action: str, bucket: Bucket, asked: Circumstances | None = None) -> None:
    """Of what is done along with a write: who writes may do it, since the object will be theirs, unless the
    bucket's policy denies it. Raises S3Error AccessDenied."""
    if ruling_of(call, action, bucket, asked) is Ruling.DENIED:
        raise denied()


def ruling_of(call: Call, action: str, bucket: Bucket, asked: Circumstances | None = None) -> Ruling:
    """What decides whether the sender may do that with the key of the request."""
    return rule(call.principal, _ACTIONS[action], bucket, asked or circumstances_of(call), call.key)


def check_expected_owner(call: Call, bucket: Bucket, header: str) -> None:
    expected = call.headers.get(header)
    if expected is not None and expected not in (bucket.owner, canonical_id(bucket.owner)):
        raise denied()


def is_known(call: Call, bucket: Bucket, key: str) -> bool:
    """Whether the sender may be told that there is nothing under the key."""
    return may_know(call.principal, bucket, key, circumstances_of(call))


def circumstances_of(call: Call) -> Circumstances:
    """What conditions can ask of the request."""
    if call.circumstances is None:
        incoming = call.request

        def header(name: str) -> str | None:
            sender = name in ("referer", "user-agent")  # not those that a form has in their place
            return incoming.headers.get(name) if sender else call.headers.get(name)

        asked = circumstances.read(incoming.remote_addr or "", incoming.is_secure, header, call.query)
        call.circumstances = replace(asked, told={**asked.told, **_of_signature(call)})
    return call.circumstances


def _of_signature(call: Call) -> dict[str, tuple[str, ...]]:
    """How the request is signed, and how many milliseconds ago (version 4 alone says so)."""
    if call.principal.is_stranger:
        return {}
    by_query = "X-Amz-Signature" in call.query or "Signature" in call.query
    by_header = "authorization" in call.request.headers
    kind = "REST-HEADER" if by_header else "REST-QUERY-STRING" if by_query else "POST"
    version = ALGORITHM if call.claim is not None else "AWS"
    told: dict[str, tuple[str, ...]] = {"s3:authtype": (kind,), "s3:signatureversion": (version,)}
    if call.claim is not None:
        signed = datetime.strptime(call.claim.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        age = max(0.0, (datetime.now(UTC) - signed).total_seconds())
        told["s3:signatureage"] = (str(int(age * 1000)),)
    return told


def denied() -> S3Error:
    return S3Error("AccessDenied", "Access Denied")


def canonical_id(owner: str | None) -> str:
    """The 64 hexadecimal digits by which AWS calls an owner."""
    return owners.canonical_id(owner or HOUSE)


def owner_element(owner: str | None, name: str = "Owner") -> Child:
    return name, [("ID", canonical_id(owner)), ("DisplayName", owner or HOUSE)]
