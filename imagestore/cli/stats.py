"""`imagestore stats`: what is stored, how full the disks are, what upkeep found, and how the caches do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imagestore.cli.buckets import as_json
from imagestore.cli.terminal import Failure, connect, print_json, printable, size_text
from imagestore.cli.upkeep import known_database, open_mongo
from imagestore.client import NO_RETRIES, CacheStats
from imagestore.core.errors import ImagestoreError
from imagestore.library.capacity import BucketVolume, Outlook, Volume
from imagestore.library.survey import DisksPage, Level, Standing, Survey, plain
from imagestore.library.surveyor import Surveyor
from imagestore.library.upkeep import Severity
from imagestore.store.census import Census
from imagestore.store.diary import Diary
from imagestore.store.disks import Disks

BAR_WIDTH = 16
CACHE_SECONDS = 3.0
MOST_PATHS = 10
MOST_BUCKETS = 20
COLORS = {Level.OK: "green", Level.WARNING: "yellow", Level.CRITICAL: "red"}
SPANS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))

Row = tuple[RenderableType, ...]


@click.command(
    epilog="""\b
    Examples:
      imagestore stats
      imagestore stats --now --json
    """
)
@click.option("--now", is_flag=True, help="Count and ask anew, rather than tell what was noted last.")
@as_json
def stats(now: bool, as_json: bool) -> None:
    """Show how much is stored, how full the disks are and for how long they last, and what upkeep found.

    Tells what scheduled upkeep noted last; where that is nothing, or with --now, it counts, asks and notes by
    itself. Works on the database itself, as `imagestore fsck` does. Where the service answers, its node tells
    what the caches answered since it started, and what is asked for most of late.
    """
    url, name, _ = known_database()
    with open_mongo() as mongo:
        diary = Diary(mongo)
        survey = Survey.read(diary)
        if now or survey.volume is None or survey.disks is None:
            surveyor = Surveyor(Census(mongo), Disks(url, name), diary)
            surveyor.sample(surveyor.count())
            survey = Survey.read(diary)
    caches = _ask_caches()
    if as_json:
        print_json({**plain(survey), "caches": caches})
        return
    console = Console(highlight=False)
    for title, rows in (
        ("Images", _volume_rows(survey.volume, survey.disks)),
        ("Disks", _disk_rows(survey.disks, survey.standings())),
        ("Buckets", _bucket_rows(survey.volume)),
        ("Upkeep", _upkeep_rows(survey)),
        ("Caches", _cache_rows(caches)),
        ("Asked for most", _hot_rows(caches)),
    ):
        _print_rows(console, title, list(rows))


def _print_rows(console: Console, title: str, rows: list[Row]) -> None:
    if not rows:
        return
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False
    )
    for row in rows:
        table.add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in row))
    console.print(table)
    console.print()


def _volume_rows(volume: Volume | None, page: DisksPage | None) -> Iterator[Row]:
    if volume is None:
        return
    saved = 100 * (1 - volume.stored / volume.logical) if volume.logical > volume.stored else 0.0
    yield "stored", size_text(volume.stored), f"in {volume.blobs:,} blobs"
    yield (
        "logical",
        size_text(volume.logical),
        f"in {volume.versions:,} versions of {volume.images:,} images in {volume.buckets:,} buckets",
    )
    yield "saved", f"{saved:.0f} %", "by keeping the same bytes once"
    if volume.unnamed_blobs:
        yield (
            "to go",
            size_text(volume.unnamed),
            f"in {volume.unnamed_blobs:,} blobs that the sweep has marked",
        )
    if page is not None and page.growth is not None:
        yield "growth", _signed(page.growth), "a day"
    yield "counted", _ago(volume.at), f"in {volume.took:.1f} s"


def _disk_rows(page: DisksPage | None, standings: dict[str, Standing]) -> Iterator[Row]:
    if page is None:
        return
    for outlook in page.outlooks:
        disk = outlook.disk
        if disk.problem:
            yield disk.member, "", f"not known: {disk.problem}"
            continue
        level = standings["disk_used"].level if "disk_used" in standings else Level.OK
        used = f"{outlook.percent_used:.0f} % of {size_text(disk.total)}"
        yield disk.member, _bar(outlook.percent_used, COLORS[level]), used
        yield disk.role, f"{size_text(outlook.free)} free", _forecast(outlook)
    yield "asked", _ago(page.at)


def _forecast(outlook: Outlook) -> str:
    if outlook.growth is None:
        return "growth not known yet"
    if outlook.days_left is None:
        return "does not fill up"
    return f"full in {outlook.days_left:.0f} days, at {_signed(outlook.growth)} a day"


def _bucket_rows(volume: Volume | None) -> Iterator[Row]:
    listed = volume.by_bucket[:MOST_BUCKETS] if volume else []
    if volume is None or not listed:
        return
    yield tuple(Text(name, style="dim") for name in ("", "", "logical", "stored", "images", "versions"))
    for each in listed:
        yield _bucket_row(each, volume.logical)
    if (rest := len(volume.by_bucket) - len(listed) + volume.omitted) > 0:
        yield (f"and {rest:,} smaller ones",)


def _bucket_row(each: BucketVolume, total: int) -> Row:
    share = 100 * each.logical / total if total else 0.0
    sizes = (size_text(each.logical), size_text(each.stored))
    return each.bucket, _bar(share, "cyan"), *sizes, f"{each.images:,}", f"{each.versions:,}"


def _upkeep_rows(survey: Survey) -> Iterator[Row]:
    for name, standing in survey.standings().items():
        level = Text(standing.level, style=COLORS[standing.level])
        yield f"alert {name}", level, f"{standing.text}, since {_ago(standing.since)}"
    if survey.sweep is not None:
        yield "sweep", _ago(survey.sweep.at), f"took {sum(survey.sweep.counts.values())} things"
    if survey.lifecycle is not None:
        ended = sum(survey.lifecycle.counts.values())
        yield "lifecycle rules", _ago(survey.lifecycle.at), f"ended {ended} things"
    if survey.check is not None:
        found = survey.severities()
        told = ", ".join(f"{found[each]} {each}" for each in Severity)
        yield "quick check", _ago(survey.check.at), told
    reading = survey.reading
    if reading is not None and reading.ended is None:
        yield "deep check", "goes on", f"{reading.files:,} blobs so far, begun {_ago(reading.began)}"
    elif reading is not None and reading.ended is not None:
        yield "deep check", _ago(reading.ended), f"{reading.files:,} blobs"
    if survey.lease is not None:
        yield "done by", survey.lease.owner, ""


def _ask_caches() -> CacheStats | None:
    """As the service's node tells; None where no service answers: the database can be looked at without."""
    try:
        with connect(timeout=CACHE_SECONDS, retries=NO_RETRIES) as client:
            return client.cache_stats(MOST_PATHS)
    except (Failure, ImagestoreError):
        return None


