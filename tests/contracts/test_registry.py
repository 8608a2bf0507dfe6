"""What buckets and credentials promise, on a real mongod and on mongomock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from imagestore.core.errors import BucketExists, StoreUnavailable
from imagestore.core.image import Bucket
from imagestore.store.registry import CredentialRecord, Registry
from tests.store.samples import all_at_once

THEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(access_key: str, buckets: tuple[str, ...] | None = None, later: int = 0) -> CredentialRecord:
    return CredentialRecord(access_key, ("read", "write"), buckets, "for the shop", THEN + timedelta(later))


def test_a_bucket_comes_back_as_it_was_made(registry: Registry) -> None:
    made = registry.add_bucket("shop.2026-x", "private")
    assert (made.name, made.visibility, made.generation) == ("shop.2026-x", "private", 1)
    assert registry.find_bucket("shop.2026-x") == made
    assert registry.find_bucket("shop") is None


def test_a_name_is_taken_once(registry: Registry) -> None:
    made = registry.add_bucket("shop", "private")
    with pytest.raises(BucketExists):
        registry.add_bucket("shop", "public-read")
    assert registry.find_bucket("shop") == made


def test_of_twenty_that_make_a_bucket_one_does(registry: Registry) -> None:
    answers = all_at_once(lambda _: registry.add_bucket("shop", "private"), 20)
    assert sum(isinstance(answer, Bucket) for answer in answers) == 1
    assert sum(isinstance(answer, BucketExists) for answer in answers) == 19


def test_the_generation_grows_with_every_change_through_deletion(registry: Registry) -> None:
    registry.add_bucket("shop", "private")
    assert registry.change_bucket("shop", visibility="public-read").generation == 2
    assert registry.set_live("shop", False) == 3
    assert registry.add_bucket("shop", "private").generation == 4
    assert registry.find_bucket("shop").visibility == "private"


def test_what_is_not_there_cannot_change(registry: Registry) -> None:
    assert registry.change_bucket("shop", visibility="private") is None
    assert registry.set_live("shop", False) is None
    assert registry.set_live("shop", True) is None
    registry.add_bucket("shop", "private")
    assert registry.set_live("shop", True) is None
    assert registry.set_live("shop", False) == 2
    assert registry.find_bucket("shop") is None
    assert registry.change_bucket("shop", visibility="public-read") is None
    assert registry.list_buckets() == []


def test_buckets_are_listed_by_name(registry: Registry) -> None:
    for name in ("zoo", "a-b", "shop", "gone"):
        registry.add_bucket(name, "private")
    registry.set_live("gone", False)
    assert [bucket.name for bucket in registry.list_buckets()] == ["a-b", "shop", "zoo"]


@pytest.mark.parametrize("buckets", [None, ("shop",), ("a-b", "zoo")])
def test_a_credential_comes_back_as_it_was_kept(registry: Registry, buckets: tuple[str, ...] | None) -> None:
    registry.add_credential(record("ISKEY", buckets))
    assert registry.find_credential("ISKEY") == record("ISKEY", buckets)
    for other in ("iskey", "ISKE", "", "ISKEY\0", "$ne"):
        assert registry.find_credential(other) is None


def test_a_credential_never_replaces_another(registry: Registry) -> None:
    registry.add_credential(record("ISKEY"))
    with pytest.raises(StoreUnavailable):
        registry.add_credential(record("ISKEY", ("zoo",)))
    assert registry.list_credentials() == [record("ISKEY")]


def test_credentials_are_listed_by_age(registry: Registry) -> None:
    for later, access_key in ((2, "C"), (0, "B"), (1, "A")):
        registry.add_credential(record(access_key, later=later))
    assert [each.access_key for each in registry.list_credentials()] == ["B", "A", "C"]


def test_a_dropped_credential_is_gone(registry: Registry) -> None:
    registry.add_credential(record("A"))
    registry.add_credential(record("B"))
    assert registry.drop_credential("A") is True
    assert registry.drop_credential("A") is False
    assert registry.find_credential("A") is None
    assert registry.list_credentials() == [record("B")]
