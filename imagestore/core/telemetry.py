"""What the service says about itself: log set-up, timings of one request, and progress of long work."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


def set_up_logging(level: str) -> None:
    """One line a record on standard error, for the whole process. `level` is a name of the logging module."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("pymongo", "httpx", "httpcore", "asyncio", "PIL"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class Timings:
    """How long the steps of one request took, in milliseconds, in the order they were first met."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
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
