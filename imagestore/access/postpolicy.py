"""The policy of a form posted to a bucket: who signed it, how long it holds, and what its fields may be.

Rules: "Browser-Based Uploads Using POST (AWS Signature Version 4)" of the Amazon S3 API reference, its page
"Creating a POST Policy" above all, and for version 2 the guide's "Browser-based uploads using HTTP POST".
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from imagestore.access import sigv2, sigv4
from imagestore.access.signed import Refusal

EXEMPT = frozenset({"awsaccesskeyid", "signature", "x-amz-signature", "policy", "file"})
"""Fields that no condition needs to name."""
IGNORED = "x-ignore-"

_CREDENTIAL = re.compile(r"(.+)/([0-9]{8})/([^/]+)/s3/aws4_request", re.ASCII)
_STAMP = re.compile(r"[0-9]{8}T[0-9]{6}Z", re.ASCII)
_EXPIRATION = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z", re.ASCII)
_V4 = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_V2 = ("awsaccesskeyid", "signature")


@dataclass(frozen=True, slots=True)
class FormClaim:
    """Who a form says has signed its policy, which is here as it was sent. `date` and `region`: version 4."""

    access_key: str
    policy: str
    signature: str
    date: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a field must be, or with `prefix` what it must begin with."""

    field: str
    value: str
    prefix: bool

    def holds(self, given: str) -> bool:
        if not self.prefix:
            return given == self.value
        if self.field == "content-type":  # a list of types, each of which must fit
            return all(each.strip().startswith(self.value) for each in given.split(","))
        return given.startswith(self.value)

    def __str__(self) -> str:
        return json.dumps(["starts-with" if self.prefix else "eq", f"${self.field}", self.value])


@dataclass(frozen=True, slots=True)
class Policy:
    """`expires` in seconds since the epoch; the file has `least` to `most` bytes, None where all will do."""

    expires: float
    conditions: tuple[Condition, ...]
    least: int = 0
    most: int | None = None


def read_claim(fields: Mapping[str, str]) -> FormClaim | None:
    """The claim of a form, whose `fields` are by their names in lower case; None for one of nobody's.

    Raises Refusal.
    """
    later = any(name in fields for name in _V4)
    if not later and not any(name in fields for name in (*_V2, "policy")):
        return None
    for name in (*(_V4 if later else _V2), "policy"):
        if not fields.get(name):
            raise _argument(
                f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the"
                " order of the fields.",
            )
    if not later:
        return FormClaim(fields["awsaccesskeyid"], fields["policy"], fields["signature"])
    if fields["x-amz-algorithm"] != sigv4.ALGORITHM:
        raise _argument(f"X-Amz-Algorithm only supports {sigv4.ALGORITHM}.")
    credential = _CREDENTIAL.fullmatch(fields["x-amz-credential"])
    if credential is None:
        raise _argument("X-Amz-Credential wants <access key>/YYYYMMDD/<region>/s3/aws4_request.")
    stamp = fields["x-amz-date"]
    if not _STAMP.fullmatch(stamp) or stamp[:8] != credential[2]:
        raise _argument("X-Amz-Date wants the form YYYYMMDD'T'HHMMSS'Z', and the date of the credential.")
    return FormClaim(
        credential[1], fields["policy"], fields["x-amz-signature"], date=credential[2], region=credential[3]
    )


def check_claim(claim: FormClaim, secret: str, *, region: str) -> None:
    """Return if the policy is signed with `secret`. Raises Refusal."""
    if not claim.date:
        sigv2.check_text(_latin(claim.policy), claim.signature, secret)
        return
    if claim.region != region:
        raise _argument(f"The region '{claim.region}' is wrong; expecting '{region}'.")
    key = sigv4.signing_key(secret, claim.date, claim.region)
    expected = sigv4.sign(key, claim.policy)
    if not hmac.compare_digest(expected.encode(), claim.signature.encode("utf-8", "surrogatepass")):
        raise Refusal(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided."
            " Check your key and signing method.",
        )


