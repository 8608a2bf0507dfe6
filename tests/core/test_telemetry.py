"""Timings and logging."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from imagestore.core.telemetry import Timings, set_up_logging

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


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = handlers, level


def test_logging_is_set_up_once_however_often(root_logger: logging.Logger) -> None:
    set_up_logging("warning")
    set_up_logging("info")
    assert len(root_logger.handlers) == 1
    assert root_logger.level == logging.INFO
    assert not logging.getLogger("pymongo.command").isEnabledFor(logging.INFO)
