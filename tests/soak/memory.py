"""Resident memory of every process of a service, sampled, and whether it stays where it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from statistics import fmean

from redis import Redis
from redis.exceptions import RedisError

from tests.bench.plots import Point
from tests.bench.processes import children, command_of, memory_of

FLAT = 0.05
"""By which the mean of the last third may differ from that of the middle third."""

REDIS_SLACK = 2 * 1024 * 1024
"""Over `maxmemory`, which Redis looks at before a command: one value and its own buffers."""

JUDGED = ("arbiter", "caretaker", "worker", "decoder", "redis")
"""mongod has a bound of its own, which a short run does not reach."""


class Sampler(threading.Thread):
    """Samples until `stop`. `series` has MiB over seconds by the process's part; a successor goes on in its
    predecessor's series."""

    def __init__(self, pid: int, redis_url: str, every: float) -> None:
        super().__init__(daemon=True)
        self.series: dict[str, list[Point]] = {}
        self.redis_used: list[Point] = []
        self.redis_bound = 0
        self.evicted = 0
        self._pid = pid
        self._redis = Redis.from_url(redis_url)
        self._every = every
        self._parts: dict[str, int] = {}
        self._ends = threading.Event()
        self._began = time.monotonic()

    def run(self) -> None:
        while not self._ends.wait(self._every):
            now = time.monotonic() - self._began
            for part, pid in self._named():
                with suppress(OSError, ValueError):  # it ended just now
                    self.series.setdefault(part, []).append((now, memory_of(pid) / 1024))
            with suppress(RedisError):
                told = self._redis.info()
                self.redis_used.append((now, told["used_memory"]))
                self.redis_bound, self.evicted = told["maxmemory"], told["evicted_keys"]

    def stop(self) -> None:
        self._ends.set()
        self.join()
        self._redis.close()

    def _named(self) -> Iterator[tuple[str, int]]:
        """Each process by its part: the first of its kind is number 1, and so is its successor."""
        with suppress(OSError):
            living = dict(kinds_of(self._pid))
            self._parts = {part: pid for part, pid in self._parts.items() if pid in living}
            for pid, kind in living.items():
                if pid not in self._parts.values():
                    numbers = (f"{kind} {number}" for number in range(1, 1000))
                    self._parts[next(part for part in numbers if part not in self._parts)] = pid
            yield from sorted(self._parts.items())


def kinds_of(root: int) -> Iterator[tuple[int, str]]:
    """Every process of a service below its first one, and of which kind it is."""
    yield root, "arbiter"
    own = command_of(root)
    waiting = list(children(root))
    while waiting:
        pid = waiting.pop()
        with suppress(OSError):
            waiting += children(pid)
            command = command_of(pid)
            if kind := _kind(command, own):
                yield pid, kind


def _kind(command: str, own: str) -> str:
    if command == own:
        return "worker"
    program = command.partition(" ")[0].rpartition("/")[2]
    if program in ("mongod", "redis-server", "valkey-server"):
        return "mongod" if program == "mongod" else "redis"
    if "imaging.sandbox" in command:
        return "decoder"
    if "caretaker" in command:
        return "caretaker"
    return ""


def thirds(points: list[Point]) -> tuple[float, float]:
    """The means of the middle and of the last third of the time that was sampled."""
    end = points[-1][0]
    middle = [value for at, value in points if end / 3 <= at < 2 * end / 3]
    last = [value for at, value in points if at >= 2 * end / 3]
    return fmean(middle or last), fmean(last)


def growth(points: list[Point]) -> float:
    middle, last = thirds(points)
    return last / middle - 1


def is_flat(part: str, points: list[Point]) -> bool:
    """A decoder is replaced after so many pictures, and its successor begins small: it must only not grow."""
    if points[0][0] > points[-1][0] / 3:
        return True  # it came late, and has no middle third
    return growth(points) <= FLAT and (part.startswith("decoder") or growth(points) >= -FLAT)


def is_judged(part: str) -> bool:
    return part.startswith(JUDGED)


def breaches(sampler: Sampler) -> Iterator[str]:
    """What is not flat, and whether Redis went beyond its bound."""
    for part, points in sampler.series.items():
        if is_judged(part) and not is_flat(part, points):
            yield f"memory of {part} is not flat: {growth(points):+.1%} from its middle to its last third"
    yield from redis_breaches(sampler)


def redis_breaches(sampler: Sampler) -> Iterator[str]:
    most = max((used for _, used in sampler.redis_used), default=0.0)
    if most > sampler.redis_bound + REDIS_SLACK:
        yield f"Redis used {most:,.0f} bytes of the {sampler.redis_bound:,} that it may"
