"""What took a decoder down or all that it has, remembered for a minute: no second time so soon."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from imagestore.core.errors import RejectedImage

POISON_SECONDS = 60.0
POISON_KEPT = 1024

_HARMLESS = (0.0, RejectedImage, "")


class Poison:
    """What took a decoder down in the last minute, by subject: a picture's digest, or a rendition's name."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, type[RejectedImage], str]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, subject: str | None, error: RejectedImage) -> None:
        if subject is None:
            return
        with self._lock:
            self._known[subject] = (time.monotonic() + POISON_SECONDS, type(error), error.message)
            while len(self._known) > POISON_KEPT:
                self._known.popitem(last=False)

    def check(self, subject: str | None) -> None:
        """Raises what was noted of `subject`, for as long as it counts."""
        with self._lock:
            until, kind, message = self._known.get(subject, _HARMLESS) if subject else _HARMLESS
        if time.monotonic() < until:
            raise kind(message)
