"""`imagestore stats` on a real mongod: what it counts, what it tells of upkeep, as a page and as JSON."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from imagestore.library.capacity import BucketVolume, Outlook, Volume
from imagestore.library.reading import Reading
from imagestore.library.survey import (
    AlertsPage,
    CheckPage,
    DisksPage,
    LeasePage,
    Level,
    Standing,
    SweepPage,
    write,
)
from imagestore.library.upkeep import Depth, Finding, Kind, Tally
from imagestore.store.diary import Diary
from imagestore.store.disks import MemberDisk
from tests.cli.conftest import run_alone
from tests.library.stored import Stored, opened_store
from tests.service import environment

DATA = random.Random(7).randbytes(300_000)
TB = 10**12


@pytest.fixture
def stored(mongo, mongo_database: str) -> Iterator[Stored]:
    with opened_store(mongo.url, mongo_database) as opened:
        yield opened


@pytest.fixture
def stats(mongo, mongo_database: str, tmp_path: Path) -> Callable[..., Result]:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "data": tmp_path}
    return lambda *options: run_alone("stats", *options, **settings)


@pytest.fixture
def noted(stored: Stored) -> Diary:
    """What the upkeep of a large store has noted, in which not all is well."""
    diary, now = Diary(stored.mongo), datetime.now(UTC)
    buckets = [BucketVolume(f"bucket-{number}", 10, 20, TB - number, TB // 2) for number in range(30)]
    ago = now - timedelta(hours=3)
    lost: Tally[Finding] = Tally()
    lost.add(Kind.CHUNK_MISSING, Finding(Kind.CHUNK_MISSING, "file x", "missing 1"))
    counts = (47, 5_000_000, 6_000_000, 30 * TB, 4_000_000, 20 * TB, 12, TB)
    write(diary, "volume", Volume(ago, 61.2, *counts, buckets, 17))
    disks = [
        Outlook(MemberDisk("db1:27017", "primary", 30 * TB, 27 * TB, TB), 4 * TB, TB / 10, 40.0),
        Outlook(MemberDisk("db2:27017", "secondary", 60 * TB, 27 * TB, TB), 34 * TB, -TB / 100, None),
        Outlook(MemberDisk("db3:27017", "unknown", problem="it cannot be reached"), 0, None, None),
    ]
    write(diary, "disks", DisksPage(now - timedelta(minutes=1, seconds=5), disks, TB / 10))
    write(diary, "sweep", SweepPage(ago, 3.0, {"blob": 7, "tombstone": 2}, 1000))
    write(diary, "check", CheckPage(ago, 3.0, lost))
    write(diary, "reading", Reading(now - timedelta(days=2), Depth.BYTES, "f", 1_234_567))
    standing = Standing(Level.CRITICAL, ago, "90.0 % of the disk under db1:27017 are used")
    write(diary, "alerts", AlertsPage({"disk_used": standing}))
    write(diary, "lease", LeasePage("img1 \x1b[31m42", now))
    return diary


def test_where_nothing_is_noted_it_counts(stored: Stored, stats: Callable[..., Result]) -> None:
    for number in range(3):
        stored.put(f"image {number}", DATA[: 1000 * (1 + number % 2)])
    told = json.loads(stats("--json").stdout)
    assert told["volume"] | {"at": 0, "took": 0} == {
        "at": 0,
        "took": 0,
        "buckets": 0,
        "images": 3,
        "versions": 3,
        "logical": 4000,
        "blobs": 2,
        "stored": 3000,
        "unnamed_blobs": 0,
        "unnamed": 0,
        "by_bucket": [{"bucket": "pictures", "images": 3, "versions": 3, "logical": 4000, "stored": 3000}],
        "omitted": 0,
    }
    [outlook] = told["disks"]["outlooks"]
    assert outlook["disk"]["total"] > outlook["free"] > 0
    assert (outlook["growth"], outlook["days_left"], told["sweep"]) == (None, None, None)
    stored.put("another", DATA)
    assert json.loads(stats("--json").stdout) == told
    anew = json.loads(stats("--json", "--now").stdout)
    assert (anew["volume"]["images"], anew["volume"]["stored"]) == (4, 3000 + len(DATA))


def test_growth_is_reckoned_from_the_samples_that_were_noted(
    stored: Stored, stats: Callable[..., Result]
) -> None:
    stored.put("image", DATA)
    stats("--now")
    [sample] = Diary(stored.mongo).samples()
    [member] = sample["members"]
    yesterday = sample["at"] - timedelta(days=1)
    older = {
        **sample,
        "at": yesterday,
        "stored": 100_000,
        "members": [member | {"used": member["used"] // 2}],
    }
    Diary(stored.mongo).add_sample(older, yesterday)
    told = json.loads(stats("--json", "--now").stdout)
    assert told["disks"]["growth"] == pytest.approx(200_000, rel=0.01)
    [outlook] = told["disks"]["outlooks"]
    assert outlook["days_left"] == pytest.approx(outlook["free"] / outlook["growth"])


def test_the_page_of_a_small_store(stored: Stored, stats: Callable[..., Result]) -> None:
    stored.put("one", DATA[:3000])
    stored.put("two", DATA[:3000])
    told = stats()
    assert (told.exit_code, told.stderr) == (0, "")
    for line in (
        r"stored 3.0 kB in 1 blobs",
        r"logical 6.0 kB in 2 versions of 2 images in 0 buckets",
        r"saved 50 % by keeping the same bytes once",
        r"growth not known yet",
    ):
        assert line in " ".join(told.stdout.split()), told.stdout


def test_the_page_of_a_store_with_troubles(noted: Diary, stats: Callable[..., Result]) -> None:
    told = " ".join(stats().stdout.split())
    for words in (
        "stored 20.0 TB in 4,000,000 blobs",
        "saved 33 %",
        "to go 1.0 TB in 12 blobs that the sweep has marked",
        "growth 100.0 GB a day",
        "counted 3 hours ago in 61.2 s",
        "90 % of 30.0 TB",
        "4.0 TB free full in 40 days, at 100.0 GB a day",
        "34.0 TB free does not fill up",
        "db3:27017 not known: it cannot be reached",
        "asked 1 minute ago",
        "bucket-0 ",
        "and 27 smaller ones",
        "alert disk_used critical 90.0 % of the disk under db1:27017 are used, since 3 hours ago",
        "sweep 3 hours ago took 9 things",
        "quick check 3 hours ago 1 lost, 0 repairable, 0 waste",
        "deep check goes on 1,234,567 blobs so far, begun 2 days ago",
        r"done by img1 \x1b[31m42",
    ):
        assert words in told, told
    assert "bucket-20" not in told


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_every_terminal_can_show_it(
    noted: Diary, mongo, mongo_database: str, tmp_path: Path, encoding: str
) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "data": tmp_path}
    done = subprocess.run(
        [sys.executable, "-m", "imagestore", "stats"],
        env=environment(settings) | {"PYTHONIOENCODING": encoding, "COLUMNS": "60"},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode(encoding)
    assert max(map(len, shown.splitlines())) <= 60
    assert ("━" in shown) == (encoding == "utf-8")


@pytest.mark.quick
def test_no_database_is_one_line(tmp_path: Path) -> None:
    result = run_alone("stats", data=tmp_path)
    assert result.exit_code == 1
    assert "IMAGESTORE_MONGO_URL" in result.stderr
