"""One store behind the doors: what one puts, changes or deletes is so for all of them, caches included."""

from __future__ import annotations

import contextlib
import hashlib
import io
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from tests import pictures
from tests.faults.onlookers import Onlookers, digest_of
from tests.s3.conftest import MiB, open_policy
from tests.service import Service, await_that

pytestmark = pytest.mark.parametrize("endpoint", ["http"], indirect=True)

FIRST, SECOND = pictures.jpeg(seed=1), pictures.jpeg(seed=2)
SMALL = "c_fill,h_30,w_40"


@pytest.fixture(scope="module")
def rest(s3_service: Service) -> Any:
    credential = (s3_service.access_key, s3_service.secret)
    with httpx.Client(base_url=s3_service.url, auth=credential, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
def visitor(s3_service: Service) -> Any:
    """Who fetches images, and is nobody."""
    with httpx.Client(base_url=s3_service.url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def gallery(s3: Any, bucket: str) -> str:
    """A bucket that S3 made, and whose policy lets everybody read."""
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=open_policy(bucket))
    return bucket


def place(bucket: str, key: str, transformation: str = "") -> str:
    return f"/{bucket}/image/upload/" + (f"{transformation}/" if transformation else "") + key


def test_what_s3_puts_is_delivered_transformed_and_told_by_rest(
    s3: Any, gallery: str, visitor: httpx.Client, rest: httpx.Client
) -> None:
    s3.put_object(Bucket=gallery, Key="cats/one.jpg", Body=FIRST, ContentType="image/jpeg")
    assert visitor.get(place(gallery, "cats/one.jpg")).content == FIRST
    small = visitor.get(place(gallery, "cats/one.jpg", SMALL))
    assert Image.open(io.BytesIO(small.content)).size == (40, 30)
    told = rest.get(f"/v1/buckets/{gallery}/images/cats/one.jpg").json()
    assert (told["width"], told["height"], told["bytes"]) == (640, 480, len(FIRST))
    listed = rest.get(f"/v1/buckets/{gallery}/images").json()
    assert [each["key"] for each in listed["images"]] == ["cats/one.jpg"]


def test_a_picture_in_parts_is_transformed_too(s3: Any, gallery: str, visitor: httpx.Client) -> None:
    large = pictures.png(1500, 1400, noise=True)
    assert len(large) > 5 * MiB
    name = {"Bucket": gallery, "Key": "large.png"}
    upload = s3.create_multipart_upload(**name)["UploadId"]
    pieces = [large[: 5 * MiB], large[5 * MiB :]]
    parts = []
    for number, each in enumerate(pieces, 1):
        part = s3.upload_part(**name, UploadId=upload, PartNumber=number, Body=each)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(**name, UploadId=upload, MultipartUpload={"Parts": parts})
    assert visitor.get(place(gallery, "large.png")).content == large
    small = visitor.get(place(gallery, "large.png", SMALL))
    assert Image.open(io.BytesIO(small.content)).size == (40, 30)


def test_what_is_no_image_is_delivered_as_it_is(s3: Any, gallery: str, visitor: httpx.Client) -> None:
    s3.put_object(Bucket=gallery, Key="words.txt", Body=b"some words", ContentType="text/plain")
    assert visitor.get(place(gallery, "words.txt")).content == b"some words"
    refused = visitor.get(place(gallery, "words.txt", SMALL))
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "not_an_image")


def test_what_rest_puts_is_an_object(s3: Any, rest: httpx.Client) -> None:
    made = rest.post("/v1/buckets", json={"name": "of-rest", "access": "public-read"})
    assert made.status_code == 201, made.text
    assert rest.put("/v1/buckets/of-rest/images/a/b.jpg", content=FIRST).status_code == 201
    listed = s3.list_objects_v2(Bucket="of-rest")["Contents"]
    assert [(each["Key"], each["Size"]) for each in listed] == [("a/b.jpg", len(FIRST))]
    got = s3.get_object(Bucket="of-rest", Key="a/b.jpg")
    with contextlib.closing(got["Body"]) as body:
        assert (body.read(), got["ContentType"]) == (FIRST, "image/jpeg")
    assert got["ETag"].strip('"') == hashlib.md5(FIRST).hexdigest()
    s3.copy_object(Bucket="of-rest", Key="copy.jpg", CopySource={"Bucket": "of-rest", "Key": "a/b.jpg"})
    assert rest.get("/v1/buckets/of-rest/images/copy.jpg").json()["bytes"] == len(FIRST)
    assert "of-rest" in [each["Name"] for each in s3.list_buckets()["Buckets"]]


