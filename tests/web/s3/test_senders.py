"""Every operation of the S3 door, asked by those who may not: they learn nothing and change nothing."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any

import pytest

from imagestore.web.s3.operations import (
    COPIES,
    OF_BUCKETS,
    OF_OBJECTS,
    PLAIN_BUCKET,
    PLAIN_OBJECT,
)
from tests.s3.wire import Answer, Asking, send
from tests.service import Service
from tests.web.s3.people import People

SECRET = b"kept from others"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n'
)
TAGS = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"
PARTS = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part>"
    b"</CompleteMultipartUpload>"
)
LIFECYCLE = (
    b"<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><Prefix/></Filter>"
    b"<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>"
)
CORS = (
    b"<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>"
    b"</CORSRule></CORSConfiguration>"
)
BLOCK = b"<PublicAccessBlockConfiguration/>"
OWNERSHIP = (
    b"<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>"
)
BODIES: dict[str, bytes] = {
    "PutBucketPolicy": b'{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",'
    b'"Action":"s3:*","Resource":"arn:aws:s3:::BUCKET/*"}]}',
    "PutPublicAccessBlock": BLOCK,
    "PutBucketOwnershipControls": OWNERSHIP,
    "PutBucketVersioning": b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
    "DeleteObjects": b"<Delete><Object><Key>k</Key></Object></Delete>",
    "PutBucketCors": CORS,
    "PutBucketLifecycleConfiguration": LIFECYCLE,
    "PutBucketTagging": TAGS,
    "PutObjectTagging": TAGS,
    "PostObject": FORM,
    "CompleteMultipartUpload": PARTS,
    "PutObject": b"overwritten",
    "UploadPart": b"a part of somebody else",
}
HEADERS: dict[str, dict[str, str]] = {
    "PutBucketAcl": {"x-amz-acl": "public-read-write"},
    "PutObjectAcl": {"x-amz-acl": "public-read"},
    "GetObjectAttributes": {"x-amz-object-attributes": "ETag"},
    "PostObject": {"content-type": "multipart/form-data; boundary=b"},
    "OptionsObject": {"origin": "http://a.example", "access-control-request-method": "GET"},
    "DeleteObjects": {"content-md5": b64encode(md5(BODIES["DeleteObjects"]).digest()).decode()},
    "CopyObject": {"x-amz-copy-source": "/BUCKET/k"},
    "UploadPartCopy": {"x-amz-copy-source": "/BUCKET/k"},
}


@dataclass(frozen=True)
class Shop:
    """A bucket of ann's: private, with an object, an upload that is open, and something of each setting."""

    bucket: str
    upload_id: str
    s3: Any

    def state(self) -> dict[str, Any]:
        """All that a sender could have changed."""
        named, kept = {"Bucket": self.bucket}, dict[str, Any]()
        for what in (
            "acl", "versioning", "tagging", "cors", "lifecycle_configuration", "ownership_controls"
        ):  # fmt: skip
            kept[what] = getattr(self.s3, f"get_bucket_{what}")(**named)
        kept["policy"] = json.loads(self.s3.get_bucket_policy(**named)["Policy"])
        kept["block"] = self.s3.get_public_access_block(**named)
        kept["versions"] = self.s3.list_object_versions(**named)
        kept["uploads"] = self.s3.list_multipart_uploads(**named)
        kept["parts"] = self.s3.list_parts(**named, Key="k", UploadId=self.upload_id)
        kept["object acl"] = self.s3.get_object_acl(**named, Key="k")
        kept["object tags"] = self.s3.get_object_tagging(**named, Key="k")
        kept["body"] = self.s3.get_object(**named, Key="k")["Body"].read()
        return {name: _said(each) for name, each in kept.items()}


def _said(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: each for name, each in answer.items() if name != "ResponseMetadata"}
    return answer


def operations() -> Iterator[tuple[str, str, str, str]]:
    """Name, method, sub-resource and key of all that the door knows: what is added there is asked here."""
    yield "ListBuckets", "GET", "", ""
    yield "ListObjectsV2", "GET", "list-type", ""
    yield "OptionsObject", "OPTIONS", "", "k"
    for table, plain, key in ((OF_BUCKETS, PLAIN_BUCKET, ""), (OF_OBJECTS, PLAIN_OBJECT, "k")):
        for sub, methods in {**table, "": plain}.items():
            for method, (name, _) in methods.items():
                yield name, method, sub, key
                if key and name in COPIES:
                    yield COPIES[name][0], method, sub, key


OPERATIONS = sorted(set(operations()))


def asking(shop: Shop, name: str, method: str, sub: str, key: str, bucket: str = "") -> Asking:
    path = "/" if name == "ListBuckets" else f"/{bucket or shop.bucket}" + (f"/{key}" if key else "")
    query = {"": [], "list-type": [("list-type", "2")]}.get(sub, [(sub, "")])
    if sub == "uploadId":
        query = [("partNumber", "1"), ("uploadId", shop.upload_id)]
    body = BODIES.get(name, b"").replace(b"BUCKET", shop.bucket.encode())
    headers = {field: value.replace("BUCKET", shop.bucket) for field, value in HEADERS.get(name, {}).items()}
    return Asking(method, path, query, body, headers)


