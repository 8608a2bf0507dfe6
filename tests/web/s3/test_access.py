"""What is said by S3 of who may what holds at every door, at once, whatever was kept in memory."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import pictures
from tests.service import await_that, running_service
from tests.web.s3.people import People, Person, code_of, policy, statuses

PICTURE = pictures.jpeg(64, 48)
FLEETING = "private, no-store"


@pytest.fixture
def shop(people: People) -> str:
    """A bucket of ann's with two pictures."""
    name = f"a-{secrets.token_hex(6)}"
    people.ann.s3.create_bucket(Bucket=name)
    for key in ("a.jpg", "secret/b.jpg"):
        people.ann.s3.put_object(Bucket=name, Key=key, Body=PICTURE)
    return name


@pytest.fixture
def gallery(people: People) -> str:
    """A bucket of the house that everybody may see, with two pictures."""
    name = f"g-{secrets.token_hex(6)}"
    people.root.web.post("/v1/buckets", json={"name": name, "access": "public-read"})
    for key in ("a.jpg", "secret/b.jpg"):
        made = people.root.web.put(f"/v1/buckets/{name}/images/{key}", content=PICTURE)
        assert made.status_code == 201
    return name


def url(bucket: str, key: str = "a.jpg", made: str = "") -> str:
    return f"/{bucket}/image/upload/{made}{key}"


def warm(web: httpx.Client, path: str) -> None:
    """Have the answer kept in the memory of every worker, or at least of one that answers."""
    await_that(lambda: "detail=memory" in web.get(path).headers["Cache-Status"])
    assert statuses(web, path) == {200}


@pytest.mark.parametrize("made", ["", "c_scale,w_10/", "v1/"])
def test_what_a_policy_denies_is_denied_at_once_though_it_was_in_memory(
    people: People, gallery: str, made: str
) -> None:
    path, facts = url(gallery, made=made), f"/v1/buckets/{gallery}/images/a.jpg"
    warm(people.stranger.web, path)
    people.root.s3.put_bucket_policy(Bucket=gallery, Policy=policy(gallery, {"Effect": "Deny"}))
    assert statuses(people.stranger.web, path) == {403}
    for each in (people.ann, people.root):
        assert each.web.get(path).status_code == each.web.get(facts).status_code == 403
        assert code_of(each.s3.get_object, Bucket=gallery, Key="a.jpg") == "AccessDenied"
    people.root.s3.delete_bucket_policy(Bucket=gallery)
    assert statuses(people.stranger.web, path) == {200}
    assert people.ann.web.get(facts).status_code == 200


def test_what_is_denied_of_one_key_goes_into_no_rendition(people: People, gallery: str) -> None:
    hidden, over = url(gallery, "secret/b.jpg"), url(gallery, made="l_secret:b.jpg/")
    instead = url(gallery, "none.jpg", made="d_secret:b.jpg/")
    for path in (hidden, over, instead):
        warm(people.stranger.web, path)
    arn = f"arn:aws:s3:::{gallery}/secret/*"
    people.root.s3.put_bucket_policy(
        Bucket=gallery, Policy=policy(gallery, {"Effect": "Deny", "Resource": arn})
    )
    for path in (hidden, over, instead, url(gallery, "secret/b.jpg.webp"), url(gallery, "secret/b")):
        assert statuses(people.stranger.web, path) <= {403, 404}, path
    assert statuses(people.stranger.web, url(gallery)) == {200}


def test_an_answer_that_hangs_on_the_request_is_kept_nowhere(people: People, gallery: str) -> None:
    warm(people.stranger.web, url(gallery))
    elsewhere = {"StringNotLike": {"aws:Referer": "https://shop.example/*"}}
    told = policy(gallery, {"Effect": "Deny", "Condition": elsewhere})
    people.root.s3.put_bucket_policy(Bucket=gallery, Policy=told)
    for path in (url(gallery), url(gallery, made="c_scale,w_10/")):
        for _ in range(3):
            welcome = people.stranger.web.get(path, headers={"Referer": "https://shop.example/x"})
            assert (welcome.status_code, welcome.headers["Cache-Control"]) == (200, FLEETING)
            assert "detail=memory" not in welcome.headers["Cache-Status"]
        assert statuses(people.stranger.web, path) == {403}
        assert statuses(people.stranger.web, path, Referer="https://thief.example/") == {403}
        assert statuses(people.stranger.web, path, Referer="https://shop.example/y") == {200}


