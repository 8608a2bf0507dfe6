"""Aliases: after any write the next reader of every worker sees it, and no slow reader undoes that."""

from __future__ import annotations

import logging
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagestore.cache.bulletin import Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.tier import Tier
from imagestore.core.errors import BucketNotFound, ImageNotFound
from imagestore.core.image import Condition, Image, Labels
from imagestore.library.aliases import Aliases
from tests.library.conftest import BUCKET, House, picture

Change = Callable[[House, Image], object]


def delete_version(house: House, image: Image) -> None:
    house.services.catalog.delete_version(BUCKET, "a", image.version.number)


def relabel(house: House, image: Image) -> None:
    house.services.catalog.relabel(BUCKET, "a", Labels(("new",)), Condition())


def restore(house: House, image: Image) -> None:
    first = house.services.catalog.list_versions(BUCKET, "a")[-1]
    house.services.ingest.restore(first, Condition())


WRITES: dict[str, tuple[Change, int | None]] = {
    # what is written, and the picture that is the newest afterwards
    "overwrite": (lambda house, _: house.put("a", picture(3)), 3),
    "same bytes, other labels": (lambda house, _: house.put("a", picture(2), tags=("new",)), 2),
    "relabel": (relabel, 2),
    "restore": (restore, 1),
    "delete the newest version": (delete_version, 1),
    "delete": (lambda house, _: house.delete("a"), None),
}


@pytest.fixture
def image(house: House) -> Image:
    """The image `a` with two versions, remembered in Redis with its newest."""
    house.put("a", picture(1))
    image = house.put("a", picture(2))
    house.find("a", image.version.number)
    house.find("a")
    assert house.find("a").remembered
    return image


def seen(house: House, key: str = "a") -> int | None:
    """Which picture a reader gets."""
    try:
        data = house.get(key)
    except ImageNotFound:
        return None
    return next(seed for seed in (1, 2, 3) if picture(seed) == data)


@pytest.mark.parametrize(("write", "newest"), WRITES.values(), ids=WRITES)
def test_every_write_of_another_worker_is_seen_at_once(
    open_house: Callable[..., House], house: House, image: Image, write: Change, newest: int | None
) -> None:
    write(open_house(), image)
    if newest is not None:
        assert not house.find("a").remembered
        assert house.find("a").remembered
    assert seen(house) == newest


@pytest.mark.parametrize(("write", "newest"), WRITES.values(), ids=WRITES)
def test_a_slow_reader_does_not_put_the_old_alias_back(
    open_house: Callable[..., House],
    house: House,
    image: Image,
    monkeypatch: pytest.MonkeyPatch,
    write: Change,
    newest: int | None,
) -> None:
    slow, writer = open_house(), open_house()
    relabel(writer, image)  # the alias is gone, so the slow one has to read MongoDB
    find = slow.services.fetch._documents.find_place

    def read_then_dawdle(bucket: str, key: str) -> object:
        found = find(bucket, key)
        write(writer, image)
        return found

    monkeypatch.setattr(slow.services.fetch._documents, "find_place", read_then_dawdle)
    assert slow.find("a").version == image.version
    assert seen(house) == newest


@pytest.mark.parametrize("deleted", [False, True], ids=["never there", "deleted"])
def test_a_slow_reader_of_an_absence_does_not_hide_a_new_image(
    open_house: Callable[..., House], house: House, monkeypatch: pytest.MonkeyPatch, deleted: bool
) -> None:
    slow, writer = open_house(), open_house()
    if deleted:
        writer.put("new", picture(1))
        writer.delete("new")
    find = slow.services.fetch._documents.find_place

    def read_then_dawdle(bucket: str, key: str) -> object:
        found = find(bucket, key)
        writer.put("new", picture(2))
        return found

    monkeypatch.setattr(slow.services.fetch._documents, "find_place", read_then_dawdle)
    slow.services.fetch.bucket(BUCKET)
    with pytest.raises(ImageNotFound):
        slow.find("new")
    assert house.get("new") == picture(2)


@pytest.mark.parametrize("write", [delete_version, WRITES["delete"][0]], ids=["version", "image"])
def test_a_deleted_version_is_gone_under_its_own_url_too(
    open_house: Callable[..., House], house: House, image: Image, write: Change
) -> None:
    number = image.version.number
    house.put("a", picture(3))
    assert house.find("a", number).version == image.version
    assert house.find("a", number).remembered
    write(open_house(), image)
    if write is delete_version:
        assert house.find("a", number).immutable is False
    else:
        with pytest.raises(ImageNotFound):
            house.find("a", number)


