"""Detours around a policy: what it denies is denied to those as well who ask for it by another operation."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests import pictures
from tests.web.s3.people import People, code_of, policy

PICTURE, OTHER = pictures.jpeg(64, 48), pictures.jpeg(64, 48, seed=2)


@pytest.fixture
def shop(people: People) -> str:
    """A bucket of ann's that keeps versions."""
    name = f"d-{secrets.token_hex(6)}"
    people.ann.s3.create_bucket(Bucket=name)
    people.ann.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def allow(bucket: str, *actions: str) -> str:
    return policy(bucket, {"Action": list(actions)})


def open_but(bucket: str, *denied: str, condition: Any = None) -> str:
    """A policy by which everybody may everything with objects, and denies some of it to all."""
    deny = {"Effect": "Deny", "Action": list(denied)} | ({"Condition": condition} if condition else {})
    return policy(bucket, {"Action": "s3:*Object*"}, deny)


def test_a_version_that_is_denied_is_denied_to_copies_and_to_many_deletions(
    people: People, shop: str
) -> None:
    ann, named = people.ann.s3, {"Bucket": shop, "Key": "k"}
    first, second = (ann.put_object(**named, Body=body)["VersionId"] for body in (b"1", b"2"))
    of_first = {"StringEquals": {"s3:VersionId": first}}
    shut = open_but(shop, "s3:GetObjectVersion", "s3:DeleteObjectVersion", condition=of_first)
    ann.put_bucket_policy(Bucket=shop, Policy=shut)
    for each in (people.ann.s3, people.bob.s3):
        source = {"Bucket": shop, "Key": "k", "VersionId": first}
        assert code_of(each.copy_object, Bucket=shop, Key="c", CopySource=source) == "AccessDenied"
        each.copy_object(Bucket=shop, Key="c", CopySource=source | {"VersionId": second})
        wanted = [{"Key": "k", "VersionId": first}, {"Key": "none", "VersionId": second}]
        told = each.delete_objects(Bucket=shop, Delete={"Objects": wanted})
        assert [(one["VersionId"], one["Code"]) for one in told["Errors"]] == [(first, "AccessDenied")]
    assert ann.get_object(**named, VersionId=second)["Body"].read() == b"2"
    ann.delete_bucket_policy(Bucket=shop)
    assert ann.get_object(**named, VersionId=first)["Body"].read() == b"1"


def test_a_version_that_is_denied_is_denied_by_rest(people: People, shop: str) -> None:
    ann, named = people.ann.s3, {"Bucket": shop, "Key": "k.jpg"}
    first = ann.put_object(**named, Body=PICTURE)["VersionId"]
    ann.put_object(**named, Body=OTHER)
    versions = f"/v1/buckets/{shop}/images/k.jpg/versions"
    newest, oldest = (each["version"] for each in people.ann.web.get(versions).json()["versions"])
    of_first = {"StringEquals": {"s3:VersionId": first}}
    shut = open_but(shop, "s3:GetObjectVersion", "s3:DeleteObjectVersion", condition=of_first)
    ann.put_bucket_policy(Bucket=shop, Policy=shut)
    web = people.ann.web
    assert web.get(f"{versions}/{newest}").status_code == 200
    assert web.get(f"{versions}/{oldest}").status_code == 403
    assert web.post(f"{versions}/{oldest}/restore").status_code == 403
    assert web.delete(f"{versions}/{oldest}").status_code == 403
    assert web.delete(f"/v1/buckets/{shop}/images/k.jpg").status_code == 403
    assert web.delete(f"{versions}/{newest}").status_code == 204
    ann.delete_bucket_policy(Bucket=shop)
    assert ann.get_object(**named)["Body"].read() == PICTURE


def test_who_may_only_write_restores_no_version_that_he_may_not_read(people: People, shop: str) -> None:
    ann, named = people.ann.s3, {"Bucket": shop, "Key": "k.jpg"}
    ann.put_object(**named, Body=PICTURE)
    ann.put_object(**named, Body=OTHER)
    versions = f"/v1/buckets/{shop}/images/k.jpg/versions"
    oldest = people.ann.web.get(versions).json()["versions"][-1]["version"]
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:PutObject", "s3:GetObject"))
    assert people.bob.web.post(f"{versions}/{oldest}/restore").status_code == 403
    assert people.ann.web.post(f"{versions}/{oldest}/restore").status_code == 201


def test_a_version_that_is_restored_brings_no_list_and_no_tags_along_that_are_denied(
    people: People, shop: str
) -> None:
    ann, named = people.ann.s3, {"Bucket": shop, "Key": "k.jpg"}
    ann.put_object(**named, Body=PICTURE, ACL="public-read", Tagging="a=b")
    ann.put_object(**named, Body=OTHER)
    versions = f"/v1/buckets/{shop}/images/k.jpg/versions"
    oldest = people.ann.web.get(versions).json()["versions"][-1]["version"]
    restore = f"{versions}/{oldest}/restore"
    told = policy(shop, {"Action": ["s3:PutObject", "s3:GetObject*", "s3:PutObjectTagging"]})
    ann.put_bucket_policy(Bucket=shop, Policy=told)
    assert people.bob.web.post(restore).status_code == 403
    for denied in ("s3:PutObjectAcl", "s3:PutObjectTagging"):
        ann.put_bucket_policy(Bucket=shop, Policy=open_but(shop, denied))
        assert people.ann.web.post(restore).status_code == 403
    ann.delete_bucket_policy(Bucket=shop)
    block = {"BlockPublicAcls": True}
    ann.put_public_access_block(Bucket=shop, PublicAccessBlockConfiguration=block)
    assert people.ann.web.post(restore).status_code == 403
    ann.delete_public_access_block(Bucket=shop)
    assert people.ann.web.post(restore).status_code == 201


