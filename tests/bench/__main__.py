"""`python -m tests.bench [PART …]`: start this service and its peers, measure them in turns, print medians.

Nothing is asserted: figures depend on the machine, and so they are printed with it. Ratios say most.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import hits, machine, profile, renders, s3, store
from tests.bench.results import Part, Row, Wishes, line_of, write

Measure = Callable[[Path, Wishes], Iterator[Row | str]]

PARTS: dict[str, tuple[str, Measure]] = {
    "hits": ("Hits: 2 workers, 32 connections", hits.measure),
    "profile": ("Where a hit's processor time goes", profile.measure),
    "store": ("Reads, uploads and ranges beside a bare GridFS", store.measure),
    "s3": ("The S3 door by boto3, beside moto's server", s3.measure),
    "renders": ("New sizes of photos", renders.measure),
}
"""In the order in which they run. Each yields its rows as they are measured, and notes on how it went."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all if none is named"
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one round of a throughput (2)")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs to render (else made ones)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")
    facts = machine.facts()
    print("\n".join(f"{name:12}{value}" for name, value in facts.items()))
    measured = []
    for name in options.parts or PARTS:
        measured.append(run(name, Wishes(options.seconds, options.photos)))
        if options.json:
            write(options.json, facts, measured)


def run(name: str, wishes: Wishes) -> Part:
    title, measure = PARTS[name]
    began = time.monotonic()
    part = Part(name, title, notes=[f"The load of the machine was {machine.load()} when it began."])
    print(f"\n{title} ({name}; load {machine.load()})", flush=True)
    with tempfile.TemporaryDirectory(prefix="imagestore-bench-") as folder:
        for each in measure(Path(folder), wishes):
            if isinstance(each, Row):
                part.rows.append(each)
                print(line_of(each), flush=True)
            else:
                part.notes.append(each)
                print(f"  {each}", flush=True)
    print(f"  ({time.monotonic() - began:.0f} s)")
    return part


if __name__ == "__main__":
    main()
