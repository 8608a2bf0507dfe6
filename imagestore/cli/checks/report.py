"""What a check finds, and the run of all checks: at once, bounded in time, whatever the others do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imagestore.cli.notes import Notes
from imagestore.settings import Settings

SECONDS = 15.0
"""For one subject: longer than what its own calls wait for."""


class Level(StrEnum):
    """A warning is odd or a risk; a problem keeps something from working or from being safe."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """`what` was found, and `advice` how to mend it."""

    level: Level
    what: str
    advice: str = ""


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warning(what: str, advice: str) -> Finding:
    return Finding(Level.WARNING, what, advice)


def problem(what: str, advice: str) -> Finding:
    return Finding(Level.PROBLEM, what, advice)


class Unseen(Exception):
    """A subject cannot be looked at, as the finding tells: its checks have nothing to say."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.what)
        self.finding = finding


@dataclass(frozen=True, slots=True)
class Place:
    """Where the command runs. `complaints`: settings that cannot be used, for which defaults stand."""

    settings: Settings
    complaints: tuple[str, ...]
    notes: Notes


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to examine: one look at it, then any number of checks of what was seen.

    `look` may wait, and may raise Unseen; a check is a pure function of what `look` returned, yields what it
    finds, and is known by its name.
    """

    name: str
    look: Callable[[Place], Any]
    checks: tuple[Callable[[Any], Iterable[Finding]], ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding with the names of its subject and its check."""

    subject: str
    check: str
    finding: Finding


def examine(subjects: Iterable[Subject], place: Place) -> list[Entry]:
    """Every finding about every subject, in their order. Takes SECONDS at the most."""
    looks = [_Look(subject, place) for subject in subjects]
    return [entry for look in looks for entry in look.entries()]


class _Look:
    """One subject being examined, in a thread that nobody waits for longer than SECONDS."""

    def __init__(self, subject: Subject, place: Place) -> None:
        self._subject = subject
        self._place = place
        self._found: list[Entry] = []
        self._thread = threading.Thread(target=self._run, name=subject.name, daemon=True)
        self._thread.start()

    def entries(self) -> list[Entry]:
        self._thread.join(SECONDS)
        found = list(self._found)
        if self._thread.is_alive():
            late = problem(f"No answer within {SECONDS:.0f} seconds.", "See whether it hangs.")
            found.append(Entry(self._subject.name, "look", late))
        return found

    def _run(self) -> None:
        name = self._subject.name
        try:
            seen = self._subject.look(self._place)
        except Unseen as unseen:
            self._found.append(Entry(name, "look", unseen.finding))
            return
        except Exception as error:  # noqa: BLE001 - told as a problem: one broken look must not hide the others
            self._found.append(Entry(name, "look", _broken(error)))
            return
        for check in self._subject.checks:
            self._found += (Entry(name, check.__name__, each) for each in _findings(check, seen))


def _findings(check: Callable[[Any], Iterable[Finding]], seen: Any) -> Iterator[Finding]:
    try:
        yield from check(seen)
    except Exception as error:  # noqa: BLE001 - told as a problem: one broken check must not hide the others
        yield _broken(error)


def _broken(error: Exception) -> Finding:
    return problem(f"The check itself failed: {type(error).__name__}: {error}", "Please report it.")
