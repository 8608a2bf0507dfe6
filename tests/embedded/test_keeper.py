"""The keeper ends its server when asked to, and when the parent is gone, whatever the server thinks of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from imagestore.embedded import keeper
from tests.embedded.processes import DEADLINE, ends, ignores, next_line, python, running

pytestmark = pytest.mark.quick

SLEEPER = ("sleep", "600")
DEAF = (sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)")

PARENT = """
import os, subprocess, sys, threading, time
def start():
    subprocess.Popen([sys.executable, *sys.argv[1:2], str(os.getpid()), *sys.argv[2:]])
thread = threading.Thread(target=start)
thread.start()
thread.join()
time.sleep(600)
"""


@contextmanager
def kept(*command: str, parent: int | None = None, grace: float = 30.0) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, keeper.__file__, str(parent or os.getpid()), str(grace), *command]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_sigterm_ends_the_server() -> None:
    with kept(*SLEEPER) as process:
        server = int(next_line(process))
        assert running(server)
        process.terminate()
        assert process.wait(DEADLINE) == 128 + signal.SIGTERM
        assert not running(server)


def test_a_deaf_server_is_killed_after_the_grace() -> None:
    with kept(*DEAF, grace=0.2) as process:
        server = int(next_line(process))
        while not ignores(server, signal.SIGTERM):
            time.sleep(0.02)
        process.terminate()
        assert process.wait(DEADLINE) == 128 + signal.SIGKILL


@pytest.mark.parametrize("ignored", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_and_hang_up_mean_nothing(ignored: signal.Signals) -> None:
    with kept(*SLEEPER) as process:
        server = int(next_line(process))
        process.send_signal(ignored)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2 * keeper.LOOK_SECONDS)
        assert running(server)


def test_the_servers_own_end_is_passed_on() -> None:
    with kept("sh", "-c", "exit 7") as process:
        assert process.wait(DEADLINE) == 7


def test_a_server_that_ends_by_itself_is_started_again_once_that_is_asked_for() -> None:
    with kept(*SLEEPER) as process:
        first = int(next_line(process))
        process.send_signal(signal.SIGUSR1)
        os.kill(first, signal.SIGKILL)
        second = int(next_line(process))
        assert second != first
        assert running(second)
        process.terminate()
        assert process.wait(DEADLINE) == 128 + signal.SIGTERM
        assert not running(second)


def test_it_is_not_started_again_when_its_end_is_asked_for_meanwhile() -> None:
    with kept(*SLEEPER) as process:
        server = int(next_line(process))
        process.send_signal(signal.SIGUSR1)
        os.kill(server, signal.SIGKILL)
        process.terminate()
        assert process.wait(DEADLINE) == 128 + signal.SIGKILL
        assert next_line(process) == ""


def test_a_server_that_ends_again_and_again_is_given_up() -> None:
    with kept("sh", "-c", "sleep 0.5; exit 7") as process:
        assert next_line(process)
        process.send_signal(signal.SIGUSR1)
        assert process.wait(DEADLINE) == 7
        assert process.stdout is not None
        assert len(process.stdout.read().split()) == keeper.MOST_RESTARTS


def test_a_killed_keeper_takes_the_server_along() -> None:
    with kept(*DEAF) as process:
        server = int(next_line(process))
        process.kill()
        assert ends(server)


def test_a_killed_parent_takes_the_server_along() -> None:
    with python(PARENT, keeper.__file__, 30, *SLEEPER) as parent:
        server = int(next_line(parent))
        parent.kill()
        assert ends(server)


def test_the_end_of_the_starting_thread_does_not_end_the_server() -> None:
    with python(PARENT, keeper.__file__, 30, *SLEEPER) as parent:
        server = int(next_line(parent))
        time.sleep(3 * keeper.LOOK_SECONDS)
        assert running(server)


def test_a_parent_that_was_gone_before_the_keeper_looked() -> None:
    with kept(*SLEEPER, parent=os.getppid()) as process:
        server = int(next_line(process))
        assert ends(server)


def test_a_command_that_cannot_run() -> None:
    with kept("/nowhere/mongod") as process:
        _, said = process.communicate(timeout=DEADLINE)
        assert process.returncode == 127
        assert said == "/nowhere/mongod: No such file or directory\n"
