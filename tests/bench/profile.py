"""Where the processor time of a hit goes: of each side by process, and of ours by what the workers do."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench.generator import Hammered, hammer
from tests.bench.hits import MEMORY, ORIGINALS, REDIS, Sides, make_files, start_sides
from tests.bench.processes import processes_at, spent
from tests.bench.results import Row, Wishes

SAMPLES_SECONDS = 6
SAMPLES_RATE = 200
LEAST_SHARE = 0.01
"""Of all samples: parts that take less are added up."""

OTHERS = "all else"
_FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+):(?P<line>\d+)\)$")
_HOMES = (
    (re.compile(r"/imagestore/(\w+/[\w/]+\.py|\w+\.py)$"), "{}"),
    (re.compile(r"/site-packages/(gunicorn|flask|werkzeug|redis|hiredis|prometheus_client|pymongo)/"), "{}"),
)
_WRITES = re.compile(r"\.(write|writelines|sendmsg|sendall|sendfile)\(")
_LOOP = "event loop: poll, read, timers"


def measure(folder: Path, wishes: Wishes) -> Iterator[Row | str]:
    files = make_files(folder / "files")
    with ExitStack() as stack:
        sides = start_sides(stack, folder, files)
        yield from sides.notes
        totals: dict[str, float] = {}
        yield from ladder(sides, wishes.seconds, totals)
        spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}") or shutil.which("py-spy")
        for which in (MEMORY, REDIS) if spy else ():
            yield from parts(spy or "", sides.urls[which](ORIGINALS[0]), which, totals[which])
    if not spy:
        yield "By parts: not measured, since there is no py-spy (pip install py-spy)"
    yield (
        "Processor time is that of all processes which hold the side's socket, by the kernel's count. Parts "
        "are shares of it by samples of the thread that holds the interpreter, each under the deepest module "
        "of the service or of a library that it calls; a write has with it what the kernel does for it."
    )


def ladder(sides: Sides, seconds: float, totals: dict[str, float]) -> Iterator[Row]:
    """Microseconds a request of each level of ours, and of the peers. `totals` gets those of every side."""
    kernel: dict[str, float] = {}
    for name, urls in sides.urls.items():
        url = urls(ORIGINALS[0])
        hammer(url, 1)
        pids = processes_at(urlsplit(url).port or 0)
        before = spent(pids)
        count = hammer(url, seconds).per_second * seconds
        used = spent(pids) - before
        totals[name] = (used.user + used.system) / count * 1e6
        kernel[name] = used.system / count * 1e6
    for what, found in (("processor time of a hit", totals), ("of that in the kernel", kernel)):
        peers = {name: figure for name, figure in found.items() if name not in (MEMORY, REDIS)}
        for which in (MEMORY, REDIS):
            yield Row(f"{what} {which}", "µs a request", "less", {"imagestore": found[which], **peers})


def parts(spy: str, url: str, which: str, microseconds: float) -> Iterator[Row | str]:
    """Each part's share of a hit's processor time, the largest first."""
    stacks = sample(spy, url)
    counts = Counter[str]()
    functions = Counter[str]()
    for frames, count in stacks.items():
        counts[part_of(frames)] += count
        functions[frames[-1]] += count
    everything = counts.total()
    if not everything:
        yield f"By parts, {which}: py-spy could not look into the workers"
        return
    small = sum(count for count in counts.values() if count < LEAST_SHARE * everything)
    shown = [(name, count) for name, count in counts.most_common() if count >= LEAST_SHARE * everything]
    for name, count in [*shown, (OTHERS, small)]:
        yield Row(
            f"hit {which}, {name}", "µs a request", "less", {"imagestore": microseconds * count / everything}
        )
    busiest = ", ".join(
        f"{_short(frame)} {count / everything:.0%}" for frame, count in functions.most_common(8)
    )
    yield f"Busiest functions of a hit {which}: {busiest}"


def sample(spy: str, url: str) -> Counter[tuple[str, ...]]:
    """Stacks of a worker under load, the outermost frame first, and how often each was met."""
    # The arbiter holds the socket too, and sleeps: whoever has worked most is a worker.
    hammer(url, 1)
    pids = processes_at(urlsplit(url).port or 0)
    worker = max(pids, key=lambda pid: sum(vars(spent([pid])).values()))
    found: list[Hammered] = []
    load = threading.Thread(target=lambda: found.append(hammer(url, SAMPLES_SECONDS + 2)))
    load.start()
    command = [spy, "record", "--pid", str(worker), "--rate", str(SAMPLES_RATE), "--gil", "--full-filenames"]
    command += ["--duration", str(SAMPLES_SECONDS), "--format", "raw", "--output", "/dev/stdout"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    load.join()
    stacks = Counter[tuple[str, ...]]()
    for line in told.stdout.splitlines():
        text, _, count = line.rpartition(" ")
        if count.isdigit():
            stacks[tuple(text.split(";"))] += int(count)
    return stacks


def part_of(frames: tuple[str, ...]) -> str:
    """What the innermost frames do: a write, or the work of a module."""
    if (last := _FRAME.match(frames[-1])) and _WRITES.search(_source(last["file"], int(last["line"]))):
        return (
            "writes to the socket"
            if "/gunicorn/" in last["file"] or "/edge/" in last["file"]
            else "writes to Redis"
        )
    for frame in reversed(frames):
        found = _FRAME.match(frame)
        if found is None:
            continue
        if found["file"].endswith("/gunicorn/workers/gasgi.py"):
            return _LOOP
        for home, name in _HOMES:
            if inside := home.search(found["file"]):
                return name.format(inside[1])
    return OTHERS


@cache
def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text().splitlines()
    except OSError:
        return []


def _source(file: str, line: int) -> str:
    lines = _lines(file)
    return lines[line - 1] if 0 < line <= len(lines) else ""


def _short(frame: str) -> str:
    found = _FRAME.match(frame)
    return f"{found['function']} ({Path(found['file']).name}:{found['line']})" if found else frame
