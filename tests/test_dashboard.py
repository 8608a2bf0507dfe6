"""The Grafana dashboard: what Grafana needs of each panel, and metrics and labels that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from imagestore.core.metrics import TABLE

pytestmark = pytest.mark.quick

BOARD = json.loads((Path(__file__).parents[1] / "docker/grafana/imagestore.json").read_text())
PANELS: list[dict[str, Any]] = BOARD["panels"]
METRICS = {metric.name: metric for metric in TABLE}


def test_panels_have_what_grafana_needs() -> None:
    assert BOARD["templating"]["list"][0]["type"] == "datasource"
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or all(target["refId"] for target in panel["targets"])


@pytest.mark.parametrize("panel", [p for p in PANELS if p["type"] != "row"], ids=lambda p: str(p["title"]))
def test_expressions_name_what_exists(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        expression = target["expr"]
        names = re.findall(r"imagestore_\w+", expression)
        assert names
        labels: set[str] = set()
        for name in names:
            metric = METRICS.get(name) or METRICS[name.removesuffix("_bucket")]
            labels |= {*metric.labels, *(["le"] if name.endswith("_bucket") else [])}
        named = {label for by in re.findall(r"by \(([^)]*)\)", expression) for label in by.split(", ")}
        named |= set(re.findall(r'(\w+)=~?"', expression)) | set(
            re.findall(r"{{(\w+)}}", target["legendFormat"])
        )
        assert named <= labels, expression
