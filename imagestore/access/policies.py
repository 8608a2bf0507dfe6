"""The one `decide()` that every door asks, and what of its answers may be kept for others.

The order is AWS's: what a bucket's policy denies; then the first credential, owners and the scopes of
credentials; then what the policy allows; then access control lists. A public access block takes away what is
public.
"""

from __future__ import annotations

from dataclasses import replace

from imagestore.access import acl, policy
from imagestore.access.actions import SCOPES, Action, Permission
from imagestore.access.circumstances import NOWHERE, Circumstances, values_of
from imagestore.access.conditions import Malformed
from imagestore.access.policy import Policy, Verdict
from imagestore.access.principals import STRANGER, Principal
from imagestore.access.rulings import Ruling
from imagestore.access.safeguards import block_of, object_owner, owner_of, takes_acls
from imagestore.access.statements import Statement
from imagestore.core.errors import Forbidden, Unauthenticated
from imagestore.core.image import Bucket
from imagestore.core.objects import Attributes

__all__ = [
    "SCOPES",
    "STRANGER",
    "Action",
    "Principal",
    "decide",
    "hinges_on_objects",
    "hinges_on_requests",
    "is_open",
    "is_policy_public",
    "may",
    "may_know",
    "owns",
    "require_credential",
    "rule",
]

_OPENED = frozenset({Action.GET_OBJECT, Action.GET_OBJECT_VERSION})
"""What a bucket's visibility opens to everybody."""

_OF_POLICIES = frozenset({Action.GET_BUCKET_POLICY, Action.PUT_BUCKET_POLICY, Action.DELETE_BUCKET_POLICY})
"""What a policy can neither take from who owns its bucket, lest nobody can undo it, nor give to others."""

_BY_LISTS_ALONE = frozenset({"READ", "WRITE"})

_SHUT = Policy((Statement("Deny", ("*",), ("*",), ("*",)),))
"""In place of a policy that cannot be read."""


def require_credential(principal: Principal) -> None:
    """Raises Unauthenticated for a stranger."""
    if principal.is_stranger:
        raise Unauthenticated(
            "This needs a credential: send the access key and secret by HTTP Basic, or use a signed URL."
        )


def decide(
    principal: Principal,
    action: Action,
    bucket: Bucket | str | None,
    circumstances: Circumstances = NOWHERE,
    key: str | None = None,
    attributes: Attributes | None = None,
) -> None:
    """Return if `principal` may do `action`: on the bucket, on what has that key in it, or on the service.

    `attributes` are those of the object that is there, of the version that is meant; None where there is
    none. `bucket` is a name where there is no such bucket: the credential's scopes count alone. Raises
    Unauthenticated for a stranger, Forbidden for a credential that does not reach this far, and for anybody
    whom the bucket's policy denies it.
    """
    if may(principal, action, bucket, circumstances, key, attributes):
        return
    if isinstance(bucket, Bucket) and _verdict(principal, action, bucket, circumstances, key) == "deny":
        raise Forbidden("The bucket's policy denies this.")
    require_credential(principal)
    name = bucket.name if isinstance(bucket, Bucket) else bucket
    if isinstance(bucket, Bucket) and bucket.owner is not None and _is_bounded(principal, action, bucket):
        raise Forbidden(f"The owner of bucket {name!r}, or of what is in it, does not allow {action.id}.")
    where = f"on bucket {name!r}" if name else "on the whole service"
    raise Forbidden(f"This credential does not have the scope {action.scope!r} {where}.")


def may(
    principal: Principal,
    action: Action,
    bucket: Bucket | str | None,
    circumstances: Circumstances = NOWHERE,
    key: str | None = None,
    attributes: Attributes | None = None,
) -> bool:
    """As `decide`, which says what the parameters are."""
    return rule(principal, action, bucket, circumstances, key, attributes).allows


def rule(
    principal: Principal,
    action: Action,
    bucket: Bucket | str | None,
    circumstances: Circumstances = NOWHERE,
    key: str | None = None,
    attributes: Attributes | None = None,
) -> Ruling:
    """What decides: the parameters are those of `decide`."""
    if not isinstance(bucket, Bucket):
        return _own(principal.holds(action.scope) and principal.reaches(bucket))
    if bucket.owner is None and not bucket.documents:
        if action in _OPENED and bucket.visibility == "public-read":
            return Ruling.VISIBLE
        return _own(_is_bounded(principal, action, bucket))
    verdict = _verdict(principal, action, bucket, circumstances, key, attributes)
    if verdict == "deny" and not (action in _OF_POLICIES and _rules(principal, bucket)):
        return Ruling.DENIED
    if principal.is_root:
        return Ruling.ROOT
    if _is_open_by_visibility(action, bucket):
        return Ruling.VISIBLE
    if _owns(principal, action, bucket, attributes):
        return Ruling.OWN
    if action in _OF_POLICIES:
        return Ruling.NOTHING
    allowed = verdict == "allow all" or (verdict == "allow" and _is_bounded(principal, action, bucket))
    if allowed and not _is_restricted(principal, bucket):
        return Ruling.POLICY
    permission = action.permission
    granted = permission is not None and _is_granted(principal, action, permission, bucket, attributes)
    return Ruling.LIST if granted else Ruling.NOTHING