def read_policy(sent: str) -> Policy:
    """The policy of a form as it was sent, in base64. Raises Refusal InvalidPolicyDocument."""
    try:
        found = json.loads(b64decode(_latin(sent), validate=True))
    except (ValueError, RecursionError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(found, dict):
        raise _invalid("Invalid JSON.")
    strange = set(found) - {"expiration", "conditions"}
    if strange:
        raise _invalid(f"Unexpected: '{min(strange)[:40]}'.")
    if "expiration" not in found:
        raise _invalid("Policy missing expiration.")
    if not isinstance(found.get("conditions"), list):
        raise _invalid("Policy missing conditions.")
    conditions: list[Condition] = []
    least, most = 0, None
    for each in found["conditions"]:
        if isinstance(each, list) and each and str(each[0]).lower() == "content-length-range":
            low, high = _range(each)
            least, most = max(least, low), high if most is None else min(most, high)
        else:
            conditions.append(_condition(each))
    return Policy(_expiration(found["expiration"]), tuple(conditions), least, most)


def check_policy(policy: Policy, fields: Mapping[str, str], now: float) -> None:
    """Return if the fields of a form are what its policy lets them be. Raises Refusal.

    `fields` has the bucket and the key as they will be, too; a missing field is as an empty one.
    """
    if now > policy.expires:
        raise _against("Policy expired.")
    for condition in policy.conditions:
        if not condition.holds(fields.get(condition.field, "")):
            raise _against(f"Policy Condition failed: {condition}")
    named = {condition.field for condition in policy.conditions} | EXEMPT | {"bucket"}
    extra = sorted(name for name in fields if name not in named and not name.startswith(IGNORED))
    if extra:
        raise _against(f"Extra input fields: {', '.join(extra)}")


def _condition(found: Any) -> Condition:
    if isinstance(found, dict):
        if len(found) != 1:
            raise _invalid("Invalid Simple-Condition: it must have exactly one property.")
        ((field, value),) = found.items()
        operator, field = "eq", f"${field}"
    elif isinstance(found, list) and len(found) == 3:
        operator, field, value = found
    else:
        raise _invalid("Invalid Condition: it has an operator and two arguments, or is an object.")
    if not all(isinstance(each, str) for each in (operator, field, value)) or not field.startswith("$"):
        raise _invalid("Invalid Condition: it wants texts, and a field's name after a '$'.")
    if operator.lower() not in ("eq", "starts-with"):
        raise _invalid(f"Invalid Condition: unknown operation '{operator[:40]}'.")
    return Condition(field[1:].lower(), value, operator.lower() == "starts-with")


def _range(found: list[Any]) -> tuple[int, int]:
    try:
        low, high = (int(each) for each in found[1:] if isinstance(each, (int, str)))
    except ValueError:
        raise _invalid("Invalid content-length-range: it wants the least and the most bytes.") from None
    if not 0 <= low <= high or len(found) != 3:
        raise _invalid("Invalid content-length-range: it wants the least and the most bytes.")
    return low, high


def _expiration(found: Any) -> float:
    if not isinstance(found, str) or not _EXPIRATION.fullmatch(found):
        raise _invalid(f"Invalid 'expiration' value: '{str(found)[:40]}'")
    try:
        return datetime.strptime(found[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise _invalid(f"Invalid 'expiration' value: '{found}'") from None


def _latin(text: str) -> str:
    """What is signed and decoded: a policy in base64 has no other characters."""
    if not text.isascii():
        raise _invalid("The policy is not in base64.")
    return text


def _invalid(why: str) -> Refusal:
    return Refusal("InvalidPolicyDocument", f"Invalid Policy: {why}")


def _against(why: str) -> Refusal:
    return Refusal("AccessDenied", f"Invalid according to Policy: {why}")


def _argument(message: str) -> Refusal:
    return Refusal("InvalidArgument", message)
