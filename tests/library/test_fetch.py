"""Bytes out: what a name means, what a hit costs, and that a stampede reads the store once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis

from imagestore.cache.names import redis_key
from imagestore.core.errors import BlobDamaged, BucketNotFound, Forbidden, ImageNotFound
from imagestore.core.image import Bucket
from imagestore.core.telemetry import Timings
from imagestore.library.fetch import Outcome
from tests import pictures
from tests.library.conftest import BUCKET, House, picture
from tests.store.commands import Commands
from tests.store.samples import all_at_once

LARGE = pictures.png(800, 600, noise=True)
"""Larger than what Redis keeps of a blob."""


# What it costs


def test_a_hit_is_two_round_trips_to_redis_and_none_to_mongod(
    house: House, commands: Commands, round_trips: list[object], redis_url: str
) -> None:
    house.put("a", picture())
    house.get("a")
    commands.clear()
    round_trips.clear()
    with Redis.from_url(redis_url) as redis:
        redis.config_resetstat()
        found = house.find("a")
        assert house.open(found.version.blob) == (picture(), Outcome.HIT)
        calls = {name: stats["calls"] for name, stats in redis.info("commandstats").items()}
    assert found.remembered
    assert commands.sent == []
    assert len(round_trips) == 2
    assert {name: count for name, count in calls.items() if "config" not in name} == {
        "cmdstat_pttl": 2,
        "cmdstat_get": 2,
        "cmdstat_getex": 1,
    }


def test_a_hit_of_a_version_costs_the_same(
    house: House, commands: Commands, round_trips: list[object]
) -> None:
    old = house.put("a", picture(1)).version
    new = house.put("a", picture(2)).version
    for number, data in ((old.number, picture(1)), (new.number, picture(2))):
        house.get("a", number)
        commands.clear()
        round_trips.clear()
        assert house.get("a", number) == data
        assert house.find("a", number).remembered
        assert (commands.sent, len(round_trips)) == ([], 3)


def test_a_miss_is_remembered_by_other_workers(open_house: Callable[..., House], house: House) -> None:
    version = house.put("a", picture()).version
    assert house.open(version.blob)[1] is Outcome.MAKE
    assert open_house().open(version.blob)[1] is Outcome.HIT


def test_fifty_misses_at_once_read_the_store_once(house: House, commands: Commands) -> None:
    ref = house.put("a", picture(noise=True, quality=95)).version.blob
    commands.clear()
    answers = all_at_once(lambda _: house.open(ref), 50)
    assert {data for data, _ in answers} == {picture(noise=True, quality=95)}
    assert len(commands.on("blobs.chunks")) == 1
    outcomes = [outcome for _, outcome in answers]
    assert outcomes.count(Outcome.MAKE) == 1
    assert set(outcomes) <= {Outcome.MAKE, Outcome.WAIT, Outcome.HIT}


def test_what_is_large_streams_by_and_is_not_kept(house: House, commands: Commands, redis_url: str) -> None:
    ref = house.put("a", LARGE).version.blob
    for _ in range(2):
        commands.clear()
        assert house.open(ref) == (LARGE, Outcome.BYPASS)
        assert commands.on("blobs.chunks")
    with Redis.from_url(redis_url) as redis:
        assert redis.keys("*blob*") == []


def test_a_range_comes_from_redis_or_passes_it_by(house: House) -> None:
    ref = house.put("a", picture()).version.blob
    assert house.open(ref, partial=True) == (picture(), Outcome.BYPASS)
    assert house.open(ref, partial=True)[1] is Outcome.BYPASS
    house.open(ref)
    assert house.open(ref, partial=True) == (picture(), Outcome.HIT)


def test_damaged_bytes_are_neither_given_out_nor_kept(house: House) -> None:
    ref = house.put("a", picture()).version.blob
    house.services.mongo.collection("blobs.chunks").update_one({}, {"$set": {"data": b"x"}})
    for _ in range(2):
        with pytest.raises(BlobDamaged):
            house.open(ref)


# What a name means


def test_a_key_with_an_extension_means_the_stem_and_asks_for_a_format(house: House) -> None:
    first = house.put("cat", picture()).version
    for key in ("cat", "cat.jpg", "cat.jpeg", "cat.JPG", "cat.jfif"):
        for _ in range(2):
            assert house.find(key).version == first
            found = house.find(key, first.number)
            assert (found.version, found.immutable) == (first, True)
    for key, format in (("cat", None), ("cat.jpg", "jpeg"), ("cat.PNG", "png"), ("cat.webp", "webp")):
        for _ in range(2):
            assert house.find(key).extension == format
    for key in ("cat.", ".jpg", "cat.jpg.jpg", "cat.txt", "cat ", "Cat", "cat/.jpg"):
        with pytest.raises(ImageNotFound):
            house.find(key)
        with pytest.raises(ImageNotFound):
            house.find(key, first.number)


def test_a_key_with_an_extension_is_remembered_and_gives_way_to_a_key_as_it_stands(
    house: House, commands: Commands
) -> None:
    house.put("cat", picture(1))
    assert not house.find("cat.jpg").remembered
    commands.clear()
    found = house.find("cat.jpg")
    assert (found.remembered, found.extension, commands.sent) == (True, "jpeg", [])
    house.put("cat.jpg", picture(2))
    found = house.find("cat.jpg")
    assert (found.version.key, found.extension) == ("cat.jpg", None)


def test_a_key_that_is_there_comes_before_its_stem(house: House) -> None:
    house.put("cat", picture(1))
    assert house.get("cat.jpg") == picture(1)
    house.put("cat.jpg", picture(2))
    assert house.get("cat.jpg") == picture(2)
    assert house.get("cat") == picture(1)
    house.delete("cat.jpg")
    assert house.get("cat.jpg") == picture(1)


def test_a_version_in_a_url_is_that_very_version_for_ever(house: House) -> None:
    old = house.put("a", picture(1)).version
    for _ in range(2):
        found = house.find("a", old.number)
        assert (found.version, found.immutable) == (old, True)
    new = house.put("a", picture(2)).version
    for _ in range(2):
        assert (house.find("a", old.number).version, house.find("a", old.number).immutable) == (old, True)
        assert (house.find("a", new.number).version, house.find("a", new.number).immutable) == (new, True)


@pytest.mark.parametrize("number", [0, 1, 42, 999_999_999, 1_000_000_000, 10**15 - 1])
def test_a_number_that_is_no_version_is_passed_over(house: House, commands: Commands, number: int) -> None:
    newest = house.put("a", picture()).version
    for _ in range(2):
        found = house.find("a", number)
        assert (found.version, found.immutable) == (newest, False)
    commands.clear()
    house.find("a", number)
    assert bool(commands.sent) is (number >= 1_000_000_000)


def test_a_version_of_another_image_is_passed_over(house: House) -> None:
    mine, other = house.put("a", picture(1)).version, house.put("b", picture(2)).version
    for _ in range(2):
        if other.number != mine.number:
            assert house.find("a", other.number).version == mine
        assert house.get("b", mine.number) == picture(2)


def test_what_is_not_there_is_not_found(house: House) -> None:
    for key in ("a", "a.jpg", ""):
        with pytest.raises(ImageNotFound):
            house.find(key)
    for bucket in ("nowhere", "", "$ne", "a\0b", "pictures/a"):
        with pytest.raises(BucketNotFound):
            house.find("a", bucket=bucket)


@pytest.mark.parametrize("key", ["missing", "missing.jpg"])
def test_that_there_is_no_image_is_looked_up_once_and_then_remembered(
    house: House, open_house: Callable[..., House], commands: Commands, key: str
) -> None:
    other = open_house()
    commands.clear()
    with pytest.raises(ImageNotFound):
        house.find(key)
    looks = [command for command in commands.sent if "find" in command or "aggregate" in command]
    assert len(looks) == 1 + key.count(".")
    commands.clear()
    for worker in (house, other):
        for number in (None, 1_700_000_000):
            with pytest.raises(ImageNotFound):
                worker.find(key, number)
    assert commands.sent == []
    house.put(key, picture())
    assert other.get(key) == picture()


def test_an_image_that_was_deleted_is_remembered_as_absent_once_no_fence_is_needed(
    house: House, commands: Commands, redis_url: str
) -> None:
    house.put("a", picture())
    house.delete("a")
    for remembered in (False, True):
        with pytest.raises(ImageNotFound):
            house.find("a")
        commands.clear()
        with pytest.raises(ImageNotFound):
            house.find("a")
        assert (commands.sent == []) is remembered
        with Redis.from_url(redis_url) as redis:
            redis.delete(redis_key("alias", f"image/{BUCKET}/a"))  # as when the fence has had its time
    with pytest.raises(ImageNotFound):
        house.find("a")
    house.put("a", picture(1))
    assert house.get("a") == picture(1)


def test_the_policy_is_asked_before_the_image_is_looked_for(house: House, commands: Commands) -> None:
    def refuse(bucket: Bucket) -> None:
        assert bucket.name == BUCKET
        raise Forbidden("no")

    house.put("there", picture())
    commands.clear()
    for key in ("there", "not there"):
        with pytest.raises(Forbidden):
            house.services.fetch.resolve(BUCKET, key, None, refuse, Timings())
    assert commands.on("images") == []


# Without Redis


@pytest.mark.parametrize("redis", ["none", "redis://127.0.0.1:1/0"], ids=["off", "down"])
def test_without_redis_the_answers_are_the_same(
    open_house: Callable[..., House], house: House, redis: str
) -> None:
    alone = open_house(redis_url=redis, redis_timeout=0.05)
    old = alone.put("a", picture(1)).version
    assert house.get("a") == picture(1)
    new = alone.put("a", picture(2), tags=("t",)).version
    for _ in range(2):
        assert alone.get("a") == alone.get("a.jpg") == alone.get("a", 1) == picture(2)
        assert alone.get("a", old.number) == picture(1)
        found = alone.find("a", new.number)
        assert (found.version, found.immutable, found.remembered) == (new, True, False)
        assert alone.open(new.blob, partial=True) == (picture(2), Outcome.BYPASS)
    outcomes = all_at_once(lambda _: alone.open(old.blob), 20)
    assert {data for data, _ in outcomes} == {picture(1)}
    alone.delete("a")
    with pytest.raises(ImageNotFound):
        alone.find("a")
    report = alone.services.warmup.warm(BUCKET, ["a"])
    assert (report.missing, report.after) == (["a"], 0)
