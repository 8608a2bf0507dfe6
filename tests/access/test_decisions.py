"""Who may what where buckets have owners, policies, lists and safeguards: whose word counts before whose."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from imagestore.access import acl
from imagestore.access.acl import ALL_USERS, Grant
from imagestore.access.circumstances import Circumstances
from imagestore.access.owners import HOUSE
from imagestore.access.policies import (
    STRANGER,
    Action,
    Principal,
    decide,
    hinges_on_objects,
    hinges_on_requests,
    is_open,
    may,
    may_know,
)
from imagestore.access.safeguards import PublicAccessBlock, object_owner
from imagestore.core.errors import Forbidden, Unauthenticated
from imagestore.core.image import Bucket
from imagestore.core.objects import Attributes

pytestmark = pytest.mark.quick

THEN = datetime(2026, 1, 1, tzinfo=UTC)
NAME, KEY = "photos", "a.jpg"
ARN = f"arn:aws:s3:::{NAME}"


def holder(owner: str, *scopes: str, buckets: set[str] | None = None, root: bool = False) -> Principal:
    reach = None if buckets is None else frozenset(buckets)
    return Principal(f"IS{owner}", frozenset(scopes), reach, owner, root)


WHO = {
    "root": holder("root", "read", "write", "admin", root=True),
    "ann": holder("ann", "read", "write"),
    "ann's reader": holder("ann", "read"),
    "ann elsewhere": holder("ann", "read", "write", buckets={"other"}),
    "bob": holder("bob", "read", "write"),
    "bob the admin": holder("bob", "admin"),
    "stranger": STRANGER,
}
READ, WRITE, SHARED = "READ", "WRITE", "WRITE_ACP"


def policy(*statements: dict[str, Any]) -> dict[str, str]:
    whole = [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [ARN, f"{ARN}/*"]} | each
        for each in statements
    ]
    return {"policy": json.dumps({"Version": "2012-10-17", "Statement": whole})}


def of_ann(**documents: str) -> Bucket:
    return Bucket(NAME, "private", THEN, owner="ann", accept="any", versioning="off", documents=documents)


def house(visibility: Any = "private", **documents: str) -> Bucket:
    return Bucket(NAME, visibility, THEN, documents=documents)


def listed(*grants: Grant) -> str:
    return acl.write(grants, "") or ""


def row(bucket: Bucket, action: Action, attributes: Attributes | None = None) -> str:
    asked = [may(who, action, bucket, Circumstances(), KEY, attributes) for who in WHO.values()]
    return "".join("y" if each else "n" for each in asked)


OF_BOB = Attributes(owner="bob")
DENY_BOB = policy({"Effect": "Deny", "Principal": {"AWS": "bob"}, "Action": "s3:GetObject"})
ALLOW_BOB = policy({"Principal": {"AWS": "bob"}})
CASES: dict[str, tuple[Bucket, Attributes | None, dict[Action, str]]] = {
    # Each letter: root, ann, ann's reader, ann elsewhere, bob, bob the admin, a stranger.
    "a bucket of the house": (
        house(),
        None,
        {
            Action.GET_OBJECT: "yyynyyn",
            Action.PUT_OBJECT: "yynnyyn",
            Action.PUT_BUCKET_POLICY: "ynnnnyn",
            Action.DELETE_BUCKET: "ynnnnyn",
        },
    ),
    "a bucket of ann's": (
        of_ann(),
        None,
        {
            Action.GET_OBJECT: "yyynnnn",
            Action.LIST_BUCKET: "yyynnnn",
            Action.PUT_OBJECT: "yynnnnn",
            Action.PUT_BUCKET_POLICY: "yynnnnn",
            Action.GET_BUCKET_POLICY: "yyynnnn",
            Action.DELETE_BUCKET: "yynnnnn",
            Action.CHANGE_BUCKET: "yynnnnn",
            Action.READ_TRANSFORMATIONS: "yyynnnn",
        },
    ),
    "an object of bob's in it": (
        of_ann(),
        OF_BOB,
        {
            Action.GET_OBJECT: "ynnnyyn",
            Action.GET_OBJECT_ACL: "ynnnyyn",
            Action.PUT_OBJECT_ACL: "ynnnyyn",
            Action.GET_OBJECT_TAGGING: "yyynyyn",
            Action.DELETE_OBJECT: "yynnnnn",
            Action.PUT_OBJECT: "yynnnnn",
        },
    ),
    "the same where objects are the bucket owner's": (
        of_ann(ownership="BucketOwnerEnforced"),
        OF_BOB,
        {Action.GET_OBJECT: "yyynnnn", Action.GET_OBJECT_ACL: "yyynnnn"},
    ),
    "a list that lets everybody read the bucket": (
        of_ann(acl=listed(Grant("ann", "FULL_CONTROL"), Grant(ALL_USERS, READ, True))),
        None,
        {Action.LIST_BUCKET: "yyyyyyy", Action.GET_OBJECT: "yyynnnn", Action.PUT_OBJECT: "yynnnnn"},
    ),
    "a list that lets everybody write": (
        of_ann(acl=listed(Grant("ann", "FULL_CONTROL"), Grant(ALL_USERS, WRITE, True))),
        None,
        {
            Action.PUT_OBJECT: "yyyyyyy",
            Action.DELETE_OBJECT: "yyyyyyy",
            Action.DELETE_OBJECT_VERSION: "yynnnnn",
            Action.LIST_BUCKET: "yyynnnn",
            Action.GET_OBJECT: "yyynnnn",
        },
    ),
    "a list that gives bob all": (
        of_ann(acl=listed(Grant("ann", "FULL_CONTROL"), Grant("bob", "FULL_CONTROL"))),
        None,
        {
            Action.LIST_BUCKET: "yyynyyn",
            Action.PUT_OBJECT: "yynnyyn",
            Action.PUT_BUCKET_ACL: "yynnyyn",
            Action.PUT_BUCKET_POLICY: "yynnnnn",
        },
    ),
    "a list that gives its owner nothing": (
        of_ann(acl="[]"),
        None,
        {
            Action.PUT_OBJECT: "ynnnnnn",
            Action.LIST_BUCKET: "ynnnnnn",
            Action.GET_OBJECT: "yyynnnn",
            Action.GET_BUCKET_ACL: "yyynnnn",
            Action.PUT_BUCKET_ACL: "yynnnnn",
            Action.DELETE_BUCKET: "yynnnnn",
        },
    ),
    "a list that nobody looks at": (
        of_ann(ownership="BucketOwnerEnforced", acl=listed(Grant(ALL_USERS, READ, True))),
        None,
        {Action.LIST_BUCKET: "yyynnnn"},
    ),
    "an object that everybody may read": (
        of_ann(),
        Attributes(acl=listed(Grant("ann", "FULL_CONTROL"), Grant(ALL_USERS, READ, True))),
        {
            Action.GET_OBJECT: "yyyyyyy",
            Action.GET_OBJECT_VERSION: "yyyyyyy",
            Action.GET_OBJECT_ACL: "yyynnnn",
        },
    ),
    "the same where what is public is ignored": (
        of_ann(public_access_block=PublicAccessBlock(ignore_public_acls=True).write()),
        Attributes(acl=listed(Grant("ann", "FULL_CONTROL"), Grant(ALL_USERS, READ, True))),
        {Action.GET_OBJECT: "yyynnnn"},
    ),
    "a list in a bucket of the house, which takes none": (
        house(),
        Attributes(acl=listed(Grant(ALL_USERS, READ, True))),
        {Action.GET_OBJECT: "yyynyyn"},
    ),
    "a policy that allows everybody all": (
        of_ann(**policy({})),
        None,
        {Action.GET_OBJECT: "yyyyyyy", Action.PUT_OBJECT: "yyyyyyy", Action.PUT_BUCKET_POLICY: "yynnnnn"},
    ),
    "the same where public policies are for the owner": (
        of_ann(**policy({}), public_access_block=PublicAccessBlock(restrict_public_buckets=True).write()),
        None,
        {Action.GET_OBJECT: "yyyynnn", Action.PUT_OBJECT: "yyyynnn"},
    ),
    "a policy that allows bob all": (
        of_ann(**ALLOW_BOB),
        None,
        {Action.GET_OBJECT: "yyynyyn", Action.PUT_OBJECT: "yynnyyn", Action.PUT_BUCKET_POLICY: "yynnnnn"},
    ),
    "a policy that denies bob what he wrote": (
        of_ann(**DENY_BOB),
        OF_BOB,
        {Action.GET_OBJECT: "ynnnnnn", Action.GET_OBJECT_ACL: "ynnnyyn"},
    ),
    "a policy that denies bob, in a public bucket of the house": (
        house("public-read", **DENY_BOB),
        None,
        {Action.GET_OBJECT: "yyyynny", Action.PUT_OBJECT: "yynnyyn"},
    ),
    "a policy that denies everybody all": (
        of_ann(**policy({"Effect": "Deny"})),
        None,
        {
            Action.GET_OBJECT: "nnnnnnn",
            Action.DELETE_BUCKET: "nnnnnnn",
            Action.GET_BUCKET_POLICY: "yyynnnn",
            Action.PUT_BUCKET_POLICY: "yynnnnn",
            Action.DELETE_BUCKET_POLICY: "yynnnnn",
        },
    ),
    "a policy that nobody can read": (
        of_ann(policy="{"),
        None,
        {Action.GET_OBJECT: "nnnnnnn", Action.DELETE_BUCKET_POLICY: "yynnnnn"},
    ),
}


@pytest.mark.parametrize(
    ("case", "action"),
    [(case, action) for case, (_, _, rows) in CASES.items() for action in rows],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_whose_word_counts(case: str, action: Action) -> None:
    bucket, attributes, rows = CASES[case]
    assert row(bucket, action, attributes) == rows[action]


def test_an_object_belongs_to_who_put_it_if_lists_count() -> None:
    assert object_owner(of_ann(), OF_BOB) == "bob"
    assert object_owner(of_ann(), Attributes()) == object_owner(of_ann(), None) == "ann"
    assert object_owner(of_ann(ownership="BucketOwnerEnforced"), OF_BOB) == "ann"
    assert object_owner(house(), OF_BOB) == HOUSE


def test_who_may_list_may_know_that_there_is_nothing() -> None:
    under = {"StringLike": {"s3:prefix": "public/*"}}
    bucket = of_ann(**policy({"Action": "s3:ListBucket", "Condition": under}))
    assert may_know(STRANGER, bucket, "public/x")
    assert not may_know(STRANGER, bucket, "private/x")
    assert may_know(WHO["ann's reader"], bucket, "private/x")


@pytest.mark.parametrize(
    ("bucket", "who", "error"),
    [
        (of_ann(), STRANGER, Unauthenticated),
        (of_ann(), WHO["bob"], Forbidden),
        # A credential would not help: what the policy denies is forbidden, and not merely unknown.
        (house("public-read", **policy({"Effect": "Deny"})), STRANGER, Forbidden),
        # That there is an object with such tags is nothing for a stranger to learn.
        (
            of_ann(
                **policy({"Effect": "Deny", "Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}})
            ),
            STRANGER,
            Unauthenticated,
        ),
    ],
)
def test_a_refusal_tells_no_more_than_it_must(bucket: Bucket, who: Principal, error: type) -> None:
    for attributes in (None, Attributes(tags={"a": "b"})):
        with pytest.raises(error):
            decide(who, Action.GET_OBJECT, bucket, Circumstances(), KEY, attributes)


OPEN = Attributes(acl=listed(Grant(ALL_USERS, READ, True)))
REFERER = {"Condition": {"StringLike": {"aws:Referer": "https://shop.example/*"}}}
KEPT = {  # bucket, object: (the same for everybody, at any time; depends on the request)
    "private": (house(), None, (False, False)),
    "public": (house("public-read"), None, (True, False)),
    "public, and everything public ignored": (
        house("public-read", public_access_block=PublicAccessBlock(ignore_public_acls=True).write()),
        None,
        (False, False),
    ),
    "public, with a deny elsewhere": (
        house("public-read", **policy({"Effect": "Deny", "Resource": f"{ARN}/secret/*"})),
        None,
        (True, False),
    ),
    "public, with a deny for one": (house("public-read", **DENY_BOB), None, (False, False)),
    "public, with a deny for some requests": (
        house("public-read", **policy({"Effect": "Deny"} | REFERER)),
        None,
        (False, True),
    ),
    "a policy that opens it": (of_ann(**policy({"Action": "s3:Get*"})), None, (True, False)),
    "a policy that opens it to some requests": (of_ann(**policy(REFERER)), None, (False, True)),
    "a policy that opens it to some requests, and to all": (
        of_ann(**policy(REFERER, {})),
        None,
        (True, True),
    ),
    "a policy that opens it to one": (of_ann(**ALLOW_BOB), None, (False, False)),
    "a policy that opens it, and a restriction": (
        of_ann(**policy({}), public_access_block=PublicAccessBlock(restrict_public_buckets=True).write()),
        None,
        (False, False),
    ),
    "an open object": (of_ann(), OPEN, (True, False)),
    "an open object, with a deny": (of_ann(**policy({"Effect": "Deny"})), OPEN, (False, False)),
    "an open object, and a policy for some requests": (of_ann(**policy(REFERER)), OPEN, (True, True)),
    "an open object where lists do not count": (house(), OPEN, (False, False)),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_may_be_kept_for_others(case: str) -> None:
    bucket, attributes, expected = KEPT[case]
    found = is_open(Action.GET_OBJECT, bucket, KEY, attributes)
    assert (found, hinges_on_requests(Action.GET_OBJECT, bucket, KEY)) == expected
    if found:  # then it is so for whoever asks, whatever the request says
        for who in (*WHO.values(), holder("eve")):
            for asked in (Circumstances(), Circumstances("192.0.2.1", True, "x", "y")):
                assert may(who, Action.GET_OBJECT, bucket, asked, KEY, attributes)


def test_an_object_is_looked_at_only_where_it_has_a_say() -> None:
    assert not hinges_on_objects(house())
    assert not hinges_on_objects(house(public_access_block=PublicAccessBlock().write()))
    assert not hinges_on_objects(of_ann(ownership="BucketOwnerEnforced"))
    assert hinges_on_objects(of_ann())
    assert hinges_on_objects(house(**DENY_BOB))
    assert hinges_on_objects(house(ownership="ObjectWriter"))
