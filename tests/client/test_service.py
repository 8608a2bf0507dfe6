"""The client against the real service."""

from __future__ import annotations

import hashlib
import io
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import tests.pictures as pictures
from imagestore.client import Client, Retries
from imagestore.client import service as client_service
from imagestore.core.errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    CredentialNotFound,
    Forbidden,
    ImageNotFound,
    InvalidKey,
    PreconditionFailed,
    Unauthenticated,
    UnsupportedFormat,
    VersionNotFound,
)
from imagestore.core.image import Condition, Digest
from tests.client.cutting_proxy import CuttingProxy
from tests.service import Service

PICTURE = pictures.jpeg(64, 48)


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def bucket(client: Client) -> str:
    name = f"test-{secrets.token_hex(6)}"
    client.create_bucket(name)
    return name


def fetch(client: Client, bucket: str, key: str, version: int | None = None) -> bytes:
    with client.get(bucket, key, version) as download:
        return b"".join(download)


def test_buckets_are_made_listed_changed_and_deleted(client: Client, bucket: str) -> None:
    assert client.bucket(bucket)["access"] == "private"
    assert bucket in [each["name"] for each in client.buckets()]
    assert client.set_access(bucket, "public-read")["access"] == "public-read"
    with pytest.raises(BucketExists):
        client.create_bucket(bucket)
    client.upload(bucket, PICTURE, "a.jpg")
    with pytest.raises(BucketNotEmpty):
        client.delete_bucket(bucket)
    client.delete(bucket, "a.jpg")
    client.delete_bucket(bucket)
    with pytest.raises(BucketNotFound):
        client.bucket(bucket)


def test_an_upload_tells_facts_and_gives_the_same_bytes_back(client: Client, bucket: str) -> None:
    image = client.upload(bucket, PICTURE, "2024/é b.jpg", tags=["sea", "sun"], context={"alt": "Ada"})
    assert image["digest"] == hashlib.sha256(PICTURE).hexdigest()
    assert (image["bytes"], image["width"], image["height"]) == (len(PICTURE), 64, 48)
    assert (image["tags"], image["context"]) == (["sea", "sun"], {"alt": "Ada"})
    assert client.image(bucket, "2024/é b.jpg") == image
    with client.get(bucket, "2024/é b.jpg") as download:
        assert (download.size, download.digest) == (len(PICTURE), image["digest"])
        assert download.media_type == "image/jpeg"
        assert b"".join(download) == PICTURE


def test_a_source_may_be_a_path_bytes_or_an_open_file(client: Client, bucket: str, tmp_path: Path) -> None:
    big = pictures.jpeg(1600, 1200, noise=True)
    path = tmp_path / "big.jpg"
    path.write_bytes(big)
    client.upload(bucket, path, "path")
    client.upload(bucket, big, "bytes")
    with io.BytesIO(b"skipped" + big) as file:
        file.seek(len(b"skipped"))
        client.upload(bucket, file, "file")
    for key in ("path", "bytes", "file"):
        assert fetch(client, bucket, key) == big


@pytest.mark.parametrize(
    "key", ["a b", "100%.jpg", "%41", "a?b#c", "v12/x", "ünï/日本.jpg", "a+b&c=d", "x//y"]
)
def test_any_key_goes_through_every_url(client: Client, bucket: str, key: str) -> None:
    client.upload(bucket, PICTURE, key)
    assert client.image(bucket, key)["key"] == key
    assert fetch(client, bucket, key) == PICTURE
    assert [image["key"] for image in client.images(bucket)] == [key]
    assert httpx.get(client.sign_url(bucket, key), trust_env=False).content == PICTURE
    client.delete(bucket, key)
    with pytest.raises(ImageNotFound):
        client.image(bucket, key)


def test_a_key_is_made_when_none_is_named(client: Client, bucket: str) -> None:
    key = client.upload(bucket, PICTURE)["key"]
    assert fetch(client, bucket, key) == PICTURE


