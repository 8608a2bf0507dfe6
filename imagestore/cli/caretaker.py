"""The caretaker: the process beside the workers that does the scheduled upkeep, when it is this node's turn.

It is a program of its own, with a Python of its own, at a low priority: it takes no time from a thread that
serves, and shares no connection and no memory with one. The settings come to it by its standard input, since
some are secret. It ends with the service: by SIGTERM, or, when the service is killed, by the kernel.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from types import FrameType, TracebackType
from typing import NoReturn, Self

from imagestore.cli.serve import set_up_log
from imagestore.core.errors import StoreUnavailable
from imagestore.core.metrics import Metrics
from imagestore.services import open_rounds
from imagestore.settings import Settings

log = logging.getLogger(__name__)

PAUSE_SECONDS = 5.0
"""From the end of a caretaker that ended by itself to the start of the next."""

GRACE_SECONDS = 5.0
"""From SIGTERM to SIGKILL."""

NICENESS = 10
PR_SET_PDEATHSIG = 1


class Caretaker:
    """The caretaker as the service sees it: started, started again when it ends, and stopped.

    `on_end` is called with its process id and those of the workers when it has ended by itself.
    """

    def __init__(self, settings: Settings, on_end: Callable[[int, Collection[int]], None] | None) -> None:
        self._settings = settings
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._next_start = 0.0
        self._owner = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() == self._owner:  # workers leave by this way too
            self.stop()

    @property
    def pids(self) -> set[int]:
        return {self._process.pid} if self._process is not None else set()

    def look(self, workers: Collection[int]) -> None:
        """Start it where it does not run. Never blocks, and never fails: the service matters more."""
        try:
            if self._process is not None and self._process.poll() is not None:
                ended, self._process = self._process.pid, None
                self._next_start = time.monotonic() + PAUSE_SECONDS
                log.warning("the upkeep process %s ended by itself: another one is started", ended)
                if self._on_end is not None:
                    self._on_end(ended, workers)
            if self._process is None and time.monotonic() >= self._next_start:
                self._next_start = time.monotonic() + PAUSE_SECONDS
                self._process = _start(self._settings)
        except Exception:  # no room for its counters, say, or for another process
            log.exception("there is no upkeep for now")

    def stop(self) -> None:
        """End it and wait until it is gone: GRACE_SECONDS at the most."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _start(settings: Settings) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-P", "-m", "imagestore.cli.caretaker", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # the terminal's Ctrl-C is for the service, which says when this ends
    )
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:  # it may have ended already, which the next look sees
        process.stdin.write(json.dumps(settings.environment()).encode())
    return process


def _die_with(parent: int) -> None:
    """The service starts this in its main thread, whose end is its own end: see prctl(2)."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    del number, frame
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.exit(0)


def main(parent: int) -> NoReturn:
    _die_with(parent)
    signal.signal(signal.SIGTERM, _leave)
    os.nice(NICENESS)
    settings = Settings.load(json.load(sys.stdin))
    set_up_log(settings)
    metrics = Metrics(enabled=settings.metrics != "off", worker=False)
    with open_rounds(settings, metrics) as rounds:
        try:
            rounds.run()
        finally:
            with suppress(StoreUnavailable):  # then the lease ends by itself
                rounds.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
