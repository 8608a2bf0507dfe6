"""Access control lists and their safeguards through boto3: set in every way, shown, obeyed, refused."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from imagestore.access.acl import ALL_USERS, AUTHENTICATED_USERS
from tests.web.s3.people import People, code_of, policy

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def shown(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Whom each grant is for, and what it gives."""
    grants = answer["Grants"]
    return [(each["Grantee"].get("ID") or each["Grantee"]["URI"], each["Permission"]) for each in grants]


@pytest.fixture
def shop(people: People) -> str:
    name = f"l-{secrets.token_hex(6)}"
    people.ann.s3.create_bucket(Bucket=name)
    people.ann.s3.put_object(Bucket=name, Key="a", Body=b"a")
    return name


@pytest.mark.parametrize(
    ("canned", "rest"),
    [
        ("private", []),
        ("public-read", [(ALL_USERS, "READ")]),
        ("public-read-write", [(ALL_USERS, "READ"), (ALL_USERS, "WRITE")]),
        ("authenticated-read", [(AUTHENTICATED_USERS, "READ")]),
    ],
)
def test_canned_lists_come_with_a_thing_or_after_it(
    people: People, shop: str, canned: str, rest: list[tuple[str, str]]
) -> None:
    ann = people.ann
    expected = [*rest, (ann.id, "FULL_CONTROL")]
    made = f"l-{secrets.token_hex(6)}"
    ann.s3.create_bucket(Bucket=made, ACL=canned)
    ann.s3.put_bucket_acl(Bucket=shop, ACL=canned)
    for name in (made, shop):
        found = ann.s3.get_bucket_acl(Bucket=name)
        assert shown(found) == expected
        assert found["Owner"] == {"ID": ann.id, "DisplayName": ann.owner}
    named = {"Bucket": made, "Key": "new"}
    ann.s3.put_object(**named, ACL=canned)
    assert shown(ann.s3.get_object_acl(**named)) == expected
    ann.s3.put_object(**named)
    assert shown(ann.s3.get_object_acl(**named)) == [(ann.id, "FULL_CONTROL")]
    ann.s3.put_object_acl(**named, ACL=canned)
    assert shown(ann.s3.get_object_acl(**named)) == expected
    ann.s3.copy_object(Bucket=made, Key="copy", CopySource=f"{made}/new")
    assert shown(ann.s3.get_object_acl(Bucket=made, Key="copy")) == [(ann.id, "FULL_CONTROL")]
    ann.s3.copy_object(Bucket=made, Key="copy", CopySource=f"{made}/new", ACL=canned)
    assert shown(ann.s3.get_object_acl(Bucket=made, Key="copy")) == expected
    upload = ann.s3.create_multipart_upload(Bucket=made, Key="parts", ACL=canned)["UploadId"]
    part = ann.s3.upload_part(Bucket=made, Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    ann.s3.complete_multipart_upload(Bucket=made, Key="parts", UploadId=upload, MultipartUpload=parts)
    assert shown(ann.s3.get_object_acl(Bucket=made, Key="parts")) == expected


def test_what_others_put_is_theirs_unless_they_give_it(people: People, shop: str) -> None:
    ann, bob = people.ann, people.bob
    ann.s3.put_bucket_acl(Bucket=shop, ACL="public-read-write")
    named = {"Bucket": shop, "Key": "bobs"}
    bob.s3.put_object(**named, Body=b"b")
    for call in (ann.s3.get_object, ann.s3.get_object_acl):
        assert code_of(call, **named) == "AccessDenied"
    for canned, permission in (("bucket-owner-read", "READ"), ("bucket-owner-full-control", "FULL_CONTROL")):
        bob.s3.put_object(**named, Body=b"b", ACL=canned)
        assert ann.s3.get_object(**named)["Body"].read() == b"b"
        assert shown(bob.s3.get_object_acl(**named)) == [(bob.id, "FULL_CONTROL"), (ann.id, permission)]
    ann.s3.put_bucket_ownership_controls(
        Bucket=shop, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    )
    bob.s3.put_object(**named, Body=b"b", ACL="bucket-owner-full-control")
    assert ann.s3.get_object_acl(**named)["Owner"]["ID"] == ann.id
    assert code_of(bob.s3.get_object, **named) == "AccessDenied"
    ann.s3.delete_object(**named)


def test_grants_by_header_and_by_document(people: People, shop: str) -> None:
    ann, bob = people.ann, people.bob
    ann.s3.put_object(
        Bucket=shop, Key="h", GrantRead=f"id={bob.id}", GrantWriteACP=f'emailAddress="{bob.owner}"'
    )
    found = shown(ann.s3.get_object_acl(Bucket=shop, Key="h"))
    assert found == [(bob.id, "READ"), (bob.id, "WRITE_ACP")]
    bob.s3.get_object(Bucket=shop, Key="h")
    owner = ann.s3.get_bucket_acl(Bucket=shop)["Owner"]
    grants = [
        {"Grantee": {"Type": "CanonicalUser", "ID": bob.id}, "Permission": "READ_ACP"},
        {"Grantee": {"Type": "Group", "URI": ALL_USERS}, "Permission": "READ"},
        {"Grantee": {"Type": "AmazonCustomerByEmail", "EmailAddress": bob.owner}, "Permission": "WRITE"},
    ]
    ann.s3.put_bucket_acl(Bucket=shop, AccessControlPolicy={"Grants": grants, "Owner": owner})
    expected = [(ALL_USERS, "READ"), (bob.id, "READ_ACP"), (bob.id, "WRITE")]
    assert shown(bob.s3.get_bucket_acl(Bucket=shop)) == expected
    people.stranger.s3.list_objects_v2(Bucket=shop)
    bob.s3.put_object(Bucket=shop, Key="mine", Body=b"")
    # The owner took what lists give from herself, and can take it back.
    assert code_of(ann.s3.put_object, Bucket=shop, Key="x", Body=b"") == "AccessDenied"
    ann.s3.put_bucket_acl(Bucket=shop, ACL="private")
    ann.s3.put_object(Bucket=shop, Key="x", Body=b"")


def test_lists_that_cannot_be_are_refused_with_the_code_of_aws(people: People, shop: str) -> None:
    ann, bob = people.ann, people.bob
    owner = {"ID": ann.id}

    def put(*grants: dict[str, Any], by: dict[str, str] = owner) -> str:
        wanted = {"Grants": list(grants), "Owner": by}
        return code_of(ann.s3.put_object_acl, Bucket=shop, Key="a", AccessControlPolicy=wanted)

    def of(grantee: dict[str, str], permission: str = "READ") -> dict[str, Any]:
        return {"Grantee": grantee, "Permission": permission}

    nobody = {"Type": "CanonicalUser", "ID": "_foo"}
    assert put(of(nobody)) == "InvalidArgument"
    assert put(of({"Type": "Group", "URI": "http://acs.amazonaws.com/x"})) == "InvalidArgument"
    lost = {"Type": "AmazonCustomerByEmail", "EmailAddress": "x@example.org"}
    assert put(of(lost)) == "UnresolvableGrantByEmailAddress"
    assert put(of({"Type": "CanonicalUser", "ID": bob.id}, "EVERYTHING")) == "MalformedACLError"
    assert put(of({"Type": "CanonicalUser", "ID": bob.id}), by={"ID": bob.id}) == "AccessDenied"
    assert put(*[of({"Type": "Group", "URI": ALL_USERS})] * 101) == "MalformedACLError"
    both = {"ACL": "private", "GrantRead": f"id={bob.id}"}
    assert code_of(ann.s3.put_object_acl, Bucket=shop, Key="a", **both) == "InvalidRequest"
    assert code_of(ann.s3.put_object, Bucket=shop, Key="a", **both) == "InvalidRequest"
    assert code_of(ann.s3.put_object_acl, Bucket=shop, Key="a") == "MissingSecurityHeader"
    assert code_of(ann.s3.put_object_acl, Bucket=shop, Key="a", ACL="open") == "InvalidArgument"
    assert code_of(ann.s3.create_bucket, Bucket=f"{shop}-x", ACL="open") == "InvalidArgument"
    assert shown(ann.s3.get_object_acl(Bucket=shop, Key="a")) == [(ann.id, "FULL_CONTROL")]
    assert code_of(ann.s3.head_bucket, Bucket=f"{shop}-x") == "404"


def test_where_the_bucket_owner_owns_all_there_are_no_lists(people: People) -> None:
    ann, bob, name = people.ann, people.bob, f"l-{secrets.token_hex(6)}"
    refused = code_of(
        ann.s3.create_bucket, Bucket=name, ObjectOwnership="BucketOwnerEnforced", ACL="public-read"
    )
    assert refused == "InvalidBucketAclWithObjectOwnership"
    ann.s3.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerEnforced")
    found = ann.s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"]
    assert found == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    everybody = {"Action": ["s3:PutObject", "s3:PutObjectAcl"]}
    ann.s3.put_bucket_policy(Bucket=name, Policy=policy(name, everybody))
    for canned in ("private", "bucket-owner-full-control"):
        bob.s3.put_object(Bucket=name, Key="a", Body=b"b", ACL=canned)
    assert ann.s3.get_object_acl(Bucket=name, Key="a")["Owner"]["ID"] == ann.id
    assert code_of(bob.s3.get_object, Bucket=name, Key="a") == "AccessDenied"
    unsupported = "AccessControlListNotSupported"
    assert code_of(bob.s3.put_object, Bucket=name, Key="a", ACL="public-read") == unsupported
    assert code_of(ann.s3.put_object_acl, Bucket=name, Key="a", ACL="public-read") == unsupported
    assert code_of(ann.s3.put_bucket_acl, Bucket=name, ACL="public-read") == unsupported
    ann.s3.delete_bucket_ownership_controls(Bucket=name)
    gone = code_of(ann.s3.get_bucket_ownership_controls, Bucket=name)
    assert gone == "OwnershipControlsNotFoundError"
    ann.s3.put_bucket_acl(Bucket=name, ACL="public-read")
    back = {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    refused = code_of(ann.s3.put_bucket_ownership_controls, Bucket=name, OwnershipControls=back)
    assert refused == "InvalidBucketAclWithObjectOwnership"


def test_a_bucket_of_the_house_takes_no_lists_until_it_is_told_to(people: People) -> None:
    root, name = people.root, f"h-{secrets.token_hex(6)}"
    root.web.post("/v1/buckets", json={"name": name})
    root.s3.put_object(Bucket=name, Key="a.gif", Body=b"GIF89a\1\0\1\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\1D\0;")
    refused = code_of(root.s3.put_object_acl, Bucket=name, Key="a.gif", ACL="public-read")
    assert refused == "AccessControlListNotSupported"
    root.s3.put_bucket_ownership_controls(
        Bucket=name, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    root.s3.put_object_acl(Bucket=name, Key="a.gif", ACL="public-read")
    people.stranger.s3.get_object(Bucket=name, Key="a.gif")
    assert people.stranger.web.get(f"/{name}/image/upload/a.gif").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<AccessControlPolicy/>",
        b"<AccessControlPolicy><Owner/><AccessControlList/></AccessControlPolicy>",
        b"<Other/>",
        b'<!DOCTYPE a [<!ENTITY b "c">]><AccessControlPolicy>&b;</AccessControlPolicy>',
        b"<AccessControlPolicy><Owner><ID>x</ID></Owner>",
        f"<AccessControlPolicy><Owner/><AccessControlList><Grant><Grantee {XSI}/></Grant>"
        "</AccessControlList></AccessControlPolicy>".encode(),
    ],
)
def test_documents_that_are_no_lists_are_refused(people: People, shop: str, body: bytes) -> None:
    def send(request: Any, **_: Any) -> None:
        request.data = body

    client = people.ann.s3
    client.meta.events.register("before-sign.s3.PutBucketAcl", send)
    try:
        owner = {"ID": people.ann.id}
        wanted = {"Grants": [], "Owner": owner}
        code = code_of(client.put_bucket_acl, Bucket=shop, AccessControlPolicy=wanted)
    finally:
        client.meta.events.unregister("before-sign.s3.PutBucketAcl", send)
    assert code in ("MalformedACLError", "MalformedXML", "MissingSecurityHeader", "AccessDenied", "BadDigest")
    assert shown(client.get_bucket_acl(Bucket=shop)) == [(people.ann.id, "FULL_CONTROL")]
