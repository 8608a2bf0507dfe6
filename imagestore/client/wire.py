"""Requests to one service: sent, sent again where that is safe, and their errors made ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import httpx

from imagestore.client.download import Download
from imagestore.client.failures import error_of, readable, unreachable
from imagestore.client.retries import Retries, Tries, asked_pause, is_broken, was_never_sent
from imagestore.client.sources import Source
from imagestore.core.errors import InvalidParameter, NotFound, ServiceUnreachable

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_NOTHING: dict[str, Any] = {}


class Wire:
    """An HTTP client with a credential. Raises the exception that the service's error code names."""

    def __init__(
        self,
        url: str,
        credential: tuple[str, str],
        timeout: float,
        retries: Retries,
        transport: httpx.BaseTransport | None,
    ) -> None:
        self.url = url.rstrip("/")
        self._retries = retries
        try:
            self._http = httpx.Client(
                base_url=self.url,
                auth=httpx.BasicAuth(*credential),
                timeout=timeout,
                transport=transport,
                trust_env=httpx.URL(url).host not in _LOOPBACK,  # no proxy leads back to this machine
            )
        except httpx.InvalidURL as error:
            raise InvalidParameter(f"{url!r} is no URL of a service: {error}.") from None

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        again: bool = False,
        gone: tuple[type[NotFound], ...] = (),
        source: Source | None = None,
        **what: Any,
    ) -> Any:
        """The JSON that answers, None for an answer without a body. `what` is as for httpx.

        `again`: what it does twice it has done once, so it may be sent again after a failure with an unknown
        outcome. `gone`: what a deletion that is sent again finds when the try before it was carried out.
        """
        request = _Request(method, path, again=again, source=source, what=what)
        response, repeated = self._send(request, Tries(self._retries))
        if not response.is_success:
            error = error_of(response)
            if repeated and isinstance(error, gone):
                return None
            raise error
        if response.status_code == httpx.codes.NO_CONTENT:
            return None
        return self._json(response)

    def state(self, path: str) -> Any:
        """The JSON that answers a GET, of a 503 as of a 200: it tells how the service is."""
        response = self._look(path, again=False)
        if response.status_code not in (httpx.codes.OK, httpx.codes.SERVICE_UNAVAILABLE):
            raise error_of(response)
        return self._json(response)

    def text(self, path: str) -> str:
        """The text that answers a GET."""
        response = self._look(path, again=True)
        if not response.is_success:
            raise error_of(response)
        return response.text

    def cache_status(self, path: str) -> str:
        """Where the answer to a stranger's GET came from (RFC 9211). Its body is not kept."""
        request = _Request("GET", path, again=True, stranger=True)
        response = self._send(request, Tries(self._retries))[0]
        if not response.is_success:
            raise error_of(response)
        status: str = response.headers.get("Cache-Status", "")
        return status

    @contextmanager
    def stream(self, path: str) -> Iterator[Download]:
        tries = Tries(self._retries)

        def fetch(headers: dict[str, str]) -> httpx.Response:
            what = {"headers": {"Accept-Encoding": "identity"} | headers}
            return self._send(_Request("GET", path, again=True, what=what), tries, stream=True)[0]

        response = fetch({})
        try:
            if not response.is_success:
                raise error_of(readable(response))
            download = Download(response, fetch, tries)
        except BaseException:
            response.close()
            raise
        try:
            yield download
        finally:
            download.close()

    def _look(self, path: str, *, again: bool) -> httpx.Response:
        return self._send(_Request("GET", path, again=again), Tries(self._retries))[0]

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise ServiceUnreachable(f"What answers at {self.url} is no imagestore: check the URL.") from None

    def _send(self, request: _Request, tries: Tries, *, stream: bool = False) -> tuple[httpx.Response, bool]:
        """The answer of the last try, and whether one before it may have been carried out."""
        repeated = False
        while True:
            try:
                response = self._try(request, stream)
            except httpx.HTTPError as error:
                unsent = was_never_sent(error)
                if not ((unsent or (request.repeatable and is_broken(error))) and tries.wait()):
                    raise unreachable(self.url, error) from error
                repeated = repeated or not unsent
                continue
            turned_away = response.status_code == httpx.codes.TOO_MANY_REQUESTS  # before anything was done
            if turned_away:
                safe = request.rereadable
            else:
                safe = response.status_code == httpx.codes.SERVICE_UNAVAILABLE and request.repeatable
            if not (safe and tries.wait(asked_pause(response))):
                return response, repeated
            response.close()
            repeated = repeated or not turned_away

    def _try(self, request: _Request, stream: bool) -> httpx.Response:
        with request.source.sending() if request.source is not None else nullcontext(_NOTHING) as sent:
            what = request.what | sent
            what["headers"] = request.what.get("headers", {}) | sent.get("headers", {})
            try:
                built = self._http.build_request(request.method, request.path, **what)
                auth = None if request.stranger else httpx.USE_CLIENT_DEFAULT
                return self._http.send(built, stream=stream, auth=auth)
            except UnicodeEncodeError:
                raise InvalidParameter("A name or value is no UTF-8 text: it cannot be sent.") from None


@dataclass(frozen=True, slots=True)
class _Request:
    """`again`: sending it twice does what sending it once does. `what` is as for httpx. A `stranger` shows no
    credential."""

    method: str
    path: str
    again: bool = False
    source: Source | None = None
    what: dict[str, Any] = field(default_factory=dict)
    stranger: bool = False

    @property
    def rereadable(self) -> bool:
        return self.source is None or self.source.repeatable

    @property
    def repeatable(self) -> bool:
        return self.again and self.rereadable
