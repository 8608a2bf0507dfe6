"""Hits, from the memory of the workers and from Redis, beside the peers that answer what they have kept."""

from __future__ import annotations

import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from statistics import median

from tests import pictures
from tests.bench import hit_peers
from tests.bench.generator import MISSING_WRK, hammer, has_wrk
from tests.bench.load import without_times
from tests.bench.peers import Missing
from tests.bench.results import Row, Wishes
from tests.service import Service, running_service

ROUNDS = 3
SIZES = (8, 32, 128)
"""Of originals, in KiB: about what thumbnails, pictures in pages and whole photos weigh."""

QUALITY = 80
"""Thumbor's own, so that what it makes of an original weighs about the same."""

PREFIX = "/default/image/upload"
MEMORY, REDIS = "from memory", "from Redis"
WANTED = {
    MEMORY: {"nginx": 0.45, "Thumbor": 10.0},
    REDIS: {"Thumbor": 3.0, "Flask + Redis": 2.0},
}


@dataclass(frozen=True)
class Asked:
    """What all sides are asked for: a file, how ours comes by it, and how Thumbor does."""

    what: str
    file: str
    ours: str
    thumbor: str


ORIGINALS = tuple(Asked("original", f"{size}.jpg", f"{size}.jpg", f"0x0/{size}.jpg") for size in SIZES)
PHOTO = "photo.jpg"
RENDITION = Asked("rendition", "rendition.jpg", f"c_scale,w_400/{PHOTO}", f"400x0/{PHOTO}")
"""Of a photo. Those who render nothing serve the bytes of ours as a file."""

Side = Callable[[Asked], str]
"""The URL of what is asked for on one side."""


@dataclass
class Sides:
    """Everything that runs, ours first, and what could not be had."""

    urls: dict[str, Side]
    redis_url: str
    notes: list[str]


def measure(folder: Path, wishes: Wishes) -> Iterator[Row | str]:
    """Rows as they are measured, and notes."""
    files = make_files(folder / "files")
    if not has_wrk():
        yield MISSING_WRK
    with ExitStack() as stack:
        sides = start_sides(stack, folder, files)
        levels: Counter[str] = Counter()
        for asked in (*ORIGINALS, RENDITION):
            label = f"{asked.what} of {(files / asked.file).stat().st_size / 1024:.0f} KiB"
            urls = {name: url(asked) for name, url in sides.urls.items()}
            rates = in_turns(urls, wishes.seconds, levels)
            yield from rows(label, rates, redis_rate(sides, asked.file))
        yield from sides.notes
        for text, count in sorted(levels.items()):
            yield f"{text} in {count} of {ROUNDS * (len(ORIGINALS) + 1)} looks"


def make_files(folder: Path) -> Path:
    """JPEGs of about SIZES that nothing can be saved on: noise; and the photo that a rendition is made of."""
    folder.mkdir()
    for size in SIZES:
        side = 32
        while len(made := pictures.jpeg(side, side, noise=True, quality=QUALITY)) < size * 1024:
            side += 16
        (folder / f"{size}.jpg").write_bytes(made)
    (folder / PHOTO).write_bytes(pictures.jpeg(1600, 1200, quality=90))
    return folder


def start_sides(stack: ExitStack, folder: Path, files: Path) -> Sides:
    """Both forms of the service share a MongoDB; each has a Redis of its own."""
    for name in ("memory", "redis"):
        (folder / name).mkdir()
    whole = stack.enter_context(running_service(folder / "memory", workers=hit_peers.WORKERS))
    settings = {"workers": hit_peers.WORKERS, "mongo_url": whole.mongo_url, "edge_bytes": 0}
    plain = stack.enter_context(running_service(folder / "redis", **settings))
    with whole.client() as client:
        for path in files.iterdir():
            client.upload("default", path, path.name)
    with urllib.request.urlopen(_ours(whole)(RENDITION)) as answer:
        (files / RENDITION.file).write_bytes(answer.read())
    bare = stack.enter_context(hit_peers.bare_redis(folder / "bare"))
    sides = Sides({MEMORY: _ours(whole), REDIS: _ours(plain)}, bare, [])
    starts = {
        "nginx": lambda: hit_peers.nginx(files, folder / "nginx"),
        "Thumbor": lambda: hit_peers.thumbor_results(files, folder / "results"),
        "Flask + Redis": lambda: hit_peers.flask_redis(files, bare),
        "bare ASGI": lambda: hit_peers.bare_asgi(files),
    }
    for name, start in starts.items():
        try:
            base = stack.enter_context(start())
            which = attrgetter("thumbor" if name == "Thumbor" else "file")
            sides.urls[name] = lambda asked, base=base, which=which: base + which(asked)
        except Missing as missing:
            sides.notes.append(f"{name}: not measured, since {missing}")
    return sides


def _ours(service: Service) -> Side:
    return lambda asked: f"{service.url}{PREFIX}/{asked.ours}"


def level_of(url: str) -> str:
    """Which level of ours answers now, by its own word."""
    with urllib.request.urlopen(url) as answer:
        return without_times(answer.headers["Cache-Status"])


def in_turns(urls: dict[str, str], seconds: float, levels: Counter[str]) -> dict[str, float]:
    """Answers a second: each side once to warm up, then all in turns, so that moods of the machine meet all.

    `levels` counts what ours said of where its answers came from, so that no figure passes for another.
    """
    for url in urls.values():
        hammer(url, 1)
    found: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(ROUNDS):
        for name, url in urls.items():
            found[name].append(hammer(url, seconds).per_second)
            if name in WANTED:
                levels[f"Hits {name}: Cache-Status said `{level_of(url)}`"] += 1
    return {name: median(each) for name, each in found.items()}


def redis_rate(sides: Sides, name: str) -> dict[str, float]:
    try:
        return {"bare Redis": hit_peers.redis_gets(sides.redis_url, name, 50_000)}
    except Missing as missing:
        if (note := f"bare Redis: not measured, since {missing}") not in sides.notes:
            sides.notes.append(note)
        return {}


def rows(label: str, rates: dict[str, float], bare: dict[str, float]) -> Iterator[Row]:
    peers = {name: rate for name, rate in rates.items() if name not in WANTED}
    for which, wanted in WANTED.items():
        others = peers | (bare if which == REDIS else {})
        yield Row(f"{label}, {which}", "/s", "more", {"imagestore": rates[which], **others}, wanted)