def delete_by_s3(s3: Any, rest: httpx.Client, bucket: str, key: str) -> None:
    s3.delete_object(Bucket=bucket, Key=key)


def delete_many_by_s3(s3: Any, rest: httpx.Client, bucket: str, key: str) -> None:
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}], "Quiet": True})
    assert "Errors" not in gone


def delete_by_rest(s3: Any, rest: httpx.Client, bucket: str, key: str) -> None:
    assert rest.delete(f"/v1/buckets/{bucket}/images/{key}").status_code == 204


@pytest.mark.parametrize("delete", [delete_by_s3, delete_many_by_s3, delete_by_rest])
@pytest.mark.parametrize("versions", ["Off", "Enabled"])
def test_a_deletion_by_one_door_is_one_by_all_at_once(
    s3_service: Service, s3: Any, rest: httpx.Client, gallery: str, delete: Callable[..., None], versions: str
) -> None:
    """Both workers had the original and a rendition in memory, and Redis had them, too."""
    if versions == "Enabled":
        s3.put_bucket_versioning(Bucket=gallery, VersioningConfiguration={"Status": versions})
    s3.put_object(Bucket=gallery, Key="cat", Body=FIRST)
    paths = [place(gallery, "cat"), place(gallery, "cat", SMALL)]
    with Onlookers(s3_service.url, paths) as onlookers:
        await_remembered(onlookers, paths)
        delete(s3, rest, gallery, "cat")
        told = time.monotonic()
        seen = onlookers.since(told, 400)
    assert {(each.path, each.status) for each in seen} == {(path, 404) for path in paths}
    assert rest.get(f"/v1/buckets/{gallery}/images/cat").status_code == 404
    assert "Contents" not in s3.list_objects_v2(Bucket=gallery)


def test_a_put_by_s3_is_seen_by_all_at_once(s3_service: Service, s3: Any, gallery: str) -> None:
    s3.put_object(Bucket=gallery, Key="cat", Body=FIRST)
    paths = [place(gallery, "cat"), place(gallery, "cat", SMALL)]
    with Onlookers(s3_service.url, paths) as onlookers:
        await_remembered(onlookers, paths)
        old = {each.digest for each in onlookers.since(0, 1)}
        s3.put_object(Bucket=gallery, Key="cat", Body=SECOND)
        told = time.monotonic()
        seen = onlookers.since(told, 400)
    assert {each.status for each in seen} == {200}
    assert digest_of(SECOND) in {each.digest for each in seen}
    assert old.isdisjoint(each.digest for each in seen)


def test_a_policy_that_goes_shuts_what_was_remembered(s3_service: Service, s3: Any, gallery: str) -> None:
    s3.put_object(Bucket=gallery, Key="cat", Body=FIRST)
    paths = [place(gallery, "cat"), place(gallery, "cat", SMALL)]
    with Onlookers(s3_service.url, paths) as onlookers:
        await_remembered(onlookers, paths)
        s3.delete_bucket_policy(Bucket=gallery)
        told = time.monotonic()
        seen = onlookers.since(told, 400)
    assert 200 not in {each.status for each in seen}


def test_a_marker_taken_away_brings_the_image_back(
    s3: Any, gallery: str, visitor: httpx.Client, rest: httpx.Client
) -> None:
    s3.put_bucket_versioning(Bucket=gallery, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=gallery, Key="cat", Body=FIRST)["VersionId"]
    s3.put_object(Bucket=gallery, Key="cat", Body=SECOND)
    marker = s3.delete_object(Bucket=gallery, Key="cat")["VersionId"]
    assert visitor.get(place(gallery, "cat")).status_code == 404
    s3.delete_object(Bucket=gallery, Key="cat", VersionId=marker)
    assert visitor.get(place(gallery, "cat")).content == SECOND
    versions = rest.get(f"/v1/buckets/{gallery}/images/cat/versions").json()["versions"]
    assert versions[-1]["version_id"] == first
    s3.delete_object(
        Bucket=gallery, Key="cat", VersionId=s3.head_object(Bucket=gallery, Key="cat")["VersionId"]
    )
    assert visitor.get(place(gallery, "cat")).content == FIRST


def await_remembered(onlookers: Onlookers, paths: list[str]) -> None:
    """Until all workers that have these connections have answered for all of them from memory: both, but for
    a machine so busy that one of them had no time to take any."""
    seen = []

    def remembered() -> bool:
        seen.extend(onlookers.since(0, 1))
        onlookers.forget()
        found = {(each.path, each.worker) for each in seen if each.memory}
        workers = {worker for _, worker in found}
        return bool(workers) and len(found) == len(workers) * len(paths)

    await_that(remembered, lambda: str(seen[-5:]))
