"""A proof under way: the job that a decoder has, and the wait for its answer."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Any

from imagestore.core.image import Facts
from imagestore.imaging.formats import Format


class Job:
    """What a decoder is asked: a message's head and body."""

    def __init__(self, format: Format, source: bytes | Path) -> None:
        self.head: dict[str, Any] = {
            "format": format.name,
            "path": None if isinstance(source, bytes) else str(source.absolute()),
        }
        self.body = source if isinstance(source, bytes) else b""


class Proof:
    """A picture that a decoder is at work on."""

    def __init__(self, answer: Future[Facts]) -> None:
        self._answer = answer

    def facts(self, within: float | None = None) -> Facts | None:
        """What the picture is; None when that is not known `within` so many seconds. May be asked again.

        Raises as `DecoderPool.prove` says. A decoder that dies is followed by another, however long it takes.
        """
        try:
            return self._answer.result(within)
        except TimeoutError:
            if self._answer.done():  # no error of a job is one, so it came at the last moment
                return self._answer.result()
            return None

    def settle(self) -> None:
        """Wait for the decoder to be done: until then it reads the picture."""
        self._answer.exception()
