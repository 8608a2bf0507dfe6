"""One server with plain settings, shared by the tests that need no others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagestore.cache.answers import Answers
from imagestore.cache.bulletin import Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.tier import Tier
from imagestore.edge.memory import Depends, Entry, Memory
from imagestore.edge.replay import Replayer
from tests.edge.gunicorn_server import Server, serve

TARGET = b"/open/image/upload/ada"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture
def replayer(tmp_path: Path) -> Replayer:
    """With one answer in its memory, and no Redis."""
    tier = Tier("none", timeout=1, value_bytes=0, integrity_key=b"k" * 32)
    generations = Generations(tmp_path / "generations")
    memory = Memory(100_000, generations)
    depends = Depends(generations.slots_of(["image/open/ada"]), time.monotonic_ns())
    fields = ((b"etag", b'"1"'), (b"content-length", b"4"))
    entry = Entry(TARGET, "", fields, b"body", b'"1"', depends, 0.0, 10.0, 10.0)
    assert memory.put(entry)
    answers = Answers(tier, "none", timeout=1, stamp="1")
    return Replayer(memory, 10.0, answers, Bulletin(tier, generations, "none"))
