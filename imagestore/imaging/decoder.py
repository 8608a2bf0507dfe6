"""One decoder process, as its parent sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from typing import Any

from imagestore.imaging.channel import Disconnected, receive, send
from imagestore.imaging.limits import Limits

START_SECONDS = 30.0
END_SECONDS = 5.0
JOBS = 500
"""A decoder is followed by a fresh one after so many pictures: what leaks stays small."""

_PROGRAM = "import sys; from imagestore.imaging.sandbox import main; main(sys.argv[1])"


class Died(Exception):
    """The process ended while it was needed. `served` says whether it had come up before."""

    def __init__(self, returncode: int, served: bool) -> None:
        self.signal = -returncode if returncode < 0 else None
        self.status = max(returncode, 0)
        self.served = served
        how = f"signal {-returncode}" if returncode < 0 else f"status {returncode}"
        super().__init__(how if served else f"{how}, before it was ready")


class Decoder:
    """A fresh Python that has nothing of this process but one socket: no secrets, no other descriptors.

    It ends by itself when the socket closes, so also when this process dies; while it decodes, at its limit
    of CPU or wall time. (The kernel's parent-death signal is not used: it comes when the *thread* ends that
    started the process.) Raises OSError when the system has no process or descriptor to give.
    """

    def __init__(self, limits: Limits, *, memory: int, seconds: float) -> None:
        ours, theirs = socket.socketpair()
        self._socket = ours
        self._jobs = 0
        self._ready = False
        config = {
            "socket": theirs.fileno(),
            "memory": memory,
            "seconds": seconds,
            "jobs": JOBS,
            "limits": asdict(limits),
        }
        with theirs, ExitStack() as undo:
            undo.callback(ours.close)
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the service, which then closes its decoders
            )
            undo.pop_all()

    @property
    def pid(self) -> int:
        return self._process.pid

    def usable(self) -> bool:
        """Whether it runs and may have another picture."""
        return self._jobs < JOBS and self._socket.fileno() >= 0 and self._process.poll() is None

    def ask(self, head: dict[str, Any], body: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send one job and wait for its answer, head and body. After any exception the process is dead.

        Raises Died when it ends on its own, TimeoutError when it has not answered within `seconds`.
        """
        answered = False
        try:
            self._await_start()
            self._jobs += 1
            deadline = time.monotonic() + seconds
            send(self._socket, head | {"seconds": seconds}, body, deadline=deadline)
            answer = receive(self._socket, deadline=deadline)
            answered = True
            return answer
        except Disconnected:
            raise Died(self._end(), self._ready) from None
        finally:
            if not answered:
                self.kill()

    def kill(self) -> None:
        """End the process now. Safe to call again, and while another thread waits in `ask`."""
        with suppress(OSError):
            # A plain close would leave a thread that waits for an answer waiting.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._socket.close()

    def _await_start(self) -> None:
        if self._ready:
            return
        try:
            receive(self._socket, deadline=time.monotonic() + START_SECONDS)
        except TimeoutError:
            raise Disconnected("it did not come up") from None
        self._ready = True

    def _end(self) -> int:
        """How the process ended, once its socket has closed."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return -signal.SIGKILL  # by `kill`, which is next


def _environment() -> dict[str, str]:
    """The same modules as here, and nothing else: the service's own settings hold secrets."""
    # One allocation arena: each takes 64 MB of the address space that is limited.
    return {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
        "LC_ALL": "C.UTF-8",
        "MALLOC_ARENA_MAX": "1",
    }
