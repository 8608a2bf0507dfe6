"""Which requests are answered without the application."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from imagestore.cache.answers import Answers
from imagestore.cache.bulletin import Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.tier import Tier
from imagestore.edge.asked import Peer
from imagestore.edge.memory import Depends, Entry, Memory
from imagestore.edge.recording import enter
from imagestore.edge.replay import MOST_HOSTS, Replayer
from imagestore.edge.sending import Reply

pytestmark = pytest.mark.quick

TARGET = b"/open/image/upload/ada"
PEER = Peer(trusted=False, keeps=True)


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


def is_answered(
    replayer: Replayer, host: bytes, now: float = 1.0, method: bytes = b"GET", *more: tuple[bytes, bytes]
) -> bool:
    return isinstance(replayer.reply(method, TARGET, [(b"host", host), *more], now, PEER), Reply)


def test_a_name_is_known_once_the_application_answered_to_it(replayer: Replayer) -> None:
    assert not is_answered(replayer, b"pictures.example")
    replayer.admit(b"pictures.example")
    assert is_answered(replayer, b"pictures.example")
    assert not is_answered(replayer, b"other.example")


def test_names_that_are_made_up_do_not_keep_others_out(replayer: Replayer) -> None:
    for number in range(3 * MOST_HOSTS):
        replayer.admit(b"%d.example" % number)
    replayer.admit(b"pictures.example")
    assert is_answered(replayer, b"pictures.example")
    assert len(replayer._hosts) <= MOST_HOSTS


def test_one_request_fetches_the_next_answer_while_all_others_have_this(replayer: Replayer) -> None:
    host = b"pictures.example"
    replayer.admit(host)
    entry = replayer.memory.find(TARGET, "")
    assert entry is not None
    entry.renew_from = 8.0
    assert is_answered(replayer, host, 7.9)
    # Of these the answer would be none that is kept.
    assert is_answered(replayer, host, 8.1, b"HEAD")
    assert is_answered(replayer, host, 8.1, b"GET", (b"if-none-match", b'"1"'))
    assert [is_answered(replayer, host, 8.1, b"GET", (b"x-request-id", b"a")) for _ in range(3)] == [
        False,
        True,
        True,
    ]
    assert not is_answered(replayer, host, 10.0)


def test_the_next_answer_is_fetched_when_a_little_of_this_ones_freshness_is_left(replayer: Replayer) -> None:
    fields = ((b"cache-control", b"public, max-age=60"), (b"content-length", b"4"))
    depends = Depends((), 0)
    moments = {
        entry.renew_from
        for _ in range(50)
        if (entry := enter(TARGET, "", fields, depends, 100.0, replayer.freshness)) is not None
    }
    assert len(moments) > 1
    assert 107.5 <= min(moments) < max(moments) <= 109.5
