"""Which requests are answered without the application."""

from __future__ import annotations

import pytest

from imagestore.edge.asked import Peer
from imagestore.edge.memory import Depends, Entry
from imagestore.edge.recording import enter
from imagestore.edge.replay import MOST_HOSTS, Replayer
from imagestore.edge.sending import Reply
from tests.edge.conftest import TARGET

pytestmark = pytest.mark.quick

PEER = Peer(trusted=False, keeps=True)


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


def test_a_query_counts_unless_the_application_says_that_it_does_not(replayer: Replayer) -> None:
    replayer.admit(b"pictures.example")

    def is_answered_with(query: bytes) -> bool:
        fields = [(b"host", b"pictures.example")]
        found = replayer.reply(b"GET", TARGET + query, fields, 1.0, PEER)
        assert replayer.stale(TARGET + query, "", 1.0) is not None or not isinstance(found, Reply)
        return isinstance(found, Reply)

    assert [is_answered_with(query) for query in (b"", b"?", b"?a=b")] == [True, False, False]
    entry = replayer.memory.page(TARGET)
    assert isinstance(entry, Entry)
    entry.queryless = True
    assert [is_answered_with(query) for query in (b"", b"?", b"?a=b")] == [True, True, True]
    assert not replayer.remembers(TARGET + b"x?a=b", "")
