"""Things given out in batches, no faster than a rate."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def paced(things: Iterable[T], size: int, rate: float | None = None) -> Iterator[list[T]]:
    """At most `size` at once, and, if it is not None, so that `rate` of them a second are not exceeded."""
    if rate is not None:
        size = max(1, min(size, int(rate)))
    began, given = time.monotonic(), 0
    rest = iter(things)
    while batch := list(islice(rest, size)):
        if rate is not None:
            time.sleep(max(0.0, began + given / rate - time.monotonic()))
        yield batch
        given += len(batch)
