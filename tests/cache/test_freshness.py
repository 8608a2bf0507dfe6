"""When an alias is looked up anew although it is still believed: by few, by chance, only near its end."""

from __future__ import annotations

import pytest

from imagestore.cache import freshness
from imagestore.cache.freshness import EARLY_SECONDS, MOST_DUE, STALE_SECONDS, Due, milliseconds

pytestmark = pytest.mark.quick


def left(seconds: float) -> int:
    """As Redis tells it of an alias that is believed for so long."""
    return milliseconds(STALE_SECONDS + seconds)


def share(seconds: float) -> float:
    due = Due()
    return sum(due.take(b"key", left(seconds)) for _ in range(2000)) / 2000


def test_the_nearer_its_end_the_more_find_it_due() -> None:
    assert share(0) == 1.0
    assert share(EARLY_SECONDS) == pytest.approx(0.37, abs=0.08)
    assert 0.0 < share(3 * EARLY_SECONDS) < 0.12
    assert share(60) == 0.0
    assert not Due().take(b"key", None)
    assert not Due().take(b"key", RuntimeError("no answer"))


def test_what_is_noted_is_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    due = Due()
    assert not due.note([b"a", b"b"], [left(60), left(60)])
    with monkeypatch.context() as patched:
        patched.setattr(freshness, "_is_due", lambda told: told == 1)
        assert due.note([b"a", b"b"], [1, 2])
    assert [due.take(key, left(60)) for key in (b"b", b"a", b"a")] == [False, True, False]


def test_no_more_is_noted_than_there_is_room_for() -> None:
    due = Due()
    for number in range(2 * MOST_DUE):
        assert due.note([b"%d" % number], [left(0)])
    assert sum(due.take(b"%d" % number, left(60)) for number in range(2 * MOST_DUE)) == MOST_DUE
