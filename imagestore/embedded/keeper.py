"""The program that runs one server as its child, and ends it when asked to or when the service is gone.

    python keeper.py PARENT_PID GRACE_SECONDS COMMAND...

It imports nothing but the standard library, so that it starts at once and stays small. It writes the
server's process id on standard output; what the server says goes to standard error. SIGTERM, or the death
of PARENT_PID, ends the server: SIGTERM first, SIGKILL after the grace. Ctrl-C and a hang-up mean nothing
to it. When the keeper itself is killed, the kernel kills the server.

From SIGUSR1 on, a server that ends by itself is started again, and its new process id is written too. After
MOST_RESTARTS within WINDOW_SECONDS the keeper gives up, and ends as the server did.

The service cannot ask the kernel for that directly (prctl(2), PR_SET_PDEATHSIG): the signal is sent when
the starting *thread* ends, not the process, and it is one signal, with no grace and nothing after it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5
"""How often the keeper looks whether its parent is still there."""

MOST_RESTARTS = 5
WINDOW_SECONDS = 60.0
PAUSE_SECONDS = 1.0
"""From the end of a server to its next start."""

WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}


def keep(parent: int, grace: float, command: list[str]) -> int:
    """Run `command` until it ends or must end; returns its exit status (128 + n for signal n)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        return _Keeper(parent, grace).keep(command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127


class _Keeper:
    def __init__(self, parent: int, grace: float) -> None:
        self._parent = parent
        self._grace = grace
        self._restarting = False
        self._restarts: deque[float] = deque(maxlen=MOST_RESTARTS)

    def keep(self, command: list[str]) -> int:
        while True:
            server = _spawn(command)
            sys.stdout.write(f"{server.pid}\n")
            sys.stdout.flush()
            while server.poll() is None:
                if self._must_end():
                    _end(server, self._grace)
                    return _status(server)
            if not self._may_restart():
                return _status(server)

    def _must_end(self) -> bool:
        """Wait for what happens next, LOOK_SECONDS at the most; whether it is the end of the service."""
        received = signal.sigtimedwait(WATCHED, LOOK_SECONDS)
        number = received.si_signo if received is not None else 0
        self._restarting |= number == signal.SIGUSR1
        return number == signal.SIGTERM or os.getppid() != self._parent

    def _may_restart(self) -> bool:
        """After the pause that a restart must wait for."""
        now = time.monotonic()
        # The server may have ended between the asking and the next look for signals.
        self._restarting |= signal.SIGUSR1 in signal.sigpending()
        full = len(self._restarts) == MOST_RESTARTS and now - self._restarts[0] < WINDOW_SECONDS
        if full or not self._restarting:
            return False
        self._restarts.append(now)
        while time.monotonic() < now + PAUSE_SECONDS:
            if self._must_end():
                return False
        return True


def _status(server: subprocess.Popen[bytes]) -> int:
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _spawn(command: list[str]) -> subprocess.Popen[bytes]:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    keeper = os.getpid()

    def bind_to_keeper() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != keeper:  # the keeper died before the line above
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, WATCHED)

    # The keeper has one thread, so a function between fork and exec is safe here. The lock on the server's
    # folder is the one file descriptor that it passes on.
    return subprocess.Popen(  # noqa: S603 - the command is the service's own
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        close_fds=False,
        preexec_fn=bind_to_keeper,  # noqa: PLW1509
    )


def _end(server: subprocess.Popen[bytes], grace: float) -> None:
    server.terminate()
    try:
        server.wait(grace)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
