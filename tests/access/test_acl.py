"""Access control lists: what canned ones and headers mean, how they are kept, and whom they reach."""

from __future__ import annotations

import pytest

from imagestore.access import acl
from imagestore.access.acl import (
    ALL_USERS,
    AUTHENTICATED_USERS,
    LOG_DELIVERY,
    MOST_GRANTS,
    Acl,
    BadGrant,
    Grant,
)
from imagestore.access.owners import canonical_id
from imagestore.access.policies import STRANGER, Principal

pytestmark = pytest.mark.quick

OWNERS = ("ann", "bob@example.org", "house")
ANN, BOB = (Principal(f"IS{name}", frozenset(), None, name) for name in OWNERS[:2])
MINE = Grant("ann", "FULL_CONTROL")


CANNED = (
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
)


def resolve(told: str) -> str | None:
    return next((owner for owner in OWNERS if told in (owner, canonical_id(owner))), None)


@pytest.mark.parametrize(
    ("name", "rest"),
    [
        ("private", []),
        ("aws-exec-read", []),
        ("public-read", [Grant(ALL_USERS, "READ", True)]),
        ("public-read-write", [Grant(ALL_USERS, "READ", True), Grant(ALL_USERS, "WRITE", True)]),
        ("authenticated-read", [Grant(AUTHENTICATED_USERS, "READ", True)]),
        ("bucket-owner-read", [Grant("house", "READ")]),
        ("bucket-owner-full-control", [Grant("house", "FULL_CONTROL")]),
        ("log-delivery-write", [Grant(LOG_DELIVERY, "WRITE", True), Grant(LOG_DELIVERY, "READ_ACP", True)]),
    ],
)
def test_what_canned_lists_mean(name: str, rest: list[Grant]) -> None:
    assert acl.canned(name, "ann", "house") == (MINE, *rest)
    if name.startswith("bucket-owner"):
        assert acl.canned(name, "ann", "ann") == (MINE,)


def test_there_is_no_other_canned_list() -> None:
    with pytest.raises(BadGrant) as refused:
        acl.canned("public", "ann", "house")
    assert refused.value.code == "InvalidArgument"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ()),
        ({"x-amz-grant-read": f"id={canonical_id('ann')}"}, (Grant("ann", "READ"),)),
        ({"x-amz-grant-write-acp": f'id="{canonical_id("ann")}"'}, (Grant("ann", "WRITE_ACP"),)),
        ({"x-amz-grant-read-acp": f'uri="{ALL_USERS}"'}, (Grant(ALL_USERS, "READ_ACP", True),)),
        ({"x-amz-grant-read": "emailAddress=bob@example.org"}, (Grant("bob@example.org", "READ"),)),
        (
            {
                "x-amz-grant-full-control": "id=ann , id=house",
                "x-amz-grant-read": f"uri={AUTHENTICATED_USERS}",
            },
            (
                Grant(AUTHENTICATED_USERS, "READ", True),
                Grant("ann", "FULL_CONTROL"),
                Grant("house", "FULL_CONTROL"),
            ),
        ),
    ],
)
def test_what_headers_mean(headers: dict[str, str], expected: Acl) -> None:
    assert acl.from_headers(headers.get, resolve) == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("id=_foo", "InvalidArgument"),
        ("id=", "InvalidArgument"),
        ("ann", "InvalidArgument"),
        ("name=ann", "InvalidArgument"),
        ("uri=http://acs.amazonaws.com/groups/global/Nobody", "InvalidArgument"),
        ("emailAddress=nobody@example.org", "UnresolvableGrantByEmailAddress"),
        (f"emailAddress={canonical_id('ann')}", "UnresolvableGrantByEmailAddress"),
        (",".join(["id=ann"] * (MOST_GRANTS + 1)), "MalformedACLError"),
    ],
)
def test_headers_that_mean_nothing_are_refused(value: str, code: str) -> None:
    with pytest.raises(BadGrant) as refused:
        acl.from_headers({"x-amz-grant-read": value}.get, resolve)
    assert refused.value.code == code


@pytest.mark.parametrize("name", CANNED)
def test_a_list_comes_back_as_it_was_kept(name: str) -> None:
    made = acl.canned(name, "ann", "house")
    kept = acl.write(made, "ann")
    assert acl.read(kept, "ann") == made
    assert (kept is None) == (made == acl.own("ann"))
    assert acl.read(acl.write((), "ann"), "ann") == ()


@pytest.mark.parametrize(
    "text", ["", "{", "{}", "[1]", '[["a"]]', '[["a", "b", "c", "d"]]', "null", "[null]"]
)
def test_what_is_no_list_gives_nothing_to_others(text: str) -> None:
    assert not acl.is_public(acl.read(text, "ann"))
    for permission in acl.PERMISSIONS:
        assert not acl.grants(acl.read(text, "ann"), BOB, permission, ignore_public=False)


REACH = {  # the grantee: (ann, bob, a stranger), and the same where what is public is ignored
    Grant("ann", "READ"): ("ynn", "ynn"),
    Grant(ALL_USERS, "READ", True): ("yyy", "nnn"),
    Grant(AUTHENTICATED_USERS, "READ", True): ("yyn", "nnn"),
    Grant(LOG_DELIVERY, "READ", True): ("nnn", "nnn"),
    Grant(ALL_USERS, "READ"): ("nnn", "nnn"),  # an owner who is called as the group is
}


@pytest.mark.parametrize("grant", REACH, ids=str)
def test_whom_a_grant_reaches(grant: Grant) -> None:
    for ignore, letters in zip((False, True), REACH[grant], strict=True):
        for who, letter in zip((ANN, BOB, STRANGER), letters, strict=True):
            assert acl.grants((grant,), who, "READ", ignore_public=ignore) == (letter == "y")


def test_full_control_is_all_that_can_be_given_and_nothing_else_is_more_than_itself() -> None:
    for given in acl.PERMISSIONS:
        for wanted in acl.PERMISSIONS:
            held = acl.grants((Grant("ann", given),), ANN, wanted, ignore_public=False)
            assert held == (given in (wanted, "FULL_CONTROL"))


def test_groups_are_shown_first() -> None:
    made = acl.canned("public-read", "ann", "house")
    assert acl.shown(made) == (made[1], made[0])


def test_nobody_is_looked_for_in_vain_where_there_are_too_many_grants() -> None:
    looked = []

    def resolve(told: str) -> str:
        looked.append(told)
        return told

    told = ",".join(f"id={number}" for number in range(5000))
    with pytest.raises(BadGrant) as raised:
        acl.from_headers({"x-amz-grant-read": told}.get, resolve)
    assert raised.value.code == "MalformedACLError"
    assert len(looked) == acl.MOST_GRANTS + 1
