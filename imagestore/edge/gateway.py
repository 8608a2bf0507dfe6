"""One call of a WSGI application (PEP 3333), made step by step: each step is a short stay in a thread.

a2wsgi, the usual library for this, keeps its thread until the client has taken the answer, so that a few
slow readers hold every thread. Here the thread is left after each chunk, until the next one is asked for.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from functools import lru_cache
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication, WSGIEnvironment

from imagestore.core.ahead import MET
from imagestore.core.parking import PARK, RESUMED
from imagestore.core.replay import REPLAY, SENT_HEADERS, Source
from imagestore.edge.asgi import Scope
from imagestore.edge.host import ABSOLUTE
from imagestore.edge.spool import Body

log = logging.getLogger(__name__)

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
Headers = list[tuple[bytes, bytes]]
_NOTHING: Mapping[str, object] = {}


class Chunk(NamedTuple):
    """A piece of the answer's body; after the `last` one the application is done and closed."""

    data: bytes
    last: bool


class Exchange:
    """One request and its answer. `begin`, then `proceed` until the last chunk; `close` to give up before.

    Each of them blocks as long as the application does, and is called by one thread at a time. `status` and
    `headers` (lower-case names) are known when `begin` returns; but if it was `parked` instead, `begin` is to
    be called again once that future is done. A step that raises has closed everything. `source` is what the
    application says that the answer was made of. `more` is for its environment.
    """

    def __init__(
        self, app: WSGIApplication, scope: Scope, body: Body | None, more: Mapping[str, object] = _NOTHING
    ) -> None:
        self.source = Source()
        self.status = 0
        self.headers: Headers = []
        self.closed = False
        self.parked: Future[Any] | None = None
        self._note: object = None
        self._app = app
        self._scope = scope
        self._body = body
        self._more = more
        self._begun = False
        self._chunks: Iterable[bytes] = ()
        self._iterator: Iterator[bytes] = iter(())
        self._missing: int | None = None

    def begin(self) -> Chunk:
        """Call the application and return its first chunk that is not empty. Raises what it raises."""
        self.parked = None
        environ = build_environ(self._scope, self._body)
        environ |= {**self._more, PARK: self._park, RESUMED: self._note, REPLAY: self.source}
        try:
            self._chunks = self._app(environ, self._start_response)
            if self._is_parked():
                return self._forget()
            self._iterator = iter(self._chunks)
            # An application that is a generator starts its answer only when it is asked for a chunk.
            chunk = Chunk(b"", True) if self._is_bodiless() else self._pull()
            if not self.status:
                raise RuntimeError("the application never called start_response")
            if self._is_bodiless():
                self.close()
                chunk = Chunk(b"", True)
            self._begun = True
            return chunk
        except BaseException:
            self.close()
            raise

    def _park(self, future: Future[Any], note: object) -> None:
        self.parked, self._note = future, note

    def _is_parked(self) -> bool:
        return self.parked is not None

    def _forget(self) -> Chunk:
        """Nothing of the answer so far counts."""
        close: Callable[[], None] | None = getattr(self._chunks, "close", None)
        if close is not None:
            close()
        self.status, self.headers, self._chunks, self._missing = 0, [], (), None
        return Chunk(b"", False)

    def proceed(self) -> Chunk:
        """The next chunk. Raises what the application does, and ValueError if it ends before its length."""
        try:
            return self._pull()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the application's iterable and the request's body. Safe to call again."""
        if self.closed:
            return
        self.closed = True
        close: Callable[[], None] | None = getattr(self._chunks, "close", None)
        try:
            if close is not None:
                close()
        except Exception:
            log.exception("%s %s: closing the answer failed", self._scope["method"], self._scope["path"])
        finally:
            if self._body is not None:
                self._body.close()

    def _pull(self) -> Chunk:
        for data in self._iterator:
            if not data:
                continue
            if self._missing is None and not self._begun:
                self._measure(data)
            if self._missing is None:
                return Chunk(data, False)
            if len(data) >= self._missing:
                return Chunk(data[: self._missing], self._end(len(data) - self._missing))
            self._missing -= len(data)
            return Chunk(data, False)
        self.close()
        if self._missing and not self._is_bodiless():
            raise ValueError(f"the answer ended {self._missing} bytes short of its Content-Length")
        return Chunk(b"", True)

    def _measure(self, first: bytes) -> None:
        """Give an answer of one chunk its length (PEP 3333, "Handling the Content-Length Header")."""
        try:
            single = len(self._chunks) == 1  # type: ignore[arg-type]  # most have none
        except TypeError:
            return
        if single and self.status and not any(name == b"transfer-encoding" for name, _ in self.headers):
            self.headers.append((b"content-length", b"%d" % len(first)))
            self._missing = len(first)

    def _end(self, excess: int) -> bool:
        """Run the application to its end before its last chunk leaves: a failure there must still be seen."""
        excess += sum(len(data) for data in self._iterator)
        self.close()
        if excess:
            log.error(
                "%s %s: %d bytes beyond the Content-Length were left out",
                self._scope["method"],
                self._scope["path"],
                excess,
            )
        return True

    def _is_bodiless(self) -> bool:
        return bool(self.status) and (self._scope["method"] == "HEAD" or self.status in (204, 304))

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        if exc_info is not None and self._begun and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self.status:
            raise RuntimeError("start_response was called twice")
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._missing = lengths[0] if lengths else None
        return _refuse_write


def _refuse_write(data: bytes) -> object:
    raise NotImplementedError("PEP 3333's write() is not offered: return the body as an iterable")


def build_environ(scope: Scope, body: Body | None) -> WSGIEnvironment:
    """The WSGI environment of an ASGI request: text is bytes read as latin-1 (PEP 3333, "Unicode Issues").

    PATH_INFO is the percent-decoded path; REQUEST_URI and RAW_URI are the target as sent. Left out are names
    with an underscore, which could pass for another header, and Proxy, which programs take for a setting.
    """
    raw_path: bytes = scope["raw_path"]
    query = scope["query_string"].decode("latin-1")
    target = raw_path.decode("latin-1") + (f"?{query}" if query else "")
    client, server = scope.get("client"), scope.get("server")
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": _path_of(raw_path),
        "QUERY_STRING": query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": str(server[0]) if server else "",
        "SERVER_PORT": str(server[1]) if server else "",
        "REMOTE_ADDR": client[0] if client else "",
        "REMOTE_PORT": str(client[1]) if client else "",
        SENT_HEADERS: scope["headers"],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": io.BytesIO() if body is None else body.stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    _add_headers(environ, scope["headers"])
    if MET in (extensions := scope.get("extensions", _NOTHING)):
        environ[MET] = extensions[MET]
    if body is not None:
        environ["CONTENT_LENGTH"] = str(body.size)
    return environ


def _add_headers(environ: WSGIEnvironment, headers: Headers) -> None:
    for name, value in headers:
        key = _environ_name(name)
        if key:
            text = value.decode("latin-1")
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text


def _path_of(raw_path: bytes) -> str:
    """Of a target in absolute form (RFC 9112, section 3.2.2) what follows its host."""
    absolute = ABSOLUTE.match(raw_path)
    if absolute is not None:
        raw_path = b"/" + raw_path[absolute.end() :].removeprefix(b"/")
    return unquote_to_bytes(raw_path).decode("latin-1")


@lru_cache(maxsize=512)
def _environ_name(name: bytes) -> str:
    """The environment's key for a header (lower-case bytes); empty where it is left out."""
    if b"_" in name or name in (b"proxy", b"content-length", b"transfer-encoding"):
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key == "CONTENT_TYPE" else f"HTTP_{key}"
