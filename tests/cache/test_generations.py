"""A change that one process tells is seen by all others when the telling returns."""

from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from imagestore.cache.generations import SLOTS, Generations

pytestmark = pytest.mark.quick


def touch_in_another_process(path: Path, name: str) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_touch, args=(path, name))
    process.start()
    process.join()
    assert process.exitcode == 0


def _touch(path: Path, name: str) -> None:
    Generations(path).touch([name])


def test_what_began_before_a_change_is_out_of_date(tmp_path: Path) -> None:
    generations = Generations(tmp_path / "generations")
    slots = generations.slots_of(["image/default/a", "bucket/default"])
    before = time.monotonic_ns()
    assert generations.unchanged(slots, before)
    generations.touch(["image/default/b"])
    assert generations.unchanged(slots, before)
    generations.touch(["bucket/default"])
    assert not generations.unchanged(slots, before)
    assert generations.unchanged(slots, time.monotonic_ns())


def test_a_change_is_seen_by_other_processes(tmp_path: Path) -> None:
    path = tmp_path / "generations"
    generations, began = Generations(path), time.monotonic_ns()
    slots = generations.slots_of(["image/default/\udcff"])
    touch_in_another_process(path, "image/default/\udcff")
    assert not generations.unchanged(slots, began)


def test_everything_can_change_at_once(tmp_path: Path) -> None:
    generations, began = Generations(tmp_path / "generations"), time.monotonic_ns()
    generations.touch_all()
    assert not generations.unchanged(generations.slots_of([]), began)


def test_doubt_is_no_knowledge_of_a_change(tmp_path: Path) -> None:
    generations, began = Generations(tmp_path / "generations"), time.monotonic_ns()
    slots = generations.slots_of(["image/default/a"])
    generations.doubt_all()
    assert not generations.unchanged(slots, began)
    assert generations.unrefuted(slots, began)
    generations.touch(["image/default/a"])
    assert not generations.unrefuted(slots, began)


def test_names_are_spread_over_the_slots(tmp_path: Path) -> None:
    generations = Generations(tmp_path / "generations")
    places = {generations.slots_of([f"image/default/{number}"])[-1] for number in range(2000)}
    assert len(places) > 1900
    assert max(places) - min(places) > SLOTS / 2


def test_a_file_of_another_boot_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock began anew: what was noted before would seem to be in the future."""
    path = tmp_path / "generations"
    first = Generations(path)
    first._moments[-1] = 2**63
    assert Generations(path)._moments[-1] == 2**63, "it is the same boot"
    with monkeypatch.context() as patched:
        patched.setattr("imagestore.cache.generations._boot_id", lambda: b"another boot")
        assert Generations(path)._moments[-1] == 0


def test_a_writer_that_dawdles_does_not_take_a_later_change_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look at the clock and its writing another process tells the same change."""
    path, clock = tmp_path / "generations", time.monotonic_ns
    slow, quick = Generations(path), Generations(path)
    slots, began = slow.slots_of(["image/default/a"]), list[int]()
    other = threading.Thread(target=quick.touch, args=(["image/default/a"],))

    def dawdle() -> int:
        monkeypatch.setattr(time, "monotonic_ns", clock)
        now = clock()
        began.append(clock())  # of an answer that the other change puts out of date
        other.start()
        other.join(0.05)
        return now

    monkeypatch.setattr(time, "monotonic_ns", dawdle)
    slow.touch(["image/default/a"])
    other.join()
    assert not quick.unchanged(slots, began[0])


def test_a_writer_that_was_stopped_in_its_turn_keeps_nobody_waiting(tmp_path: Path) -> None:
    path = tmp_path / "generations"
    stopped, other = Generations(path), Generations(path)
    slots, began = other.slots_of(["image/default/a"]), time.monotonic_ns()
    with stopped._turn():
        other.touch(["image/default/a"])
    assert not stopped.unchanged(slots, began)
