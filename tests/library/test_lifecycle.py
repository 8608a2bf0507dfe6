"""Lifecycle rules carried out on real servers: what ends is gone for every cache, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import pytest

from imagestore.core.errors import ImageNotFound
from imagestore.core.image import Terms, Version, Versioning
from imagestore.core.lifecycle import Filter, Rule, write_rules
from imagestore.core.metrics import LIFECYCLE_ENDED, Metrics
from imagestore.core.objects import Attributes, Marker
from imagestore.library.listing import Wanted
from imagestore.library.objects import Put
from imagestore.library.purgehook import PurgeHook
from imagestore.library.rounds import Rounds
from imagestore.services import open_rounds
from imagestore.store.histories import Histories
from tests.library.conftest import House
from tests.service import await_that

NAME = "ruled"


@dataclass
class Ruled:
    """A house with a bucket that has rules, and the upkeep of a node whose days last a second."""

    house: House
    rounds: Rounds
    metrics: Metrics

    def make(self, versioning: Versioning, *rules: Rule) -> None:
        self.house.services.catalog.create_bucket(NAME, "private", terms=Terms("any", versioning))
        self.house.services.catalog.set_document(NAME, "lifecycle", write_rules(rules))

    def put(self, key: str, data: bytes = b"a", **tags: str) -> Version:
        put = Put(NAME, key, BytesIO(data), len(data), Attributes(tags=tags))
        return self.house.services.objects.put(put).version

    def delete(self, key: str) -> None:
        services = self.house.services
        services.objects.delete(services.catalog.bucket(NAME), key)

    def left(self) -> list[tuple[str, Version | Marker]]:
        page = self.house.services.listing.versions(NAME, Wanted())
        return [(each.version.key, each.version) for each in page.entries if not isinstance(each, str)]

    def keys(self) -> list[str]:
        """Of all versions; delete markers with a sign before."""
        return [f"-{key}" if isinstance(entry, Marker) else key for key, entry in self.left()]

    def ended(self, kind: str) -> int:
        return int(self.metrics.totals(LIFECYCLE_ENDED)[0].get(kind, 0))

    def await_keys(self, *keys: str) -> None:
        """Turn until no other versions are left, and once more, after which they still are."""

        def holds() -> bool:
            self.rounds.turn()
            return self.keys() == list(keys)

        await_that(holds, lambda: str(self.keys()))
        holds()
        assert self.keys() == list(keys)


@pytest.fixture
def ruled(open_house: Callable[..., House]) -> Iterator[Ruled]:
    house, metrics = open_house(), Metrics()
    house.services.mongo.ensure_indexes()
    settings = replace(house.services.settings, lifecycle_day_seconds=1.0)
    with open_rounds(settings, metrics) as rounds:
        yield Ruled(house, rounds, metrics)


def rule(prefix: str = "", **fields: Any) -> Rule:
    tags = fields.pop("tags", {})
    return Rule(f"of {prefix}", fields.pop("enabled", True), Filter(prefix, tags), **fields)


def test_objects_end_for_every_cache(ruled: Ruled) -> None:
    ruled.make("off", rule("old/", days=1), rule("tagged", tags={"a": "1"}, days=1), rule("never", days=900))
    for key in ("old/a", "old/b", "tagged/no", "never", "young"):
        ruled.put(key)
    ruled.put("tagged/yes", a="1")
    assert ruled.house.find("old/a", bucket=NAME).version.key == "old/a"
    ruled.await_keys("never", "tagged/no", "young")
    with pytest.raises(ImageNotFound):
        ruled.house.find("old/a", bucket=NAME)
    assert ruled.ended("object") == 3


def test_a_cache_before_the_service_is_told_too(
    open_house: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = list[str]()
    monkeypatch.setattr(PurgeHook, "drop", lambda _, names: dropped.extend(names))
    house, metrics = open_house(), Metrics()
    house.services.mongo.ensure_indexes()
    settings = replace(
        house.services.settings,
        lifecycle_day_seconds=1.0,
        purge_hook="http://127.0.0.1:9/",
        purge_hook_form="json",
    )
    with open_rounds(settings, metrics) as rounds:
        ruled = Ruled(house, rounds, metrics)
        ruled.make("off", rule(days=1))
        ruled.put("a")
        ruled.await_keys()
    assert f"image/{NAME}/a" in dropped


def test_where_versions_are_kept_a_marker_follows_the_object(ruled: Ruled) -> None:
    ruled.make("enabled", rule("a", days=1))
    ruled.put("a")
    ruled.put("b")
    ruled.await_keys("-a", "a", "b")


def test_past_versions_end_but_for_the_newer_ones(ruled: Ruled) -> None:
    ruled.make("enabled", rule(noncurrent_days=1, newer=2))
    versions = [ruled.put("a", bytes([number])) for number in range(6)]
    ruled.put("b")
    ruled.await_keys("a", "a", "a", "b")
    assert [entry.version_id for key, entry in ruled.left() if key == "a"] == [
        each.version_id for each in versions[:2:-1]
    ]
    assert ruled.ended("noncurrent") == 3


def test_markers_that_hide_nothing_end_and_others_do_not(ruled: Ruled) -> None:
    ruled.make("enabled", rule("a", markers=True, noncurrent_days=1), rule("b", markers=True))
    for key in ("a", "b", "c"):
        ruled.put(key)
        ruled.delete(key)
    ruled.await_keys("-b", "b", "-c", "c")
    assert (ruled.ended("marker"), ruled.ended("noncurrent")) == (1, 1)


def test_while_versions_are_suspended_the_null_version_ends(ruled: Ruled) -> None:
    ruled.make("enabled", rule(days=1))
    ruled.put("a")
    ruled.house.services.catalog.change_bucket(NAME, versioning="suspended")
    ruled.put("a")
    ruled.await_keys("-a", "a")
    assert ruled.left()[0][1].shown_id == "null"


def test_uploads_in_parts_are_given_up(ruled: Ruled) -> None:
    multipart = ruled.house.services.multipart
    ruled.make("off", rule("a", upload_days=1), rule("c", upload_days=900))
    for key in ("a", "a", "b", "c"):
        multipart.begin(NAME, key, Attributes())
    ruled.put("a")

    def uploads() -> list[str]:
        return [each.key for each in multipart.uploads(NAME, Wanted()).entries if not isinstance(each, str)]

    def holds() -> bool:
        ruled.rounds.turn()
        return uploads() == ["b", "c"]

    await_that(holds, lambda: str(uploads()))
    assert ruled.keys() == ["a"]
    assert ruled.ended("upload") == 2


def test_a_rule_that_is_off_or_unreadable_ends_nothing(
    ruled: Ruled, caplog: pytest.LogCaptureFixture
) -> None:
    ruled.make("off", rule(days=1, enabled=False))
    ruled.put("a")
    other = "unreadable"
    ruled.house.services.catalog.create_bucket(other, "private", terms=Terms("any", "off"))
    ruled.house.services.catalog.set_document(other, "lifecycle", "[5]")

    def told() -> bool:
        ruled.rounds.turn()
        return caplog.text.count("cannot be read") >= 3

    await_that(told, lambda: caplog.text)
    assert ruled.keys() == ["a"]


def test_what_was_written_meanwhile_stays(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new object has the key of one that was seen to be at its end."""
    ruled.make("off", rule(days=1))
    ruled.put("a", b"old")
    walk = Histories.walk
    written: list[Version] = []

    def walked(histories: Histories, bucket: str, prefix: str) -> Iterator[list[Version | Marker]]:
        for page in walk(histories, bucket, prefix):
            if written or page[0].modified.timestamp() + 3 > ruled.put("clock").modified.timestamp():
                ruled.delete("clock")
                continue
            written.append(ruled.put("a", b"new"))
            yield page

    monkeypatch.setattr(Histories, "walk", walked)

    def holds() -> bool:
        ruled.rounds.turn()
        return bool(written)

    await_that(holds)
    found = ruled.house.services.objects.find(NAME, "a")[1]
    assert found == written[0]
    assert ruled.ended("object") == 0


def test_a_long_history_is_walked_page_by_page(ruled: Ruled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagestore.store.histories.PAGE", 2)
    ruled.make("enabled", rule(noncurrent_days=1))
    for number in range(4):
        for key in ("a", "b", "c"):
            ruled.put(key, bytes([number]))
    ruled.await_keys("a", "b", "c")
    assert ruled.ended("noncurrent") == 9