def _cache_rows(caches: CacheStats | None) -> Iterator[Row]:
    total = sum(caches["answers"].values()) if caches is not None else 0
    if caches is None or not total:
        return
    answers = {source: count for source, count in caches["answers"].items() if count}
    for source, count in sorted(answers.items(), key=lambda each: -each[1]):
        share = 100 * count / total
        yield source, _bar(share, "cyan"), f"{share:.1f} %, {count:,} answers"
    yield "spared", size_text(caches["saved_bytes"]), "that MongoDB was not read for"
    kept = f"{caches['memory_entries']:,} answers, {caches['memory_evictions']:,} pushed out"
    yield "in memory", size_text(caches["memory_bytes"]), kept
    state = {"closed": "answers", "open": "does not answer"}.get(caches["breaker"], caches["breaker"])
    yield "Redis", state if caches["enabled"] else "none", ""


def _hot_rows(caches: CacheStats | None) -> Iterator[Row]:
    for each in caches["hottest"] if caches is not None else ():
        yield f"{each['answers']:,}", each["path"]


def _bar(percent: float, color: str) -> ProgressBar:
    return ProgressBar(
        total=100, completed=percent, width=BAR_WIDTH, complete_style=color, finished_style=color
    )


def _signed(size: float) -> str:
    return f"{'-' if size < 0 else ''}{size_text(abs(size))}"


def _ago(moment: datetime) -> str:
    age = max(timedelta(0), datetime.now(UTC) - moment).total_seconds()
    for name, seconds in SPANS:
        if age >= seconds:
            count = int(age // seconds)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"
