"""The program that runs one server as its child, and ends it when asked to or when the service is gone.

    python keeper.py PARENT_PID GRACE_SECONDS COMMAND...

It imports nothing but the standard library, so that it starts at once and stays small. It writes the
server's process id on standard output; what the server says goes to standard error. SIGTERM, or the death
of PARENT_PID, ends the server: SIGTERM first, SIGKILL after the grace. Ctrl-C and a hang-up mean nothing
to it. When the keeper itself is killed, the kernel kills the server.

The service cannot ask the kernel for that directly (prctl(2), PR_SET_PDEATHSIG): the signal is sent when
the starting *thread* ends, not the process, and it is one signal, with no grace and nothing after it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1
LOOK_SECONDS = 0.5
"""How often the keeper looks whether its parent is still there."""

WATCHED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}


def keep(parent: int, grace: float, command: list[str]) -> int:
    """Run `command` until it ends or must end; returns its exit status (128 + n for signal n)."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        server = _spawn(command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127
    sys.stdout.write(f"{server.pid}\n")
    sys.stdout.close()
    while server.poll() is None:
        received = signal.sigtimedwait(WATCHED, LOOK_SECONDS)
        asked = received is not None and received.si_signo == signal.SIGTERM
        if asked or os.getppid() != parent:
            _end(server, grace)
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
