"""Leases on a real mongod: one holder at a time, by the server's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from imagestore.core.errors import StoreUnavailable
from imagestore.embedded import Server
from imagestore.store.leases import Lease
from imagestore.store.mongo import Mongo
from tests.store.commands import failing
from tests.store.conftest import OpenMongo
from tests.store.samples import all_at_once

MakeLease = Callable[..., Lease]


@pytest.fixture
def lease(store: Mongo) -> MakeLease:
    """A lease on the same name for each owner."""
    return lambda owner, seconds=60.0: Lease(store, "lease", owner=owner, seconds=seconds)


def end(store: Mongo) -> None:
    """Let the lease run out without the wait."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert store.collection("upkeep").update_one({"_id": "lease"}, {"$set": {"expires": past}}).matched_count


def test_one_has_it_until_it_is_given_up(lease: MakeLease) -> None:
    first, second = lease("first"), lease("second")
    assert not first.held()
    assert (first.take(), second.take()) == (True, False)
    assert (first.held(), second.held()) == (True, False)
    assert first.take()
    second.give_up()
    assert not second.take()
    first.give_up()
    assert (second.take(), first.take()) == (True, False)
    assert not first.held()


def test_the_next_one_gets_it_when_it_has_run_out(store: Mongo, lease: MakeLease) -> None:
    first, second = lease("first"), lease("second")
    assert first.take()
    end(store)
    assert second.take()
    assert not first.take()
    assert not first.held()


def test_it_lasts_from_the_last_take(store: Mongo, lease: MakeLease) -> None:
    mine = lease("mine", 60)
    for _ in range(2):
        assert mine.take()
        page = store.collection("upkeep").find_one({"_id": "lease"})
        left = page["expires"] - datetime.now(UTC)
        assert page["owner"] == "mine"
        assert timedelta(seconds=30) < left < timedelta(seconds=61)
        end(store)


def test_its_holder_lets_go_when_it_ends_even_if_nobody_says_so(lease: MakeLease) -> None:
    mine = lease("mine", 0.3)
    assert mine.take()
    assert mine.held()
    time.sleep(0.3)
    assert not mine.held()
    assert lease("other").take()


def test_of_many_at_once_one_gets_it(store: Mongo, lease: MakeLease) -> None:
    for _ in range(5):
        leases = [lease(f"owner {number}") for number in range(8)]
        assert sorted(all_at_once(lambda number, leases=leases: leases[number].take(), 8)) == [False] * 7 + [
            True
        ]
        store.collection("upkeep").delete_many({})


def test_of_many_that_follow_one_gets_it(store: Mongo, lease: MakeLease) -> None:
    assert lease("dead").take()
    end(store)
    leases = [lease(f"owner {number}") for number in range(8)]
    assert sorted(all_at_once(lambda number: leases[number].take(), 8)) == [False] * 7 + [True]


def test_a_renewal_that_failed_leaves_the_rest_of_the_time(mongo: Server, open_mongo: OpenMongo) -> None:
    mine = Lease(open_mongo(write_timeout=1), "lease", owner="mine", seconds=60)
    assert mine.take()
    with failing(mongo, ["findAndModify"], errorCode=11600), pytest.raises(StoreUnavailable):
        mine.take()
    assert mine.held()