def test_an_address_is_the_clients(people: People, gallery: str) -> None:
    for network, status in (("192.0.2.0/24", 200), ("127.0.0.0/8", 403)):
        told = {"Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": network}}}
        people.root.s3.put_bucket_policy(Bucket=gallery, Policy=policy(gallery, told))
        assert statuses(people.stranger.web, url(gallery)) == {status}


@pytest.mark.parametrize("made", ["", "c_scale,w_10/"])
def test_an_object_is_opened_and_shut_by_its_list(people: People, shop: str, made: str) -> None:
    path, named = url(shop, made=made), {"Bucket": shop, "Key": "a.jpg"}
    assert statuses(people.stranger.web, path) == {401}
    assert statuses(people.bob.web, path) == {403}
    assert people.ann.web.get(path).headers["Cache-Control"].startswith("private")
    for _ in range(2):
        people.ann.s3.put_object_acl(**named, ACL="public-read")
        warm(people.stranger.web, path)
        assert people.stranger.web.get(path).headers["Cache-Control"].startswith("public")
        assert people.stranger.s3.get_object(**named)["Body"].read() == PICTURE
        people.ann.s3.put_object_acl(**named, ACL="private")
        assert statuses(people.stranger.web, path) == {401}
        assert code_of(people.stranger.s3.get_object, **named) == "AccessDenied"
    people.ann.s3.put_object_acl(**named, ACL="authenticated-read")
    assert statuses(people.stranger.web, path) == {401}
    assert statuses(people.bob.web, path) == {200}


def test_a_version_is_opened_and_shut_by_its_list(people: People, shop: str) -> None:
    named = {"Bucket": shop, "Key": "a.jpg"}
    people.ann.s3.put_bucket_versioning(Bucket=shop, VersioningConfiguration={"Status": "Enabled"})
    older = people.ann.s3.put_object(**named, Body=pictures.jpeg(32, 24))["VersionId"]
    people.ann.s3.put_object(**named, Body=pictures.jpeg(16, 12))
    known = people.ann.web.get(f"/v1/buckets/{shop}/images/a.jpg/versions").json()["versions"]
    path = url(shop, made=f"v{known[1]['version']}/")
    assert statuses(people.stranger.web, path) == {401}
    for _ in range(2):
        people.ann.s3.put_object_acl(**named, VersionId=older, ACL="public-read")
        warm(people.stranger.web, path)
        assert statuses(people.stranger.web, url(shop)) == {401}
        people.ann.s3.put_object_acl(**named, VersionId=older, ACL="private")
        assert statuses(people.stranger.web, path) == {401}
        assert statuses(people.ann.web, path) == {200}  # what this brings to Redis opens it to nobody else
        assert statuses(people.stranger.web, path) == {401}


def test_a_stranger_learns_nothing_of_a_bucket_that_is_not_his(people: People, shop: str) -> None:
    there, none = (people.stranger.web.get(url(shop, key)) for key in ("a.jpg", "none.jpg"))
    assert there.status_code == none.status_code == 401
    assert there.json() == none.json()
    assert set(there.headers) == set(none.headers)
    for call in (people.stranger.s3.get_object, people.bob.s3.get_object):
        assert code_of(call, Bucket=shop, Key="a.jpg") == code_of(call, Bucket=shop, Key="none.jpg")
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, {}))
    assert statuses(people.stranger.web, url(shop)) == {200}
    assert statuses(people.stranger.web, url(shop, "none.jpg")) == {404}
    assert code_of(people.stranger.s3.get_object, Bucket=shop, Key="none.jpg") == "AccessDenied"
    people.ann.s3.put_bucket_acl(Bucket=shop, ACL="public-read")
    assert code_of(people.stranger.s3.get_object, Bucket=shop, Key="none.jpg") == "NoSuchKey"


