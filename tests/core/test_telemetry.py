"""Timings."""

from __future__ import annotations

import re

import pytest

from imagestore.core.telemetry import Timings

pytestmark = pytest.mark.quick


def test_steps_add_up_in_the_order_they_were_met() -> None:
    timings = Timings()
    for step in ("alias", "mongo", "alias"):
        with timings.measure(step):
            pass
    assert list(timings.steps) == ["alias", "mongo"]
    assert re.fullmatch(r"alias;dur=\d+\.\d\d, mongo;dur=\d+\.\d\d", timings.header())


def test_a_step_that_fails_is_measured_too() -> None:
    timings = Timings()
    with pytest.raises(KeyError), timings.measure("mongo"):
        raise KeyError
    assert timings.steps["mongo"] >= 0


def test_nothing_measured_is_an_empty_header() -> None:
    assert Timings().header() == ""
