"""A proof under way: the job that a decoder has, the right to that decoder, and the wait for its answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from imagestore.core.errors import ImagestoreError
from imagestore.core.image import Facts
from imagestore.imaging.decoder import Decoder
from imagestore.imaging.formats import Format


class Job:
    """What a decoder is asked: a message's head and body."""

    def __init__(self, format: Format, source: bytes | Path) -> None:
        self.head: dict[str, Any] = {
            "format": format.name,
            "path": None if isinstance(source, bytes) else str(source.absolute()),
        }
        self.body = source if isinstance(source, bytes) else b""


class Slot:
    """The right to one decoder; `failure` is why the job did not get to it."""

    def __init__(self, decoder: Decoder | None) -> None:
        self.decoder = decoder
        self.failure: Exception | None = None

    def has_answered(self, seconds: float) -> bool:
        return self.failure is not None or self.decoder is None or self.decoder.has_answered(seconds)

    def finish(self) -> dict[str, Any]:
        if self.failure is not None:
            raise self.failure
        assert self.decoder is not None  # it has begun
        return self.decoder.finish()


class Proof:
    """A picture that a decoder is at work on. Used by one thread."""

    def __init__(self, slot: Slot, finish: Callable[[], Facts]) -> None:
        self._slot = slot
        self._finish: Callable[[], Facts] | None = finish
        self._facts: Facts | None = None
        self._error: ImagestoreError | None = None

    def facts(self, within: float | None = None) -> Facts | None:
        """What the picture is; None when that is not known `within` so many seconds. May be asked again.

        Raises as `DecoderPool.prove` says. A decoder that dies is followed by another, however long it takes.
        """
        if self._finish is not None:
            if within is not None and not self._slot.has_answered(within):
                return None
            finish, self._finish = self._finish, None
            try:
                self._facts = finish()
            except ImagestoreError as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return self._facts

    def settle(self) -> None:
        """Wait for the decoder to be done, so that another picture may have it."""
        with suppress(ImagestoreError):  # nobody wants to know it any more
            self.facts()