@pytest.fixture(scope="module")
def shop(people: People) -> Shop:
    s3, name = people.ann.s3, f"a-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="k", Body=SECRET, Tagging="kept=kept", Metadata={"kept": "kept"})
    tags = {"TagSet": [{"Key": "kept", "Value": "kept"}]}
    s3.put_bucket_tagging(Bucket=name, Tagging=tags)
    rule = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://kept.example"]}
    s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [rule]})
    expiry: dict[str, Any] = {"Filter": {"Prefix": "kept/"}, "Status": "Enabled", "Expiration": {"Days": 99}}
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [expiry]})
    owning = {"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]}
    s3.put_bucket_ownership_controls(Bucket=name, OwnershipControls=owning)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    block = {"IgnorePublicAcls": False, "BlockPublicAcls": False}
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=block)
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
        "Condition": {"StringEquals": {"aws:UserAgent": "shut out"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [denied]}))
    upload = s3.create_multipart_upload(Bucket=name, Key="k")["UploadId"]
    s3.upload_part(Bucket=name, Key="k", UploadId=upload, PartNumber=1, Body=b"part")
    return Shop(name, upload, s3)


@dataclass(frozen=True)
class Sender:
    access_key: str = ""
    secret: str = ""
    agent: str = "somebody"

    def ask(self, service: Service, asked: Asking) -> Answer:
        said = replace(asked, headers={**asked.headers, "user-agent": self.agent})
        if self.access_key and asked.method != "OPTIONS":
            said = said.signed(service, self.access_key, self.secret)
        return send(service, said.bytes())


@pytest.fixture(scope="module")
def senders(s3_service: Service, people: People) -> dict[str, Sender]:
    made = {"stranger": Sender()}
    with s3_service.client() as client:
        owners = {"other owner": people.bob, "denied by policy": people.ann, "owner": people.ann}
        for name, person in owners.items():
            credential = client.create_credential(["read", "write"], owner=person.owner)
            made[name] = Sender(credential["access_key"], credential["secret"])
    made["denied by policy"] = replace(made["denied by policy"], agent="shut out")
    return made


# What else than AccessDenied is meant: by all of them, or by one.
ANYBODY = {
    "ListBuckets": (200, ""),
    "DeleteObjects": (200, "AccessDenied"),
    "OptionsObject": (403, "AccessForbidden"),
}
BY_SENDER = {
    ("other owner", "CreateBucket"): (409, "BucketAlreadyExists"),
    ("denied by policy", "CreateBucket"): (200, ""),
    # The owner always reads and mends the policy, lest nobody can.
    ("denied by policy", "GetBucketPolicy"): (200, ""),
    ("denied by policy", "PutBucketPolicy"): (204, ""),
    ("denied by policy", "DeleteBucketPolicy"): (204, ""),
}


@pytest.mark.parametrize("sender", ["stranger", "other owner", "denied by policy"])
def test_nobody_else_may(s3_service: Service, shop: Shop, senders: dict[str, Sender], sender: str) -> None:
    before, wrong = shop.state(), {}
    for operation in OPERATIONS:
        name, method = operation[:2]
        if sender == "denied by policy" and name in ("PutBucketPolicy", "DeleteBucketPolicy"):
            continue
        answer = senders[sender].ask(s3_service, asking(shop, *operation))
        usual = (403, "" if method == "HEAD" else "AccessDenied")
        meant = BY_SENDER.get((sender, name), ANYBODY.get(name, usual))
        if answer[:2] != meant or SECRET in answer.body:
            wrong[name] = answer[:2]
    assert wrong == {}
    assert shop.state() == before


EXPECTED, OF_SOURCE = "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"


def test_who_expects_another_owner_is_refused_by_every_operation(
    s3_service: Service, shop: Shop, people: People
) -> None:
    before, wrong = shop.state(), {}
    elsewhere = ("ListBuckets", "CreateBucket", "PostObject", "OptionsObject")
    for operation in OPERATIONS:
        name, method = operation[:2]
        if name in elsewhere:  # which have no such header
            continue
        for header in (EXPECTED, OF_SOURCE) if "Copy" in name else (EXPECTED,):
            asked = asking(shop, *operation)
            asked = replace(asked, headers={**asked.headers, header: people.bob.id})
            answer = send(s3_service, asked.signed(s3_service).bytes())
            meant = ANYBODY.get(name, (403, "" if method == "HEAD" else "AccessDenied"))
            if answer[:2] != meant or SECRET in answer.body:
                wrong[name, header] = answer[:2]
    assert wrong == {}
    assert shop.state() == before


def test_who_expects_the_right_owner_is_served(
    s3_service: Service, shop: Shop, people: People, senders: dict[str, Sender]
) -> None:
    for operation in OPERATIONS:
        if operation[0] in ("GetObject", "HeadObject", "GetObjectTagging", "ListObjectsV2", "CopyObject"):
            asked = asking(shop, *operation)
            own = {EXPECTED: people.ann.id, OF_SOURCE: people.ann.id, "x-amz-metadata-directive": "REPLACE"}
            asked = replace(asked, headers={**asked.headers, **own})
            assert senders["owner"].ask(s3_service, asked).status == 200, operation


WHOLE = {
    "BucketNotEmpty",
    "InvalidPart",
    "InvalidRequest",
    "ObjectLockConfigurationNotFoundError",
    "NoSuchWebsiteConfiguration",
    "ReplicationConfigurationNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
}
"""What the owner is told by settings that nobody has, and by requests that fit nothing there."""


def test_the_same_requests_are_whole(s3_service: Service, shop: Shop, senders: dict[str, Sender]) -> None:
    """By the owner none of them is denied: what is refused above is refused for who sends it."""
    last = ("DeleteObject", "DeleteBucket", "DeleteBucketPolicy", "AbortMultipartUpload")
    wrong = {}
    ordered = sorted(OPERATIONS, key=lambda each: (each[0].startswith("Delete"), each[0] in last))
    for operation in ordered:
        if operation[0] in ("PostObject", "OptionsObject"):  # signed otherwise than by header
            continue
        answer = senders["owner"].ask(s3_service, asking(shop, *operation))
        if answer.status >= 300 and answer.code not in WHOLE:
            wrong[operation] = answer[:2]
    assert wrong == {}
