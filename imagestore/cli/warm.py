"""`imagestore warm`: load images into the cache before the traffic comes, at a bounded rate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TypedDict, Unpack

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.completion import offer_keys
from imagestore.cli.images import bucket_option
from imagestore.cli.pacing import paced
from imagestore.cli.plan import Sizes
from imagestore.cli.progress import progress_bar
from imagestore.cli.statuses import FAILED, NOT_FOUND
from imagestore.cli.terminal import connect, lines_of, print_json, print_table, printable, rate_of, size_text
from imagestore.cli.warmhot import warm_hottest
from imagestore.cli.warmlog import Wishes, warm_by_log
from imagestore.client import Warmed

BATCH = 50


class Options(TypedDict):
    """What the command was told, by the names of its options."""

    bucket: str
    prefix: str
    tag: str | None
    from_stdin: bool
    rate: float | None
    hottest: int | None
    log: str | None
    top: int | None
    most_bytes: tuple[int, ...]
    redis_bytes: tuple[int, ...]
    concurrency: int
    state: Path | None
    plan_only: bool
    as_json: bool


@click.command(
    epilog="""\b
    Examples:
      imagestore warm --prefix 2024/ --rate 100/s
      imagestore warm front.jpg logo.png
      cut -f1 popular.tsv | imagestore warm --from-stdin
      imagestore warm --hottest 200 --rate 50/s
      imagestore warm --log access.log --plan
      zcat access.log.*.gz | imagestore warm --log - --top 5000 --rate 50/s --state warmed.txt
    """
)
@click.argument("keys", nargs=-1, shell_complete=offer_keys)
@bucket_option
@click.option("--prefix", default="", help="Images whose key begins with this; without keys, all of them.")
@click.option("--tag", help="Only images with this tag.")
@click.option("--from-stdin", is_flag=True, help="Read keys from standard input, one a line.")
@click.option("--rate", type=rate_of, metavar="N/s", help="At most so many images a second.")
@click.option("--hottest", type=click.IntRange(1, 1000), help="So many of what the service answered most.")
@click.option("--log", metavar="FILE", help="What an access log shows, renditions too; - for standard input.")
@click.option("--top", type=click.IntRange(1), help="With --log: at most so many, the dearest first.")
@click.option("--bytes", "most_bytes", type=Sizes(), default=(), help="With --log: so much of Redis at most.")
@click.option(
    "--redis-bytes",
    type=Sizes(),
    default=(256 << 20,),
    help="With --log: Redis' maxmemory.",
    show_default="256MiB",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 64),
    default=4,
    show_default=True,
    help="With --log: so many at once.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --log: note what is done, and go on.",
)
@click.option("--plan", "plan_only", is_flag=True, help="With --log: tell what would be loaded, and no more.")
@as_json
def warm(keys: tuple[str, ...], **options: Unpack[Options]) -> None:
    """Load the originals of the images KEYS into the cache, and tell what that changed.

    Without keys: of all images of the bucket, or of those with --prefix and --tag. With --log: originals and
    renditions that an access log shows (of the formats of `imagestore plan`), the dearest first, by hits and
    by what they take to make. With --hottest: those that this node of the service counted most. Both are
    asked for as a browser does, so only what is public is warmed.
    """
    if options["log"] is not None or options["hottest"] is not None:
        _warm_by_counts(keys, options)
        return
    if options["from_stdin"]:
        keys += tuple(lines_of(sys.stdin.buffer))
    named = bool(keys) or options["from_stdin"]
    if named and (options["prefix"] or options["tag"]):
        raise click.UsageError("Name keys, or choose them by --prefix and --tag, not both.")
    with connect() as client, progress_bar("warming", wanted=not options["as_json"]) as bar:
        found = client.images(options["bucket"], options["prefix"], options["tag"])
        bar.start(len(keys) if named else None)
        total = _nothing()
        for batch in paced(keys if named else (image["key"] for image in found), BATCH, options["rate"]):
            part = client.warm(options["bucket"], batch)
            _add(total, part)
            bar.advance(len(batch), batch[-1])
            bar.advance_bytes(part["bytes"])
    _report(total, as_json=options["as_json"])
    if total["missing"] or total["damaged"]:
        raise click.exceptions.Exit(FAILED if total["damaged"] else NOT_FOUND)


def _warm_by_counts(keys: tuple[str, ...], options: Options) -> None:
    chosen = keys or options["prefix"] or options["tag"] or options["from_stdin"]
    if chosen or (options["log"] is not None and options["hottest"] is not None):
        raise click.UsageError("--log and --hottest say what to warm: name nothing else.")
    if options["log"] is not None:
        warm_by_log(_wishes(options, options["log"]))
    elif options["hottest"] is not None:
        warm_hottest(options["hottest"], options["rate"], as_json=options["as_json"])


def _wishes(options: Options, log: str) -> Wishes:
    return Wishes(
        log=log,
        top=options["top"],
        most_bytes=options["most_bytes"][0] if options["most_bytes"] else None,
        redis_bytes=options["redis_bytes"][0],
        rate=options["rate"],
        concurrency=options["concurrency"],
        state=options["state"],
        plan_only=options["plan_only"],
        as_json=options["as_json"],
    )


def _nothing() -> Warmed:
    return Warmed(
        asked=0,
        before=0,
        after=0,
        loaded=0,
        bytes=0,
        missing=[],
        too_large=[],
        damaged=[],
        refused={},
        left=[],
    )


def _add(total: Warmed, part: Warmed) -> None:
    for count in ("asked", "before", "after", "loaded", "bytes"):
        total[count] += part[count]
    for names in ("missing", "too_large", "damaged"):
        total[names] += part[names]


def _report(total: Warmed, *, as_json: bool) -> None:
    before, after = _ratio(total["before"], total), _ratio(total["after"], total)
    if as_json:
        print_json({**total, "hit_ratio_before": before, "hit_ratio_after": after})
        return
    for problem in ("missing", "too_large", "damaged"):
        for key in total[problem]:
            click.echo(f"{problem.replace('_', ' ')}: {printable(key)}", err=True)
    print_table(
        [
            ("asked", str(total["asked"])),
            ("loaded", f"{total['loaded']} ({size_text(total['bytes'])})"),
            ("missing", str(len(total["missing"]))),
            ("too large", str(len(total["too_large"]))),
            ("damaged", str(len(total["damaged"]))),
            ("hit ratio", f"{before:.1%} before, {after:.1%} after"),
        ]
    )


def _ratio(hits: int, total: Warmed) -> float:
    return hits / total["asked"] if total["asked"] else 0.0
