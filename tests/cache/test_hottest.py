"""What is asked for most: counted within bounds, forgotten slowly, told from process to process."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from imagestore.cache import hottest
from imagestore.cache.hottest import MOST, Hottest

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hottest, "WRITE_SECONDS", 0.0)


def test_what_is_asked_for_most_comes_first(tmp_path: Path) -> None:
    counted = Hottest(tmp_path / "hottest")
    assert counted.top(5) == []
    counted.add({"a": 1, "b": 3})
    counted.add({"c": 2, "a": 1, "b": 1, "x" * 2000: 9})
    assert counted.top(5) == [("b", 4), ("a", 2), ("c", 2)]
    assert counted.top(1) == [("b", 4)]


def test_without_a_folder_nothing_is_counted() -> None:
    counted = Hottest(None)
    counted.add({"a": 1})
    counted.close()
    assert counted.top(5) == []


def test_what_comes_once_does_not_push_out_what_comes_again_and_again(tmp_path: Path) -> None:
    counted = Hottest(tmp_path)
    for number in range(5 * MOST):
        counted.add({f"once {number}": 1, f"often {number % 50}": 1})
    assert {name for name, _ in counted.top(50)} == {f"often {number}" for number in range(50)}
    [file] = tmp_path.iterdir()
    assert len(json.loads(file.read_text())) == hottest.MOST_TOLD


def test_counts_are_halved_as_time_goes_by(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Hottest(tmp_path)
    counted.add({"a": 8, "b": 1})
    monkeypatch.setattr(hottest, "HALF_LIFE_SECONDS", 0.0)
    counted.add({"c": 2})
    assert counted.top(5) == [("a", 4), ("c", 1)]


def count_elsewhere(folder: Path, name: str) -> None:
    other = Hottest(folder)
    other.add({name: 5})
    other.close()


def test_what_others_count_is_added_and_outlives_them(tmp_path: Path) -> None:
    here = Hottest(tmp_path)
    here.add({"a": 1})
    for _ in range(2):
        other = multiprocessing.get_context("spawn").Process(target=count_elsewhere, args=(tmp_path, "a"))
        other.start()
        other.join()
        assert other.exitcode == 0
    assert here.top(5) == [("a", 11)]
    after = Hottest(tmp_path)  # has the process id of the one before
    assert after.top(5) == [("a", 11)]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_cannot_be_read_or_written_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "hottest"
    folder.mkdir()
    for number, text in enumerate(("", "{}", '[1, [2], [3, 4], ["a", "b"], ["c", 6]]', "\0")):
        (folder / f"{10**9 + number}.json").write_text(text)  # no process has such a number
    (folder / "notes.json").write_text("[]")
    assert Hottest(folder).top(5) == [("c", 6)]
    taken = tmp_path / "file"
    taken.write_text("")
    counted = Hottest(taken)
    counted.add({"a": 1})
    assert counted.top(5) == []
