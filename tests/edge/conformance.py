"""The edge as a cache before any server, for suites that test HTTP caches: a tool for developers, not a test.

The published one is `http-cache-tests` on npm (https://cache-tests.fyi). Origin and client, in its folder:

    npm run server --port=8000
    npm run --silent cli --base=http://127.0.0.1:8002 > edge.json

and between them this:

    ORIGIN=127.0.0.1:8000 python -m gunicorn -k imagestore.edge.worker.EdgeWorker -w 1 \\
        --no-control-socket --bind 127.0.0.1:8002 tests.edge.conformance:front

The application passes requests on, and vouches for every answer: that it depends on its own URL. What it
vouches for the edge keeps by the rules of RFC 9111, as it does with the service's own; Redis has no part.

Of what the suite, version 0.4.5, calls required these fail, for good reasons: whatever wants a request to
the origin to be conditional (the edge asks its application anew instead), `headers-store-Set-Cookie` and
`age-parse-prefix` (such answers are not kept), `surrogate-*` (a field that no RFC has),
`invalidate-*-location` and `-cl` (a MAY since RFC 9111, section 4.4), and `stale-close-*` (a 502 that
does not come from its origin is taken for a stale answer).
"""

from __future__ import annotations

import http.client
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from imagestore.cache.answers import Answers
from imagestore.cache.bulletin import Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.tier import Tier
from imagestore.core.replay import REPLAY
from imagestore.edge.front import Front
from imagestore.edge.memory import Memory
from imagestore.edge.replay import Replayer

ORIGIN = os.environ.get("ORIGIN", "127.0.0.1:8000")
SECONDS = 20
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"}


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    target = environ["RAW_URI"]
    connection = http.client.HTTPConnection(ORIGIN, timeout=SECONDS)
    try:
        connection.request(environ["REQUEST_METHOD"], target, _body(environ), dict(_fields(environ)))
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException):
        start_response("502 Bad Gateway", [("Content-Length", "0")])
        return [b""]
    finally:
        connection.close()
    source = environ.get(REPLAY)
    if source is not None:
        source.names, source.generations = (f"url/{target}",), (None,)
    listed = {name.strip().lower() for name in answer.headers.get("Connection", "").split(",")}
    fields = [each for each in answer.getheaders() if each[0].lower() not in OF_THE_CONNECTION | listed]
    if answer.status not in (204, 304) and not any(name.lower() == "content-length" for name, _ in fields):
        fields.append(("Content-Length", str(len(body))))
    start_response(f"{answer.status} {answer.reason}", fields)
    return [body]


def _body(environ: WSGIEnvironment) -> bytes | None:
    return environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else None


def _fields(environ: WSGIEnvironment) -> Iterator[tuple[str, str]]:
    for name, value in environ.items():
        field = name.removeprefix("HTTP_").replace("_", "-").title()
        if name.startswith("HTTP_") and field.lower() not in OF_THE_CONNECTION | {"expect"}:
            yield field, value
    if environ.get("CONTENT_TYPE"):
        yield "Content-Type", environ["CONTENT_TYPE"]


def _open_replayer(folder: Path) -> Replayer:
    tier = Tier("none", timeout=1, value_bytes=0, integrity_key=os.urandom(32))
    generations = Generations(folder / "generations")
    answers = Answers(tier, "none", timeout=1, stamp="1")
    return Replayer(Memory(1 << 26, generations), 3600, answers, Bulletin(tier, generations, "none"))


FOLDER = Path(tempfile.mkdtemp(prefix="edge-"))

front = Front(
    app,
    threads=16,
    body_limit=1 << 22,
    body_timeout=SECONDS,
    send_timeout=SECONDS,
    spool_directory=FOLDER,
    replayer=_open_replayer(FOLDER),
)