def test_rest_keeps_to_owners_too(people: People, shop: str) -> None:
    images = f"/v1/buckets/{shop}/images"

    def tried(who: Person) -> list[int]:
        name = secrets.token_hex(4)
        return [
            who.web.get(f"/v1/buckets/{shop}").status_code,
            who.web.get(images).status_code,
            who.web.get(f"{images}/a.jpg").status_code,
            who.web.get(f"{images}/a.jpg/versions").status_code,
            who.web.put(f"{images}/{name}.jpg", content=PICTURE).status_code,
            who.web.post(images, files={"file": ("x.jpg", PICTURE)}, data={"key": f"{name}-f"}).status_code,
            who.web.patch(f"{images}/{name}.jpg", json={"tags": ["x"]}).status_code,
            who.web.post(f"/v1/buckets/{shop}/signed-urls", json={"key": "a.jpg"}).status_code,
            who.web.post("/v1/cache/purge", json={"bucket": shop, "keys": ["a.jpg"]}).status_code,
            who.web.delete(f"{images}/{name}.jpg").status_code,
        ]

    fine = [200, 200, 200, 200, 201, 201, 200, 201, 200, 204]
    assert tried(people.ann) == tried(people.root) == fine
    assert tried(people.bob) == [403] * len(fine)
    assert tried(people.stranger) == [401] * len(fine)
    assert shop not in people.bob.web.get("/v1/buckets").text
    assert shop in people.ann.web.get("/v1/buckets").text
    listed = {"Principal": {"AWS": people.bob.owner}, "Action": ["s3:GetObject*", "s3:PutObject"]}
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, listed))
    assert tried(people.bob) == [403, 403, 200, 403, 201, 201, 403, 201, 403, 403]


def test_a_signed_url_opens_what_its_signer_may_get(people: People, shop: str) -> None:
    signed = people.ann.web.post(f"/v1/buckets/{shop}/signed-urls", json={"key": "a.jpg"}).json()["url"]
    answer = people.stranger.web.get(signed)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"].startswith("private, max-age=")
    people.ann.s3.put_bucket_policy(
        Bucket=shop, Policy=policy(shop, {"Effect": "Deny", "Principal": {"AWS": people.ann.owner}})
    )
    assert statuses(people.stranger.web, signed) == {403}


def test_tags_decide_and_are_believed_as_they_are_now(people: People, shop: str) -> None:
    tagged = {"StringEquals": {"s3:ExistingObjectTag/shown": "yes"}}
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, {"Condition": tagged}))
    named = {"Bucket": shop, "Key": "a.jpg"}
    assert statuses(people.stranger.web, url(shop)) == {401}
    for value, status in (("yes", 200), ("no", 401)):
        people.ann.s3.put_object_tagging(**named, Tagging={"TagSet": [{"Key": "shown", "Value": value}]})
        assert statuses(people.stranger.web, url(shop)) == {status}


def test_a_public_access_block_shuts_what_policies_and_lists_open(people: People, shop: str) -> None:
    named = {"Bucket": shop, "Key": "a.jpg"}
    flags = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), False
    )

    def block(**changed: bool) -> None:
        people.ann.s3.put_public_access_block(Bucket=shop, PublicAccessBlockConfiguration=flags | changed)

    people.ann.s3.put_object_acl(**named, ACL="public-read")
    people.ann.s3.put_bucket_policy(
        Bucket=shop, Policy=policy(shop, {"Resource": f"arn:aws:s3:::{shop}/secret/*"})
    )
    paths = (url(shop), url(shop, "secret/b.jpg"))
    for path in paths:
        warm(people.stranger.web, path)
    block(IgnorePublicAcls=True)
    assert [statuses(people.stranger.web, path) for path in paths] == [{401}, {200}]
    block(RestrictPublicBuckets=True)
    assert [statuses(people.stranger.web, path) for path in paths] == [{200}, {401}]
    block(BlockPublicAcls=True, BlockPublicPolicy=True)
    assert [statuses(people.stranger.web, path) for path in paths] == [{200}, {200}]
    assert code_of(people.ann.s3.put_object_acl, **named, ACL="public-read") == "AccessDenied"
    assert code_of(people.ann.s3.put_object, **named, ACL="public-read") == "AccessDenied"
    assert code_of(people.ann.s3.put_bucket_policy, Bucket=shop, Policy=policy(shop, {})) == "AccessDenied"
    people.ann.s3.put_object_acl(**named, ACL="private")


