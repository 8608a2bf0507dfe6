"""`python -m tests.bench.page FILE`: docs/benchmarks.md and its plots, from the JSON of `make bench`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from tests.bench import plots
from tests.bench.results import Part, Row, figure, read, write
from tests.service import REPOSITORY

DOCS = REPOSITORY / "docs"
PLOTS = "benchmarks"
"""Of a plot's name, which ends with that of its part."""

OPENING = """\
# Benchmarks

What `make bench` measured on one machine, made from its figures by `python -m tests.bench.page`; nothing
here is written by hand. The service, its peers and what asks them run on that machine together, and are
measured in turns; figures are medians of three rounds. They depend on the machine, ratios much less:
`make bench` prints those of yours.

"""


FIGURES = DOCS / "benchmarks.json"
"""What the page was made from, so that it can be made again."""


def main(results: str) -> None:
    machine, parts = read(Path(results))
    write(FIGURES, machine, parts)
    for name, content in files(machine, parts):
        (DOCS / name).write_text(content)


def files(machine: dict[str, str], parts: list[Part]) -> Iterator[tuple[str, str]]:
    """The page and its plots: their names in DOCS, and what is in them."""
    yield "benchmarks.md", page(machine, parts)
    for part in parts:
        yield from drawings(part)


def page(machine: dict[str, str], parts: list[Part]) -> str:
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine.items())
    sections = "\n".join("\n".join(section(part)) for part in parts)
    return f"{OPENING}| machine | |\n| --- | --- |\n{facts}\n\n{sections}"


def section(part: Part) -> Iterator[str]:
    yield f"## {part.title}\n"
    yield f"`make bench PARTS={part.name}`\n"
    for name, _ in drawings(part):
        yield f"![{part.title}]({name})\n"
    for sides, rows in groupby(part.rows, key=lambda row: tuple(row.figures)):
        yield "\n".join(table(sides, list(rows))) + "\n"
    if asked := [row for row in part.rows if row.wanted]:
        yield "\n".join(wishes(asked)) + "\n"
    if part.notes:
        yield "\n".join(f"- {note}" for note in part.notes) + "\n"


def table(sides: tuple[str, ...], rows: list[Row]) -> Iterator[str]:
    yield f"| | unit | {' | '.join(sides)} |"
    yield f"| --- | --- |{' --: |' * len(sides)}"
    for row in rows:
        yield f"| {row.what} | {row.unit} | {' | '.join(figure(each) for each in row.figures.values())} |"


def wishes(rows: list[Row]) -> Iterator[str]:
    yield "| | beside | times as much | wanted |"
    yield "| --- | --- | --: | --: |"
    for row in rows:
        for name, ratio in row.ratios():
            if name in row.wanted:
                yield f"| {row.what} | {name} | {ratio:.2f} | {row.wanted[name]:g} |"


def drawings(part: Part) -> Iterator[tuple[str, str]]:
    """The plots of a part: their files' names, and what is in them."""
    name = f"{PLOTS}-{part.name}.svg"
    compared = {row.what: row.figures for row in part.rows if row.unit == "/s" and len(row.figures) > 1}
    if part.name == "profile":
        single = [row for row in part.rows if len(row.figures) == 1]
        whole = {row.what.partition(",")[0]: {} for row in single}
        for row in single:
            hit, _, what = row.what.partition(", ")
            whole[hit][what] = row.ours
        if whole:
            yield name, plots.bars(part.title, "µs a request", whole)
    elif compared:
        yield name, plots.bars(part.title, "a second", compared)


if __name__ == "__main__":
    main(*sys.argv[1:])
