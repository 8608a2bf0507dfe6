"""Originals at hand: loaded once, within a bound, there while they are read, gone with their process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagestore.core.errors import Overloaded
from imagestore.library import sources as sources_module
from imagestore.library.sources import PREFIX, Sources

pytestmark = pytest.mark.quick


@pytest.fixture
def sources(tmp_path: Path) -> Iterator[Sources]:
    made = Sources(tmp_path, 1000)
    yield made
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_many_that_want_one_load_it_once(sources: Sources) -> None:
    loads: list[int] = []

    def load() -> list[bytes]:
        loads.append(1)
        time.sleep(0.1)
        return [b"a" * 10, b"b" * 10]

    def read(_: int) -> bytes:
        with sources.lend("name", load) as path:
            return path.read_bytes()

    with ThreadPoolExecutor(10) as threads:
        assert set(threads.map(read, range(10))) == {b"a" * 10 + b"b" * 10}
    assert loads == [1]


def test_the_longest_unused_go_and_what_is_read_stays(sources: Sources) -> None:
    loads: list[str] = []

    def lend(name: str) -> Path:
        with sources.lend(name, lambda: loads.append(name) or [bytes(400)]) as path:
            return path

    with sources.lend("held", lambda: [bytes(900)]) as held:
        paths = [lend(name) for name in ("a", "b", "c")]
        assert held.stat().st_size == 900
        assert not any(path.exists() for path in paths)
    assert lend("a").exists()
    lend("b")
    lend("c")
    assert loads == ["a", "b", "c", "a", "b", "c"]
    lend("c")
    assert loads[6:] == []


def test_a_load_that_fails_leaves_nothing_and_is_tried_again(sources: Sources) -> None:
    def fail() -> list[bytes]:
        raise KeyError("gone")

    for _ in range(2):
        with pytest.raises(KeyError), sources.lend("name", fail):
            pass
    with sources.lend("name", lambda: [b"there"]) as path:
        assert path.read_bytes() == b"there"


def test_readers_and_evictions_at_once(sources: Sources) -> None:
    wrong: list[str] = []

    def read(seed: int) -> None:
        for turn in range(50):
            name = str((seed + turn) % 7)
            with sources.lend(name, lambda name=name: [name.encode() * 300]) as path:
                if path.read_bytes() != name.encode() * 300:
                    wrong.append(name)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


PROGRAM = """
import sys
from pathlib import Path
from imagestore.library.sources import Sources
sources = Sources(Path(sys.argv[1]), 1000)
with sources.lend("name", lambda: [b"x"]):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_and_what_another_has_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        (left,) = tmp_path.glob(f"{PREFIX}*")
        os.utime(left, (0, 0))
        Sources(tmp_path, 1000).close()
        assert left.exists()
        other.kill()
    Sources(tmp_path, 1000).close()
    assert not left.exists()


def test_more_in_use_than_there_may_be_is_refused(sources: Sources, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "IN_USE_BYTES", 500)
    with (
        sources.lend("large", lambda: [bytes(2000)]),
        pytest.raises(Overloaded),
        sources.lend("another", lambda: [b"x"]),
    ):
        pass
    with sources.lend("another", lambda: [b"x"]) as path:
        assert path.read_bytes() == b"x"
