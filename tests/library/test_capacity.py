"""Growth and days left, reckoned from samples."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest

from imagestore.library.capacity import Sample, growth, outlooks
from imagestore.store.disks import MemberDisk

pytestmark = pytest.mark.quick

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
GB = 10**9


def disk(used: int, *, member: str = "db1:27017", total: int = 100 * GB, reusable: int = 0) -> MemberDisk:
    return MemberDisk(member, "primary", total, used, reusable)


def samples(*sizes: int | None, apart: timedelta = timedelta(hours=12)) -> list[Sample]:
    first = NOW - apart * (len(sizes) - 1)
    return [Sample(first + apart * number, size) for number, size in enumerate(sizes)]


def stored(sample: Sample) -> int | None:
    return sample.stored


def used_each_day(*rows: Iterable[MemberDisk]) -> list[Sample]:
    first = NOW - timedelta(days=len(rows) - 1)
    return [Sample(first + timedelta(days=number), 0, list(row)) for number, row in enumerate(rows)]


def test_growth_is_a_day_s_share_of_what_was_added() -> None:
    assert growth(samples(1000, 1500, 3000), stored) == 2000
    assert growth(samples(3000, 1000), stored) == -4000


@pytest.mark.parametrize(
    "sizes", [(), (1000,), (1000, None), (None, 1000), (None, None, 5)], ids=lambda each: str(each)
)
def test_growth_needs_two_samples_that_know(sizes: tuple[int | None, ...]) -> None:
    assert growth(samples(*sizes), stored) is None


def test_a_short_time_says_nothing_of_a_day() -> None:
    assert growth(samples(1000, 2000, 3000, apart=timedelta(hours=2)), stored) is None
    assert growth(samples(1000, 2000, 3000, apart=timedelta(hours=3)), stored) == 8000


def test_what_was_longer_ago_than_a_week_does_not_count() -> None:
    sizes = [0, 0, 0] + [1000 * number for number in range(8)]
    assert growth(samples(*sizes, apart=timedelta(days=1)), stored) == 1000


def test_days_left_are_those_of_the_room_that_is_left() -> None:
    [outlook] = outlooks(used_each_day([disk(60 * GB)], [disk(65 * GB)], [disk(70 * GB)]))
    assert (outlook.free, outlook.growth, outlook.days_left) == (30 * GB, 5 * GB, 6)
    assert outlook.percent_used == 70


def test_room_within_the_files_of_mongodb_counts_as_free() -> None:
    [outlook] = outlooks(used_each_day([disk(70 * GB, reusable=20 * GB)], [disk(70 * GB, reusable=10 * GB)]))
    assert (outlook.free, outlook.growth, outlook.days_left) == (40 * GB, 10 * GB, 4)
    assert outlook.percent_used == 70


@pytest.mark.parametrize("used", [60 * GB, 50 * GB])
def test_a_disk_that_does_not_fill_has_no_end(used: int) -> None:
    [outlook] = outlooks(used_each_day([disk(60 * GB)], [disk(used)]))
    assert outlook.growth == used - 60 * GB
    assert outlook.days_left is None


def test_a_full_disk_is_full_now() -> None:
    [outlook] = outlooks(used_each_day([disk(90 * GB)], [disk(100 * GB)]))
    assert (outlook.free, outlook.days_left) == (0, 0)


def test_the_member_with_the_least_space_comes_first_and_each_has_its_own_growth() -> None:
    lame = MemberDisk("db3:27017", "unknown", problem="it cannot be reached")
    small, large = disk(40 * GB, member="db1", total=50 * GB), disk(40 * GB, member="db2", total=500 * GB)
    found = outlooks(used_each_day([disk(30 * GB, member="db1", total=50 * GB), large], [lame, large, small]))
    assert [each.disk.member for each in found] == ["db1", "db2", "db3:27017"]
    assert [each.growth for each in found] == [10 * GB, 0, None]
    assert [each.days_left for each in found] == [1, None, None]


def test_a_member_that_was_away_for_a_while_is_reckoned_from_before() -> None:
    away = MemberDisk("db1:27017", "unknown", problem="it cannot be reached")
    [outlook] = outlooks(used_each_day([disk(10 * GB)], [away], [away], [disk(40 * GB)]))
    assert outlook.growth == 10 * GB


def test_nothing_is_known_of_nothing() -> None:
    assert outlooks([]) == []
