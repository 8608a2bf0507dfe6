"""The gate: who is next, how many may wait, and what nobody loses."""

from __future__ import annotations

import threading
import time

import pytest

from imagestore.imaging.gate import PROOFS_IN_A_ROW, Full, Gate, Lane

pytestmark = pytest.mark.quick

BOUNDS = {Lane.PROOF: 8, Lane.RENDER: 8}


def queue_up(gate: Gate[int], lane: Lane, order: list[str], name: str) -> threading.Thread:
    """A thread that waits in the lane, notes its name when it is served, and gives back at once."""

    def wait() -> None:
        thing = gate.take(lane, 60)
        order.append(name)
        gate.give_back(thing)

    before = gate.waiting(lane)
    thread = threading.Thread(target=wait)
    thread.start()
    while gate.waiting(lane) == before:
        time.sleep(0.001)
    return thread


def test_proofs_go_first_and_let_a_render_pass_now_and_then() -> None:
    gate, order = Gate([1], BOUNDS), list[str]()
    held = gate.take(Lane.RENDER, 1)
    threads = [queue_up(gate, Lane.RENDER, order, "render") for _ in range(2)]
    threads += [queue_up(gate, Lane.PROOF, order, "proof") for _ in range(5)]
    gate.give_back(held)
    for thread in threads:
        thread.join(60)
    first = ["proof"] * PROOFS_IN_A_ROW + ["render"]
    assert order == [*first, "proof", "proof", "render"]
    assert gate.idle == 1


def test_a_full_lane_leaves_the_others_open() -> None:
    gate = Gate([1], {Lane.PROOF: 1, Lane.RENDER: 0})
    held = gate.take(Lane.RENDER, 1)
    with pytest.raises(Full):
        gate.take(Lane.RENDER, 1)
    with pytest.raises(TimeoutError):
        gate.take(Lane.PROOF, 0.01)
    assert gate.waiting(Lane.PROOF) == 0
    gate.give_back(held)
    assert gate.take(Lane.RENDER, 1) == 1


def test_many_threads_lose_nothing() -> None:
    gate = Gate([1, 2, 3], dict.fromkeys(Lane, 100))
    busy: set[int] = set()
    clashes: list[int] = []

    def use(lane: Lane) -> None:
        for _ in range(200):
            thing = gate.take(lane, 60)
            if thing in busy:
                clashes.append(thing)
            busy.add(thing)
            busy.discard(thing)
            gate.give_back(thing)

    threads = [threading.Thread(target=use, args=(lane,)) for lane in Lane for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not clashes
    assert sorted(gate.take_idle()) == [1, 2, 3]
