"""A progress bar on the terminal, for those who watch; silent for those who do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from imagestore.cli.terminal import printable, size_text
from imagestore.core.telemetry import SilentProgress

NOTE_LENGTH = 30


class Bar:
    """Counts things, and bytes where `advance_bytes` is told of them. Drawn on standard error."""

    def __init__(self, rich: RichProgress, label: str) -> None:
        self._rich = rich
        self._task = rich.add_task(label, total=None, sent="", note="")
        self._bytes = 0

    def start(self, total: int | None) -> None:
        self._rich.update(self._task, total=total)

    def advance(self, count: int, note: str) -> None:
        self._rich.update(self._task, advance=count, note=printable(note)[-NOTE_LENGTH:])

    def advance_bytes(self, size: int) -> None:
        self._bytes += size
        elapsed = self._rich.tasks[self._task].elapsed or 0.0
        rate = f", {size_text(self._bytes / elapsed)}/s" if elapsed > 0 else ""
        self._rich.update(self._task, sent=size_text(self._bytes) + rate)


class SilentBar(SilentProgress):
    def advance_bytes(self, size: int) -> None:
        pass


@contextmanager
def progress_bar(label: str, *, wanted: bool = True) -> Iterator[Bar | SilentBar]:
    """A bar that goes away at the end; a silent one when it is not wanted or nobody watches."""
    if not (wanted and sys.stderr.isatty()):
        yield SilentBar()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[sent]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as rich:
        yield Bar(rich, label)