def _own(allowed: bool) -> Ruling:
    return Ruling.OWN if allowed else Ruling.NOTHING


def may_know(principal: Principal, bucket: Bucket, key: str, circumstances: Circumstances = NOWHERE) -> bool:
    """Whether somebody may learn that there is nothing under a key: who may list it may."""
    asked = replace(circumstances, told={**circumstances.told, "s3:prefix": (key,)})
    return may(principal, Action.LIST_BUCKET, bucket, asked)


def owns(principal: Principal, bucket: Bucket) -> bool:
    """Whether the bucket is the principal's own, or anything is."""
    return principal.is_root or (bool(principal.owner) and principal.owner == bucket.owner)


def is_open(
    action: Action, bucket: Bucket, key: str | None = None, attributes: Attributes | None = None
) -> bool:
    """Whether everybody may, whatever the request says, so that nobody needs to be asked who they are, and
    the answer is the same for all."""
    if action not in _OPENED:
        return False
    if bucket.owner is None and not bucket.documents:
        return bucket.visibility == "public-read"
    told = _policy(bucket)
    resource = _resource(bucket, key)
    if told is not None and told.may_deny(action, resource):
        return False
    if _is_open_by_visibility(action, bucket):
        return True
    if told is not None and told.opens(action, resource) and not _is_restricted(STRANGER, bucket):
        return True
    return _is_granted(STRANGER, action, "READ", bucket, attributes)


def hinges_on_objects(bucket: Bucket) -> bool:
    """Whether it cannot be told without the object who may get it."""
    return "policy" in bucket.documents or takes_acls(bucket)


def hinges_on_requests(action: Action, bucket: Bucket, key: str | None = None) -> bool:
    """Whether the same principal may now and not then, or here and not there."""
    told = _policy(bucket)
    return told is not None and told.hinges_on_requests(action, _resource(bucket, key))


def is_policy_public(bucket: Bucket) -> bool:
    told = _policy(bucket)
    return told is not None and told.is_public


def _rules(principal: Principal, bucket: Bucket) -> bool:
    """Whether it is the principal's to say what the bucket's policy is."""
    of_house = bucket.owner is None and principal.holds("admin") and principal.reaches(bucket.name)
    return of_house or owns(principal, bucket)


def _is_bounded(principal: Principal, action: Action, bucket: Bucket) -> bool:
    """Whether the credential's own scopes reach so far; in a bucket of somebody's, `write` configures it."""
    scope = "write" if action.scope == "admin" and bucket.owner is not None else action.scope
    return principal.holds(scope) and principal.reaches(bucket.name)


def _is_open_by_visibility(action: Action, bucket: Bucket) -> bool:
    return (
        bucket.visibility == "public-read" and action in _OPENED and not block_of(bucket).ignore_public_acls
    )


def _owns(principal: Principal, action: Action, bucket: Bucket, attributes: Attributes | None) -> bool:
    """Whether it takes nobody's leave: by the scopes in a bucket of the house, by ownership in another."""
    if not _is_bounded(principal, action, bucket):
        return False
    if bucket.owner is None:
        return True
    of_object = action.level == "object" and not action.is_of_names
    holder = object_owner(bucket, attributes) if of_object else bucket.owner
    if principal.owner != holder:
        return principal.owner == bucket.owner and action.permission is None
    # Owners can take from themselves, by a list, what lists give; but never the list.
    listed = action.permission in _BY_LISTS_ALONE and action is not Action.DELETE_OBJECT
    return not listed or not takes_acls(bucket)


def _is_granted(
    principal: Principal,
    action: Action,
    permission: Permission,
    bucket: Bucket,
    attributes: Attributes | None,
) -> bool:
    """By the bucket's access control list, or by the object's."""
    if not takes_acls(bucket):
        return False
    if action.level == "bucket" or action.is_of_names:
        told = acl.read(bucket.documents.get("acl"), owner_of(bucket))
    else:
        told = acl.read(attributes.acl if attributes else None, object_owner(bucket, attributes))
    ignore = block_of(bucket).ignore_public_acls
    return acl.grants(told, STRANGER, permission, ignore_public=ignore) or (
        _is_bounded(principal, action, bucket)
        and acl.grants(told, principal, permission, ignore_public=ignore)
    )


def _is_restricted(principal: Principal, bucket: Bucket) -> bool:
    """Whether what a public policy allows is for the bucket's owner alone."""
    return (
        block_of(bucket).restrict_public_buckets
        and is_policy_public(bucket)
        and (principal.is_stranger or principal.owner != bucket.owner)
    )


def _verdict(
    principal: Principal,
    action: Action,
    bucket: Bucket,
    circumstances: Circumstances,
    key: str | None,
    attributes: Attributes | None = None,
) -> Verdict | None:
    told = _policy(bucket)
    if told is None:
        return None
    return told.judge(
        principal, action, _resource(bucket, key), lambda: values_of(principal, circumstances, attributes)
    )


def _policy(bucket: Bucket) -> Policy | None:
    text = bucket.documents.get("policy")
    if text is None:
        return None
    try:
        return policy.read(text)
    except Malformed:
        return _SHUT


def _resource(bucket: Bucket, key: str | None) -> str:
    return bucket.name if key is None else f"{bucket.name}/{key}"