def test_conditions_hold_back_writes(client: Client, bucket: str) -> None:
    first = client.upload(bucket, PICTURE, "a", condition=Condition(exists=False))
    with pytest.raises(PreconditionFailed):
        client.upload(bucket, pictures.jpeg(seed=2), "a", condition=Condition(exists=False))
    stale = Condition(digests=(Digest("0" * 64),))
    with pytest.raises(PreconditionFailed):
        client.upload(bucket, pictures.jpeg(seed=2), "a", condition=stale)
    with pytest.raises(PreconditionFailed):
        client.upload(bucket, PICTURE, "b", condition=Condition(exists=True))
    current = Condition(digests=(Digest(first["digest"]),))
    assert client.upload(bucket, pictures.jpeg(seed=2), "a", condition=current)["version"] > first["version"]


def test_lists_follow_pages_and_select(client: Client, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_service, "PAGE", 2)
    keys = [f"a/{number}" for number in range(5)] + ["b/0"]
    for key in keys:
        client.upload(bucket, PICTURE, key, tags=["odd"] if key[-1] in "13" else [])
    assert [image["key"] for image in client.images(bucket)] == keys
    assert [image["key"] for image in client.images(bucket, "a/")] == keys[:5]
    assert [image["key"] for image in client.images(bucket, tag="odd")] == ["a/1", "a/3"]


def test_versions_are_listed_fetched_restored_and_deleted(
    client: Client, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_service, "PAGE", 2)
    contents = [pictures.jpeg(seed=seed) for seed in range(3)]
    numbers = [client.upload(bucket, content, "a")["version"] for content in contents]
    assert [version["version"] for version in client.versions(bucket, "a")] == numbers[::-1]
    assert fetch(client, bucket, "a", numbers[0]) == contents[0]
    restored = client.restore(bucket, "a", numbers[0])
    assert restored["version"] > numbers[2]
    assert fetch(client, bucket, "a") == contents[0]
    client.delete_version(bucket, "a", restored["version"])
    assert fetch(client, bucket, "a") == contents[2]
    with pytest.raises(VersionNotFound):
        client.restore(bucket, "a", 1)


def test_labels_are_replaced_one_by_one(client: Client, bucket: str) -> None:
    client.upload(bucket, PICTURE, "a", tags=["x"], context={"alt": "Ada"})
    assert client.relabel(bucket, "a", tags=["y"])["context"] == {"alt": "Ada"}
    changed = client.relabel(bucket, "a", context={})
    assert (changed["tags"], changed["context"]) == (["y"], {})


def test_signed_urls_open_a_private_image_to_strangers(client: Client, bucket: str) -> None:
    image = client.upload(bucket, PICTURE, "a b.jpg")
    assert httpx.get(image["url"], trust_env=False).status_code == 401
    for url in (client.signed_url(bucket, "a b.jpg", 60), client.sign_url(bucket, "a b.jpg", 60)):
        assert httpx.get(url, trust_env=False).content == PICTURE
    pinned = client.sign_url(bucket, "a b.jpg", 60, version=image["version"])
    assert httpx.get(pinned, trust_env=False).content == PICTURE
    assert httpx.get(client.sign_url(bucket, "a b.jpg", -1), trust_env=False).status_code == 403


def test_warming_loads_what_is_there(client: Client, service: Service, bucket: str) -> None:
    client.upload(bucket, PICTURE, "a")
    warmed = client.warm(bucket, ["a", "nothing"])
    assert (warmed["asked"], warmed["after"], warmed["missing"]) == (2, 1, ["nothing"])
    made = client.warm(bucket, ["a", "nothing"], ["w_9", "f_auto,w_8"], accept="image/webp")
    assert (made["asked"], made["after"], made["missing"]) == (4, 2, ["w_9/nothing", "f_auto,w_8/nothing"])
    assert client.cache_stats()["enabled"] is True


