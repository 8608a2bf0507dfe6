"""`imagestore warm --hottest`: what the service's own counters show is asked for again, also at its start."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import click

from imagestore.cli.pacing import paced
from imagestore.cli.progress import progress_bar
from imagestore.cli.statuses import FAILED
from imagestore.cli.terminal import connect, print_json, print_table
from imagestore.cli.warmlog import ask, outcome_rows

START_RATE = 50
"""Paths a second at the start of the service, when others ask for something too."""


def warm_hottest(most: int, rate: float | None, *, as_json: bool) -> None:
    """Ask for so many of the paths that were asked for most, the first of them first."""
    counts = Counter(loaded=0, found=0, refused=0, busy=0, failed=0)
    with connect() as client, progress_bar("warming", wanted=not as_json) as bar:
        paths = [each["path"] for each in client.cache_stats(most)["hottest"]]
        bar.start(len(paths))
        for [path] in paced(paths, 1, rate):
            counts[ask(client, path)] += 1
            bar.advance(1, path)
            if counts["failed"]:  # there is no service any more
                break
    if as_json:
        print_json(counts)
    else:
        print_table(outcome_rows(counts))
    if counts["busy"] or counts["failed"]:
        raise click.exceptions.Exit(FAILED)


def start_warming(most: int) -> None:
    """Have another process do so with the service that was noted last. It has none of our listening sockets,
    so it holds up no end of the service and no start of another."""
    options = ["--hottest", str(most), "--rate", str(START_RATE), "--json"]
    subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", "imagestore", "warm", *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
