"""The diary on a real mongod: pages, counts, and a sample for each hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from imagestore.core.errors import StoreUnavailable
from imagestore.store.diary import SAMPLES_KEPT, Diary
from imagestore.store.mongo import Mongo
from tests.store.conftest import OpenMongo

NOW = datetime.now(UTC).replace(minute=20, second=5, microsecond=0)


def test_a_page_is_what_was_written_last(store: Mongo) -> None:
    diary = Diary(store)
    assert diary.read() == {}
    assert diary.read_page("check") is None
    diary.write("check", {"at": NOW, "old": 1})
    diary.write("check", {"at": NOW, "found": {"counts": {"x": 1}, "listed": [1, 2]}})
    diary.write("other", {"value": 2})
    assert diary.read() == {"check": {"at": NOW, "found": {"counts": {"x": 1}}}, "other": {"value": 2}}
    assert diary.read_page("check") == {"at": NOW, "found": {"counts": {"x": 1}, "listed": [1, 2]}}


def test_counts_add_up(store: Mongo) -> None:
    diary = Diary(store)
    for number in (2, 3):
        diary.count("damage", number)
    page = diary.read()["damage"]
    assert page["count"] == 5
    assert abs(page["at"] - datetime.now(UTC)) < timedelta(minutes=5)


def test_a_sample_for_each_hour_and_not_without_end(store: Mongo) -> None:
    diary = Diary(store)
    for age in (timedelta(0), timedelta(minutes=-10), timedelta(hours=1), SAMPLES_KEPT, SAMPLES_KEPT * 2):
        diary.add_sample({"at": NOW - age}, NOW - age)
    assert [each["at"] for each in diary.samples()] == [
        NOW - each for each in (SAMPLES_KEPT * 2, SAMPLES_KEPT, timedelta(hours=1), timedelta(minutes=-10))
    ]
    diary.add_sample({"at": NOW}, NOW)
    assert [each["at"] for each in diary.samples()] == [
        NOW - each for each in (SAMPLES_KEPT, timedelta(hours=1), timedelta(0))
    ]


def test_a_database_that_is_away_is_an_outage(open_mongo: OpenMongo) -> None:
    diary = Diary(open_mongo(url="mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100", read_timeout=0.2))
    with pytest.raises(StoreUnavailable):
        diary.read()
