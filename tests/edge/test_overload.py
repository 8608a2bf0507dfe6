"""Where all threads are busy: what memory has of before is sent, and only the rest is refused."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from imagestore.edge.front import WAITING_PER_THREAD, Front
from imagestore.edge.memory import Depends, Entry
from imagestore.edge.replay import Replayer
from tests.edge.conftest import TARGET

pytestmark = pytest.mark.quick

SECONDS = 30.0


async def ask(front: Front, target: bytes, method: str = "GET") -> tuple[int, bytes]:
    """The status and the body of the answer."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": method,
        "scheme": "http",
        "path": target.decode(),
        "raw_path": target,
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(b"host", b"pictures.example")],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "extensions": {},
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await front(scope, receive, send)
    return sent[0]["status"], b"".join(each["body"] for each in sent[1:])


def test_what_is_out_of_date_stands_in_for_a_refusal(replayer: Replayer, tmp_path: Path) -> None:
    gate = threading.Event()

    def app(_: object, start_response: Any) -> list[bytes]:
        gate.wait(SECONDS)
        start_response("200 OK", [("Content-Length", "4")])
        return [b"late"]

    async def main() -> None:
        front = Front(
            app,
            threads=1,
            body_limit=0,
            body_timeout=SECONDS,
            send_timeout=SECONDS,
            spool_directory=tmp_path,
            replayer=replayer,
        )
        generations, now = replayer.memory.generations, asyncio.get_running_loop().time()
        for target, stale_until in ((TARGET, now + 3600), (b"/old", now - 1)):
            depends = Depends(generations.slots_of([f"image{target.decode()}"]), time.monotonic_ns())
            fields = ((b"content-length", b"4"),)
            entry = Entry(target, "", fields, b"body", b"", depends, now - 20, now - 10, stale_until)
            assert replayer.memory.put(entry)
        crowd = [asyncio.create_task(ask(front, b"/busy")) for _ in range(1 + WAITING_PER_THREAD)]
        await asyncio.sleep(0)
        while front._steps < 1 + WAITING_PER_THREAD:
            await asyncio.sleep(0.01)
        assert await ask(front, TARGET) == (200, b"body")
        assert (await ask(front, TARGET, "POST"))[0] == 503
        assert (await ask(front, b"/old"))[0] == 503
        generations.touch([f"image{TARGET.decode()}"])
        assert (await ask(front, TARGET))[0] == 503
        gate.set()
        assert {await each for each in crowd} == {(200, b"late")}
        front.shut_down()

    asyncio.run(main())
