"""The whole service as a process of its own, started as users start it: `imagestore serve`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from imagestore.client import Client

REPOSITORY = Path(__file__).parent.parent
PATIENCE = 120.0
"""Seconds after which a test gives up waiting for something that must happen."""

PATIENT_REDIS = 5.0
"""The `redis_timeout` for tests of what Redis holds: at its default, a busy machine would go without it."""


@dataclass
class Service:
    """A service that runs: `data` is its data folder, `log` the file with what it says on standard error."""

    process: subprocess.Popen[bytes]
    data: Path
    printed: str
    log: Path
    url: str
    access_key: str
    secret: str

    @property
    def mongo_url(self) -> str:
        return self._printed_url("MongoDB")

    @property
    def s3_url(self) -> str:
        """Where it is served, with `s3_bind="127.0.0.1:0"`."""
        return self._printed_url("S3")

    @property
    def redis_url(self) -> str:
        return self._printed_url("Redis")

    def client(self, access_key: str = "", secret: str = "") -> Client:
        """A client with this credential, else with the first one."""
        return Client(self.url, access_key or self.access_key, secret or self.secret)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal to the whole process group, as a terminal does, and return the exit status."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)
        return self.process.wait(PATIENCE)

    def _printed_url(self, name: str) -> str:
        found = re.search(rf"^  {name}\s+(\S+)$", self.printed, re.MULTILINE)
        assert found, self.printed
        return found[1]


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment of a command with these settings, by their names in lower case, and no others.

    The S3 door is off unless they name it: its usual port may be taken.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IMAGESTORE_")}
    named = {f"IMAGESTORE_{name.upper()}": str(value) for name, value in settings.items()}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "IMAGESTORE_S3_BIND": "off", **named}


def serve_command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imagestore", "serve", *arguments]


def await_that(holds: Callable[[], bool], told: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"it never came true: {told()}"
        time.sleep(0.05)


@contextlib.contextmanager
def running_service(folder: Path, **settings: object) -> Iterator[Service]:
    """Serve on a free port with everything under `folder`, embedded servers too unless settings name some.

    The service is ready when the block is entered, and stopped after it. Scheduled upkeep is off unless
    settings turn it on, since what it does would be in the way of those who count, or damage, on purpose.
    """
    data, out, log = folder / "data", folder / "out", folder / "log"
    wanted = {"bind": "127.0.0.1:0", "data": data, "upkeep": "off", **settings}
    with out.open("wb") as said, log.open("ab") as complained:
        process = subprocess.Popen(
            serve_command(),
            env=environment(wanted),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complained,
            cwd=folder,
            start_new_session=True,
        )
    try:
        await_that(lambda: "Ctrl-C stops" in out.read_text() or process.poll() is not None, log.read_text)
        assert process.poll() is None, log.read_text()
        noted = json.loads((data / "client.json").read_text())
        yield Service(process, data, out.read_text(), log, **noted)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