def test_a_slow_reader_of_a_version_does_not_put_it_back(
    open_house: Callable[..., House], house: House, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = house.services.catalog.list_versions(BUCKET, "a")[-1]
    slow = open_house()
    find = slow.services.fetch._documents.find_version

    def read_then_dawdle(bucket: str, key: str, wanted: int) -> object:
        found = find(bucket, key, wanted)
        house.services.catalog.delete_version(BUCKET, "a", first.number)
        return found

    monkeypatch.setattr(slow.services.fetch._documents, "find_version", read_then_dawdle)
    assert slow.find("a", first.number).version == first
    found = house.find("a", first.number)
    assert (found.version, found.immutable) == (image.version, False)


def test_a_new_image_under_an_old_name_is_seen_at_once(
    open_house: Callable[..., House], house: House
) -> None:
    for _ in range(3):
        house.put("a", picture(1))
        assert seen(house) == 1
        open_house().delete("a")
        assert seen(house) is None
        open_house().put("a", picture(2))
        assert seen(house) == 2
        house.delete("a")
    house.put("a.jpg", picture(1))
    assert seen(house, "a.jpg") == 1
    house.delete("a.jpg")
    house.put("a", picture(2))
    assert seen(house, "a.jpg") == 2


def test_a_policy_is_seen_at_once(open_house: Callable[..., House], house: House, image: Image) -> None:
    catalog = open_house().services.catalog
    for visibility in ("private", "public-read", "private"):
        catalog.change_bucket(BUCKET, visibility=visibility)
        for _ in range(2):
            assert house.find("a").bucket == catalog.bucket(BUCKET)
            assert house.find("a").bucket.visibility == visibility


def test_a_slow_reader_does_not_put_the_old_policy_back(
    open_house: Callable[..., House], house: House, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, catalog = open_house(), open_house().services.catalog
    catalog.change_bucket(BUCKET, visibility="public-read")
    find = slow.services.fetch._registry.find_bucket

    def read_then_dawdle(name: str) -> object:
        found = find(name)
        catalog.change_bucket(name, visibility="private")
        return found

    monkeypatch.setattr(slow.services.fetch._registry, "find_bucket", read_then_dawdle)
    slow.find("a")
    assert house.find("a").bucket.visibility == "private"


def test_a_bucket_that_goes_and_comes_again_is_seen_at_once(
    open_house: Callable[..., House], house: House, image: Image
) -> None:
    catalog = open_house().services.catalog
    house.delete("a")
    catalog.delete_bucket(BUCKET)
    with pytest.raises(BucketNotFound):
        house.find("a")
    catalog.create_bucket(BUCKET, "private")
    house.put("a", picture(1))
    assert house.find("a").bucket.visibility == "private"
    assert seen(house) == 1


@contextmanager
def aliases_at(url: str, ttl: float) -> Iterator[Aliases]:
    tier = Tier(url, timeout=5.0, value_bytes=1000, integrity_key=b"secret")
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Aliases(tier, Bulletin(tier, Generations(Path(folder) / "generations"), "none"), ttl)
    finally:
        tier.close()


def forget_each(aliases: Aliases) -> None:
    aliases.forget_bucket("shop", 2)
    aliases.forget_image("shop", "a\nb", 2)
    aliases.forget_version("shop", "c", 1795470000)
    aliases.forget_versions("shop", "d", range(1, 13))
    aliases.forget_credential("READER")


def test_a_change_that_redis_was_not_told_of_is_an_error_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    with socket.socket() as unheard:  # bound, so that nobody else gets the port, but not listening
        unheard.bind(("127.0.0.1", 0))
        with aliases_at(f"redis://127.0.0.1:{unheard.getsockname()[1]}/0", ttl=90) as aliases:
            forget_each(aliases)
    after = datetime.now(UTC)
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
    found = [re.search("old knowledge of (.+) may be believed until (.+)", line) for line in caplog.messages]
    assert [match[1] for match in found if match] == [
        "bucket 'shop'",
        "image 'a\\nb' in bucket 'shop'",
        "version 1795470000 of image 'c' in bucket 'shop'",
        "version 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more of image 'd' in bucket 'shop'",
        "credential 'READER'",
    ]
    ends = [datetime.fromisoformat(match[2]) - timedelta(seconds=90) for match in found if match]
    assert all(before <= end <= after for end in ends)


def test_nothing_is_logged_where_redis_was_told_or_there_is_none(
    redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for url in (redis_url, "none"):
        with aliases_at(url, ttl=90) as aliases:
            forget_each(aliases)
    assert caplog.messages == []


def test_many_versions_are_forgotten_together(house: House, image: Image) -> None:
    numbers = [each.number for each in house.services.catalog.list_versions(BUCKET, "a")]
    for number in numbers:
        house.find("a", number)
        assert house.find("a", number).remembered
    house.services.fetch._aliases.forget_versions(BUCKET, "a", numbers)
    assert not any(house.find("a", number).remembered for number in numbers[1:])