def test_credentials_reach_as_far_as_they_say(client: Client, service: Service, bucket: str) -> None:
    made = client.create_credential(["read"], [bucket], "for a test")
    assert made["access_key"] in [each["access_key"] for each in client.credentials()]
    client.upload(bucket, PICTURE, "a")
    with service.client(made["access_key"], made["secret"]) as reader:
        assert fetch(reader, bucket, "a") == PICTURE
        assert [each["name"] for each in reader.buckets()] == [bucket]
        with pytest.raises(Forbidden):
            reader.upload(bucket, PICTURE, "b")
        client.revoke_credential(made["access_key"])
        with pytest.raises(Unauthenticated):
            reader.image(bucket, "a")
    with pytest.raises(CredentialNotFound):
        client.revoke_credential(made["access_key"])


def test_what_is_refused_is_raised_by_its_name(client: Client, service: Service, bucket: str) -> None:
    with pytest.raises(UnsupportedFormat):
        client.upload(bucket, pictures.html(), "a")
    with pytest.raises(InvalidKey):
        client.image(bucket, "../a")
    with pytest.raises(ImageNotFound), client.get(bucket, "nothing"):
        pytest.fail("there is nothing to get")
    with service.client(secret="wrong") as stranger, pytest.raises(Unauthenticated):
        stranger.buckets()


def test_an_upload_right_after_an_answer_is_taken(client: Client, bucket: str) -> None:
    """The next request reaches the server before it is quite done with the one before."""
    big = pictures.jpeg(1200, 900, noise=True)
    for number in range(30):
        with pytest.raises(ImageNotFound):
            client.image(bucket, str(number))
        client.upload(bucket, big, str(number))


def test_a_client_is_shared_between_threads(client: Client, bucket: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        sent = [pictures.png(seed=seed) for seed in range(24)]
        list(pool.map(lambda each: client.upload(bucket, each[1], str(each[0])), enumerate(sent)))
        got = list(pool.map(lambda number: fetch(client, bucket, str(number)), range(24)))
    assert got == sent


def test_a_download_that_breaks_off_goes_on_by_ranges(service: Service, client: Client, bucket: str) -> None:
    big = pictures.jpeg(1600, 1200, noise=True)
    client.upload(bucket, big, "big")
    port = httpx.URL(service.url).port
    assert port is not None
    with CuttingProxy(port, [200_000, 0, 200_000, 300_000, None]) as proxy:
        retries = Retries(first=0.01)
        with Client(proxy.url, service.access_key, service.secret, retries=retries) as cut:
            assert fetch(cut, bucket, "big") == big
    assert len(proxy.asked) == 5
    assert [b"\r\nRange: bytes=" in each for each in proxy.asked] == [False, True, True, True, True]


def test_a_cut_upload_under_a_key_makes_one_version(service: Service, client: Client, bucket: str) -> None:
    """The answer to the first try is cut off, so that the client cannot know."""
    port = httpx.URL(service.url).port
    assert port is not None
    with CuttingProxy(port, [10, None]) as proxy:
        retries = Retries(first=0.01)
        with Client(proxy.url, service.access_key, service.secret, retries=retries) as cut:
            sent = cut.upload(bucket, PICTURE, "once")
            assert [each["version"] for each in cut.versions(bucket, "once")] == [sent["version"]]
    assert len(proxy.asked) == 2


def test_a_purge_goes_by_keys_tag_prefix_or_all(client: Client, bucket: str) -> None:
    for number in range(3):
        client.upload(bucket, pictures.png(seed=number), f"p/{number}", tags=[f"t{number}"])
    assert client.purge(bucket, ["p/0"])["images"] == 1
    assert client.purge(bucket, tag="t1")["images"] == 1
    assert client.purge(bucket, prefix="p/", after="p/0")["images"] == 2
    assert client.purge(bucket) == {"images": 3, "renditions": 0, "next": None}
