"""Who sends a request to the S3 door: the signature of either version, or nobody's."""

from __future__ import annotations

from imagestore.access import sigv2, sigv4
from imagestore.access.policies import Principal
from imagestore.access.signed import Refusal
from imagestore.core.ahead import AHEAD, ANSWERED
from imagestore.core.errors import Unauthenticated
from imagestore.library.keyring import MAX_ACCESS_KEY
from imagestore.web import journal
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import STATUSES, S3Error


def identify(call: Call) -> None:
    """Fill in who the sender is, and how the body is signed. Raises S3Error."""
    try:
        claim = sigv4.read_claim(call.asked)
        if claim is not None:
            _check_v4(call, claim)
            return
        older = sigv2.read_claim(call.asked)
        if older is not None:
            _check_v2(call, older)
            return
    except Refusal as refusal:
        raise refuse(refusal) from None
    if "authorization" in call.headers:
        raise S3Error("InvalidArgument", "Unsupported Authorization Type", ArgumentName="Authorization")


def refuse(refusal: Refusal) -> S3Error:
    """What a signature's check says, as an answer."""
    return S3Error(refusal.code if refusal.code in STATUSES else "AccessDenied", refusal.message)


def principal_of(call: Call, access_key: str) -> Principal:
    """Whose access key that is. Raises S3Error InvalidAccessKeyId, and StoreUnavailable.

    Wrong signatures are not counted as wrong secrets are: nobody guesses an HMAC's key by asking.
    """
    try:
        if len(access_key) > MAX_ACCESS_KEY:
            raise Unauthenticated("That is no access key.")
        return call.services.keyring.principal(access_key)
    except Unauthenticated:
        message = "The AWS Access Key Id you provided does not exist in our records."
        raise S3Error("InvalidAccessKeyId", message, AWSAccessKeyId=access_key[:MAX_ACCESS_KEY]) from None


def _check_v4(call: Call, claim: sigv4.Claim) -> None:
    who = principal_of(call, claim.access_key)
    secret, region = call.services.keyring.secret_of(claim.access_key), call.services.settings.region
    call.signing_key = sigv4.check(claim, call.asked, secret, region=region, now=call.met)
    call.claim = claim
    admit(call, who)


def _check_v2(call: Call, claim: sigv2.Claim) -> None:
    who = principal_of(call, claim.access_key)
    secret = call.services.keyring.secret_of(claim.access_key)
    bucket = call.bucket if call.host_bucket else ""
    sigv2.check(claim, call.asked, secret, bucket=bucket, now=call.met)
    admit(call, who)


def admit(call: Call, who: Principal) -> None:
    """Its signature holds. Raises RateLimited."""
    call.principal = who
    if call.request.environ.get(AHEAD) != ANSWERED:  # it was met before
        writes = call.method not in journal.SAFE_METHODS
        call.services.rate_limits.meet_credential(who.access_key or "", writes=writes)
