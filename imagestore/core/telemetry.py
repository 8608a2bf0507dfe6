"""What work says about itself: the timings of one request, and the progress of a long job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from imagestore.core.traces import SILENT, Tracer


class Timings:
    """How long the steps of one request took, in milliseconds, in the order they were first met.

    Each measured step is also a span of `tracer`.
    """

    def __init__(self, tracer: Tracer = SILENT) -> None:
        self.steps: dict[str, float] = {}
        self._tracer = tracer

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            with self._tracer.step(step):
                yield
        finally:
            self.steps[step] = self.steps.get(step, 0.0) + (time.perf_counter() - began) * 1000

    def header(self) -> str:
        """The value of a Server-Timing field (W3C Server Timing)."""
        return ", ".join(f"{step};dur={taken:.2f}" for step, taken in self.steps.items())


class Progress(Protocol):
    """Told how far a long job is. The job calls `start` once, then `advance` as it goes."""

    def start(self, total: int | None) -> None: ...

    def advance(self, count: int, note: str) -> None: ...


class SilentProgress:
    """Says nothing: the default of every long job."""

    def start(self, total: int | None) -> None:
        pass

    def advance(self, count: int, note: str) -> None:
        pass
