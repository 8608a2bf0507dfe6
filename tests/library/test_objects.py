"""The verbs of S3 on real servers: versions, null versions, delete markers, conditions, copies."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest

from imagestore.core.checksums import Checks, Sums
from imagestore.core.errors import (
    BadDigest,
    BucketNotEmpty,
    BucketNotFound,
    ImageNotFound,
    InvalidKey,
    InvalidParameter,
    LengthMismatch,
    NotAnImage,
    PreconditionFailed,
    RejectedImage,
    UnsupportedFormat,
    VersionNotFound,
)
from imagestore.core.image import Condition, Image, Terms, Version, Versioning
from imagestore.core.objects import Attributes, Marker
from imagestore.core.telemetry import Timings
from imagestore.core.transformation.parsing import parse
from imagestore.library.fetch import Found
from imagestore.library.fsck import Fsck
from imagestore.library.objects import Copy, Deleted, Put, shown_type
from imagestore.library.sweep import Sweep
from imagestore.library.upkeep import Depth
from imagestore.store.documents import Documents
from imagestore.store.inventory import Inventory
from imagestore.store.removals import Removals
from tests.library.conftest import BUCKET, House, picture
from tests.store.samples import all_at_once

ANY, ANYHOW = "anything", Condition()
ODD_KEYS = [
    "/leading",
    "a/../b",
    "./a",
    "line\nbreak",
    "nul\0nul",
    "ключ",
    "a" * 1024,
    "dir/",
    "\x7f",
    "+ %20",
]


@dataclass
class Shop:
    """A house with a bucket as S3 makes them, and its verbs in short."""

    house: House
    name: str = ANY

    def put(self, key: str, data: bytes, *, condition: Condition = ANYHOW, **attributes: Any) -> Image:
        checks = attributes.pop("checks", Checks())
        put = Put(
            self.name, key, BytesIO(data), len(data), Attributes(**attributes), checks, condition=condition
        )
        return self.house.services.objects.put(put)

    def find(self, key: str, version_id: str | None = None) -> Version | Marker:
        return self.house.services.objects.find(self.name, key, version_id)[1]

    def read(self, key: str, version_id: str | None = None) -> bytes:
        found = self.find(key, version_id)
        assert isinstance(found, Version)
        blob, _ = self.house.services.fetch.open(found.blob, partial=False, timings=Timings())
        with blob:
            return b"".join(blob.open())

    def delete(self, key: str, version_id: str | None = None, condition: Condition = ANYHOW) -> Deleted:
        bucket = self.house.services.catalog.bucket(self.name)
        return self.house.services.objects.delete(bucket, key, version_id, condition=condition, owner="me")

    def copy(self, source: Version | Marker, key: str, **options: Any) -> Version:
        assert isinstance(source, Version)
        algorithm, condition = options.pop("algorithm", None), options.pop("condition", Condition())
        wanted = Copy(options.pop("bucket", self.name), key, Attributes(**options), condition, algorithm)
        return self.house.services.objects.copy(source, wanted).version

    def set(self, versioning: Versioning) -> None:
        self.house.services.catalog.change_bucket(self.name, versioning=versioning)

    def ids(self, key: str) -> list[str]:
        rows = self.house.services.mongo.collection("versions").find({"bucket": self.name, "key": key})
        return [each["_id"] for each in rows.sort("number", -1)]


def terms_of_s3() -> Terms:
    return Terms("any", "off", "KEY", "eu-west-1")


@pytest.fixture
def shop(house: House) -> Shop:
    house.services.catalog.create_bucket(ANY, "public-read", terms=terms_of_s3())
    return Shop(house)


def shop_find(shop: Shop, key: str, number: int | None = None) -> Found:
    """As delivery finds it."""
    return shop.house.find(key, number, bucket=ANY)


def etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


# Buckets


def test_a_bucket_has_its_terms_and_loses_its_texts_with_its_name(shop: Shop) -> None:
    catalog = shop.house.services.catalog
    made = catalog.bucket(ANY)
    assert (made.accept, made.versioning, made.owner, made.region) == ("any", "off", "KEY", "eu-west-1")
    plain = catalog.bucket(BUCKET)
    assert (plain.accept, plain.versioning, plain.owner, plain.documents) == ("images", "enabled", None, {})
    changed = catalog.set_document(ANY, "policy", '{"a.b": "$c"}')
    assert changed.documents == {"policy": '{"a.b": "$c"}'} == catalog.bucket(ANY).documents
    assert changed.generation == made.generation + 1
    with pytest.raises(InvalidParameter):
        catalog.set_document(ANY, "policy", "x" * 20481)
    assert catalog.set_document(ANY, "policy", None).documents == {}
    catalog.set_document(ANY, "tags", "[]")
    catalog.delete_bucket(ANY)
    with pytest.raises(BucketNotFound):
        catalog.set_document(ANY, "policy", "x")
    assert catalog.create_bucket(ANY, "private").documents == {}


def test_what_redis_knows_of_a_bucket_is_all_of_it(shop: Shop) -> None:
    shop.house.services.catalog.set_document(ANY, "policy", "{}")
    shop.put("a", picture())
    first, again = shop_find(shop, "a"), shop_find(shop, "a")
    assert again.remembered
    assert again.bucket == first.bucket == shop.house.services.catalog.bucket(ANY)
    assert again.version == first.version == shop.find("a")


def test_versions_once_kept_can_only_be_suspended(shop: Shop) -> None:
    with pytest.raises(InvalidParameter):
        shop.house.services.catalog.change_bucket(ANY, versioning="off")


# Put and find


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_key_of_s3_names_an_object(shop: Shop, key: str) -> None:
    shop.put(key, b"some bytes")
    assert shop.read(key) == b"some bytes"
    shop.delete(key)
    with pytest.raises(ImageNotFound):
        shop.find(key)


@pytest.mark.parametrize("key", ["", "ä" * 513, "\udc80"])
def test_what_s3_does_not_take_for_a_key_is_refused(shop: Shop, key: str) -> None:
    with pytest.raises(InvalidKey):
        shop.put(key, b"some bytes")


def test_everything_told_with_an_object_comes_back(shop: Shop) -> None:
    told = {
        "media_type": "text/html",
        "headers": {"cache-control": "max-age=5", "content-disposition": 'attachment; filename="ä"'},
        "metadata": {"a.b": "1", "$c": "ü"},
        "tags": {"k.1": "v"},
        "acl": "{}",
        "owner": "KEY",
    }
    put = shop.put("page", b"<p>", **told).version
    found = shop.find("page")
    assert found == put
    assert isinstance(found, Version)
    assert found.object == Attributes(**told, etag=etag(b"<p>"))
    assert (found.etag, shown_type(found), found.is_image) == (etag(b"<p>"), "text/html", False)
    assert shop_find(shop, "page").version == found == shop_find(shop, "page").version


@pytest.mark.parametrize(
    "told",
    [
        {"metadata": {"a": "x" * 2048}},
        {"headers": {"x-strange": "1"}},
        {"headers": {"expires": "a\r\nb"}},
        {"media_type": "text/ü"},
        {"tags": {str(each): "" for each in range(11)}},
        {"tags": {"": ""}},
        {"tags": {"a": "x" * 257}},
        {"acl": "x" * 16385},
    ],
)
def test_what_is_told_has_bounds(shop: Shop, told: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameter):
        shop.put("a", b"some bytes", **told)
    with pytest.raises(ImageNotFound):
        shop.find("a")


@pytest.mark.parametrize("data", [b"", b"x", b"text" * 500_000])
def test_a_bucket_that_takes_anything_keeps_it_as_it_is(shop: Shop, data: bytes) -> None:
    image = shop.put("what", data)
    assert shop.read("what") == data
    assert not image.version.is_image
    assert image.version.facts.bytes == len(data) == image.version.blob.length
    assert shop.house.open(shop_find(shop, "what").version.blob)[0] == data


def test_a_picture_in_it_is_one_for_every_door(shop: Shop) -> None:
    image = shop.put("a.jpg", picture(), media_type="application/x-strange")
    assert (image.version.facts.format, image.version.facts.width) == ("jpeg", 64)
    assert shown_type(image.version) == "image/jpeg"
    assert shop.house.services.catalog.image(ANY, "a.jpg").version == image.version


def test_a_broken_picture_is_kept_as_it_is(shop: Shop) -> None:
    broken = picture()[:200]
    assert not shop.put("broken.jpg", broken).version.is_image
    assert shop.read("broken.jpg") == broken
    images = Shop(shop.house, BUCKET)
    for data in (broken, b"no picture", b""):
        with pytest.raises(RejectedImage):
            images.put("broken.jpg", data)
    assert images.put("a.jpg", picture()).version.is_image


def test_the_same_bytes_are_proven_where_only_pictures_are_taken(shop: Shop) -> None:
    broken = picture()[:200]
    shop.put("broken.jpg", broken)
    with pytest.raises(RejectedImage):
        shop.house.put("broken.jpg", broken)


def test_what_is_no_picture_cannot_be_transformed(shop: Shop) -> None:
    shop.put("text", b"some text")
    found = shop_find(shop, "text")
    with pytest.raises(NotAnImage):
        shop.house.services.plans.draw(found, parse("w_10"), "", Timings(), lambda _: None)
    with pytest.raises(NotAnImage):
        shop.house.services.descriptions.describe(found.version, ["colors"])


def test_the_checksums_asked_for_are_kept_and_held(shop: Shop) -> None:
    data = b"123456789"
    sums = Sums(("crc32", "crc32c", "crc64nvme", "sha1", "sha256"))
    sums.update(data)
    known = {"crc32": "y/Q5Jg==", "crc32c": "4waSgw==", "crc64nvme": "rosUhgp5mIg="}
    assert sums.all() | known == sums.all()
    checks = Checks(sums.md5, ("crc32c", "sha256"), lambda: {"crc32c": known["crc32c"]})
    version = shop.put("a", data, checks=checks).version
    assert version.object.checksums == {name: sums.all()[name] for name in ("crc32c", "sha256")}
    assert version.object.checksum_type == "FULL_OBJECT"
    for wrong in (
        Checks(md5=b"x" * 16),
        Checks(None, ("crc32",), lambda: {"crc32": "AAAAAA=="}),
        Checks(None, ("crc32",), lambda: {"sha1": b64encode(hashlib.sha1(data).digest()).decode()}),
    ):
        with pytest.raises(BadDigest):
            shop.put("a", b"other", checks=wrong)
    assert shop.find("a") == version


def test_a_body_that_breaks_off_leaves_nothing(shop: Shop) -> None:
    with pytest.raises(LengthMismatch):
        shop.house.services.objects.put(Put(ANY, "a", BytesIO(b"short"), 10))
    with pytest.raises(BucketNotFound):
        shop.house.services.objects.put(Put("nowhere", "a", BytesIO(b"short"), 5))
    with pytest.raises(ImageNotFound):
        shop.find("a")
    with pytest.raises(BucketNotFound):
        shop.house.services.objects.find("nowhere", "a")


# Versions


def test_without_versions_an_object_takes_the_place_of_the_last(shop: Shop) -> None:
    numbers = [shop.put("a", b"%d" % each).version.number for each in range(3)]
    assert len(shop.ids("a")) == 1
    found = shop.find("a")
    assert found == shop.find("a", "null")
    assert found.number == numbers[-1] == max(numbers)
    assert found.shown_id == "null"
    assert shop.read("a") == b"2"
    with pytest.raises(VersionNotFound):
        shop.find("a", shop.ids("a")[0])
    assert shop.delete("a") == Deleted(None, marker=False)
    assert shop.delete("a") == Deleted(None, marker=False)
    assert shop.ids("a") == []
    shop.house.services.catalog.delete_bucket(ANY)


def test_the_same_bytes_again_are_new(shop: Shop) -> None:
    first = shop.put("a", b"same", metadata={"n": "1"}).version
    second = shop.put("a", b"same", metadata={"n": "2"}).version
    assert second.number > first.number
    assert second.modified > first.modified
    assert second.object.metadata == {"n": "2"}
    shop.set("enabled")
    third = shop.put("a", b"same").version
    assert [third.version_id, second.version_id] == shop.ids("a")


def test_with_versions_everything_is_kept_and_a_deletion_marks(shop: Shop) -> None:
    null = shop.put("a", b"0").version
    shop.set("enabled")
    one, two = (shop.put("a", data).version for data in (b"1", b"2"))
    assert shop.ids("a") == [two.version_id, one.version_id, null.version_id]
    assert [shop.read("a", each.shown_id) for each in (null, one, two)] == [b"0", b"1", b"2"]
    deleted = shop.delete("a")
    assert deleted.marker
    with pytest.raises(ImageNotFound) as raised:
        shop.find("a")
    assert raised.value.marker == deleted.version_id
    marker = shop.find("a", deleted.version_id)
    assert isinstance(marker, Marker)
    assert (marker.owner, marker.shown_id) == ("me", deleted.version_id)
    assert shop.read("a", one.version_id) == b"1"
    with pytest.raises(BucketNotEmpty):
        shop.house.services.catalog.delete_bucket(ANY)
    assert shop.delete("a", deleted.version_id) == deleted
    assert shop.find("a") == two
    assert shop.delete("a", two.version_id) == Deleted(two.version_id, marker=False)
    assert shop.find("a") == one
    assert shop.delete("a", "null") == Deleted("null", marker=False)
    assert shop.delete("a", one.version_id) == Deleted(one.version_id, marker=False)
    assert shop.delete("a", one.version_id) == Deleted(one.version_id, marker=False)
    assert shop.ids("a") == []
    shop.house.services.catalog.delete_bucket(ANY)


def test_suspended_versions_leave_one_null_version_and_the_old_ones(shop: Shop) -> None:
    shop.set("enabled")
    one = shop.put("a", b"1").version
    shop.set("suspended")
    shop.put("a", b"null 1")
    shop.put("a", b"null 2")
    assert len(shop.ids("a")) == 2
    assert shop.read("a", "null") == shop.read("a") == b"null 2"
    assert shop.delete("a") == Deleted("null", marker=True)
    assert shop.delete("a") == Deleted("null", marker=True)
    assert isinstance(shop.find("a", "null"), Marker)
    assert len(shop.ids("a")) == 2
    assert shop.delete("a", "null") == Deleted("null", marker=True)
    assert shop.find("a") == one


def test_a_key_that_never_was_gets_a_marker_too(shop: Shop) -> None:
    shop.set("enabled")
    marked = shop.delete("never")
    assert marked.marker
    assert shop.ids("never") == [marked.version_id]
    assert shop.delete("never", marked.version_id) == marked
    assert shop.ids("never") == []
    assert shop.delete("never", "no such id") == Deleted("no such id", marker=False)


def test_buckets_by_rest_keep_versions(shop: Shop) -> None:
    images = Shop(shop.house, BUCKET)
    by_rest = shop.house.put("a", picture(1), tags=("t",)).version
    by_s3 = images.put("a", picture(2)).version
    assert by_rest.etag == etag(picture(1))
    assert images.find("a", by_rest.version_id) == by_rest
    assert [each.number for each in shop.house.services.catalog.list_versions(BUCKET, "a")] == [
        by_s3.number,
        by_rest.number,
    ]
    assert shop.house.services.catalog.image(BUCKET, "a").tags == ("t",)


def test_what_is_known_by_no_md5_has_an_etag_that_is_none(shop: Shop) -> None:
    version = shop.house.put("a", picture()).version
    for name, key in (("versions", "_id"), ("images", "version_id")):
        rows = shop.house.services.mongo.collection(name)
        rows.update_one({key: version.version_id}, {"$unset": {"object": ""}})
    found = Shop(shop.house, BUCKET).find("a")
    assert isinstance(found, Version)
    assert found.etag == f"{version.digest[:32]}-1"


# One deletion for all doors


def test_a_marker_hides_an_image_from_every_door_and_gives_it_back(shop: Shop) -> None:
    images, catalog = Shop(shop.house, BUCKET), shop.house.services.catalog
    old = shop.house.put("a", picture(1), tags=("t",)).version
    new = images.put("a", picture(2)).version
    for number in (None, old.number, new.number):
        shop.house.find("a", number)
        assert shop.house.find("a", number).remembered
    marked = images.delete("a")
    for number in (None, old.number, new.number):
        with pytest.raises(ImageNotFound):
            shop.house.find("a", number)
    for look in (
        lambda: catalog.image(BUCKET, "a"),
        lambda: catalog.list_versions(BUCKET, "a"),
    ):
        with pytest.raises(ImageNotFound):
            look()
    with pytest.raises(VersionNotFound):
        catalog.version(BUCKET, "a", old.number)
    assert catalog.list_images(BUCKET) == []
    images.delete("a", marked.version_id)
    assert shop.house.find("a").version == new
    assert shop.house.find("a", old.number).version == old
    assert catalog.image(BUCKET, "a").tags == ("t",)


def test_an_upload_by_rest_comes_before_a_marker_and_without_the_old_labels(shop: Shop) -> None:
    images, catalog = Shop(shop.house, BUCKET), shop.house.services.catalog
    old = shop.house.put("a", picture(1), tags=("t",)).version
    images.delete("a")
    again = shop.house.put("a", picture(1))
    assert again.tags == ()
    assert again.version.number > old.number
    assert [each.number for each in catalog.list_versions(BUCKET, "a")] == [again.version.number, old.number]
    assert len(images.ids("a")) == 3


def test_a_deletion_by_rest_takes_all_along_also_what_a_marker_hides(shop: Shop) -> None:
    images = Shop(shop.house, BUCKET)
    shop.house.put("a", picture(1))
    images.delete("a")
    shop.house.delete("a")
    assert images.ids("a") == []
    shop.house.services.catalog.delete_bucket(BUCKET)


def test_the_replaced_version_is_gone_from_caches_under_its_own_number(shop: Shop) -> None:
    first = shop.put("a", picture(1)).version
    shop_find(shop, "a", first.number)
    assert shop_find(shop, "a", first.number).immutable
    second = shop.put("a", picture(2)).version
    found = shop_find(shop, "a", first.number)
    assert (found.version, found.immutable) == (second, False)


# Conditions


def test_conditions_hold_at_the_moment_of_the_write(shop: Shop) -> None:
    nobody = Condition(exists=False)
    wanted = Condition(etags=(etag(b"0"), etag(b"9")))
    with pytest.raises(ImageNotFound):
        shop.put("a", b"1", condition=wanted)
    shop.put("a", b"0", condition=nobody)
    with pytest.raises(PreconditionFailed):
        shop.put("a", b"1", condition=nobody)
    shop.put("a", b"1", condition=wanted)
    with pytest.raises(PreconditionFailed):
        shop.put("a", b"2", condition=wanted)
    with pytest.raises(PreconditionFailed):
        shop.delete("a", condition=wanted)
    found = shop.find("a")
    with pytest.raises(PreconditionFailed):
        shop.delete("a", condition=Condition(etags=(etag(b"1"),), size=7))
    assert shop.find("a") == found
    shop.delete("a", condition=Condition(etags=(etag(b"1"),), size=1, modified=found.modified))
    shop.put("a", b"3", condition=nobody)


def test_a_marker_is_nobody_to_conditions(shop: Shop) -> None:
    shop.set("enabled")
    shop.put("a", b"0")
    shop.delete("a")
    with pytest.raises(ImageNotFound):
        shop.put("a", b"1", condition=Condition(etags=(etag(b"0"),)))
    shop.put("a", b"1", condition=Condition(exists=False))


@pytest.mark.parametrize("versioning", ["off", "enabled"])
def test_of_many_that_want_nobody_there_one_gets_in(shop: Shop, versioning: Versioning) -> None:
    if versioning != "off":
        shop.set(versioning)
    outcomes = all_at_once(lambda each: shop.put("a", b"%d" % each, condition=Condition(exists=False)), 12)
    taken = [each for each in outcomes if isinstance(each, Image)]
    assert len(taken) == 1
    assert all(isinstance(each, PreconditionFailed) for each in outcomes if each is not taken[0])
    assert shop.find("a") == taken[0].version
    assert len(shop.ids("a")) == 1


def test_puts_and_deletions_at_once_leave_one_truth(shop: Shop) -> None:
    def act(number: int) -> object:
        return shop.delete("a") if number % 3 == 0 else shop.put("a", b"%d" % number)

    assert not [each for each in all_at_once(act, 18) if isinstance(each, Exception)]
    ids = shop.ids("a")
    assert len(ids) <= 1
    if ids:
        assert shop.find("a").version_id == ids[0]
    else:
        with pytest.raises(ImageNotFound):
            shop.find("a")


# Copies


def test_a_copy_moves_no_byte_and_tells_what_it_is_told(shop: Shop) -> None:
    source = shop.put("a", b"some bytes", metadata={"n": "1"}, media_type="text/plain").version
    copy = shop.copy(source, "b", metadata={"n": "2"})
    assert copy.blob == source.blob
    assert (copy.object.metadata, copy.object.media_type, copy.etag) == ({"n": "2"}, None, source.etag)
    again = shop.copy(source, "a", metadata={"n": "3"})
    assert again.number > source.number
    assert len(shop.ids("a")) == 1
    with pytest.raises(ImageNotFound):
        shop.copy(source, "c", condition=Condition(etags=("x",)))
    with pytest.raises(PreconditionFailed):
        shop.copy(source, "b", condition=Condition(exists=False))


def test_a_copy_gets_the_checksum_that_is_asked_for(shop: Shop) -> None:
    source = shop.put("a", b"123456789", checks=Checks(None, ("sha1",))).version
    assert shop.copy(source, "b").object.checksums == source.object.checksums
    assert shop.copy(source, "c", algorithm="crc32").object.checksums == {"crc32": "y/Q5Jg=="}


def test_copies_go_between_buckets_where_they_are_taken(shop: Shop) -> None:
    text, image = shop.put("text", b"text").version, shop.put("image", picture()).version
    assert shop.copy(image, "image", bucket=BUCKET).blob == image.blob
    assert shop.house.get("image") == picture()
    with pytest.raises(UnsupportedFormat):
        shop.copy(text, "text", bucket=BUCKET)
    with pytest.raises(BucketNotFound):
        shop.copy(text, "text", bucket="nowhere")


def test_a_copy_of_what_was_swept_is_told(shop: Shop) -> None:
    source = shop.put("a", b"some bytes").version
    shop.delete("a")
    shop.house.services.mongo.collection("claims").delete_many({})
    with pytest.raises(VersionNotFound):
        shop.copy(source, "b")


# In place


def test_tags_and_acls_change_a_version_where_it_is(shop: Shop) -> None:
    shop.set("enabled")
    old, new = shop.put("a", b"1").version, shop.put("a", b"2").version
    objects = shop.house.services.objects
    shop_find(shop, "a")
    tagged = objects.set_tags(ANY, "a", None, {"a.b": "1"})
    assert (tagged.version_id, tagged.object.tags) == (new.version_id, {"a.b": "1"})
    assert shop.find("a") == tagged == shop.find("a", new.version_id) == shop_find(shop, "a").version
    assert objects.set_acl(ANY, "a", old.version_id, "{}").object.acl == "{}"
    assert shop.find("a") == tagged
    assert objects.set_tags(ANY, "a", None, {}).object.tags == {}
    assert len(shop.ids("a")) == 2
    with pytest.raises(InvalidParameter):
        objects.set_tags(ANY, "a", None, {str(each): "" for each in range(11)})
    with pytest.raises(VersionNotFound):
        objects.set_tags(ANY, "a", "no such id", {})
    shop.delete("a")
    with pytest.raises(ImageNotFound):
        objects.set_acl(ANY, "a", None, None)


def test_a_version_that_was_changed_is_another_ground_for_answers(shop: Shop) -> None:
    """Answers in Redis are good for the generation of the alias that they were made of: an ACL that was taken
    back would be none if the alias came back as it was."""
    shop.set("enabled")
    version = shop.put("a", picture(1)).version
    shop.put("a", picture(2))
    seen = [shop_find(shop, "a", version.number).grounds]
    for acl in ("{}", None, "{}"):
        shop.house.services.objects.set_acl(ANY, "a", version.version_id, acl)
        found = shop_find(shop, "a", version.number)
        assert (found.remembered, found.version.object.acl) == (False, acl)
        assert found.grounds not in seen
        seen.append(found.grounds)
        again = shop_find(shop, "a", version.number)
        assert (again.remembered, again.version.object.acl, again.grounds) == (True, acl, found.grounds)
    shop.delete("a", version.version_id)
    assert not shop_find(shop, "a", version.number).immutable


# Many, and upkeep


def test_many_are_deleted_and_each_is_told_of(shop: Shop) -> None:
    shop.put("a", b"1")
    shop.put("b", b"2")
    wanted = [
        ("a", None, Condition()),
        ("b", None, Condition(etags=("x",))),
        ("", None, Condition()),
        ("never", None, Condition()),
    ]
    bucket = shop.house.services.catalog.bucket(ANY)
    told = list(shop.house.services.objects.delete_many(bucket, wanted))
    assert told[0] == told[3] == Deleted(None, marker=False)
    assert isinstance(told[1], PreconditionFailed)
    assert isinstance(told[2], InvalidKey)


@pytest.fixture
def upkeep(shop: Shop) -> Callable[[], tuple[dict[str, int], dict[str, int]]]:
    """Check everything, and sweep: what is wrong, and what was taken."""
    mongo = shop.house.services.mongo
    inventory, none = Inventory(mongo), timedelta(0)

    def run() -> tuple[dict[str, int], dict[str, int]]:
        found = Fsck(inventory, grace=none).check(Depth.BYTES)
        taken = Sweep(inventory, Removals(mongo), Documents(mongo), grace=none).run().taken
        return dict(found.counts), dict(taken.counts)

    return run


def test_upkeep_knows_markers_and_objects_of_no_bytes(
    shop: Shop, upkeep: Callable[[], tuple[dict[str, int], dict[str, int]]]
) -> None:
    shop.put("empty", b"")
    shop.put("a", b"1")
    shop.put("a", b"2")
    shop.set("enabled")
    marked = shop.delete("a")
    shop.delete("never")
    assert upkeep() == ({"blob_unnamed": 1}, {"blob": 1})
    assert upkeep() == ({}, {})
    assert shop.read("empty") == b""
    assert shop.read("a", "null") == b"2"
    shop.delete("a", marked.version_id)
    assert shop.read("a") == b"2"