def test_a_public_bucket_of_the_house_is_shut_by_a_block_too(people: People, gallery: str) -> None:
    warm(people.stranger.web, url(gallery))
    everything = dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )
    people.root.s3.put_public_access_block(Bucket=gallery, PublicAccessBlockConfiguration=everything)
    assert statuses(people.stranger.web, url(gallery)) == {401}
    people.root.s3.delete_public_access_block(Bucket=gallery)
    assert statuses(people.stranger.web, url(gallery)) == {200}


def test_an_object_that_came_by_another_door_is_the_bucket_owners(people: People, shop: str) -> None:
    people.ann.s3.put_bucket_acl(Bucket=shop, ACL="public-read-write")
    people.bob.s3.put_object(Bucket=shop, Key="bobs", Body=b"")
    people.ann.web.put(f"/v1/buckets/{shop}/images/rest.jpg", content=PICTURE)
    listed = people.ann.s3.list_objects_v2(Bucket=shop, FetchOwner=True)["Contents"]
    owners = {each["Key"]: each["Owner"] for each in listed}
    ann, bob = ({"ID": each.id, "DisplayName": each.owner} for each in (people.ann, people.bob))
    assert owners == {"a.jpg": ann, "secret/b.jpg": ann, "rest.jpg": ann, "bobs": bob}
    versions = people.ann.s3.list_object_versions(Bucket=shop)["Versions"]
    assert {each["Key"]: each["Owner"] for each in versions} == owners
    shown = people.ann.s3.get_object_acl(Bucket=shop, Key="rest.jpg")
    assert shown["Owner"] == ann


PROXIED = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
BY_PROXY = {
    "Bool": {"aws:SecureTransport": "true"},
    "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
}


def test_what_a_proxy_says_counts_if_it_is_trusted(tmp_path: Path, open_s3: Callable[..., Any]) -> None:
    with running_service(
        tmp_path, s3_bind="127.0.0.1:0", trusted_proxies="127.0.0.0/8", workers=1
    ) as service:
        root = open_s3(service.access_key, service.secret, endpoint_url=service.s3_url)
        root.create_bucket(Bucket="proxied")
        root.put_object(Bucket="proxied", Key="a", Body=PICTURE)
        root.put_bucket_policy(Bucket="proxied", Policy=policy("proxied", {"Condition": BY_PROXY}))
        for base, path in ((service.url, url("proxied", "a")), (service.s3_url, "/proxied/a")):
            with httpx.Client(base_url=base, headers=PROXIED) as proxy:
                assert proxy.get(path).status_code == 200
                assert proxy.get(path, headers={"X-Forwarded-Proto": "http"}).status_code in (401, 403)
                assert proxy.get(path, headers={"X-Forwarded-For": "::1"}).status_code in (401, 403)


def test_what_anybody_else_says_of_himself_does_not(people: People, shop: str, browser: httpx.Client) -> None:
    people.ann.s3.put_bucket_policy(Bucket=shop, Policy=policy(shop, {"Condition": BY_PROXY}))
    assert people.stranger.web.get(url(shop), headers=PROXIED).status_code == 401
    assert browser.get(f"/{shop}/a.jpg", headers=PROXIED).status_code == 403
