"""`imagestore stats`: what is stored, how full the disks are, how long they last, and what upkeep found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from imagestore.cli.buckets import as_json
from imagestore.cli.terminal import print_json, printable, size_text
from imagestore.cli.upkeep import known_database, open_mongo
from imagestore.library.capacity import BucketVolume, Outlook, Volume
from imagestore.library.survey import DisksPage, Level, Standing, Survey, plain
from imagestore.library.surveyor import Surveyor
from imagestore.library.upkeep import Severity
from imagestore.store.census import Census
from imagestore.store.diary import Diary
from imagestore.store.disks import Disks

BAR_WIDTH = 16
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
    itself. Works on the database itself, as `imagestore fsck` does.
    """
    url, name, _ = known_database()
    with open_mongo() as mongo:
        diary = Diary(mongo)
        survey = Survey.read(diary)
        if now or survey.volume is None or survey.disks is None:
            surveyor = Surveyor(Census(mongo), Disks(url, name), diary)
            surveyor.sample(surveyor.count())
            survey = Survey.read(diary)
    if as_json:
        print_json(plain(survey))
        return
    console = Console(highlight=False)
    for title, rows in (
        ("Images", _volume_rows(survey.volume, survey.disks)),
        ("Disks", _disk_rows(survey.disks, survey.standings())),
        ("Buckets", _bucket_rows(survey.volume)),
        ("Upkeep", _upkeep_rows(survey)),
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
