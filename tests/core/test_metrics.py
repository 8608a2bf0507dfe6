"""The table of metrics, and counters of several processes added up, whichever of them live."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imagestore.core import metrics
from imagestore.core.metrics import SILENT, TABLE, Metric, Metrics
from imagestore.core.metrics_files import FOLDER_VARIABLE, allocate, locked

pytestmark = pytest.mark.quick


def test_the_table_has_every_metric_once_in_the_customary_form() -> None:
    made = {each for each in vars(metrics).values() if isinstance(each, Metric)}
    assert made == set(TABLE)
    assert len({metric.name for metric in TABLE}) == len(TABLE)
    for metric in TABLE:
        assert re.fullmatch(r"imagestore(_[a-z]+)+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        measured = metric.name.endswith("_seconds") and not metric.name.endswith("_timestamp_seconds")
        assert measured == (metric.kind == "histogram") == bool(metric.buckets)
        assert metric.about.endswith(".")
        assert not metric.values or len(metric.labels) == 1


def test_a_silent_one_counts_nothing() -> None:
    SILENT.count(metrics.FETCHES, "hit")
    SILENT.observe(metrics.HTTP_SECONDS, 1, "rest")
    SILENT.put(metrics.WORKERS, 1)
    assert (SILENT.enabled, SILENT.text(), SILENT.total(metrics.FETCHES)) == (False, b"", None)


def test_counters_in_memory() -> None:
    mine, others = Metrics(), Metrics()
    mine.count(metrics.FETCHES, "hit", by=2)
    mine.count(metrics.FETCHES, "make")
    mine.observe(metrics.DECODER_SECONDS, 0.2)
    assert (mine.total(metrics.FETCHES), others.total(metrics.FETCHES)) == (3, 0)
    families = {family.name: family for family in text_string_to_metric_families(mine.text().decode())}
    for metric in TABLE:
        assert families[metric.name.removesuffix("_total")].documentation == metric.about


def run(code: str, folder: Path) -> str:
    """Run code in a fresh Python, where nothing has imported the client library yet."""
    start = f"""
import os
from pathlib import Path
from imagestore.core import metrics
from imagestore.core.metrics import Metrics
from imagestore.core.metrics_files import MetricsFolder

home = Path({str(folder)!r})

def work(task):
    pid = os.fork()
    if not pid:
        try:
            task()
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    return pid
"""
    cleared = {name: value for name, value in os.environ.items() if name != FOLDER_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", start + code], env=cleared, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_processes_add_up_and_the_dead_stay_counted(tmp_path: Path) -> None:
    said = run(
        """
def task():
    mine = Metrics()
    mine.count(metrics.FETCHES, "hit", by=5)
    mine.observe(metrics.DECODER_SECONDS, 0.2)
    mine.count(metrics.EDGE_CONNECTIONS, by=3)
    os.kill(os.getpid(), 9)

folder = MetricsFolder(home)
dead = [work(task), work(task), work(task)]

def look():
    mine = Metrics()
    print(mine.total(metrics.FETCHES), mine.total(metrics.EDGE_CONNECTIONS))

work(look)
for pid in dead:
    folder.fold(pid, ())
    work(look)
files = {path.name for path in folder.path.iterdir()}
assert {"counter_ended.db", "histogram_ended.db"} <= files
assert not any(str(pid) in name for name in files for pid in dead), files
def read():
    from prometheus_client.parser import text_string_to_metric_families
    for family in text_string_to_metric_families(Metrics().text().decode()):
        for sample in family.samples:
            if sample.name in ("imagestore_decoder_job_seconds_count", "imagestore_workers"):
                print(sample.name, sample.value)
            if sample.labels.get("le") == "0.1" and "decoder_job" in sample.name:
                print("below 0.1", sample.value)
            if sample.labels.get("le") == "0.25" and "decoder_job" in sample.name:
                print("below 0.25", sample.value)
work(read)
folder.remove()
assert list(home.iterdir()) == []
""",
        tmp_path / "metrics",
    )
    lines = said.splitlines()
    assert lines[:4] == ["15.0 9.0", "15.0 6.0", "15.0 3.0", "15.0 0.0"]
    assert set(lines[4:]) == {
        "below 0.1 0.0",
        "below 0.25 3.0",
        "imagestore_decoder_job_seconds_count 3.0",
        # The reader itself, and the four before it: they too look alive until somebody tells of their end.
        "imagestore_workers 5.0",
    }


def test_the_files_of_the_living_are_not_folded(tmp_path: Path) -> None:
    run(
        """
folder = MetricsFolder(home)
pid = work(lambda: Metrics())
folder.fold(1, {pid})
assert (folder.path / f"counter_{pid}.db").exists()
folder.fold(1, ())
assert not (folder.path / f"counter_{pid}.db").exists()
""",
        tmp_path,
    )


def test_a_scrape_under_way_is_not_disturbed(tmp_path: Path) -> None:
    said = run(
        """
from imagestore.core.metrics_files import locked
folder = MetricsFolder(home)
pid = work(lambda: Metrics().count(metrics.FETCHES, "hit"))
with locked(folder.path, shared=True):
    folder.fold(pid, ())
    left = sorted(path.name for path in folder.path.glob("*.db"))
    print(left == [f"counter_{pid}.db", f"histogram_{pid}.db"])
work(lambda: print(Metrics().total(metrics.FETCHES)))
folder.fold(pid, ())
work(lambda: print(Metrics().total(metrics.FETCHES)))
""",
        tmp_path,
    )
    assert said.split() == ["True", "1.0", "1.0"]


def test_folders_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    run(
        """
(home / "left-by-a-crash").mkdir()
(home / "left-by-a-crash" / "counter_1.db").touch()
first = MetricsFolder(home)
second = MetricsFolder(home)
assert sorted(home.iterdir()) == sorted([first.path, second.path])
first.remove()
third = MetricsFolder(home)
assert sorted(home.iterdir()) == sorted([second.path, third.path])
""",
        tmp_path,
    )


@pytest.mark.parametrize("early", [True, False])
def test_a_library_imported_too_early_or_too_late_is_noticed(tmp_path: Path, early: bool) -> None:
    run(
        f"""
if {early}:
    import prometheus_client
folder = MetricsFolder(home)
if not {early}:
    import prometheus_client
    del os.environ["{FOLDER_VARIABLE}"]
try:
    Metrics()
except RuntimeError as error:
    assert "{FOLDER_VARIABLE}" in str(error)
else:
    raise AssertionError
""",
        tmp_path,
    )


def test_no_room_for_counters_is_no_reason_not_to_serve(tmp_path: Path) -> None:
    said = run(
        """
folder = MetricsFolder(home)
def task():
    import resource, signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    mine = Metrics()
    mine.count(metrics.FETCHES, "hit")
    print(mine.enabled, flush=True)
work(task)
""",
        tmp_path,
    )
    assert said.split() == ["False"]


def test_the_files_have_their_room_on_the_disk(tmp_path: Path) -> None:
    allocate(tmp_path / "file", 100_000)
    assert (tmp_path / "file").stat().st_blocks * 512 >= 100_000
    (tmp_path / "used").write_bytes(b"x")
    allocate(tmp_path / "used", 100_000)
    assert (tmp_path / "used").read_bytes() == b"x"


def test_a_lock_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with locked(tmp_path) as first, locked(tmp_path) as second, locked(tmp_path, shared=True) as third:
        assert (first, second, third) == (True, False, False)
    with locked(tmp_path, shared=True) as first, locked(tmp_path, shared=True) as second:
        assert (first, second) == (True, True)
