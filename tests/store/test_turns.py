"""Turns: one holder at a time, for each thing on its own, and nobody waits for ever."""

from __future__ import annotations

import threading
import time

import pytest

from imagestore.core.errors import WriteContention
from imagestore.store.turns import Turns

pytestmark = pytest.mark.quick


def test_holders_of_one_thing_go_one_after_the_other() -> None:
    turns, inside, most = Turns(), 0, 0

    def work(number: int) -> None:
        nonlocal inside, most
        with turns.take((f"own-{number}", "shared"), 60):
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, turns._turns) == (1, {})


def test_other_things_and_none_are_free() -> None:
    turns = Turns()
    with turns.take(("a", "b"), 0), turns.take(("c",), 0), turns.take((), 0):
        pass


def test_who_waits_too_long_is_told_and_holds_nothing() -> None:
    turns = Turns()
    with turns.take(("b",), 0):
        with pytest.raises(WriteContention), turns.take(("a", "b"), 0.01):
            raise AssertionError("it was held twice")
        with turns.take(("a",), 0):
            pass
    with turns.take(("a", "b"), 0):
        pass
    assert turns._turns == {}


def test_an_error_inside_ends_the_turn() -> None:
    turns = Turns()
    with pytest.raises(KeyError), turns.take(("a",), 0):
        raise KeyError
    with turns.take(("a",), 0):
        pass
