"""Names: versions and images deleted, buckets made and removed, and what a deletion that fails leaves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagestore.core.errors import (
    BucketExists,
    BucketNotEmpty,
    BucketNotFound,
    ImageNotFound,
    InvalidBucketName,
    PreconditionFailed,
    StoreUnavailable,
    VersionNotFound,
)
from imagestore.core.image import Condition, Image, Labels, Version
from imagestore.embedded import Server
from tests.library.conftest import BUCKET, House, picture
from tests.store.commands import failing
from tests.store.samples import all_at_once


@pytest.fixture
def versions(house: House) -> list[Version]:
    """Three versions of the image `a`, the oldest first."""
    return [house.put("a", picture(seed), tags=("t",)).version for seed in (1, 2, 3)]


def test_the_newest_version_gives_way_to_the_one_before(house: House, versions: list[Version]) -> None:
    house.services.catalog.delete_version(BUCKET, "a", versions[2].number)
    image = house.services.catalog.image(BUCKET, "a")
    assert (image.version, image.tags) == (versions[1], ("t",))
    assert house.get("a") == picture(2)


def test_a_version_in_the_middle_goes_alone(house: House, versions: list[Version]) -> None:
    house.services.catalog.delete_version(BUCKET, "a", versions[1].number)
    assert house.services.catalog.list_versions(BUCKET, "a") == [versions[2], versions[0]]
    assert house.get("a") == picture(3)
    with pytest.raises(VersionNotFound):
        house.services.catalog.version(BUCKET, "a", versions[1].number)


def test_the_last_version_takes_the_image_along(house: House, versions: list[Version]) -> None:
    for version in versions:
        house.services.catalog.delete_version(BUCKET, "a", version.number)
    with pytest.raises(ImageNotFound):
        house.services.catalog.image(BUCKET, "a")
    with pytest.raises(ImageNotFound):
        house.services.catalog.list_versions(BUCKET, "a")
    assert house.services.catalog.list_images(BUCKET) == []


@pytest.mark.parametrize("number", [0, 1, 10**15 - 1])
def test_a_version_that_is_not_there_cannot_go(house: House, versions: list[Version], number: int) -> None:
    with pytest.raises(VersionNotFound):
        house.services.catalog.delete_version(BUCKET, "a", number)
    with pytest.raises(VersionNotFound):
        house.services.catalog.delete_version(BUCKET, "b", versions[0].number)
    assert len(house.services.catalog.list_versions(BUCKET, "a")) == 3


def test_an_upload_beside_the_deletion_of_the_only_version_survives(house: House) -> None:
    for round_ in range(5):
        key = f"race {round_}"
        only = house.put(key, picture(0)).version
        acts: list[Callable[[], object]] = [
            lambda key=key, only=only: house.services.catalog.delete_version(BUCKET, key, only.number),
            lambda key=key: house.put(key, picture(1)),
        ]
        _, uploaded = all_at_once(lambda each, acts=acts: acts[each](), 2)
        assert house.services.catalog.image(BUCKET, key).version == uploaded.version
        assert house.get(key) == picture(1)


def test_an_image_goes_with_its_versions_and_comes_back_new(house: House, versions: list[Version]) -> None:
    house.delete("a")
    for look in (house.services.catalog.image, house.services.catalog.list_versions):
        with pytest.raises(ImageNotFound):
            look(BUCKET, "a")
    with pytest.raises(ImageNotFound):
        house.delete("a")
    again = house.put("a", picture(1))
    assert again.tags == ()
    assert again.version.number > versions[-1].number
    assert house.services.catalog.list_versions(BUCKET, "a") == [again.version]


def test_a_deletion_heeds_its_condition(house: House, versions: list[Version]) -> None:
    for condition in (Condition(digests=(versions[0].digest,)), Condition(exists=False)):
        with pytest.raises(PreconditionFailed):
            house.services.catalog.delete_image(BUCKET, "a", condition)
    house.services.catalog.delete_image(BUCKET, "a", Condition(digests=(versions[2].digest,)))
    with pytest.raises(ImageNotFound):
        house.find("a")


def check_whole(house: House, image: Image, versions: list[Version]) -> None:
    assert house.services.catalog.image(BUCKET, "a") == image
    assert house.services.catalog.list_versions(BUCKET, "a") == versions[::-1]
    assert [house.get("a", version.number) for version in versions] == [picture(seed) for seed in (1, 2, 3)]


@pytest.mark.parametrize("command", ["findAndModify", "find", "delete", "commitTransaction"])
def test_a_deletion_that_fails_midway_leaves_the_image_whole(
    mongo: Server, house: House, versions: list[Version], command: str
) -> None:
    before = house.services.catalog.image(BUCKET, "a")
    with failing(mongo, [command], errorCode=2), pytest.raises(StoreUnavailable):
        house.delete("a")
    check_whole(house, before, versions)
    house.delete("a")
    for version in versions:
        with pytest.raises(VersionNotFound):
            house.services.catalog.version(BUCKET, "a", version.number)
        with pytest.raises(ImageNotFound):
            house.find("a", version.number)


@pytest.mark.parametrize("command", ["update", "delete", "commitTransaction"])
def test_a_version_whose_deletion_fails_midway_stays(
    mongo: Server, house: House, versions: list[Version], command: str
) -> None:
    catalog = house.services.catalog
    before = catalog.image(BUCKET, "a")
    with failing(mongo, [command], errorCode=2), pytest.raises(StoreUnavailable):
        catalog.delete_version(BUCKET, "a", versions[2].number)
    check_whole(house, before, versions)
    catalog.delete_version(BUCKET, "a", versions[2].number)
    assert catalog.list_versions(BUCKET, "a") == [versions[1], versions[0]]
    assert house.get("a") == picture(2)


def test_labels_are_changed_under_conditions(house: House, versions: list[Version]) -> None:
    changed = house.services.catalog.relabel(BUCKET, "a", Labels(("u",), {"c": "d"}), Condition(exists=True))
    assert (changed.tags, changed.context, changed.version) == (("u",), {"c": "d"}, versions[-1])
    with pytest.raises(PreconditionFailed):
        house.services.catalog.relabel(BUCKET, "a", Labels(()), Condition(digests=(versions[0].digest,)))
    with pytest.raises(ImageNotFound):
        house.services.catalog.relabel(BUCKET, "b", Labels(("u",)), Condition())
    assert house.services.catalog.image(BUCKET, "a") == changed


# Buckets


def test_a_bucket_with_images_stays(house: House) -> None:
    catalog = house.services.catalog
    house.put("a", picture())
    before = catalog.bucket(BUCKET)
    with pytest.raises(BucketNotEmpty):
        catalog.delete_bucket(BUCKET)
    assert catalog.bucket(BUCKET) == before
    house.delete("a")
    catalog.delete_bucket(BUCKET)
    for act in (catalog.bucket, catalog.delete_bucket):
        with pytest.raises(BucketNotFound):
            act(BUCKET)
    assert catalog.list_buckets() == []


def test_an_image_that_comes_in_while_its_bucket_goes_keeps_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = house.services.catalog
    take_away = catalog._registry.set_live

    def upload_first(name: str, live: bool) -> int | None:
        monkeypatch.setattr(catalog._registry, "set_live", take_away)
        house.put("a", picture())
        return take_away(name, live)

    monkeypatch.setattr(catalog._registry, "set_live", upload_first)
    with pytest.raises(BucketNotEmpty):
        catalog.delete_bucket(BUCKET)
    assert house.get("a") == picture()


def test_uploads_beside_the_deletion_of_a_bucket_are_refused_or_stay(house: House) -> None:
    catalog = house.services.catalog
    for round_ in range(5):
        acts: list[Callable[[], object]] = [
            lambda: catalog.delete_bucket(BUCKET),
            *(lambda each=each: house.put(f"{each}", picture(each)) for each in range(4)),
        ]
        outcome, *uploads = all_at_once(lambda each, acts=acts: acts[each](), 5)
        kept = [image for image in uploads if not isinstance(image, Exception)]
        assert all(isinstance(each, BucketNotFound) for each in uploads if each not in kept), uploads
        if outcome is None:
            catalog.create_bucket(BUCKET, "public-read")
        else:
            assert isinstance(outcome, BucketNotEmpty)
        listed = catalog.list_images(BUCKET)
        # Each of the two may see the other, so that both are refused: what counts is that they agree.
        assert {image.key for image in listed} == {image.key for image in kept}, round_
        for image in listed:
            house.delete(image.key)


def test_a_bucket_has_a_good_name_and_one_owner(house: House) -> None:
    with pytest.raises(InvalidBucketName):
        house.services.catalog.create_bucket("console", "private")
    with pytest.raises(BucketExists):
        house.services.catalog.create_bucket(BUCKET, "private")
    with pytest.raises(BucketNotFound):
        house.services.catalog.change_bucket("nowhere", visibility="private")
    assert house.services.catalog.bucket(BUCKET).visibility == "public-read"
