"""The census on a real mongod: the sums of its slices are those of everything, whatever the slices."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from imagestore.core.image import Condition
from imagestore.library.capacity import BucketVolume, count
from imagestore.store import census as census_module
from imagestore.store.census import Census
from imagestore.store.documents import Documents
from imagestore.store.mongo import Mongo
from imagestore.store.registry import Registry
from tests.store.samples import add, blob, claim


@pytest.fixture(params=[10_000, 3, 1], ids=lambda each: f"slices of {each}")
def census(store: Mongo, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Census:
    monkeypatch.setattr(census_module, "SLICE", request.param)
    return Census(store)


def test_nothing(census: Census) -> None:
    volume = count(census)
    assert (volume.buckets, volume.images, volume.versions, volume.blobs) == (0, 0, 0, 0)
    assert (volume.logical, volume.stored, volume.by_bucket, volume.omitted) == (0, 0, [], 0)


def test_everything_is_counted_once(store: Mongo, census: Census) -> None:
    documents, registry = Documents(store), Registry(store)
    for bucket in ("a", "b", "empty", "gone"):
        registry.add_bucket(bucket, "private")
    registry.set_live("gone", False)
    for number in range(12):
        add(documents, f"image {number}", number % 4, bucket="a")
    for number in range(3):
        add(documents, "history", number, bucket="b")
    add(documents, "buried", 5, bucket="b")
    documents.bury("b", "buried", Condition())
    volume = count(census)
    in_a, in_b = [blob(number % 4) for number in range(12)], [blob(number) for number in range(3)]
    expected = [
        BucketVolume("a", 12, 12, sum(each.length for each in in_a), sum(each.length for each in in_a[:4])),
        BucketVolume("b", 1, 3, sum(each.length for each in in_b), sum(each.length for each in in_b)),
    ]
    assert volume.by_bucket == expected
    assert (volume.buckets, volume.images, volume.versions) == (3, 13, 15)
    assert volume.logical == sum(each.logical for each in expected)
    assert volume.blobs == 5
    assert volume.stored == sum(blob(number).length for number in (0, 1, 2, 3, 5))
    assert (volume.unnamed_blobs, volume.unnamed) == (0, 0)


def test_what_a_sweep_has_marked_is_told(store: Mongo, census: Census) -> None:
    for number in range(6):
        claim(store, blob(number))
    store.collection("claims").update_many(
        {"_id": {"$in": [blob(1).digest, blob(4).digest]}}, {"$currentDate": {"unnamed": True}}
    )
    volume = count(census)
    assert (volume.blobs, volume.unnamed_blobs) == (6, 2)
    assert volume.unnamed == blob(1).length + blob(4).length


def test_the_largest_buckets_are_listed(
    store: Mongo, census: Census, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagestore.library.capacity.MOST_BUCKETS", 2)
    for number in range(4):
        add(Documents(store), "image", number, bucket=f"bucket {number}")
    volume = count(census)
    assert [each.bucket for each in volume.by_bucket] == ["bucket 3", "bucket 2"]
    assert volume.omitted == 2
    assert volume.images == 4


def test_whoever_counts_can_rest(store: Mongo, census: Census) -> None:
    for number in range(5):
        add(Documents(store), f"image {number}", number)
    rests: list[float] = []
    volume = count(census, rests.append)
    assert len(rests) >= 3
    assert all(took > 0 for took in rests)
    assert sum(rests) <= volume.took + 0.01


def test_slices_lie_between_all_digests(store: Mongo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census_module, "SLICE", 1)
    for number in range(40):
        claim(store, blob(number))
    slices = Census(store)._slices(store.collection("claims"))
    assert len(slices) == 41
    assert slices[0][0] == "0000"
    assert all(end == begin for (_, end), (begin, _) in pairwise(slices))
    assert slices[-1][1] > "f" * 64
    found = Counter[str]()
    for each in Census(store).blobs():
        found.update(count=each.count)
    assert found["count"] == 40
