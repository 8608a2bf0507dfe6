"""Names while MongoDB cannot be asked: what Redis knew last, for as long as that is allowed, and no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis

from imagestore.core.errors import BucketNotFound, Forbidden, ImageNotFound, StoreUnavailable
from imagestore.core.image import Bucket
from imagestore.core.metrics import STALE_NAMES
from imagestore.core.telemetry import Timings
from imagestore.embedded import Server
from imagestore.library.fetch import Outcome
from tests.library.conftest import BUCKET, House, picture
from tests.store.commands import failing
from tests.store.samples import all_at_once

OpenHouse = Callable[..., House]


@pytest.fixture
def hasty(house: House, open_house: OpenHouse) -> House:
    """Believes an alias for a second, and waits for MongoDB for half of one."""
    return open_house(alias_ttl=1, read_timeout=0.5)


@contextmanager
def outage(mongo: Server) -> Iterator[None]:
    """Everything is out of date in Redis, and MongoDB answers no read."""
    time.sleep(1.1)
    with failing(mongo, ["find", "aggregate"], errorCode=2):
        yield


def test_a_name_that_redis_knew_is_still_answered(mongo: Server, hasty: House) -> None:
    version = hasty.put("a", picture()).version
    assert hasty.get("a") == picture()
    with outage(mongo):
        found = hasty.find("a")
        assert (found.version, found.stale, found.remembered, found.immutable) == (version, True, True, False)
        assert hasty.open(found.version.blob) == (picture(), Outcome.HIT)
    found = hasty.find("a")
    assert (found.version, found.stale) == (version, False)


def test_what_is_fresh_is_not_called_stale(mongo: Server, house: House) -> None:
    house.put("a", picture())
    house.find("a")
    with failing(mongo, ["find", "aggregate"], errorCode=2):
        assert not house.find("a").stale


def test_a_version_is_answered_as_that_version_or_not_at_all(mongo: Server, hasty: House) -> None:
    old, new, unknown = (hasty.put("a", picture(seed)).version for seed in (1, 2, 3))
    hasty.put("a", picture(4))
    for number in (old.number, None):
        hasty.find("a", number)
    with outage(mongo):
        found = hasty.find("a", old.number)
        assert (found.version, found.immutable, found.stale) == (old, True, True)
        for each in (new, unknown):
            with pytest.raises(StoreUnavailable):
                hasty.find("a", each.number)


def test_a_key_with_an_extension_does_not_mean_the_stem_here(mongo: Server, hasty: House) -> None:
    """There may be another image under the key as it stands, which nobody can be asked for."""
    hasty.put("a", picture(1))
    hasty.find("a")
    hasty.put("a.jpg", picture(2))
    with outage(mongo), pytest.raises(StoreUnavailable):
        hasty.find("a.jpg")


@pytest.mark.parametrize("change", ["delete", "overwrite"])
def test_what_was_changed_since_is_never_answered(mongo: Server, hasty: House, change: str) -> None:
    hasty.put("a", picture(1))
    hasty.find("a")
    if change == "delete":
        hasty.delete("a")
    else:
        hasty.put("a", picture(2))
    with outage(mongo), pytest.raises(StoreUnavailable):
        hasty.find("a")
    if change == "delete":
        with pytest.raises(ImageNotFound):
            hasty.find("a")


def test_the_policy_decides_here_too(mongo: Server, hasty: House) -> None:
    hasty.put("a", picture())
    hasty.find("a")
    asked: list[Bucket] = []

    def refuse(bucket: Bucket) -> None:
        asked.append(bucket)
        raise Forbidden("not you")

    with outage(mongo), pytest.raises(Forbidden):
        hasty.services.fetch.resolve(BUCKET, "a", None, refuse, Timings())
    assert [bucket.name for bucket in asked] == [BUCKET]


def test_nothing_is_made_up(mongo: Server, hasty: House, redis_url: str) -> None:
    hasty.put("a", picture())
    hasty.find("a")
    with outage(mongo):
        for bucket, key in ((BUCKET, "b"), ("nobody", "a")):
            with pytest.raises(StoreUnavailable):
                hasty.find(key, bucket=bucket)
        with Redis.from_url(redis_url) as redis:
            redis.flushall()
        with pytest.raises(StoreUnavailable):
            hasty.find("a")
    with pytest.raises(BucketNotFound):
        hasty.find("a", bucket="nobody")


def test_it_ends_when_the_setting_says_so(mongo: Server, house: House, open_house: OpenHouse) -> None:
    never = open_house(alias_ttl=1, stale_ttl=0, read_timeout=0.5)
    never.put("a", picture())
    never.find("a")
    with outage(mongo), pytest.raises(StoreUnavailable):
        never.find("a")


def test_a_credential_that_redis_knew_is_still_taken(mongo: Server, hasty: House) -> None:
    keyring = hasty.services.keyring
    kept, revoked, unknown = (keyring.issue(["read"], None) for _ in range(3))
    for each in (kept, revoked):
        keyring.identify(each.record.access_key, each.secret)
    keyring.revoke(revoked.record.access_key)
    with outage(mongo):
        assert keyring.identify(kept.record.access_key, kept.secret).scopes == {"read"}
        for each in (revoked, unknown):
            with pytest.raises(StoreUnavailable):
                keyring.identify(each.record.access_key, each.secret)


def test_it_is_counted(mongo: Server, hasty: House, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[Any] = []
    monkeypatch.setattr(hasty.services.metrics, "count", lambda metric, *_, **__: counted.append(metric))
    hasty.put("a", picture())
    hasty.find("a")
    assert STALE_NAMES not in counted
    with outage(mongo):
        all_at_once(lambda _: hasty.find("a"), 3)
    assert counted.count(STALE_NAMES) == 3
