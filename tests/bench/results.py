"""What a measurement is: rows of figures, one for each side, with the ratios that are wanted of ours."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

Better = Literal["more", "less"]


@dataclass(frozen=True)
class Row:
    """One line of a part: the figures of all sides, ours first, by the sides' names."""

    what: str
    unit: str
    better: Better
    figures: Mapping[str, float]
    wanted: Mapping[str, float] = field(default_factory=dict)
    """The ratio of ours to a side that is wanted at least, by the side's name."""

    @property
    def ours(self) -> float:
        return next(iter(self.figures.values()))

    def ratios(self) -> Iterator[tuple[str, float]]:
        """Each other side's name and our figure as a multiple of its figure."""
        for name, value in list(self.figures.items())[1:]:
            if value:
                yield name, self.ours / value

    def short_of(self) -> list[str]:
        """The sides of which more was wanted."""
        return [name for name, ratio in self.ratios() if ratio < self.wanted.get(name, 0.0)]


@dataclass(frozen=True)
class Wishes:
    """What the caller may choose: the length of one round, and a folder of photos to render."""

    seconds: float
    photos: Path | None = None


@dataclass(frozen=True)
class Part:
    """The rows of one part of the harness. `notes` say how it was measured, and what was left out and why."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def figure(value: float) -> str:
    """As people read it: three digits, or all of a large one."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def line_of(row: Row) -> str:
    """As it stands on the terminal."""
    if len(row.figures) == 1:
        return f"  {row.what}: {figure(row.ours)} {row.unit}"
    figures = "  ".join(f"{name} {figure(value)}" for name, value in row.figures.items())
    text = f"  {row.what}, {row.unit} ({row.better} is better)\n      {figures}"
    ratios = "  ".join(f"{ratio:.2f} x {name}{_wish(row, name)}" for name, ratio in row.ratios())
    return f"{text}\n      {ratios}" if ratios else text


def _wish(row: Row, name: str) -> str:
    if name not in row.wanted:
        return ""
    return f" ({'SHORT OF' if name in row.short_of() else 'wanted'} {row.wanted[name]:g})"


def write(path: Path, machine: Mapping[str, str], parts: Iterable[Part]) -> None:
    """As JSON. What the file has of other parts stays, if it was measured on the same machine."""
    kept = [part for part in read(path)[1] if read(path)[0] == dict(machine)] if path.exists() else []
    named = {part.name: part for part in [*kept, *parts]}
    content = {"machine": dict(machine), "parts": [asdict(part) for part in named.values()]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def read(path: Path) -> tuple[dict[str, str], list[Part]]:
    """What `write` wrote: the machine's facts and the parts."""
    content = json.loads(path.read_text())
    parts = [
        Part(each["name"], each["title"], [Row(**row) for row in each["rows"]], each["notes"])
        for each in content["parts"]
    ]
    return content["machine"], parts
