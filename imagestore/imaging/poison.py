"""Pictures that took a decoder down or all that it has, remembered for a minute: no second time so soon."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from imagestore.core.errors import RejectedImage
from imagestore.core.image import Digest

POISON_SECONDS = 60.0
POISON_KEPT = 1024

_HARMLESS = (0.0, RejectedImage, "")


class Poison:
    """What took a decoder down in the last minute, by digest."""

    def __init__(self) -> None:
        self._known: OrderedDict[Digest, tuple[float, type[RejectedImage], str]] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, digest: Digest | None, error: RejectedImage) -> None:
        if digest is None:
            return
        with self._lock:
            self._known[digest] = (time.monotonic() + POISON_SECONDS, type(error), error.message)
            while len(self._known) > POISON_KEPT:
                self._known.popitem(last=False)

    def check(self, digest: Digest | None) -> None:
        """Raises what was noted of `digest`, for as long as it counts."""
        with self._lock:
            until, kind, message = self._known.get(digest, _HARMLESS) if digest else _HARMLESS
        if time.monotonic() < until:
            raise kind(message)
