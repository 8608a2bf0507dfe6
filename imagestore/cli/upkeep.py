"""`imagestore fsck` and `imagestore gc`: check everything stored, and remove what nobody can reach."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.notes import Notes
from imagestore.cli.progress import progress_bar
from imagestore.cli.terminal import Failure, print_json, print_table, printable, rate_of, size_text
from imagestore.core.telemetry import Progress
from imagestore.library.fsck import Fsck
from imagestore.library.reading import Reader
from imagestore.library.sweep import Sweep
from imagestore.library.upkeep import Depth, Finding, Pace, Removal, Severity, Tally
from imagestore.settings import Settings
from imagestore.store.diary import Diary
from imagestore.store.documents import Documents
from imagestore.store.inventory import Inventory
from imagestore.store.mongo import Mongo
from imagestore.store.removals import Removals

DEADLINE = 60.0
"""Seconds for one query: nobody waits for these as for a picture, and they may read a cold disk."""

_BYTE_RATE = re.compile(r"([0-9.]+)([kMG]?B)/s")
_BYTES = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _span(text: str) -> timedelta:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise click.BadParameter(f"{text!r} is no time span: use a number with s, m, h or d, such as 90m.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


grace_option = click.option(
    "--grace",
    type=_span,
    metavar="SPAN",
    default="1h",
    show_default=True,
    help="What is younger may be in use, and is let be. Longer than any upload or download takes.",
)


def _rates(text: str) -> tuple[float | None, float | None]:
    """Documents and bytes a second, one of which the text gives: `200/s`, `20MB/s`."""
    match = _BYTE_RATE.fullmatch(text)
    if match is None:
        return rate_of(text), None
    return None, rate_of(match[1]) * _BYTES[match[2]]


@click.command(
    epilog="""\b
    Examples:
      imagestore fsck --quick
      imagestore fsck --rate 500/s --json
      imagestore fsck --deep --resume --rate 20MB/s
    """
)
@click.option("--quick", "depth", flag_value=Depth.NAMES, help="Look at documents and indexes alone.")
@click.option("--deep", "depth", flag_value=Depth.BYTES, help="Read all bytes too: sums and digests.")
@click.option("--resume", is_flag=True, help="Go on where the last run with this option was cut short.")
@grace_option
@click.option(
    "--rate", type=_rates, metavar="N/s", help="At most so many documents (500/s) or bytes (20MB/s) a second."
)
@as_json
def fsck(
    depth: str | None,
    resume: bool,
    grace: timedelta,
    rate: tuple[float | None, float | None] | None,
    as_json: bool,
) -> None:
    """Check everything stored: blobs, versions, images, indexes. Changes nothing.

    Works on the database itself, by IMAGESTORE_MONGO_URL, else on that of `imagestore serve` in the data
    folder, while the service runs. With --resume the place that the check of blobs has reached is kept in the
    database. Exit status: 0 nothing is lost (waste is told), 1 something is lost or has to be mended.
    """
    documents, size = rate or (None, None)
    pace, wanted = Pace(documents, byte_rate=size), Depth(depth or Depth.SIZES)
    if resume and wanted is Depth.NAMES:
        raise click.UsageError("--quick looks at everything each time: it cannot --resume.")
    with open_mongo() as mongo, progress_bar("checking", wanted=not as_json) as bar:
        check = Fsck(Inventory(mongo), grace=grace)
        if resume:
            found = _check_on(check, Reader(check, Diary(mongo), "fsck", wanted), pace, bar)
        else:
            found = check.check(wanted, pace=pace, progress=bar)
    _tell(found, as_json)


def _check_on(check: Fsck, reader: Reader, pace: Pace, bar: Progress) -> Tally[Finding]:
    reading = reader.begin()
    earlier: Tally[Finding] = Tally()
    earlier.merge(reading.found)
    found = check.check(reader.depth, pace=pace, progress=bar, blobs=reader.go_on(reading, pace))
    found.merge(earlier)
    return found


def _tell(found: Tally[Finding], as_json: bool) -> None:
    severities = found.severities()
    if as_json:
        print_json(
            {
                "findings": [{"severity": each.kind.severity, **asdict(each)} for each in found.listed],
                "omitted": found.omitted,
                "counts": dict(found.counts),
                "severities": {each: severities[each] for each in Severity},
            }
        )
    else:
        _print_findings(found)
    if severities[Severity.LOST] or severities[Severity.REPAIRABLE]:
        raise click.exceptions.Exit(1)


def _print_findings(found: Tally[Finding]) -> None:
    for each in found.listed:
        kind = each.kind.replace("_", " ")
        click.echo(printable(f"{each.kind.severity}: {kind}: {each.what}: {each.detail}"))
    if found.omitted:
        click.echo(f"... and {found.omitted} more")
    severities = found.severities()
    if not severities:
        click.echo("Everything is as it should be.")
        return
    click.echo(", ".join(f"{severities[each]} {each}" for each in Severity))


@click.command(
    epilog="""\b
    Examples:
      imagestore gc --dry-run
      imagestore gc --rate 500/s
      imagestore gc --grace 1d --json
    """
)
@click.option("--dry-run", is_flag=True, help="Only tell the plan; change nothing.")
@grace_option
@click.option("--rate", type=rate_of, metavar="N/s", help="Look at, or remove, at most so many a second.")
@as_json
def gc(dry_run: bool, grace: timedelta, rate: float | None, as_json: bool) -> None:
    """Remove what nobody can reach: blobs without a name, and what broken uploads and deletions left.

    A blob is marked when it is first found without a name, and removed by a run that comes later than the
    grace period: so run this regularly. It is safe while the service runs, and to run again after it was
    interrupted. Works on the database itself, as `imagestore fsck` does.
    """
    with open_mongo() as mongo, progress_bar("sweeping", wanted=not as_json) as bar:
        sweep = Sweep(Inventory(mongo), Removals(mongo), Documents(mongo), grace=grace)
        if sweep.missing_indexes():
            raise Failure("The database lacks indexes: start the service once, which builds them.")
        swept = sweep.run(dry_run=dry_run, pace=Pace(rate), progress=bar)
    shown = swept.planned if dry_run else swept.taken
    if as_json:
        told = {"dry_run": dry_run, "planned": _plain(swept.planned)}
        print_json(told | ({} if dry_run else {"taken": _plain(swept.taken), "kept": swept.kept}))
        return
    if dry_run:
        for each in shown.listed:
            click.echo(printable(f"{each.taken.replace('_', ' ')}: {each.what}: {each.detail}"))
        if shown.omitted:
            click.echo(f"... and {shown.omitted} more")
    _print_counts(shown, swept.kept)


def _print_counts(shown: Tally[Removal], kept: int) -> None:
    if not shown.counts:
        click.echo("There is nothing to remove.")
    rows = [(kind.replace("_", " "), str(count)) for kind, count in shown.counts.items()]
    rows += [("bytes", size_text(shown.size))] if shown.size else []
    rows += [("in use after all", str(kept))] if kept else []
    if rows:
        print_table(rows)


def _plain(tally: Tally[Removal]) -> dict[str, Any]:
    return {
        "counts": dict(tally.counts),
        "bytes": tally.size,
        "listed": [asdict(each) for each in tally.listed],
        "omitted": tally.omitted,
    }


@contextmanager
def open_mongo() -> Iterator[Mongo]:
    """The database that `known_database` names. Raises Failure."""
    url, name, patience = known_database()
    with _opened(url, name, patience) as mongo:
        mongo.ping()  # one that is not there is told at once, not at the long deadline
    with _opened(url, name, DEADLINE) as mongo:
        yield mongo


def known_database() -> tuple[str, str, float]:
    """URL and name of the one that the settings name, else of the embedded one that was noted; and how long
    a service waits for it. Raises Failure."""
    settings = Settings.load()
    url = settings.mongo_url or Notes(settings.data).mongo_url()
    if not url:
        raise Failure(
            f"No database is known in {settings.data}: set IMAGESTORE_MONGO_URL, or, for the embedded "
            "MongoDB, run this where `imagestore serve` runs."
        )
    return url, settings.mongo_database, settings.read_timeout


@contextmanager
def _opened(url: str, database: str, deadline: float) -> Iterator[Mongo]:
    mongo = Mongo(url, database, write_timeout=deadline, read_timeout=deadline)
    try:
        yield mongo
    finally:
        mongo.close()
