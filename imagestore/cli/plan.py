"""`imagestore plan`: how large the cache should be, from an access log."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict, Unpack

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.progress import progress_bar
from imagestore.cli.terminal import Failure, print_json, print_table, printable, size_text
from imagestore.core.telemetry import Progress
from imagestore.imaging.engine.plotting import draw_png
from imagestore.library.accesslog import AccessLog, Delivery, open_log
from imagestore.library.planchart import TITLES, chart
from imagestore.library.planner import Plan, Sample, make_plan, sample_of

STANDARD_INPUT = "-"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_TOLD_EVERY = 1000


class Sizes(click.ParamType[tuple[int, ...]]):
    """Sizes separated by commas, each as a number of bytes or like 64MB and 1GiB."""

    name = "SIZE,…"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        return tuple(self._one(each.strip(), param, ctx) for each in str(value).split(","))

    def _one(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SIZE.fullmatch(text)
        if match is None or float(match[1]) == 0:
            self.fail(f"{text!r} is no size: write bytes, or 64MB, or 1GiB.", param, ctx)
        unit: int = (1024 if match[3] else 1000) ** _POWERS[match[2].upper()]
        return round(float(match[1]) * unit)


class Options(TypedDict):
    """What the command was told, by the names of its options."""

    sizes: tuple[int, ...]
    wanted_ratio: float
    svg: Path | None
    png: Path | None
    as_json: bool


@click.command(
    epilog="""\b
    Examples:
      imagestore plan access.log
      imagestore plan access.log.gz --bytes 256MB,1GB,4GB --svg plan.svg
      zcat access.log.*.gz | imagestore plan - --wanted-ratio 0.8
    """
)
@click.argument("log")
@click.option("--bytes", "sizes", type=Sizes(), default=(), help="Sizes of Redis to look at; else a ladder.")
@click.option(
    "--wanted-ratio",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.9,
    show_default=True,
    help="The share of requests that Redis is to answer.",
)
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw the table as SVG.")
@click.option("--png", type=click.Path(dir_okay=False, path_type=Path), help="Draw the table as PNG.")
@as_json
def plan(log: str, **options: Unpack[Options]) -> None:
    """Tell what Redis of which size would answer of the requests in LOG, and the size for a wanted share.

    LOG is an access log in the common, combined or CloudFront's format, the service's own, or a trace of
    `key,size`; plain or gzip; `-` reads standard input. Asks no service. Sizes are the memory of Redis
    (its `maxmemory`), with all that an entry takes beside its bytes.
    """
    wanted = not options["as_json"]
    with open_log(sys.stdin.buffer if log == STANDARD_INPUT else Path(log)) as opened:
        sample = _read(opened, wanted=wanted)
    report_unread(opened)
    if sample.asked == 0:
        raise Failure(
            f"{printable(log)} has no GET of an image that was answered with bytes: "
            f"{opened.counts.others} of its {opened.counts.lines} lines are of other requests."
        )
    with progress_bar("simulating", wanted=wanted) as bar:
        made = make_plan(sample, options["wanted_ratio"], sizes=options["sizes"], progress=bar)
    _draw(made, options)
    if options["as_json"]:
        counts = opened.counts
        lines = {"lines": counts.lines, "others": counts.others, "unread": counts.unread}
        print_json({"log": {"format": opened.format, **lines}, **asdict(made)})
    else:
        _print(made)


def _read(log: AccessLog, *, wanted: bool) -> Sample:
    with progress_bar("reading", wanted=wanted) as bar:
        bar.start(log.total)
        return sample_of(watched(log, bar))


def watched(log: AccessLog, bar: Progress) -> Iterator[Delivery]:
    """The deliveries of a log, while a bar shows how much of it is read."""
    told = 0
    for number, each in enumerate(log.deliveries()):
        if number % _TOLD_EVERY == 0:
            bar.advance(log.position - told, "")
            told = log.position
        yield each


def report_unread(log: AccessLog) -> None:
    """Say which lines could not be read, if any could not."""
    if not log.counts.unread:
        return
    told = f"{log.counts.unread} of {log.counts.lines} lines could not be read as {log.format}:"
    click.echo(f"imagestore: {told}", err=True)
    for number, text in log.counts.first_unread:
        click.echo(f"  line {number}: {printable(text)}", err=True)


def _draw(made: Plan, options: Options) -> None:
    drawing = chart(made, size_text)
    try:
        if options["svg"]:
            options["svg"].write_text(drawing.svg(), encoding="utf-8")
        if options["png"]:
            options["png"].write_bytes(draw_png(drawing))
    except OSError as error:
        raise Failure(f"{error.filename} cannot be written: {error.strerror}.") from error


def _print(made: Plan) -> None:
    told = f"{made.requests} requests for {made.objects} objects of {size_text(made.footprint)}"
    if made.sampled < 1:
        told += f", of which the requests for {made.sampled:.1%} of the objects were simulated"
    click.echo(f"{told}. Hits, and in brackets bytes, by size of Redis:\n")
    rows = [("size", *TITLES.values())]
    for row in made.rows:
        cells = (f"{row.ratios[each].hits:6.1%} ({row.ratios[each].bytes:.1%})" for each in TITLES)
        rows.append((size_text(row.bytes), *cells))
    print_table(rows)
    wish = made.wish
    if wish.bytes is None:
        click.echo(
            f"\n{wish.ratio:.0%} is not to be had: {wish.best:.1%} is, with {size_text(wish.best_bytes)}. "
            "The rest are first requests, and what is too large for the cache."
        )
    else:
        click.echo(f"\nFor {wish.ratio:.0%} of the requests: maxmemory {size_text(wish.bytes)}.")
