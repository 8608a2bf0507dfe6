"""A proof under way: the wait for a decoder's answer about an upload."""

from __future__ import annotations

from concurrent.futures import Future

from imagestore.core.image import Facts


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
