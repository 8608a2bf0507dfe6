"""An ASGI callable that holds its bodies in a dictionary and does nothing else: the floor of the worker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

BODIES = {f"/{path.name}": path.read_bytes() for path in Path(os.environ["BENCH_FOLDER"]).iterdir()}
HEADERS = {
    path: [(b"content-type", b"image/jpeg"), (b"content-length", str(len(body)).encode())]
    for path, body in BODIES.items()
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    path = scope["path"]
    found = path in BODIES
    status, headers = (200, HEADERS[path]) if found else (404, [(b"content-length", b"0")])
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": BODIES[path] if found else b""})
