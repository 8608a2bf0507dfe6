"""What tests measured, printed once at the end of the run."""

from __future__ import annotations

from itertools import chain

import pytest

_FIGURE = "figure"


class Figures:
    """Takes what a test measured: `figures(uploads=200, lost=0, seconds=1.23)`."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node

    def __call__(self, **measured: object) -> None:
        told = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in measured.items())
        name = self._node.nodeid.rpartition("/")[2]
        # A property of the test, since that reaches the process that prints the summary from those that test.
        self._node.user_properties.append((_FIGURE, f"{name}: {told}"))


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    return Figures(request.node)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = chain.from_iterable(terminalreporter.stats.values())
    # The last report of a test, whatever came of it, has all its properties.
    ended = [each for each in reports if isinstance(each, pytest.TestReport) and each.when == "teardown"]
    lines = [text for each in ended for name, text in each.user_properties if name == _FIGURE]
    if lines:
        terminalreporter.section("figures")
    for line in lines:
        terminalreporter.write_line(str(line))


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
