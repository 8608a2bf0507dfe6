"""gunicorn's C parser of HTTP/1.1, made to keep all of what follows a complete request."""

from __future__ import annotations

from gunicorn_h1c import H1CProtocol

_SLICE = 64 * 1024
"""What the C parser can keep of the bytes behind a request."""


class EdgeParser(H1CProtocol):  # type: ignore[misc]  # gunicorn_h1c has no types
    """Keeps the beginning of the next request until `reset`, however much of it there is.

    On a kept-alive connection the next request may arrive before gunicorn is quite done with the one before.
    The C parser (the extra `fast`) cuts what it keeps of it at 64 KiB, and gunicorn must then close the
    connection: an upload right after an answer would fail. Here that is held beside the parser; the protocol
    stops reading when `held` grows large.
    """

    remaining_truncated = False

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        self.held = bytearray()

    def feed(self, data: bytes) -> None:
        for start in range(0, len(data), _SLICE):
            if self.is_complete:
                self.held += data[start:]
                return
            super().feed(data[start : start + _SLICE])

    def remaining(self) -> bytes:
        kept: bytes = super().remaining()
        return kept + bytes(self.held)

    def reset(self) -> None:
        super().reset()
        self.held.clear()
