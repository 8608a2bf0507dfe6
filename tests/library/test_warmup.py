"""Warm-up: what it loads, what it says of it, and that the next GET is a hit."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagestore.core.errors import BucketNotFound
from imagestore.library.fetch import Outcome
from imagestore.library.warmup import Warmed
from tests import pictures
from tests.library.conftest import BUCKET, House, picture
from tests.store.commands import Commands

LARGE = pictures.png(800, 600, noise=True)


def test_the_report_counts_what_was_there_and_what_was_done(house: House) -> None:
    for key, data in {"a": picture(1), "b": picture(2), "same as b": picture(2), "large": LARGE}.items():
        house.put(key, data)
    house.put("bad", picture(3))
    house.services.mongo.collection("blobs.chunks").update_one(
        {"data": picture(3)}, {"$set": {"data": picture(4)}}
    )
    house.get("a")
    keys = ["a", "b", "same as b", "large", "gone", "bad"]
    assert house.services.warmup.warm(BUCKET, keys) == Warmed(
        asked=6,
        before=1,
        after=3,
        loaded=1,
        bytes=len(picture(2)),
        missing=["gone"],
        too_large=["large"],
        damaged=["bad"],
    )
    again = house.services.warmup.warm(BUCKET, ["a", "b"])
    assert again == Warmed(asked=2, before=2, after=2, loaded=0, bytes=0)


def test_the_next_get_is_a_hit_in_every_worker(
    open_house: Callable[..., House], house: House, commands: Commands
) -> None:
    ref = house.put("a", picture()).version.blob
    house.services.warmup.warm(BUCKET, ["a"])
    other = open_house()
    commands.clear()
    assert other.find("a").remembered
    assert other.open(ref) == (picture(), Outcome.HIT)
    assert commands.sent == []


def test_nothing_to_warm_is_no_error(house: House) -> None:
    assert house.services.warmup.warm(BUCKET, []) == Warmed()


def test_a_bucket_that_is_not_there_is(house: House) -> None:
    with pytest.raises(BucketNotFound):
        house.services.warmup.warm("nowhere", ["a"])


def test_renditions_there_is_no_time_or_room_for_are_left(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("a", picture())
    asked = (BUCKET, ["a"], ["w_9", "w_8"], "")
    with monkeypatch.context() as busy:
        busy.setattr(house.services.renderer, "_most", 0)
        left = Warmed(asked=2, left=["w_9/a", "w_8/a"])
        assert house.services.rendition_warmup.warm(*asked) == left
    with monkeypatch.context() as late:
        late.setattr("imagestore.library.warmrenditions.SECONDS", 0.0)
        assert house.services.rendition_warmup.warm(*asked) == left
    made = house.services.rendition_warmup.warm(*asked)
    assert (made.before, made.after, made.loaded, made.left) == (0, 2, 2, [])


def test_renditions_that_cannot_be_had_are_told_of(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.put("bad", picture(3))
    house.services.mongo.collection("blobs.chunks").update_one(
        {"data": picture(3)}, {"$set": {"data": picture(4)}}
    )
    house.put("good", picture(5))
    report = house.services.rendition_warmup.warm(BUCKET, ["bad", "gone"], ["w_9"], "")
    assert report == Warmed(asked=2, missing=["w_9/gone"], damaged=["w_9/bad"])
    monkeypatch.setattr(house.services.tier, "value_bytes", 10)
    report = house.services.rendition_warmup.warm(BUCKET, ["good"], ["w_9"], "")
    assert report == Warmed(asked=1, too_large=["w_9/good"])
    with pytest.raises(BucketNotFound):
        house.services.rendition_warmup.warm("nowhere", ["a"], ["w_9"], "")
