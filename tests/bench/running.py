"""The real service, started as a user starts it, on a free port and with its own servers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 90


@dataclass(frozen=True)
class Running:
    """A service that answers at `url`; `pid` is the process that was started."""

    url: str
    access_key: str
    secret: str
    pid: int


@contextmanager
def service(data: Path, **settings: str) -> Iterator[Running]:
    """`imagestore serve` with its files in `data`; `settings` are named without their prefix."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IMAGESTORE_")}
    environment |= {f"IMAGESTORE_{name}": value for name, value in settings.items()}
    environment |= {"IMAGESTORE_DATA": str(data), "IMAGESTORE_BIND": "127.0.0.1:0"}
    command = [sys.executable, "-m", "imagestore", "serve"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        noted = _await_note(data / "client.json", process)
        yield Running(noted["url"], noted["access_key"], noted["secret"], process.pid)
    finally:
        process.terminate()
        process.wait()


def _await_note(note: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    deadline = time.monotonic() + START_SECONDS
    while not note.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the service did not start: what it said is on standard error")
        time.sleep(0.05)
    noted: dict[str, str] = json.loads(note.read_text())
    return noted
