"""Lifecycle rules: what fits a filter, when a day ends, which rule comes first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from imagestore.core.image import BlobRef, Digest, Facts, Version
from imagestore.core.lifecycle import (
    Filter,
    Past,
    Rule,
    end_of,
    expiry_of,
    marker_ends,
    prefixes_of,
    read_rules,
    upload_end,
    write_rules,
)
from imagestore.core.objects import Attributes, Marker

pytestmark = pytest.mark.quick

NOON = datetime(2014, 1, 15, 10, 30, tzinfo=UTC)
NUMBER = int(NOON.timestamp())


def version(key: str = "logs/a", size: int = 100, **tags: str) -> Version:
    blob = BlobRef(Digest("0" * 64), "0" * 24, size, 255 * 1024)
    return Version("b", key, NUMBER, "v", blob, Facts.of_no_image(size), NOON, Attributes(tags=tags))


def marker(key: str = "logs/a") -> Marker:
    return Marker("b", key, NUMBER, "m", NOON)


def rule(name: str = "r", wanted: Filter = Filter(), **fields: Any) -> Rule:  # noqa: B008 - frozen
    return Rule(name, fields.pop("enabled", True), wanted, **fields)


def at(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def test_what_ends_does_so_at_midnight() -> None:
    """The example of "Understanding object expiration" in Amazon's guide."""
    assert end_of(NOON, 3) == at(2014, 1, 19)
    assert end_of(datetime(2014, 1, 15, tzinfo=UTC), 1) == at(2014, 1, 16)
    assert end_of(NOON, 3, day=10) == NUMBER + 30
    assert end_of(datetime.fromtimestamp(NUMBER + 1, UTC), 3, day=10) == NUMBER + 40


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Filter(), True),
        (Filter("logs/"), True),
        (Filter("log/"), False),
        (Filter(tags={"a": "1"}), True),
        (Filter(tags={"a": "1", "b": "2"}), True),
        (Filter(tags={"a": "2"}), False),
        (Filter(tags={"c": ""}), False),
        (Filter(larger=99, smaller=101), True),
        (Filter(larger=100), False),
        (Filter(smaller=100), False),
        (Filter("logs/", {"a": "1"}, 1, 1000), True),
    ],
)
def test_all_of_a_filter_must_fit(wanted: Filter, fits: bool) -> None:
    assert wanted.fits(version(a="1", b="2")) is fits
    assert wanted.fits(marker()) is (fits and not wanted.is_of_objects)


def test_the_first_rule_to_come_ends_an_object() -> None:
    rules = [
        rule("late", days=5),
        rule("soon", days=1),
        rule("off", days=1, enabled=False),
        rule("other", Filter("x/"), days=1),
        rule("date", date=datetime(2014, 1, 18, tzinfo=UTC)),
        rule("none", noncurrent_days=1),
    ]
    assert expiry_of(rules, version()) == (at(2014, 1, 17), rules[1])
    assert expiry_of([rules[0], rules[4]], version()) == (at(2014, 1, 18), rules[4])
    assert expiry_of(rules[2:4] + rules[5:], version()) is None


def test_a_delete_marker_that_hides_nothing_goes() -> None:
    assert marker_ends([rule(markers=True)], marker(), NUMBER)
    assert not marker_ends([rule(markers=True, enabled=False)], marker(), NUMBER)
    assert not marker_ends([rule(wanted=Filter("x/"), markers=True)], marker(), NUMBER)
    assert not marker_ends([rule(days=1)], marker(), at(2014, 1, 16))
    assert marker_ends([rule(days=1)], marker(), at(2014, 1, 17))
    assert not marker_ends([rule(wanted=Filter(tags={"a": "1"}), days=1)], marker(), at(2015, 1, 1))


def test_versions_of_the_past_end_by_their_age_and_number() -> None:
    rules = [rule(noncurrent_days=3, newer=2)]
    midnight = at(2014, 1, 19)
    assert Past(version(), NOON, 2).ends(rules, midnight)
    assert not Past(version(), NOON, 2).ends(rules, midnight - 1)
    assert not Past(version(), NOON, 1).ends(rules, midnight)
    assert Past(marker(), NOON, 2).ends(rules, midnight)
    assert not Past(version(), NOON, 5).ends([rule(days=1)], midnight)


def test_uploads_end_after_they_began() -> None:
    rules = [rule("a", Filter("x/"), upload_days=1), rule("b", upload_days=2)]
    assert upload_end(rules, "x/y", NOON) == (at(2014, 1, 17), rules[0])
    assert upload_end(rules, "y", NOON) == (at(2014, 1, 18), rules[1])
    assert upload_end(rules[:1], "y", NOON) is None


def test_no_prefix_is_walked_twice() -> None:
    given = [rule(wanted=Filter(prefix)) for prefix in ("b/c", "a", "b/", "c")]
    assert prefixes_of([*given, rule(wanted=Filter("d"), enabled=False)]) == ["a", "b/", "c"]
    assert prefixes_of([*given, rule()]) == [""]
    assert prefixes_of([]) == []


def test_rules_are_kept_as_they_are() -> None:
    rules = (
        rule("a", Filter("x/", {"ä": "ö"}, 1, 2), days=1),
        rule("b", Filter(""), plain=True, date=datetime(2030, 1, 1, tzinfo=UTC)),
        rule("c", markers=True, noncurrent_days=1, newer=3, upload_days=4, enabled=False),
    )
    assert read_rules(write_rules(rules)) == rules
    assert read_rules(None) == ()
