"""The load of the hits: wrk, which leaves processor to what it measures, else a slower one of Python's."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.bench.load import Connection, pace

CONNECTIONS = 32
THREADS = 2
"""Of wrk: the quickest sides would keep one busy all the time, and it would be measured in their stead."""

PATIENCE = 30
"""Seconds after which an answer is given up. A profiler makes a worker stand still now and then."""

MISSING_WRK = (
    "wrk is missing (on Debian and Ubuntu, apt-get install wrk): the load came from Python, which is slower "
    "than most of what it measures here, so that the quick sides look alike"
)
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Hammered:
    """Answers a second, and milliseconds within which half and 99 % of them came."""

    per_second: float
    median: float
    slow: float


class WrongAnswer(Exception):
    """A side answers with errors under load, so that its figures mean nothing."""


def has_wrk() -> bool:
    return shutil.which("wrk") is not None


def hammer(url: str, seconds: float, connections: int = CONNECTIONS) -> Hammered:
    """Ask for `url` over kept connections as often as it answers. Raises WrongAnswer."""
    if not has_wrk():
        return _hammer_from_here(url, seconds, connections)
    command = [
        "wrk",
        "-t",
        str(THREADS),
        "-c",
        str(connections),
        "-d",
        f"{max(1, round(seconds))}s",
        "--latency",
        url,
    ]
    told = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True).stdout
    if found := re.search(r"(Non-2xx.*|Socket errors.*)", told):
        raise WrongAnswer(f"{url}: {found[1]}")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    if rate is None or not float(rate[1]):
        raise WrongAnswer(f"{url}: no answer\n{told}")
    return Hammered(float(rate[1]), _latency(told, "50%"), _latency(told, "99%"))


def _latency(told: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s|m)$", told, re.MULTILINE)
    assert found, told
    return float(found[1]) * _UNITS[found[2]]


def _hammer_from_here(url: str, seconds: float, connections: int) -> Hammered:
    ends = [Connection(url) for _ in range(connections)]
    try:
        path = urlsplit(url).path
        found = pace([lambda each=each: each.request("GET", path) for each in ends], seconds)  # type: ignore[misc]
    finally:
        for each in ends:
            each.close()
    return Hammered(found.per_second, found.milliseconds, found.slow)
