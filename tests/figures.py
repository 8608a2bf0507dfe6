"""What tests measured, printed once at the end of the run."""

from __future__ import annotations

import pytest

_LINES = pytest.StashKey[list[str]]()


class Figures:
    """Takes what a test measured: `figures(uploads=200, lost=0, seconds=1.23)`."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self._name = name
        self._lines = lines

    def __call__(self, **measured: object) -> None:
        told = ", ".join(f"{name.replace('_', ' ')} {_text(value)}" for name, value in measured.items())
        self._lines.append(f"{self._name}: {told}")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    name = request.node.nodeid.rpartition("/")[2]
    return Figures(name, request.config.stash.setdefault(_LINES, []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(_LINES, [])
    if lines:
        terminalreporter.section("figures")
    for line in lines:
        terminalreporter.write_line(line)


def _text(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
