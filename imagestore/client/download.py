"""An original on its way from the service: gone on with when it breaks off, and held to its digest."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from imagestore.client.failures import error_of, readable, unreachable
from imagestore.client.retries import Tries, is_stalled
from imagestore.client.sources import CHUNK
from imagestore.core.errors import BlobDamaged, PreconditionFailed

Fetch = Callable[[dict[str, str]], httpx.Response]
"""Asks for the same original again, with these headers more; the answer's body is not read yet."""


class Download:
    """An original's bytes, to iterate once.

    `size` is bytes, None where it was not announced. When the connection breaks, the rest is asked for, by
    Range and If-Range (RFC 9110, section 13.1.5): the tries count anew with each piece that came. The
    iteration raises PreconditionFailed when the image was changed meanwhile; ServiceUnreachable when the
    tries are used up; and at its end BlobDamaged when the bytes do not have `digest`. What came is no image
    then.
    """

    def __init__(self, answer: httpx.Response, fetch: Fetch, tries: Tries) -> None:
        self._answer = answer
        self._fetch = fetch
        self._tries = tries
        self._received = 0
        length = answer.headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() else None
        self.digest: str = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
        self.media_type: str = answer.headers.get("Content-Type", "")

    def __iter__(self) -> Iterator[bytes]:
        found = hashlib.sha256()
        for chunk in self._chunks():
            found.update(chunk)
            yield chunk
        if found.hexdigest() != self.digest:
            raise BlobDamaged("What came does not have the digest that was announced: get it again.")

    def save(self, path: Path) -> None:
        """Write the original to a file, which appears, or is replaced, only once it is whole.

        Raises what the iteration does, and OSError.
        """
        if path.exists() and not path.is_file():  # a device or a pipe: nothing to replace
            with path.open("wb") as file:
                file.writelines(self)
            return
        aside = path.with_name(f".{secrets.token_hex(8)}.part")
        try:
            with aside.open("xb") as file:
                file.writelines(self)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def close(self) -> None:
        self._answer.close()

    def _chunks(self) -> Iterator[bytes]:
        while True:
            before = self._received
            try:
                for chunk in self._answer.iter_raw():
                    self._received += len(chunk)
                    yield chunk
                return
            except httpx.HTTPError as error:
                if self._received - before >= CHUNK:
                    self._tries.renew()
                if not self.digest or not is_stalled(error) or not self._tries.wait():
                    raise unreachable(self._answer.url, error) from error
            self._go_on()

    def _go_on(self) -> None:
        """Ask for what is missing."""
        self._answer.close()
        answer = self._fetch({"Range": f"bytes={self._received}-", "If-Range": f'"{self.digest}"'})
        self._answer = answer
        wanted = f"bytes {self._received}-"
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            if not answer.headers.get("Content-Range", "").startswith(wanted):
                raise unreachable(answer.url, "another part came than was asked for")
        elif answer.is_success:
            raise PreconditionFailed("The image was changed while it was fetched: get it again.")
        else:
            raise error_of(readable(answer))
