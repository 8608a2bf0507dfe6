"""A small WSGI application behind a Front, for gunicorn to serve in the tests of the edge."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from urllib.parse import parse_qs

from imagestore.core.parking import PARK, RESUMED
from imagestore.edge.front import Front
from imagestore.edge.protocol import EdgeProtocol
from tests.edge.pattern import pattern

RECORD = Path(os.environ["SAMPLE_RECORD"])


def note(line: str) -> None:
    with RECORD.open("a") as file:
        file.write(line + "\n")


def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/").partition("/")[0]
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    note(f"ran {name}")
    view = globals().get(f"answer_{name}", answer_environ)
    return view(environ, start_response, query)


def reply(start_response, body, status="200 OK", length=None):
    start_response(
        status,
        [("Content-Type", "text/plain"), ("Content-Length", str(len(body) if length is None else length))],
    )
    return [body]


def answer_environ(environ, start_response, query):
    shown = {name: value for name, value in environ.items() if isinstance(value, str)}
    return reply(start_response, json.dumps(shown).encode())


def answer_pid(environ, start_response, query):
    return reply(start_response, str(os.getpid()).encode())


def answer_parked(environ, start_response, query):
    """Waits without a thread until the path that is named exists."""
    if environ[RESUMED] is None:
        landed = Future()

        def watch():
            while not Path(query["until"]).exists():
                time.sleep(0.01)
            landed.set_result(None)

        threading.Thread(target=watch, daemon=True).start()
        environ[PARK](landed, "note")
        return reply(start_response, b"nobody sees this")
    return reply(start_response, environ[RESUMED].encode())


def answer_live(environ, start_response, query):
    return reply(start_response, b"alive")


def answer_parser(environ, start_response, query):
    (client, *_) = (
        found for found in gc.get_objects() if isinstance(found, EdgeProtocol) and not found._closed
    )
    return reply(start_response, type(client._callback_parser).__name__.encode())


def answer_echo(environ, start_response, query):
    digest, size = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(64 * 1024):
        digest.update(data)
        size += len(data)
    told = environ.get("CONTENT_LENGTH")
    return reply(start_response, json.dumps([size, digest.hexdigest(), told]).encode())


def answer_raise(environ, start_response, query):
    raise ZeroDivisionError("before the answer")


def answer_wait(environ, start_response, query):
    while not Path(query["for"]).exists():
        time.sleep(0.02)
    return reply(start_response, b"waited")


def answer_late(environ, start_response, query):
    while not Path(query["for"]).exists():
        time.sleep(0.02)
    start_response("200 OK", [])
    return noting(drip(), "late")


def answer_large(environ, start_response, query):
    size = int(query["bytes"])
    start_response("200 OK", [("Content-Length", str(size))])
    return noting(pattern(size), "large")


def answer_whole(environ, start_response, query):
    return reply(start_response, b"".join(pattern(int(query["bytes"]))))


def answer_endless(environ, start_response, query):
    start_response("200 OK", [])
    return noting(drip(), "endless")


def drip():
    while True:
        yield b"drop"
        time.sleep(0.05)


def noting(chunks, name):
    try:
        yield from chunks
        note(f"ended {name}")
    finally:
        note(f"closed {name}")


def answer_break(environ, start_response, query):
    start_response("200 OK", [("Content-Length", "300000")])
    return noting(breaking(int(query["after"])), "break")


def breaking(after):
    for _ in range(after // 1000):
        yield b"x" * 1000
    raise ZeroDivisionError("amid the answer")


def answer_short(environ, start_response, query):
    return reply(start_response, b"short", length=1000)


def answer_stream(environ, start_response, query):
    """Starts its answer only when asked for a chunk, has no length, and begins with an empty chunk."""
    start_response("200 OK", [])
    yield b""
    yield b"one "
    yield b"two"


def answer_nothing(environ, start_response, query):
    start_response(query["status"], [("ETag", '"x"')])
    return [b"not to be seen"]


front = Front(
    app,
    threads=int(os.environ.get("SAMPLE_THREADS", "4")),
    body_limit=int(os.environ.get("SAMPLE_BODY_LIMIT", "3145728")),
    body_timeout=float(os.environ.get("SAMPLE_BODY_TIMEOUT", "20")),
    send_timeout=float(os.environ.get("IMAGESTORE_SEND_TIMEOUT", "20")),
    spool_directory=RECORD.parent,
    unqueued=frozenset({"/live"}),
    on_shutdown=lambda: note("shut down"),
)
