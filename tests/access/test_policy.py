"""Bucket policies: which documents are policies, what each says to a request, and which are public."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagestore.access.actions import Action
from imagestore.access.circumstances import NOWHERE, Circumstances
from imagestore.access.conditions import Malformed
from imagestore.access.owners import canonical_id
from imagestore.access.patterns import matches
from imagestore.access.policies import STRANGER, Principal, may
from imagestore.access.policy import MOST_BYTES, check, read
from imagestore.core.image import Bucket
from imagestore.core.objects import Attributes

pytestmark = pytest.mark.quick

NAME = "photos"
ALL = f"arn:aws:s3:::{NAME}/*"
THEN = datetime(2026, 1, 1, tzinfo=UTC)
SCOPES = frozenset({"read", "write"})
ANN = Principal("ISANN", SCOPES, None, "ann")
BOB = Principal("ISBOB", SCOPES, None, "bob@example.org")


def statement(**changed: Any) -> dict[str, Any]:
    whole = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ALL}
    return {name: value for name, value in (whole | changed).items() if value is not None}


def document(*statements: Any, **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def bucket(*statements: Any, **more: Any) -> Bucket:
    """Of an owner who is nobody here, so that nothing but the policy speaks."""
    return Bucket(NAME, "private", THEN, owner="owner", documents={"policy": document(*statements, **more)})


def says(
    told: dict[str, Any],
    who: Principal = STRANGER,
    action: Action = Action.GET_OBJECT,
    key: str | None = "a.jpg",
    asked: Circumstances = NOWHERE,
    tags: dict[str, str] | None = None,
) -> bool:
    return may(who, action, bucket(told), asked, key, Attributes(tags=tags or {}))


MALFORMED: dict[str, tuple[str, str]] = {
    "nothing": ("", "first byte must be"),
    "text": ("hello", "first byte must be"),
    "a list": ("[]", "first byte must be"),
    "cut short": ('{"Statement": [', "invalid Json"),
    "deep": ('{"a":' + "[" * 9000, "invalid Json"),
    "a name twice": ('{"Statement": [], "Statement": []}', "invalid Json"),
    "empty": ("{}", "Missing required field Statement"),
    "no statement": (document(), "Statement is empty"),
    "a field of nobody's": (document(statement(), Foo=1), "Unknown field Foo"),
    "a version of nobody's": (
        json.dumps({"Version": "2026-01-01", "Statement": [statement()]}),
        "valid version string",
    ),
    "a statement that is none": (document("x"), "Invalid policy syntax"),
    "a field of no statement": (document(statement(Actions="s3:*")), "Unknown field Actions"),
    "no effect": (document(statement(Effect=None)), "Missing required field Effect"),
    "an effect in lower case": (document(statement(Effect="allow")), "Invalid effect: allow"),
    "an effect that is a list": (document(statement(Effect=["Allow"])), "Invalid effect"),
    "no principal": (document(statement(Principal=None)), "Missing required field Principal"),
    "no action": (document(statement(Action=None)), "Missing required field Action"),
    "no resource": (document(statement(Resource=None)), "Missing required field Resource"),
    "both of two": (document(statement(NotAction="s3:*")), "Invalid policy syntax"),
    "an allow to all but some": (
        document(statement(Principal=None, NotPrincipal={"AWS": "ann"})),
        "Allow with NotPrincipal",
    ),
    "a principal that is text": (document(statement(Principal="ann")), "Invalid principal"),
    "a principal with a wildcard": (
        document(statement(Principal={"AWS": "arn:aws:iam::ann:user/*"})),
        "Invalid principal",
    ),
    "a principal of nobody's": (document(statement(Principal={"Foo": "ann"})), "Invalid principal"),
    "no principals": (document(statement(Principal={"AWS": []})), "Invalid policy syntax"),
    "no actions": (document(statement(Action=[])), "Invalid policy syntax"),
    "an action that is a number": (document(statement(Action=1)), "Invalid policy syntax"),
    "an action of nobody's": (document(statement(Action="s3:GetEverything")), "invalid action"),
    "an action of another service": (document(statement(Action="sns:*")), "invalid action"),
    "another bucket": (document(statement(Resource="arn:aws:s3:::other/*")), "invalid resource"),
    "a resource that is no ARN": (document(statement(Resource="*")), "invalid resource"),
    "an ARN of nothing": (document(statement(Resource="arn:aws:s3:::")), "invalid resource"),
    "a deny about nothing": (
        document(statement(Effect="Deny", Resource=f"arn:aws:s3:::{NAME}")),
        "does not apply to any resource",
    ),
    "a condition that is none": (document(statement(Condition=[])), "Invalid policy syntax"),
    "an operator of nobody's": (
        document(statement(Condition={"StringIs": {"aws:Referer": "x"}})),
        "Invalid Condition type : StringIs",
    ),
    "an operator in lower case": (
        document(statement(Condition={"stringequals": {"aws:Referer": "x"}})),
        "Invalid Condition type",
    ),
    "Null if it exists": (
        document(statement(Condition={"NullIfExists": {"aws:Referer": "true"}})),
        "Invalid Condition type",
    ),
    "a quantifier of nobody's": (
        document(statement(Condition={"ForSome:StringEquals": {"aws:Referer": "x"}})),
        "Invalid Condition type",
    ),
    "a key that nobody fills": (
        document(statement(Condition={"StringEquals": {"aws:SourceVpc": "x"}})),
        "invalid condition key",
    ),
    "a tag without a name": (
        document(statement(Condition={"StringEquals": {"s3:ExistingObjectTag/": "x"}})),
        "invalid condition key",
    ),
    "no values": (
        document(statement(Condition={"StringEquals": {"aws:Referer": []}})),
        "Invalid policy syntax",
    ),
    "a number that is none": (
        document(statement(Condition={"NumericEquals": {"s3:max-keys": "ten"}})),
        "Invalid number",
    ),
    "a date that is none": (
        document(statement(Condition={"DateLessThan": {"aws:CurrentTime": "soon"}})),
        "Invalid date",
    ),
    "an address that is none": (
        document(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})),
        "Invalid IP address",
    ),
    "neither true nor false": (
        document(statement(Condition={"Bool": {"aws:SecureTransport": "maybe"}})),
        "Invalid boolean",
    ),
    "one Sid twice": (document(statement(Sid="a"), statement(Sid="a")), "must be unique"),
    "too long": (document(statement(), Id="x" * MOST_BYTES), "maximum allowed size"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_no_policy_is_refused_with_a_reason(case: str) -> None:
    text, reason = MALFORMED[case]
    with pytest.raises(Malformed) as refused:
        check(text, NAME)
    assert reason in refused.value.message


@pytest.mark.parametrize(
    "told",
    [
        statement(Resource="arn:aws:s3:::*/*"),
        statement(Resource=f"arn:aws:s3:::{NAME}", Action="s3:ListBucket"),
        statement(Resource=f"arn:aws:s3:::{NAME}"),  # an allow about nothing
        statement(Action="*"),
        statement(Action=["s3:getobject", "S3:PUT*"]),
        statement(Principal={"AWS": ["*", "123456789012"], "Service": "cloudfront.amazonaws.com"}),
        statement(Principal={"CanonicalUser": canonical_id("ann")}),
        statement(Effect="Deny", Principal=None, NotPrincipal={"AWS": "arn:aws:iam::ann:root"}),
        statement(Action=None, NotAction="s3:DeleteBucket"),
        statement(Sid="Everybody may read", Condition={}),
    ],
    ids=json.dumps,
)
def test_what_is_a_policy_is_taken(told: dict[str, Any]) -> None:
    assert len(check(document(told), NAME).statements) == 1
    assert len(check(json.dumps({"Statement": told}), NAME).statements) == 1


NAMED = {  # principal: (ann, bob, a stranger)
    "*": "yyy",
    "ann": "ynn",
    canonical_id("ann"): "ynn",
    "ISANN": "ynn",
    "arn:aws:iam::ann:root": "ynn",
    f"arn:aws:iam::{canonical_id('ann')}:root": "ynn",
    "arn:aws:iam::ann:user/ISANN": "ynn",
    "arn:aws:iam::ann:user/team/ISANN": "ynn",
    "arn:aws:iam::ann:user/ISBOB": "nnn",
    "arn:aws:iam::bob@example.org:user/ISANN": "nnn",
    "arn:aws:iam:::user/ann": "ynn",
    "arn:aws:iam:::user/ISANN": "ynn",
    "bob@example.org": "nyn",
    "arn:aws:iam::ann:role/ISANN": "nnn",
    "anonymous": "nnn",
}


@pytest.mark.parametrize("told", NAMED)
def test_principals(told: str) -> None:
    expected = [letter == "y" for letter in NAMED[told]]
    assert [says(statement(Principal={"AWS": told}), who) for who in (ANN, BOB, STRANGER)] == expected
    if told != "*":
        shut = bucket(
            statement(),
            statement(Effect="Deny", Principal=None, NotPrincipal={"AWS": told}),
        )
        assert [may(who, Action.GET_OBJECT, shut, key="a") for who in (ANN, BOB, STRANGER)] == expected


@pytest.mark.parametrize(
    ("resource", "key", "expected"),
    [
        ("*", "a", True),
        ("*", "a/b/c", True),
        ("a*", "b", False),
        ("a/*/c", "a/1///c", True),
        ("a/*/c", "a/c", False),
        ("?.jpg", "a.jpg", True),
        ("?.jpg", "aa.jpg", False),
        ("[ab].jpg", "a.jpg", False),
        ("[ab].jpg", "[ab].jpg", True),
        ("A.jpg", "a.jpg", False),
        ("*\n*", "a\nb", True),
        ("a.jpg", "a.jpg\n", False),
        ("${aws:username}/*", "ISANN/x", True),
        ("${aws:username}/*", "ISBOB/x", False),
        ("${aws:referer}/*", "/x", False),
        ("${*}", "*", True),
        ("${*}", "a", False),
    ],
)
def test_resources(resource: str, key: str, expected: bool) -> None:
    told = statement(Resource=f"arn:aws:s3:::{NAME}/{resource}")
    assert says(told, ANN, key=key) is expected
    shut = bucket(statement(), {**told, "Effect": "Deny"})
    assert may(ANN, Action.GET_OBJECT, shut, key=key) is not expected
    every_other = bucket(statement(Resource=None, NotResource=told["Resource"]))
    assert may(ANN, Action.GET_OBJECT, every_other, key=key) is not expected


def test_variables_are_of_the_newer_version_alone() -> None:
    told = {"Version": "2008-10-17", "Statement": statement(Resource=f"{ALL[:-1]}${{aws:username}}")}
    older = Bucket(NAME, "private", THEN, owner="o", documents={"policy": json.dumps(told)})
    assert not may(ANN, Action.GET_OBJECT, older, key="ISANN")
    assert may(ANN, Action.GET_OBJECT, older, key="${aws:username}")


def test_what_a_variable_stands_for_has_no_wildcards() -> None:
    told = statement(Resource=f"arn:aws:s3:::{NAME}/${{aws:UserAgent}}/*")
    assert says(told, key="*/x", asked=Circumstances(user_agent="*"))
    assert not says(told, key="a/x", asked=Circumstances(user_agent="*"))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("s3:GetObject", "ynn"),
        ("s3:get*", "yyn"),
        ("s3:*Object", "yny"),
        ("*", "yyy"),
        (["s3:PutObject", "s3:GetObjectAcl"], "nyy"),
        ("s3:GetObjectAc?", "nyn"),
    ],
)
def test_actions(action: Any, expected: str) -> None:
    actions = (Action.GET_OBJECT, Action.GET_OBJECT_ACL, Action.PUT_OBJECT)
    found = [says(statement(Action=action), action=each) for each in actions]
    assert found == [letter == "y" for letter in expected]
    others = [says(statement(Action=None, NotAction=action), action=each) for each in actions]
    assert others == [not each for each in found]


HOLDS: list[tuple[str, str, Any, Circumstances, bool]] = [
    ("StringEquals", "aws:Referer", "a", Circumstances(referer="a"), True),
    ("StringEquals", "AWS:referer", "a", Circumstances(referer="a"), True),
    ("StringEquals", "aws:Referer", "a", Circumstances(referer="A"), False),
    ("StringEquals", "aws:Referer", "a", Circumstances(), False),
    ("StringEquals", "aws:Referer", ["x", "a"], Circumstances(referer="a"), True),
    ("StringEquals", "aws:Referer", "a*", Circumstances(referer="ab"), False),
    ("StringEqualsIfExists", "aws:Referer", "a", Circumstances(), True),
    ("StringEqualsIfExists", "aws:Referer", "a", Circumstances(referer="b"), False),
    ("StringNotEquals", "aws:Referer", "a", Circumstances(referer="b"), True),
    ("StringNotEquals", "aws:Referer", "a", Circumstances(), True),
    ("StringNotEquals", "aws:Referer", ["b", "a"], Circumstances(referer="b"), False),
    ("StringEqualsIgnoreCase", "aws:UserAgent", "Moz", Circumstances(user_agent="mOZ"), True),
    ("StringNotEqualsIgnoreCase", "aws:UserAgent", "Moz", Circumstances(user_agent="mOZ"), False),
    ("StringLike", "aws:Referer", "http://w.org/*", Circumstances(referer="http://w.org/x"), True),
    ("StringLike", "aws:Referer", "http://w.org/*", Circumstances(referer="http://w.org"), False),
    ("StringNotLike", "aws:Referer", "http://w.org/*", Circumstances(referer="http://w.org/x"), False),
    ("StringNotLike", "aws:Referer", "http://w.org/*", Circumstances(), True),
    (
        "StringLike",
        "s3:prefix",
        "${aws:PrincipalType}/*",
        Circumstances(told={"s3:prefix": ("Anonymous/",)}),
        True,
    ),
    ("Bool", "aws:SecureTransport", "true", Circumstances(secure=True), True),
    ("Bool", "aws:SecureTransport", True, Circumstances(secure=False), False),
    ("Bool", "aws:SecureTransport", "False", Circumstances(secure=False), True),
    ("Null", "aws:Referer", "true", Circumstances(), True),
    ("Null", "aws:Referer", True, Circumstances(referer=""), False),
    ("Null", "aws:Referer", "false", Circumstances(referer="x"), True),
    ("Null", "s3:RequestObjectTagKeys", "true", Circumstances().with_tags({}), True),
    ("IpAddress", "aws:SourceIp", "192.0.2.0/24", Circumstances("192.0.2.7"), True),
    ("IpAddress", "aws:SourceIp", "192.0.2.0/24", Circumstances("192.0.3.7"), False),
    ("IpAddress", "aws:SourceIp", ["::1", "192.0.2.7"], Circumstances("192.0.2.7"), True),
    ("IpAddress", "aws:SourceIp", "192.0.2.0/24", Circumstances("::ffff:192.0.2.7"), True),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32", Circumstances("2001:db8::1%eth0"), True),
    ("IpAddress", "aws:SourceIp", "2001:db8::/32", Circumstances("192.0.2.7"), False),
    ("IpAddress", "aws:SourceIp", "0.0.0.0/0", Circumstances(""), False),
    ("NotIpAddress", "aws:SourceIp", "192.0.2.0/24", Circumstances("192.0.2.7"), False),
    ("NotIpAddress", "aws:SourceIp", "192.0.2.0/24", Circumstances("192.0.3.7"), True),
    ("NumericLessThanEquals", "s3:max-keys", "10", Circumstances(told={"s3:max-keys": ("10",)}), True),
    ("NumericLessThan", "s3:max-keys", 10, Circumstances(told={"s3:max-keys": ("10",)}), False),
    ("NumericLessThan", "s3:max-keys", 10, Circumstances(told={"s3:max-keys": ("many",)}), False),
    ("NumericGreaterThan", "s3:max-keys", 9.5, Circumstances(told={"s3:max-keys": ("10",)}), True),
    ("NumericNotEquals", "s3:max-keys", 9, Circumstances(told={"s3:max-keys": ("10",)}), True),
    ("DateGreaterThan", "aws:CurrentTime", "2020-01-01T00:00:00Z", Circumstances(), True),
    ("DateLessThan", "aws:CurrentTime", "2020-01-01T00:00:00+02:00", Circumstances(), False),
    ("DateLessThan", "aws:EpochTime", 4102444800, Circumstances(), True),
    ("DateLessThan", "aws:CurrentTime", "2020-01-01", Circumstances(), False),
    ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", Circumstances(), False),
    ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:user/*", Circumstances(), True),
    (
        "ForAnyValue:StringEquals",
        "s3:RequestObjectTagKeys",
        ["a"],
        Circumstances().with_tags({"a": "", "b": ""}),
        True,
    ),
    (
        "ForAnyValue:StringEquals",
        "s3:RequestObjectTagKeys",
        ["c"],
        Circumstances().with_tags({"a": "", "b": ""}),
        False,
    ),
    ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", ["c"], Circumstances(), False),
    (
        "ForAllValues:StringEquals",
        "s3:RequestObjectTagKeys",
        ["a"],
        Circumstances().with_tags({"a": "", "b": ""}),
        False,
    ),
    (
        "ForAllValues:StringEquals",
        "s3:RequestObjectTagKeys",
        ["a", "b"],
        Circumstances().with_tags({"a": "", "b": ""}),
        True,
    ),
    ("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", ["a"], Circumstances(), True),
    (
        "ForAllValues:StringNotEquals",
        "s3:RequestObjectTagKeys",
        ["a"],
        Circumstances().with_tags({"a": "", "b": ""}),
        False,
    ),
    (
        "ForAnyValue:StringNotEquals",
        "s3:RequestObjectTagKeys",
        ["a"],
        Circumstances().with_tags({"a": "", "b": ""}),
        True,
    ),
    ("StringEquals", "s3:RequestObjectTag/Team", "x", Circumstances().with_tags({"Team": "x"}), True),
    ("StringEquals", "s3:RequestObjectTag/team", "x", Circumstances().with_tags({"Team": "x"}), False),
    ("StringEquals", "s3:VersionId", "v", Circumstances().with_version("v"), True),
]


@pytest.mark.parametrize(("operator", "key", "wanted", "asked", "expected"), HOLDS)
def test_conditions(operator: str, key: str, wanted: Any, asked: Circumstances, expected: bool) -> None:
    condition = {operator: {key: wanted}}
    assert says(statement(Condition=condition), asked=asked) is expected
    shut = bucket(statement(), statement(Effect="Deny", Condition=condition))
    assert may(STRANGER, Action.GET_OBJECT, shut, asked, "a") is not expected


def test_all_conditions_must_hold() -> None:
    both = {
        "Bool": {"aws:SecureTransport": "true"},
        "StringEquals": {"aws:Referer": "r", "aws:UserAgent": "u"},
    }
    whole = Circumstances(secure=True, referer="r", user_agent="u")
    assert says(statement(Condition=both), asked=whole)
    for less in (
        Circumstances(secure=False, referer="r", user_agent="u"),
        Circumstances(secure=True, user_agent="u"),
        Circumstances(secure=True, referer="r"),
    ):
        assert not says(statement(Condition=both), asked=less)


@pytest.mark.parametrize(
    ("tags", "expected"), [({"security": "public"}, True), ({"Security": "public"}, False), ({}, False)]
)
def test_the_tags_of_what_is_there(tags: dict[str, str], expected: bool) -> None:
    told = statement(Condition={"StringEquals": {"s3:ExistingObjectTag/security": "public"}})
    assert says(told, tags=tags) is expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"Effect": "Deny"}, False),
        ({"Principal": {"AWS": ["ann", "*"]}}, True),
        ({"Principal": {"AWS": "ann"}}, False),
        ({"Principal": {"Service": "cloudfront.amazonaws.com"}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}}, False),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "32.0.0.0/7"}}}, True),
        ({"Condition": {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::/0"]}}}, True),
        ({"Condition": {"NotIpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}, True),
        ({"Condition": {"IpAddressIfExists": {"aws:SourceIp": "10.0.0.0/32"}}}, True),
        ({"Condition": {"StringLike": {"aws:Referer": "http://w.org/*"}}}, True),
        ({"Condition": {"StringEquals": {"aws:PrincipalAccount": "ann"}}}, False),
        ({"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/x"}}}, True),
    ],
    ids=json.dumps,
)
def test_which_policies_are_public(changed: dict[str, Any], expected: bool) -> None:
    assert read(document(statement(**changed))).is_public is expected


def test_many_wildcards_take_no_time_to_speak_of() -> None:
    assert not matches("*a" * 900 + "*b", "a" * 1024)
    assert not matches("a*" * 900 + "b", "a" * 1024)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
PARTS = st.sampled_from(
    [
        *("*", "s3:*", "s3:GetObject", ALL, f"arn:aws:s3:::{NAME}", "${aws:username}", "ann", "Deny", "true"),
        *(
            "arn:aws:iam::ann:root",
            "10.0.0.0/8",
            "2026-01-01",
            "StringLike",
            "ForAnyValue:Bool",
            "aws:Referer",
        ),
    ]
)
ANYTHING = st.recursive(
    SCALARS | PARTS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | PARTS, inner, max_size=3)
    ),
    max_leaves=6,
)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Principal": PARTS | ANYTHING},
    optional=dict.fromkeys(
        ("Sid", "Action", "NotAction", "Resource", "NotResource", "Condition", "NotPrincipal"),
        PARTS | ANYTHING,
    ),
)


@given(STATEMENTS | ANYTHING, st.sampled_from(["2012-10-17", "2008-10-17"]))
def test_whatever_it_is_it_is_refused_or_decides(told: Any, version: str) -> None:
    text = json.dumps({"Version": version, "Statement": told})
    try:
        check(text, NAME)
    except Malformed as malformed:
        assert malformed.message
    owned = Bucket(NAME, "private", THEN, owner="owner", documents={"policy": text})
    for action in (Action.GET_OBJECT, Action.LIST_BUCKET, Action.DELETE_BUCKET_POLICY):
        for who in (STRANGER, ANN):
            may(who, action, owned, Circumstances("192.0.2.1", referer="x"), "a.jpg", Attributes())
    assert may(Principal("ISO", SCOPES, None, "owner"), Action.DELETE_BUCKET_POLICY, owned)
