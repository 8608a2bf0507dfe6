"""Access control lists: who was granted what on a bucket or an object; kept as JSON.

Rules: the page "Access control list (ACL) overview" of the Amazon S3 user guide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import get_args

from imagestore.access.actions import Permission
from imagestore.access.owners import is_canonical_id
from imagestore.access.principals import Principal

MOST_GRANTS = 100

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
AUTHENTICATED_USERS = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
GROUPS = (ALL_USERS, AUTHENTICATED_USERS)
LOG_DELIVERY = "http://acs.amazonaws.com/groups/s3/LogDelivery"
"""A group of nobody here: grants to it are kept and shown."""

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)

GRANT_HEADERS: Mapping[str, Permission] = {
    "x-amz-grant-read": "READ",
    "x-amz-grant-write": "WRITE",
    "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write-acp": "WRITE_ACP",
    "x-amz-grant-full-control": "FULL_CONTROL",
}

Resolve = Callable[[str], str | None]
"""From a canonical user id, or a name that stands for one, to the owner that it means, if there is one."""


class BadGrant(Exception):
    """A list that cannot be made. `code` is the name that AWS gives to the failure."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Grant:
    """`grantee` is an owner's name, or the URI of a group if it is one."""

    grantee: str
    permission: Permission
    is_group: bool = False

    def reaches(self, principal: Principal) -> bool:
        if self.is_group:
            everybody = self.grantee == ALL_USERS
            return everybody or (self.grantee == AUTHENTICATED_USERS and not principal.is_stranger)
        return bool(principal.owner) and self.grantee == principal.owner

    def gives(self, permission: Permission) -> bool:
        return self.permission in (permission, "FULL_CONTROL")

    @property
    def is_public(self) -> bool:
        return self.is_group and self.grantee in GROUPS


Acl = tuple[Grant, ...]


def own(owner: str) -> Acl:
    """What a bucket or an object has for want of another: its owner may everything, nobody else anything."""
    return (Grant(owner, "FULL_CONTROL"),)


def canned(name: str, owner: str, bucket_owner: str) -> Acl:
    """What a canned list means. `owner` owns what it is for. Raises BadGrant for a name that is none."""
    public = {
        "private": (),
        "aws-exec-read": (),
        "public-read": (Grant(ALL_USERS, "READ", True),),
        "public-read-write": (Grant(ALL_USERS, "READ", True), Grant(ALL_USERS, "WRITE", True)),
        "authenticated-read": (Grant(AUTHENTICATED_USERS, "READ", True),),
        "bucket-owner-read": (Grant(bucket_owner, "READ"),),
        "bucket-owner-full-control": (Grant(bucket_owner, "FULL_CONTROL"),),
        "log-delivery-write": (Grant(LOG_DELIVERY, "WRITE", True), Grant(LOG_DELIVERY, "READ_ACP", True)),
    }
    if name not in public:
        raise BadGrant("InvalidArgument", f"{name[:80]!r} is no canned access control list.")
    if name.startswith("bucket-owner") and owner == bucket_owner:
        return own(owner)
    return own(owner) + public[name]


def from_headers(header: Callable[[str], str | None], resolve: Resolve) -> Acl:
    """Of the grant headers of a request, found by their names: id=, uri= or emailAddress=, quoted or not,
    with commas between. Raises BadGrant.
    """
    return check(
        Grant(_grantee(kind, value, resolve), permission, kind == "uri")
        for name, permission in GRANT_HEADERS.items()
        for kind, value in _grantees(header(name) or "")
    )


def user(told: str, resolve: Resolve) -> str:
    """The owner that has that canonical id. Raises BadGrant."""
    name = resolve(told)
    if name is None:
        raise BadGrant("InvalidArgument", "Invalid id")
    return name


def group(uri: str) -> str:
    """Raises BadGrant for a group that there is not."""
    if uri not in (*GROUPS, LOG_DELIVERY):
        raise BadGrant("InvalidArgument", "Invalid group uri")
    return uri


def addressee(email: str, resolve: Resolve) -> str:
    """The owner whose name is that e-mail address. Raises BadGrant."""
    name = None if is_canonical_id(email) else resolve(email)
    if name is None:
        raise BadGrant(
            "UnresolvableGrantByEmailAddress",
            "The e-mail address you provided does not match any account on record.",
        )
    return name


def check(grants: Iterable[Grant]) -> Acl:
    """Raises BadGrant for too many of them."""
    acl = tuple(islice(grants, MOST_GRANTS + 1))  # to find out whom each is for takes a while
    if len(acl) > MOST_GRANTS:
        raise BadGrant("MalformedACLError", f"An access control list has at most {MOST_GRANTS} grants.")
    return acl


def write(acl: Acl, owner: str) -> str | None:
    """As it is kept: None for what goes without saying."""
    if acl == own(owner):
        return None
    return json.dumps([[each.grantee, each.permission, each.is_group] for each in acl], separators=(",", ":"))


@lru_cache(maxsize=1024)
def read(text: str | None, owner: str) -> Acl:
    """The list that was kept, of what that owner owns."""
    if text is None:
        return own(owner)
    try:
        return tuple(_grant(*each) for each in json.loads(text))
    except (ValueError, TypeError):
        return own(owner)  # what nobody can read gives nothing to others


def _grant(grantee: str, permission: str, is_group: bool) -> Grant:
    known = next((each for each in PERMISSIONS if each == permission), None)
    if known is None:
        raise ValueError(permission)
    return Grant(str(grantee), known, bool(is_group))


def grants(acl: Acl, principal: Principal, permission: Permission, *, ignore_public: bool) -> bool:
    """Whether one of the grants gives it; those to groups count only if they are not to be ignored."""
    return any(
        each.gives(permission) and each.reaches(principal) and not (ignore_public and each.is_public)
        for each in acl
    )


def is_public(acl: Acl) -> bool:
    """Whether something is granted to everybody, or to everybody with a credential."""
    return any(each.is_public for each in acl)


def shown(acl: Acl) -> Acl:
    """In the order that clients know: groups first."""
    return tuple(sorted(acl, key=lambda each: not each.is_group))


def _grantee(kind: str, value: str, resolve: Resolve) -> str:
    if kind == "id":
        return user(value, resolve)
    return group(value) if kind == "uri" else addressee(value, resolve)


def _grantees(header: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (each.strip() for each in header.split(","))):
        kind, equals, value = part.partition("=")
        kind, value = kind.strip(), value.strip().strip("\"'")
        if not equals or kind not in ("id", "uri", "emailAddress") or not value:
            raise BadGrant("InvalidArgument", "Argument format not recognized")
        yield kind, value
