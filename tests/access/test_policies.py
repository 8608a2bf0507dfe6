"""Who may do what where: the whole table, worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from imagestore.access.policies import SCOPES, STRANGER, Action, Principal, decide, is_open, rule
from imagestore.access.rulings import Ruling
from imagestore.core.errors import Forbidden, Unauthenticated
from imagestore.core.image import Bucket

pytestmark = pytest.mark.quick

THEN = datetime(2026, 1, 1, tzinfo=UTC)
OPEN, SHUT, OTHER = (
    Bucket("open", "public-read", THEN),
    Bucket("shut", "private", THEN),
    Bucket("other", "private", THEN),
)
SERVICE = None


def holder(*scopes: str, buckets: set[str] | None = None) -> Principal:
    return Principal("KEY", frozenset(scopes), None if buckets is None else frozenset(buckets))


WHO = {
    "stranger": STRANGER,
    "nothing": holder(),
    "reader": holder("read"),
    "writer": holder("write"),
    "both": holder("read", "write"),
    "admin": holder("admin"),
    "reader of shut": holder("read", buckets={"shut"}),
    "writer of shut": holder("write", buckets={"shut"}),
    "admin of shut": holder("admin", buckets={"shut"}),
    "admin of none": holder("admin", buckets=set()),
    "unknown scope": holder("root"),
}
WHERE = (OPEN, SHUT, OTHER, SERVICE)
# For each action a letter for open, shut, other, the service: y yes, n Forbidden, ? Unauthenticated.
TABLE = {
    # who: (what visibility opens, read, write, admin)
    "stranger": ("y???", "????", "????", "????"),
    "nothing": ("ynnn", "nnnn", "nnnn", "nnnn"),
    "reader": ("yyyy", "yyyy", "nnnn", "nnnn"),
    "writer": ("ynnn", "nnnn", "yyyy", "nnnn"),
    "both": ("yyyy", "yyyy", "yyyy", "nnnn"),
    "admin": ("yyyy", "yyyy", "yyyy", "yyyy"),
    "reader of shut": ("yynn", "nynn", "nnnn", "nnnn"),
    "writer of shut": ("ynnn", "nnnn", "nynn", "nnnn"),
    "admin of shut": ("yynn", "nynn", "nynn", "nynn"),
    "admin of none": ("ynnn", "nnnn", "nnnn", "nnnn"),
    "unknown scope": ("ynnn", "nnnn", "nnnn", "nnnn"),
}
OPENED = (Action.GET_OBJECT, Action.GET_OBJECT_VERSION)
CASES = [
    (who, action, bucket, row[0 if action in OPENED else 1 + SCOPES.index(action.scope)][at])
    for who, row in TABLE.items()
    for action in Action
    for at, bucket in enumerate(WHERE)
]


def answer(principal: Principal, action: Action, bucket: Bucket | str | None) -> str:
    try:
        decide(principal, action, bucket)
    except Forbidden:
        return "n"
    except Unauthenticated:
        return "?"
    return "y"


@pytest.mark.parametrize(("who", "action", "bucket", "expected"), CASES)
def test_the_table_holds(who: str, action: Action, bucket: Bucket | None, expected: str) -> None:
    assert answer(WHO[who], action, bucket) == expected


def test_the_table_is_whole() -> None:
    assert TABLE.keys() == WHO.keys()
    assert len(CASES) == len(WHO) * len(Action) * 4
    assert {action.scope for action in Action} == set(SCOPES)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("who", WHO)
def test_a_bucket_of_which_only_the_name_is_known_is_never_open(who: str, action: Action) -> None:
    assert answer(WHO[who], action, "open") == answer(WHO[who], action, Bucket("open", "private", THEN))


@pytest.mark.parametrize("action", Action)
def test_open_is_only_the_picture_of_a_public_bucket(action: Action) -> None:
    assert is_open(action, OPEN) is (action in OPENED)
    assert is_open(action, SHUT) is False


def test_a_refusal_names_what_is_missing() -> None:
    with pytest.raises(Forbidden, match=r"'write' on bucket 'shut'"):
        decide(WHO["reader"], Action.PUT_OBJECT, SHUT)
    with pytest.raises(Forbidden, match="on the whole service"):
        decide(WHO["admin of shut"], Action.ADMINISTER, None)


def statement(effect: str, where: str) -> dict[str, str]:
    return {"Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{where}"}


POLICY = json.dumps({"Statement": [statement("Allow", "owned/open/*"), statement("Deny", "owned/shut/*")]})
OWNED = Bucket("owned", "private", THEN, owner="ada", documents={"policy": POLICY})


@pytest.mark.parametrize(
    ("who", "bucket", "key", "expected"),
    [
        (STRANGER, OPEN, "a", Ruling.VISIBLE),
        (STRANGER, SHUT, "a", Ruling.NOTHING),
        (holder("read"), SHUT, "a", Ruling.OWN),
        (holder("read"), "gone", "a", Ruling.OWN),
        (STRANGER, OWNED, "open/a", Ruling.POLICY),
        (STRANGER, OWNED, "a", Ruling.NOTHING),
        (holder("read"), OWNED, "a", Ruling.NOTHING),
        (Principal("KEY", frozenset({"read"}), None, "ada"), OWNED, "a", Ruling.LIST),
        (Principal("KEY", frozenset({"read"}), None, "ada"), OWNED, "shut/a", Ruling.DENIED),
        (Principal("KEY", frozenset({"admin"}), None, "root", is_root=True), OWNED, "a", Ruling.ROOT),
        (Principal("KEY", frozenset({"admin"}), None, "root", is_root=True), OWNED, "shut/a", Ruling.DENIED),
    ],
)
def test_what_decides_is_told(who: Principal, bucket: Bucket | str, key: str, expected: Ruling) -> None:
    assert rule(who, Action.GET_OBJECT, bucket, key=key) is expected
