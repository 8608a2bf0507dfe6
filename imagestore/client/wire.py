"""Requests to one service: sent, bounded in time, and their errors made ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from imagestore.core.errors import BlobDamaged, ImagestoreError, InvalidParameter, ServiceUnreachable, leaves

CHUNK = 64 * 1024
ERRORS = {leaf.code: leaf for leaf in leaves()}
"""Error code → the exception to raise for it."""

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Download:
    """An original's bytes on their way, to iterate once.

    `size` is bytes, None where it was not announced. The iteration raises BlobDamaged at its end when the
    bytes do not have `digest`, ServiceUnreachable where the connection breaks: what came is no image then.
    """

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url
        length = response.headers.get("Content-Length", "")
        self.size = int(length) if length.isdecimal() else None
        self.digest: str = response.headers.get("ETag", "").removeprefix("W/").strip('"')
        self.media_type: str = response.headers.get("Content-Type", "")

    def __iter__(self) -> Iterator[bytes]:
        found = hashlib.sha256()
        with _answering(self._url):
            for chunk in self._response.iter_raw(CHUNK):
                found.update(chunk)
                yield chunk
        if found.hexdigest() != self.digest:
            raise BlobDamaged("What came does not have the digest that was announced: get it again.")


class Wire:
    """An HTTP client with a credential. Raises the exception that the service's error code names."""

    def __init__(
        self, url: str, access_key: str, secret: str, timeout: float, transport: httpx.BaseTransport | None
    ) -> None:
        self.url = url.rstrip("/")
        try:
            self._http = httpx.Client(
                base_url=self.url,
                auth=httpx.BasicAuth(access_key, secret),
                timeout=timeout,
                transport=transport,
                trust_env=httpx.URL(url).host not in _LOOPBACK,  # no proxy leads back to this machine
            )
        except httpx.InvalidURL as error:
            raise InvalidParameter(f"{url!r} is no URL of a service: {error}.") from None

    def close(self) -> None:
        self._http.close()

    def call(self, method: str, path: str, **what: Any) -> Any:
        """The JSON that answers, None for an answer without a body. `what` is as for httpx."""
        with _answering(self.url):
            response = self._http.request(method, path, **what)
        if not response.is_success:
            raise _error(response)
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        try:
            return response.json()
        except ValueError:
            raise ServiceUnreachable(f"What answers at {self.url} is no imagestore: check the URL.") from None

    @contextmanager
    def stream(self, path: str) -> Iterator[Download]:
        with _answering(self.url):
            request = self._http.build_request("GET", path, headers={"Accept-Encoding": "identity"})
            response = self._http.send(request, stream=True)
        try:
            if not response.is_success:
                with _answering(self.url):
                    response.read()
                raise _error(response)
            yield Download(response, self.url)
        finally:
            response.close()


@contextmanager
def _answering(url: str) -> Iterator[None]:
    try:
        yield
    except httpx.HTTPError as error:
        reason = str(error) or type(error).__name__
        raise ServiceUnreachable(
            f"The service at {url} does not answer ({reason}): see that it runs and can be reached."
        ) from error
    except UnicodeEncodeError:
        raise InvalidParameter("A name or value is no UTF-8 text: it cannot be sent.") from None


def _error(response: httpx.Response) -> ImagestoreError:
    try:
        told = response.json()["error"]
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        return ServiceUnreachable(
            f"{response.url.host} answered {response.status_code} and not in our words: check the URL."
        )
    known = ERRORS.get(code)
    if known is not None:
        return known(message)
    kind = InvalidParameter if response.is_client_error else ServiceUnreachable
    return kind(f"{message} ({response.status_code} {code})")