def test_tags_and_lists_that_are_denied_are_not_put_along_with_an_object(people: People, shop: str) -> None:
    ann, named = people.ann.s3, {"Bucket": shop, "Key": "k"}
    ann.put_bucket_policy(Bucket=shop, Policy=open_but(shop, "s3:PutObjectTagging", "s3:PutObjectAcl"))
    for each in (people.ann.s3, people.bob.s3):
        for more in ({"Tagging": "a=b"}, {"ACL": "public-read"}, {"GrantRead": f"id={people.bob.id}"}):
            assert code_of(each.put_object, **named, Body=b"", **more) == "AccessDenied"
            assert code_of(each.create_multipart_upload, **named, **more) == "AccessDenied"
        each.put_object(**named, Body=b"", ACL="private")
    images = f"/v1/buckets/{shop}/images"
    for more in ({"tags": "a"}, {"context": '{"a": "b"}'}):
        assert people.ann.web.put(f"{images}/r.jpg", content=PICTURE, params=more).status_code == 403
        assert people.ann.web.post(images, files={"file": ("x", PICTURE)}, data=more).status_code == 403
    assert people.ann.web.put(f"{images}/r.jpg", content=PICTURE, params={"tags": ""}).status_code == 201


def test_tags_are_copied_by_those_who_may_see_them(people: People, shop: str) -> None:
    ann, bob, target = people.ann.s3, people.bob.s3, f"d-{secrets.token_hex(6)}"
    named = {"Bucket": target, "Key": "c", "CopySource": {"Bucket": shop, "Key": "k"}}
    version = ann.put_object(Bucket=shop, Key="k", Body=b"x", Tagging="a=b")["VersionId"]
    ann.put_object(Bucket=shop, Key="bare", Body=b"x")
    bob.create_bucket(Bucket=target)
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:GetObject", "s3:GetObjectVersion"))
    assert code_of(bob.copy_object, **named) == "AccessDenied"
    bob.copy_object(**named, TaggingDirective="REPLACE", Tagging="c=d")
    bob.copy_object(**named | {"CopySource": {"Bucket": shop, "Key": "bare"}})
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:GetObject*Tagging", "s3:GetObject"))
    bob.copy_object(**named)
    assert bob.get_object_tagging(Bucket=target, Key="c")["TagSet"] == [{"Key": "a", "Value": "b"}]
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:GetObjectTagging", "s3:GetObjectVersion"))
    source = {"Bucket": shop, "Key": "k", "VersionId": version}
    assert code_of(bob.copy_object, **named | {"CopySource": source}) == "AccessDenied"
    ann.put_bucket_policy(Bucket=shop, Policy=allow(shop, "s3:GetObject*"))
    blue = {"StringEquals": {"s3:RequestObjectTag/a": "b"}}
    bob.put_bucket_policy(Bucket=target, Policy=open_but(target, "s3:PutObjectTagging", condition=blue))
    assert code_of(bob.copy_object, **named | {"CopySource": source}) == "AccessDenied"
    bob.copy_object(**named, TaggingDirective="REPLACE", Tagging="c=d")


def test_lists_that_are_denied_are_denied_by_rest(people: People, shop: str) -> None:
    ann, images = people.ann, f"/v1/buckets/{shop}/images"
    ann.s3.put_object(Bucket=shop, Key="shut/k.jpg", Body=PICTURE)
    ann.s3.put_object(Bucket=shop, Key="k.jpg", Body=PICTURE)
    whole = {"Effect": "Deny", "Action": "s3:ListBucket*", "Resource": f"arn:aws:s3:::{shop}"}
    by_prefix = whole | {"Condition": {"StringLike": {"s3:prefix": "shut/*"}}}
    by_number = whole | {"Condition": {"NumericGreaterThan": {"s3:max-keys": "10"}}}
    ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, by_prefix, by_number))
    for path, expected in (
        (images, 200),
        (f"{images}?prefix=shut/", 403),
        (f"{images}?limit=10", 200),
        (f"{images}?limit=11", 403),
        (f"{images}/k.jpg/versions", 200),
        (f"{images}/k.jpg/versions?limit=11", 403),
        (f"{images}/shut/k.jpg/versions", 403),
    ):
        assert ann.web.get(path).status_code == expected, path
    told = {"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{shop}"}
    only = told | {"Condition": {"StringEquals": {"s3:prefix": "open/"}}}
    ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, only))
    assert people.bob.web.get(f"{images}?prefix=open/").status_code == 200
    assert people.bob.web.get(images).status_code == 403
