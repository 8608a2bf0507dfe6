"""`python -m tests.bench.hit_ratio TRACE`: what of a trace this service's cache answers, beside others.

The trace goes through the product's own code against a real redis-server, and through plain GET and SET
against servers with allkeys-lru and allkeys-lfu; exact GDSF and the offline optimum are simulated. All have
the same room for values: what a server needs for its keys and records comes on top, as it is measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import click
from redis import Redis
from redis.exceptions import OutOfMemoryError

from imagestore.cache.admission import Sketch
from imagestore.cache.tier import Tier
from imagestore.cli.progress import progress_bar
from imagestore.cli.terminal import print_table, size_text
from imagestore.core.errors import InvalidParameter
from imagestore.embedded import start_redis
from imagestore.library.accesslog import open_log
from imagestore.library.planner import sample_of
from imagestore.library.simulation import VALUE_BYTES, Requests, Room, gdsf, optimum

EVERYTHING = 1 << 40
"""A bound that no value and no sample of a trace reaches."""
_CALIBRATION = 2000
_CALIBRATION_BYTES = 1000
_ADJUST_EVERY = 500
_TELL_EVERY = 1000

Ask = Callable[[str, int], bool]
"""Ask a cache for a name, offer it the value of so many bytes where it has none; whether it had."""


@dataclass(frozen=True, slots=True)
class Measured:
    cache: str
    room: int
    hits: float
    bytes: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Cache:
    """A real server under one way of using it; `make` gets its URL and the bytes of values to cut from."""

    name: str
    arguments: tuple[str, ...]
    make: Callable[[str, memoryview], Iterator[Ask]]


def _product(url: str, data: memoryview) -> Iterator[Ask]:
    sketch = Sketch()
    tier = Tier(url, timeout=10.0, value_bytes=VALUE_BYTES, integrity_key=b"bench")

    def ask(name: str, size: int) -> bool:
        frequency = sketch.touch(name)
        if tier.read_blob(name, frequency) is not None:
            return True
        if size <= VALUE_BYTES:
            tier.write_blob(name, bytes(data[:size]), frequency)
        return False

    try:
        yield ask
    finally:
        tier.close()


def _plain(most: int) -> Callable[[str, memoryview], Iterator[Ask]]:
    def make(url: str, data: memoryview) -> Iterator[Ask]:
        with Redis.from_url(url) as redis:

            def ask(name: str, size: int) -> bool:
                if redis.get(name) is not None:
                    return True
                if size <= most:
                    # What is larger than all the room lets the server empty itself for nothing.
                    with suppress(OutOfMemoryError):
                        redis.set(name, bytes(data[:size]))
                return False

            yield ask

    return make


def _policy(name: str) -> tuple[str, ...]:
    large = ("--proto-max-bulk-len", "512mb", "--client-query-buffer-limit", "1gb")
    return ("--maxmemory-policy", name, "--maxmemory-samples", "5", *large)


CACHES = (
    Cache("this service", (), _product),
    Cache("allkeys-lru", _policy("allkeys-lru"), _plain(EVERYTHING)),
    Cache("allkeys-lfu", _policy("allkeys-lfu"), _plain(EVERYTHING)),
    Cache("allkeys-lfu, values to 1 MiB", _policy("allkeys-lfu"), _plain(VALUE_BYTES)),
)
SIMULATED = (
    ("exact GDSF, values to 1 MiB", gdsf, VALUE_BYTES),
    ("offline optimum, values to 1 MiB", optimum, VALUE_BYTES),
    ("offline optimum", optimum, EVERYTHING),
)


@contextmanager
def _served(cache: Cache) -> Iterator[tuple[str, Redis]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        start_redis(Path(folder), max_bytes=EVERYTHING, extra=cache.arguments) as server,
        Redis.from_url(server.url) as redis,
    ):
        yield server.url, redis


def replay(cache: Cache, requests: Requests, room: int) -> Measured:
    """The whole trace, once, from an empty server."""
    names = [sha256(str(each).encode()).hexdigest() for each in range(len(requests.sizes))]
    data = memoryview(bytes(max(requests.sizes, default=0)))
    began, hits, hit_bytes = time.perf_counter(), 0, 0
    with _served(cache) as (url, redis), contextmanager(cache.make)(url, data) as ask:
        base, beside = _calibrate(redis, ask)
        with progress_bar(f"{cache.name}, {size_text(room)}") as bar:
            bar.start(len(requests.objects))
            for place, item in enumerate(requests.objects):
                if place % _ADJUST_EVERY == 0:
                    redis.config_set("maxmemory", base + room + beside * redis.dbsize())
                if place % _TELL_EVERY == 0:
                    bar.advance(_TELL_EVERY, "")
                if ask(names[item], requests.sizes[item]):
                    hits += 1
                    hit_bytes += requests.sizes[item]
    took = time.perf_counter() - began
    return Measured(cache.name, room, hits / len(requests.objects), hit_bytes / max(requests.bytes, 1), took)


def _calibrate(redis: Redis, ask: Ask) -> tuple[int, int]:
    """What the server takes when it is empty, and for each entry beside its value."""
    for number in range(_CALIBRATION):
        ask(sha256(f"calibration {number}".encode()).hexdigest(), _CALIBRATION_BYTES)
    full = redis.info("memory")["used_memory"]
    redis.flushall()
    empty = redis.info("memory")["used_memory"]
    return empty, max(0, (full - empty) // _CALIBRATION - _CALIBRATION_BYTES)


def simulate(requests: Requests, room: int) -> Iterator[Measured]:
    for name, policy, most in SIMULATED:
        began = time.perf_counter()
        found = policy(requests, Room(room, value_bytes=most))
        yield Measured(name, room, found.hits, found.bytes, time.perf_counter() - began)


def _print(found: list[Measured], footprint: int) -> None:
    rows = [("cache", "hits", "bytes", "took")]
    rows += [(each.cache, f"{each.hits:.1%}", f"{each.bytes:.1%}", f"{each.seconds:.1f} s") for each in found]
    room = found[0].room
    click.echo(f"\nRoom for values: {size_text(room)} ({room / max(footprint, 1):.1%} of the footprint)\n")
    print_table(rows)
    hits = {each.cache: each.hits for each in found}
    ours = hits["this service"]
    ideal, whole = (hits[f"offline optimum{most}"] for most in (", values to 1 MiB", ""))
    click.echo(
        f"\n{100 * (ours - hits['allkeys-lfu']):+.1f} points to allkeys-lfu, "
        f"{100 * (ours - hits['allkeys-lfu, values to 1 MiB']):+.1f} to the same with values to 1 MiB; "
        f"{ours / ideal if ideal else 1:.1%} of the optimum with values to 1 MiB, "
        f"{ours / whole if whole else 1:.1%} with values of any size"
    )


@click.command()
@click.argument("trace", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--bytes", "room", type=click.IntRange(1), multiple=True, help="Room for values; repeatable.")
@click.option("--share", default="", help="Room as percents of the footprint: 1,5,10 if nothing is said.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
def main(trace: Path, room: tuple[int, ...], share: str, as_json: bool) -> None:
    """Replay TRACE, an access log or lines of `key,size`, plain or gzip."""
    try:
        with open_log(trace) as log:
            requests = sample_of(log.deliveries(), most=EVERYTHING).requests()
        shares = [float(each) for each in (share or ("" if room else "1,5,10")).split(",") if each]
    except (InvalidParameter, ValueError) as error:
        raise click.ClickException(str(error)) from error
    if not requests.objects:
        raise click.ClickException(f"{trace} has no requests.")
    if log.counts.unread:
        click.echo(f"{log.counts.unread} lines could not be read.", err=True)
    told = (
        f"{len(requests.objects)} requests, {len(requests.sizes)} objects of {size_text(requests.footprint)}"
    )
    click.echo(told, err=as_json)
    rooms = [*room, *(max(1, round(requests.footprint * each / 100)) for each in shares)]
    measured = []
    for each in rooms:
        found = [replay(cache, requests, each) for cache in CACHES] + list(simulate(requests, each))
        measured += found
        if not as_json:
            _print(found, requests.footprint)
    if as_json:
        facts = {"trace": trace.name, "requests": len(requests.objects), "footprint": requests.footprint}
        json.dump(facts | {"measured": [asdict(each) for each in measured]}, sys.stdout, indent=2)
        click.echo()


if __name__ == "__main__":
    main()
