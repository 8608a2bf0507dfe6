"""What is worth warming, from an access log: the objects by hits × cost, and what Redis would then answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from imagestore.cache.footprint import SERVER_BYTES, entry_bytes
from imagestore.library.accesslog import Delivery
from imagestore.library.planner import Sample
from imagestore.library.simulation import VALUE_BYTES, Requests, Room, expiry

RENDER_COST = 8
"""What a rendition takes to make, where reading an original counts as 1: so it is weighed in Redis, too."""

MOST_OBJECTS = 1_000_000
"""Of a log that are looked at: those that came first."""

_SAFE = "/:,;!$&'()*+=@~"


@dataclass(frozen=True, slots=True)
class Target:
    """One object of a log: `path` is its delivery URL's, percent-encoded, `size` that of its body."""

    path: str
    size: int
    hits: int
    rendered: bool

    @property
    def worth(self) -> int:
        return self.hits * (RENDER_COST if self.rendered else 1)


@dataclass(frozen=True, slots=True)
class WarmPlan:
    """What a warm-up would load, and the share of the log's requests that a Redis of `redis_bytes` answers if
    they come again: `before` as it would do from nothing, `after` with what was loaded first."""

    objects: int
    bytes: int
    requests: int
    redis_bytes: int
    before: float
    after: float


class Wanted:
    """Collects the answers of a log, and says what of them to warm. Memory is bounded by MOST_OBJECTS."""

    def __init__(self) -> None:
        self._hits: Counter[str] = Counter()
        self._sizes: dict[str, int] = {}
        self._rendered: dict[str, bool] = {}
        self._sample = Sample()

    def add(self, deliveries: Iterable[Delivery]) -> None:
        for each in deliveries:
            if each.request is None or each.method != "GET" or each.status != 200 or each.size is None:
                continue
            if each.name not in self._sizes and len(self._sizes) >= MOST_OBJECTS:
                continue
            self._hits[each.name] += 1
            self._sizes[each.name] = max(each.size, self._sizes.get(each.name, 0))
            self._rendered[each.name] = bool(each.request.transformation.canonical())
            self._sample.add(each.name, each.size, None)

    def targets(self, *, top: int | None = None, most_bytes: int | None = None) -> list[Target]:
        """The dearest first: at most `top`, and as many as take `most_bytes` of Redis together. What Redis
        does not take for its size is left out."""
        found = [
            Target(_path(name), self._sizes[name], hits, self._rendered[name])
            for name, hits in self._hits.items()
            if self._sizes[name] <= VALUE_BYTES
        ]
        found.sort(key=lambda each: (-each.worth, each.size, each.path))
        chosen, taken = list[Target](), 0
        for each in found[:top]:
            taken += entry_bytes(each.size)
            if most_bytes is not None and taken > most_bytes:
                break
            chosen.append(each)
        return chosen

    def plan(self, targets: Sequence[Target], redis_bytes: int) -> WarmPlan:
        """Simulated as `imagestore plan` does it."""
        requests = self._sample.requests()
        room = Room(max(0, redis_bytes - SERVER_BYTES), entry_bytes)
        before = expiry(requests, room).hits if requests.objects else 0.0
        paths = {_path(name): number for name, number in self._sample.numbers.items()}
        # The dearest come last: what is loaded last is the last to go.
        warmed = [paths[each.path] for each in reversed(targets) if each.path in paths]
        both = Requests([*warmed, *requests.objects], requests.sizes)
        hits = expiry(both, room).hits * len(both.objects) if both.objects else 0.0
        return WarmPlan(
            objects=len(targets),
            bytes=sum(each.size for each in targets),
            requests=self._sample.asked,
            redis_bytes=redis_bytes,
            before=before,
            after=min(1.0, hits / len(requests.objects)) if requests.objects else 0.0,
        )


def _path(name: str) -> str:
    bucket, _, rest = name.partition("/")
    return f"/{quote(bucket, safe='')}/image/upload/{quote(rest, safe=_SAFE)}"
