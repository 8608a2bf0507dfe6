"""Bucket policies through boto3: put, shown, taken away; whether they make a bucket public, what they ask."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.web.s3.people import People, code_of, policy


@pytest.fixture
def shop(people: People) -> str:
    name = f"p-{secrets.token_hex(6)}"
    people.ann.s3.create_bucket(Bucket=name)
    people.ann.s3.put_object(Bucket=name, Key="a", Body=b"a")
    return name


def test_a_policy_is_shown_as_it_was_put_and_taken_away(people: People, shop: str) -> None:
    ann = people.ann.s3
    assert code_of(ann.get_bucket_policy, Bucket=shop) == "NoSuchBucketPolicy"
    text = policy(shop, {"Sid": "é"}) + "\n"
    put = ann.put_bucket_policy(Bucket=shop, Policy=text)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert ann.get_bucket_policy(Bucket=shop)["Policy"] == text
    for _ in range(2):
        gone = ann.delete_bucket_policy(Bucket=shop)
        assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert code_of(ann.get_bucket_policy, Bucket=shop) == "NoSuchBucketPolicy"


@pytest.mark.parametrize(
    "text",
    ["", "hello", "{}", "\ufeff{}", json.dumps({"Statement": []}), " " * 20481, "\x00", "{" * 2000, "[1]"],
)
def test_what_is_no_policy_is_refused_and_changes_nothing(people: People, shop: str, text: str) -> None:
    ann = people.ann.s3
    kept = policy(shop, {"Effect": "Deny"})
    ann.put_bucket_policy(Bucket=shop, Policy=kept)
    assert code_of(ann.put_bucket_policy, Bucket=shop, Policy=text) == "MalformedPolicy"
    assert ann.get_bucket_policy(Bucket=shop)["Policy"] == kept


def test_only_the_owner_touches_a_policy_and_always_can(people: People, shop: str) -> None:
    both = [f"arn:aws:s3:::{shop}", f"arn:aws:s3:::{shop}/*"]
    everything = policy(shop, {"Action": "*", "Resource": both})
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=everything)
    for each in (people.bob, people.stranger):
        each.s3.put_object(Bucket=shop, Key="b", Body=b"")
        assert code_of(each.s3.get_bucket_policy, Bucket=shop) == "AccessDenied"
        assert code_of(each.s3.put_bucket_policy, Bucket=shop, Policy=everything) == "AccessDenied"
        assert code_of(each.s3.delete_bucket_policy, Bucket=shop) == "AccessDenied"
    nothing = policy(shop, {"Effect": "Deny", "Action": "*", "Resource": both})
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=nothing)
    for each in (people.root, people.ann):
        assert code_of(each.s3.get_object, Bucket=shop, Key="a") == "AccessDenied"
        assert each.s3.get_bucket_policy(Bucket=shop)["Policy"] == nothing
    people.ann.s3.delete_bucket_policy(Bucket=shop)
    people.ann.s3.get_object(Bucket=shop, Key="a")


def test_whether_a_bucket_is_public(people: People, shop: str) -> None:
    ann = people.ann.s3

    def is_public() -> bool:
        told: bool = ann.get_bucket_policy_status(Bucket=shop)["PolicyStatus"]["IsPublic"]
        return told

    assert not is_public()
    ann.put_bucket_policy(Bucket=shop, Policy=policy(shop, {}))
    assert is_public()
    near = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/32"}}}
    ann.put_bucket_policy(Bucket=shop, Policy=policy(shop, near))
    assert not is_public()
    ann.put_bucket_acl(Bucket=shop, ACL="authenticated-read")
    assert is_public()
    ignored = {"IgnorePublicAcls": True}
    ann.put_public_access_block(Bucket=shop, PublicAccessBlockConfiguration=ignored)
    assert not is_public()
    found = ann.get_public_access_block(Bucket=shop)["PublicAccessBlockConfiguration"]
    assert found == {
        "BlockPublicAcls": False,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": False,
        "RestrictPublicBuckets": False,
    }
    ann.delete_public_access_block(Bucket=shop)
    assert code_of(ann.get_public_access_block, Bucket=shop) == "NoSuchPublicAccessBlockConfiguration"


def allow(shop: str, action: str, condition: dict[str, Any], *, bucket: bool = False) -> str:
    resource = f"arn:aws:s3:::{shop}" + ("" if bucket else "/*")
    return policy(shop, {"Action": action, "Resource": resource, "Condition": condition})


def test_lists_by_prefix(people: People, shop: str) -> None:
    told = allow(shop, "s3:ListBucket", {"StringLike": {"s3:prefix": ["", "open/*"]}}, bucket=True)
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=told)
    for call in (people.bob.s3.list_objects, people.bob.s3.list_objects_v2):
        call(Bucket=shop, Prefix="open/2026")
        call(Bucket=shop, Prefix="")
        assert code_of(call, Bucket=shop, Prefix="shut/") == "AccessDenied"
        assert code_of(call, Bucket=shop) == "AccessDenied"
    assert code_of(people.bob.s3.head_object, Bucket=shop, Key="open/x") == "404"
    assert code_of(people.bob.s3.head_object, Bucket=shop, Key="shut/x") == "403"


def test_what_a_put_asks_for(people: People, shop: str) -> None:
    ann, bob = people.ann.s3, people.bob.s3
    named = {"Bucket": shop, "Key": "n", "Body": b""}
    ann.put_bucket_policy(
        Bucket=shop,
        Policy=policy(
            shop,
            {"Action": "s3:PutObject"},
            {
                "Action": "s3:PutObject",
                "Effect": "Deny",
                "Condition": {"StringLike": {"s3:x-amz-acl": "public*"}},
            },
        ),
    )
    bob.put_object(**named)
    bob.put_object(**named, ACL="bucket-owner-read")
    assert code_of(bob.put_object, **named, ACL="public-read") == "AccessDenied"
    assert code_of(ann.put_object, **named, ACL="public-read") == "AccessDenied"
    tagged = {"StringEquals": {"s3:RequestObjectTag/team": "blue"}}
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:PutObject*", tagged))
    bob.put_object(**named, Tagging="team=blue&x=y")
    for tagging in ({}, {"Tagging": "team=red"}):
        assert code_of(bob.put_object, **named, **tagging) == "AccessDenied"
    for team, fine in (("blue", True), ("red", False)):
        tags = {"TagSet": [{"Key": "team", "Value": team}]}
        if fine:
            bob.put_object_tagging(Bucket=shop, Key="a", Tagging=tags)
        else:
            assert code_of(bob.put_object_tagging, Bucket=shop, Key="a", Tagging=tags) == "AccessDenied"
    granted = {"StringEquals": {"s3:x-amz-grant-full-control": f"id={people.ann.id}"}}
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:PutObject", granted))
    bob.put_object(**named, GrantFullControl=f"id={people.ann.id}")
    assert code_of(bob.put_object, **named) == "AccessDenied"
    assert ann.get_object(Bucket=shop, Key="n")["Body"].read() == b""


def test_where_copies_come_from(people: People, shop: str) -> None:
    ann, bob, target = people.ann.s3, people.bob.s3, f"p-{secrets.token_hex(6)}"
    for key in ("open/é a", "shut/b"):
        ann.put_object(Bucket=shop, Key=key, Body=b"x")
    ann.create_bucket(Bucket=target)
    ann.put_bucket_policy(Bucket=shop, Policy=policy(shop, {}))
    told = allow(target, "s3:PutObject", {"StringLike": {"s3:x-amz-copy-source": f"{shop}/open/*"}})
    ann.put_bucket_policy(Bucket=target, Policy=told)
    bob.copy_object(Bucket=target, Key="n", CopySource={"Bucket": shop, "Key": "open/é a"})
    shut = {"Bucket": shop, "Key": "shut/b"}
    assert code_of(bob.copy_object, Bucket=target, Key="n", CopySource=shut) == "AccessDenied"
    assert code_of(bob.put_object, Bucket=target, Key="n", Body=b"") == "AccessDenied"
    upload = bob.create_multipart_upload
    assert code_of(upload, Bucket=target, Key="n") == "AccessDenied"
    # The source is asked for itself, whatever the target allows.
    ann.put_bucket_policy(
        Bucket=shop, Policy=policy(shop, {"Effect": "Deny", "Principal": {"AWS": people.bob.owner}})
    )
    open_one = {"Bucket": shop, "Key": "open/é a"}
    assert code_of(bob.copy_object, Bucket=target, Key="n", CopySource=open_one) == "AccessDenied"


def test_each_of_many_deletions_is_decided_for_itself(people: People, shop: str) -> None:
    for key in ("open/a", "shut/b"):
        people.ann.s3.put_object(Bucket=shop, Key=key, Body=b"x")
    told = {"Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{shop}/open/*"}
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, told))
    wanted = {"Objects": [{"Key": key} for key in ("open/a", "shut/b", "open/none")]}
    answer = people.bob.s3.delete_objects(Bucket=shop, Delete=wanted)
    assert [each["Key"] for each in answer["Deleted"]] == ["open/a", "open/none"]
    assert [(each["Key"], each["Code"]) for each in answer["Errors"]] == [("shut/b", "AccessDenied")]


def test_buckets_are_listed_to_their_owners(people: People, shop: str) -> None:
    def names(s3: Any) -> set[str]:
        return {each["Name"] for each in s3.list_buckets()["Buckets"]}

    assert shop in names(people.ann.s3)
    assert shop not in names(people.bob.s3)
    assert code_of(people.bob.s3.create_bucket, Bucket=shop) == "BucketAlreadyExists"
    assert code_of(people.bob.s3.delete_bucket, Bucket=shop) == "AccessDenied"


def test_how_a_request_is_signed(people: People, shop: str, browser: httpx.Client) -> None:
    signed = people.ann.s3.generate_presigned_url("get_object", Params={"Bucket": shop, "Key": "a"})

    def deny(**condition: Any) -> None:
        told = {"Effect": "Deny", "Condition": condition}
        people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, told))

    version = "AWS4-HMAC-SHA256" if "X-Amz-Signature" in signed else "AWS"
    deny(StringEquals={"s3:authType": "REST-QUERY-STRING"})
    assert browser.get(signed).status_code == 403
    people.ann.s3.get_object(Bucket=shop, Key="a")
    deny(StringNotEquals={"s3:signatureversion": version})
    assert browser.get(signed).status_code == 200
    deny(NumericGreaterThan={"s3:signatureAge": 600_000})
    people.ann.s3.get_object(Bucket=shop, Key="a")
    deny(NumericGreaterThanEquals={"s3:signatureAge": 0})
    assert code_of(people.ann.s3.get_object, Bucket=shop, Key="a") == "AccessDenied"


def test_what_version_2_does_not_sign_is_read_by_its_clients(
    open_s3: Callable[..., Any], s3: Any, s3_bucket: str
) -> None:
    client = open_s3(signature_version="s3")
    block = {"BlockPublicAcls": True}
    s3.put_public_access_block(Bucket=s3_bucket, PublicAccessBlockConfiguration=block)
    rules = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=s3_bucket, OwnershipControls=rules)
    told = client.get_public_access_block(Bucket=s3_bucket)["PublicAccessBlockConfiguration"]
    assert told["BlockPublicAcls"]
    assert client.get_bucket_ownership_controls(Bucket=s3_bucket)["OwnershipControls"] == rules
    assert not client.get_bucket_policy_status(Bucket=s3_bucket)["PolicyStatus"]["IsPublic"]
    assert code_of(client.delete_public_access_block, Bucket=s3_bucket) == "SignatureDoesNotMatch"
