"""One embedded server as a process: its folder and lock, its port, its start and its stop."""

from __future__ import annotations

import fcntl
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

START_SECONDS = 60.0
GRACE_SECONDS = 15.0
"""From SIGTERM to SIGKILL."""

CONNECT_SECONDS = 1.0

LOOPBACK = "127.0.0.1"
_PAUSE = 0.05
_PORT_TRIES = 3
_KEEPER = Path(__file__).with_name("keeper.py")
_INHERITED = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LD_LIBRARY_PATH")


class EmbeddedError(Exception):
    """An embedded server cannot be found, started or reached. The message says what to do about it."""


class Server:
    """A server that runs. `url` is what a client connects to, `pid` the server's own process, by `look`."""

    def __init__(self, keeper: subprocess.Popen[bytes], pid: int, port: int, url: str) -> None:
        self._keeper = keeper
        self.pid = pid
        self.port = port
        self.url = url

    def alive(self) -> bool:
        return self._keeper.poll() is None

    def keep_up(self) -> None:
        """From now on, start it again at the same port when it ends by itself: a few times a minute."""
        self._keeper.send_signal(signal.SIGUSR1)

    def look(self) -> None:
        """Log its restarts since the last look. Never blocks.

        Raises EmbeddedError when it has ended for good.
        """
        for pid in self._restarted():
            self.pid = pid
            log.error("the embedded server at %s ended by itself and was started again", self.url)
        if not self.alive():
            raise EmbeddedError(f"The embedded server at {self.url} ended by itself: its log tells why.")

    def _restarted(self) -> list[int]:
        assert self._keeper.stdout is not None
        try:
            told = os.read(self._keeper.stdout.fileno(), 4096)
        except BlockingIOError:
            return []
        return [int(pid) for pid in told.split()]

    def stop(self) -> None:
        """End the server and wait until it is gone: 20 s at the most. Safe to call again."""
        _end(self._keeper)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def prepare_folder(folder: Path) -> Path:
    """Make the folder, for this user's eyes only, unless it is there; returns its absolute path."""
    try:
        folder = folder.resolve()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EmbeddedError(
            f"The folder {folder} cannot be used ({error.strerror}): choose another with IMAGESTORE_DATA."
        ) from None
    return folder


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a kind of server is run at a port.

    `command` is what to run, `answering` the process id of the server that answers there or None while none
    does, `url` a format with `{port}`.
    """

    url: str
    command: Callable[[int], Sequence[str]]
    answering: Callable[[int], int | None]


def start(folder: Path, port: int, recipe: Recipe) -> Server:
    """Run a server in `folder`, and return once it answers.

    `port` 0 takes the port of the last run if that is free, else any. Raises EmbeddedError when the folder
    is in use, or the server ends or keeps silent for START_SECONDS.
    """
    folder = prepare_folder(folder)
    lock = _claim(folder)
    try:
        if port:
            return _run(folder, port, recipe, lock)
        for _ in range(_PORT_TRIES):  # a free port may be taken before the server has it
            try:
                return _run(folder, _remembered_port(folder) or _free_port(), recipe, lock)
            except _PortTaken as error:
                taken = error
        raise taken
    finally:
        os.close(lock)  # the keeper and the server hold it from here on


class _PortTaken(EmbeddedError):
    pass


def _claim(folder: Path) -> int:
    """Lock the folder (flock(2)) and return the descriptor. The lock lasts while any process has it open:
    the kernel lets go of it after a crash, and a server that still runs after one keeps it."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + GRACE_SECONDS + 5
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode().strip()
            # A server whose service died is being stopped by its keeper: that is worth the wait.
            if _exists(owner) or time.monotonic() > deadline:
                os.close(lock)
                raise EmbeddedError(
                    f"{folder} is in use by process {owner or '(unknown)'}: "
                    "stop that first, or choose another folder with IMAGESTORE_DATA."
                ) from None
            time.sleep(_PAUSE)
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _exists(process: str) -> bool:
    """Whether the process runs; one that ended and was not waited for by its parent does not (proc(5))."""
    try:
        status = Path("/proc", str(int(process)), "stat").read_text()
    except (OSError, ValueError):
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def _remembered_port(folder: Path) -> int:
    try:
        port = int((folder / "port").read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((LOOPBACK, port))
    except (OSError, ValueError, OverflowError):
        return 0
    return port


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _run(folder: Path, port: int, recipe: Recipe, lock: int) -> Server:
    command = recipe.command(port)
    keeper, pid = _spawn(folder, command, lock)
    deadline = time.monotonic() + START_SECONDS
    try:
        # By its process id, so that a stranger who took the port is not mistaken for our own server.
        while not _listens(port) or recipe.answering(port) != pid:
            if keeper.poll() is not None or time.monotonic() > deadline:
                raise _failure(command[0], folder)
            time.sleep(_PAUSE)
        (folder / "port").write_text(f"{port}\n")
    except BaseException:
        _end(keeper)
        raise
    return Server(keeper, pid, port, recipe.url.format(port=port))


def _listens(port: int) -> bool:
    """Whether a connection can be made: cheaper to ask again and again than what an answer takes."""
    try:
        with socket.create_connection((LOOPBACK, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _spawn(folder: Path, command: Sequence[str], lock: int) -> tuple[subprocess.Popen[bytes], int]:
    log = folder / "log"
    if log.exists():
        log.replace(folder / "log.previous")
    with log.open("wb") as said:
        keeper = subprocess.Popen(  # noqa: S603 - our own program, and one that was found for it to run
            [sys.executable, "-I", "-S", _KEEPER, str(os.getpid()), str(GRACE_SECONDS), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            cwd=folder,
            env=_environment(),
            pass_fds=(lock,),
            umask=0o077,
            start_new_session=True,  # the terminal's Ctrl-C is for the service, which drains first
        )
    assert keeper.stdout is not None
    try:
        ready, _, _ = select.select([keeper.stdout], [], [], START_SECONDS)
        pid = keeper.stdout.readline().strip() if ready else b""
        os.set_blocking(keeper.stdout.fileno(), False)
        if not pid:
            raise _failure(command[0], folder)
        return keeper, int(pid)
    except BaseException:
        _end(keeper)
        raise


def _environment() -> dict[str, str]:
    """What a program needs to run here, and nothing of the service's settings, among which are secrets."""
    return {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}


def _end(keeper: subprocess.Popen[bytes]) -> None:
    if keeper.poll() is None:
        keeper.terminate()
        try:
            keeper.wait(GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            keeper.kill()  # and the kernel kills the server with it
            keeper.wait()
    if keeper.stdout is not None:
        keeper.stdout.close()


def _failure(name: str, folder: Path) -> EmbeddedError:
    lines = (folder / "log").read_text(errors="replace").splitlines()
    for line in lines:
        _, found, missing = line.partition("error while loading shared libraries: ")
        if found:
            library = missing.partition(":")[0]
            advice = "`apt-get install libcurl4`" if library.startswith("libcurl.so") else "install it"
            return EmbeddedError(f"{name} cannot run, because {library} is missing: {advice}.")
    errors = [line for line in lines if '"s":"E"' in line or '"s":"F"' in line]  # mongod's log format
    told = "\n".join("  " + line[:400] for line in (errors or lines)[-5:])
    kind = _PortTaken if "ddress already in use" in told else EmbeddedError
    return kind(f"{name} did not start. The end of {folder / 'log'}:\n{told}")
