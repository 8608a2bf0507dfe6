"""Bodies in files of memory: the same bytes, sent as far as a connection takes them."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import pytest

from imagestore.cache.generations import Generations
from imagestore.edge.filed import LEAST_BYTES, Filed
from imagestore.edge.memory import Memory
from tests.edge.test_memory import entry

pytestmark = pytest.mark.quick

DATA = random.Random(1).randbytes(3_000_000)
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


def test_it_reads_as_bytes_do() -> None:
    filed = Filed(DATA)
    assert len(filed) == len(DATA)
    for span in (slice(None), slice(10, 20), slice(-5, None), slice(7, 3), slice(2_999_999, 9_999_999)):
        assert filed[span] == DATA[span]


def test_a_connection_gets_what_it_takes() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        filed = Filed(DATA)
        sent = filed.send(ours, HEAD)
        assert len(HEAD) < sent < len(HEAD) + len(DATA)
        got = b""
        while len(got) < sent:
            got += theirs.recv(1 << 20)
        assert got == (HEAD + DATA)[:sent]
        theirs.close()
        assert filed.send(ours, HEAD) == 0


def test_files_go_with_what_is_evicted(tmp_path: Path) -> None:
    memory = Memory(40 * LEAST_BYTES, Generations(tmp_path / "generations"))
    before = len(os.listdir("/proc/self/fd"))
    for number in range(200):
        memory.put(entry(memory, f"/{number}", LEAST_BYTES + number))
        memory.put(entry(memory, f"/small/{number}", 10))
    assert 20 < len(os.listdir("/proc/self/fd")) - before <= 40
    memory.clear()
    assert len(os.listdir("/proc/self/fd")) == before


def test_without_descriptors_bodies_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagestore.edge.memory.most_files", lambda: 3)
    memory = Memory(40 * LEAST_BYTES, Generations(tmp_path / "generations"))
    for number in range(5):
        memory.put(entry(memory, f"/{number}", LEAST_BYTES))
    kinds = [type(memory.find(f"/{number}".encode(), "").body) for number in range(5)]
    assert kinds == [Filed] * 3 + [bytes] * 2
