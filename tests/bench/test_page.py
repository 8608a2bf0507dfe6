"""The page of figures and its plots: what was measured is all there, and they are made from it again."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import page, plots
from tests.bench.results import Part, Row, line_of, read, write

pytestmark = pytest.mark.quick

HITS = Row("8 KiB, from memory", "/s", "more", {"imagestore": 30_000.0, "nginx": 60_000.0}, {"nginx": 0.45})
SHORT = Row("8 KiB, from Redis", "/s", "more", {"imagestore": 9000.0, "Thumbor": 6000.0}, {"Thumbor": 3.0})
ALONE = Row("hit from memory, writes", "µs a request", "less", {"imagestore": 12.5})
PARTS = [Part("hits", "Hits", [HITS, SHORT], ["with 2 < 3 workers"]), Part("profile", "Time", [ALONE])]
MACHINE = {"processor": "2 x Some & Other"}


def texts(drawing: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(drawing).iter() if each.tag.endswith("text")]


def test_ratios_are_of_ours_to_each_side() -> None:
    assert dict(HITS.ratios()) == {"nginx": 0.5}
    assert HITS.short_of() == []
    assert SHORT.short_of() == ["Thumbor"]
    assert "SHORT OF 3" in line_of(SHORT)
    assert "SHORT" not in line_of(HITS)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write(file, MACHINE, PARTS)
    assert read(file) == (MACHINE, PARTS)


def test_a_part_that_is_measured_alone_replaces_only_itself(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    write(file, MACHINE, PARTS)
    again = Part("profile", "Time", [], ["again"])
    write(file, MACHINE, [again])
    assert read(file)[1] == [PARTS[0], again]
    write(file, {"processor": "another"}, [again])
    assert read(file)[1] == [again]


def test_the_page_has_every_figure_and_its_plots() -> None:
    made = dict(page.files(MACHINE, PARTS))
    text = made.pop("benchmarks.md")
    for wanted in (
        "30,000",
        "60,000",
        "9,000",
        "12.5",
        "Some & Other",
        "with 2 < 3 workers",
        "| 0.50 | 0.45 |",
    ):
        assert wanted in text
    assert sorted(made) == ["benchmarks-hits.svg", "benchmarks-profile.svg"]
    assert all(f"({name})" in text for name in made)
    assert {"30,000", "60,000", "nginx"} <= set(texts(made["benchmarks-hits.svg"]))
    assert {"12.5", "writes"} <= set(texts(made["benchmarks-profile.svg"]))


def test_a_line_ends_at_its_last_point_within_the_plot() -> None:
    drawing = plots.lines(
        "Memory", "MiB", {"worker 1": [(0.0, 10.0), (100.0, 80.0)], "worker 2": [(0.0, 5.0)]}
    )
    root = ElementTree.fromstring(drawing)
    found = [each.get("points", "") for each in root.iter() if each.tag.endswith("polyline")]
    (first, last) = (tuple(map(float, point.split(","))) for point in found[0].split())
    assert first[0] < last[0] <= plots.WIDTH - plots.LEGEND
    assert plots.HEIGHT > first[1] > last[1] > 0
    assert {"worker 1", "worker 2", "seconds"} <= set(texts(drawing))


@pytest.mark.skipif(not page.FIGURES.exists(), reason="no figures are kept")
def test_the_page_is_what_its_figures_say() -> None:
    for name, content in page.files(*read(page.FIGURES)):
        assert (page.DOCS / name).read_text() == content, (
            "run `python -m tests.bench.page docs/benchmarks.json`"
        )
