"""Uploads in parts, and who may touch which: who began one, the bucket's owner, whom a policy names."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests import pictures
from tests.service import Service
from tests.web.s3.people import People, Person, code_of, policy


@pytest.fixture
def shop(people: People) -> str:
    """A bucket of ann's in which everybody may write, by its list."""
    name = f"i-{secrets.token_hex(6)}"
    people.ann.s3.create_bucket(Bucket=name)
    people.ann.s3.put_bucket_acl(Bucket=name, ACL="public-read-write")
    return name


def begin(who: Person, bucket: str) -> dict[str, Any]:
    begun = who.s3.create_multipart_upload(Bucket=bucket, Key="k")
    return {"Bucket": bucket, "Key": "k", "UploadId": begun["UploadId"]}


def add(who: Person, upload: dict[str, Any], body: bytes = b"x") -> dict[str, Any]:
    etag = who.s3.upload_part(**upload, PartNumber=1, Body=body)["ETag"]
    return {"Parts": [{"PartNumber": 1, "ETag": etag}]}


@pytest.fixture
def others(people: People, s3_service: Service, open_s3: Callable[..., Any]) -> list[Person]:
    """Who may write as well, by the same list: another account, and a stranger."""
    with s3_service.client() as client:
        made = client.create_credential(["read", "write"])
    carl = Person(open_s3(made["access_key"], made["secret"]), people.stranger.web)
    return [carl, people.stranger]


def test_nobody_else_adds_to_an_upload_or_ends_it(people: People, shop: str, others: list[Person]) -> None:
    upload = begin(people.bob, shop)
    parts = add(people.bob, upload)
    source = {"CopySource": {"Bucket": shop, "Key": "open"}}
    people.bob.s3.put_object(Bucket=shop, Key="open", Body=b"x", ACL="public-read")
    for each in others:
        each.s3.put_object(Bucket=shop, Key="other", Body=b"")
        s3 = each.s3
        assert code_of(s3.upload_part, **upload, PartNumber=1, Body=b"y") == "AccessDenied"
        assert code_of(s3.upload_part_copy, **upload, PartNumber=1, **source) == "AccessDenied"
        assert code_of(s3.list_parts, **upload) == "AccessDenied"
        assert code_of(s3.abort_multipart_upload, **upload) == "AccessDenied"
        assert code_of(s3.complete_multipart_upload, **upload, MultipartUpload=parts) == "AccessDenied"
    assert len(people.bob.s3.list_parts(**upload)["Parts"]) == 1
    people.bob.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    assert people.bob.s3.get_object(Bucket=shop, Key="k")["Body"].read() == b"x"
    for each in others:  # nor does it say what it became
        assert code_of(each.s3.complete_multipart_upload, **upload, MultipartUpload=parts) == "AccessDenied"


def test_the_buckets_owner_lists_and_aborts_it_and_adds_nothing(people: People, shop: str) -> None:
    upload = begin(people.bob, shop)
    add(people.bob, upload)
    assert code_of(people.ann.s3.upload_part, **upload, PartNumber=2, Body=b"y") == "AccessDenied"
    told = people.ann.s3.list_parts(**upload)
    assert (told["Initiator"]["ID"], told["Owner"]["ID"]) == (people.bob.id, people.bob.id)
    people.ann.s3.abort_multipart_upload(**upload)
    assert code_of(people.bob.s3.list_parts, **upload) == "NoSuchUpload"


def test_whom_a_policy_names_lists_and_aborts_it(people: People, shop: str, others: list[Person]) -> None:
    upload = begin(people.bob, shop)
    told = {"Action": ["s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]}
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, told))
    others[0].s3.list_parts(**upload)
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, told | {"Effect": "Deny"}))
    for each in (people.bob, people.ann, others[0]):
        assert code_of(each.s3.list_parts, **upload) == "AccessDenied"
        assert code_of(each.s3.abort_multipart_upload, **upload) == "AccessDenied"
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, told))
    others[0].s3.abort_multipart_upload(**upload)


def test_who_began_it_needs_leave_to_write_alone(people: People) -> None:
    name = f"i-{secrets.token_hex(6)}"
    people.ann.s3.create_bucket(Bucket=name)
    people.ann.s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    )
    people.ann.s3.put_bucket_policy(Bucket=name, Policy=policy(name, {"Action": "s3:PutObject"}))
    upload = begin(people.bob, name)
    parts = add(people.bob, upload)
    told = people.bob.s3.list_parts(**upload)
    assert (told["Initiator"]["ID"], told["Owner"]["ID"]) == (people.bob.id, people.ann.id)
    people.bob.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
    people.bob.s3.abort_multipart_upload(**begin(people.bob, name))
    people.ann.s3.delete_bucket_policy(Bucket=name)
    assert code_of(people.bob.s3.create_multipart_upload, Bucket=name, Key="k") == "AccessDenied"


def test_a_stranger_begins_none(people: People, shop: str) -> None:
    people.stranger.s3.put_object(Bucket=shop, Key="k", Body=b"")
    assert code_of(people.stranger.s3.create_multipart_upload, Bucket=shop, Key="k") == "AccessDenied"


def test_in_a_bucket_of_the_house_scopes_count(people: People) -> None:
    name = f"i-{secrets.token_hex(6)}"
    people.root.web.post("/v1/buckets", json={"name": name})
    upload = begin(people.ann, name)
    parts = add(people.bob, upload, pictures.jpeg(8, 8))
    people.bob.s3.list_parts(**upload)
    people.root.s3.complete_multipart_upload(**upload, MultipartUpload=parts)
