"""One soak: the service with little cache, its clients for some time, and what came of it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import plots
from tests.faults.load import authorization
from tests.service import Service, running_service
from tests.soak import memory
from tests.soak.clients import Clients, Seen, hit_ratio, redis_hit_ratio
from tests.soak.population import Population

CONNECTIONS = 64
WORKERS = 2
REDIS_BYTES = 32 * 1024 * 1024
EDGE_BYTES = 4 * 1024 * 1024
"""So little that Redis and the memory of the workers are full, and evict, long before the middle third."""

SHOWN = 20
METRICS = ("imagestore_fetch_total", "imagestore_renditions_total", "imagestore_redis_", "imagestore_edge_")
SETTINGS = {
    "workers": WORKERS,
    "redis_bytes": REDIS_BYTES,
    "upkeep": "on",
    "edge_bytes": EDGE_BYTES,
    "access_log": "on",
    "audit_log": "off",
    "log_format": "json",
    # As many as there are clients: then no answer but a fault is a 503.
    "render_queue": CONNECTIONS,
    "decode_queue": CONNECTIONS - 1,
}


@dataclass(frozen=True)
class Plan:
    """For how long, how many images, requests a second of all clients; whether memory is to be flat."""

    seconds: float
    images: int = 2000
    rate: float = 400.0
    exponent: float = 0.9
    seed: int = 1
    flat: bool = True


@dataclass
class Outcome:
    seen: Seen
    sampler: memory.Sampler
    settled: Counter[str]
    """`Seen.sources` of the last two thirds, when the caches are full."""

    metrics: dict[str, float]
    breaches: list[str]


def soak(plan: Plan, folder: Path, kept: Path | None = None) -> Outcome:
    """`folder` is for what passes. What the service said, one line a request, goes to `kept`."""
    population = Population(plan.images, plan.exponent, plan.seed)
    with running_service(folder, **SETTINGS) as service:
        clients = Clients(service, population, CONNECTIONS, plan.rate)
        asyncio.run(clients.fill())
        sampler = memory.Sampler(service.process.pid, service.redis_url, max(0.2, plan.seconds / 600))
        sampler.start()
        try:
            settled = asyncio.run(_run(clients, plan.seconds))
        finally:
            sampler.stop()
        metrics = read_metrics(service)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(service.log, kept)
    outcome = Outcome(clients.seen, sampler, settled, metrics, [])
    outcome.breaches += breaches(outcome, plan)
    return outcome


async def _run(clients: Clients, seconds: float) -> Counter[str]:
    """Returns where the pictures of the last two thirds came from."""
    began = time.monotonic()
    await clients.run(began + seconds / 3)
    before = clients.seen.sources.copy()
    await clients.run(began + seconds)
    return clients.seen.sources - before


def breaches(outcome: Outcome, plan: Plan) -> Iterator[str]:
    seen = outcome.seen
    if server := sum(count for status, count in seen.statuses.items() if status >= 500):
        yield f"{server} answers of the server class"
    for what, found in (("wrong", seen.wrong), ("failed", seen.failed)):
        if found:
            yield "\n    ".join([f"{len(found)} {what}:", *found[:SHOWN]])
    if not seen.sources:
        yield "no picture was answered"
    yield from memory.breaches(outcome.sampler) if plan.flat else memory.redis_breaches(outcome.sampler)


def read_metrics(service: Service) -> dict[str, float]:
    """The counters of all workers that tell of the caches, by name and labels."""
    request = urllib.request.Request(
        f"{service.url}/metrics", headers={"Authorization": authorization(service)}
    )
    with urllib.request.urlopen(request) as answer:
        text = answer.read().decode()
    found = re.findall(r"^(imagestore_\w+(?:\{[^}]*\})?) (\S+)$", text, re.MULTILINE)
    return {
        name: float(value)
        for name, value in found
        if name.startswith(METRICS) and "_bucket" not in name and float(value)
    }


def table(outcome: Outcome) -> Iterator[str]:
    """Its lines, as they are printed."""
    seen, sampler = outcome.seen, outcome.sampler
    told = ", ".join(f"{count:,} {kind}s" for kind, count in sorted(seen.requests.items()))
    yield f"requests    {told}"
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(seen.statuses.items()))
    yield f"statuses    {statuses}"
    yield f"slowest     {seen.slowest * 1000:,.0f} ms"
    whole, settled = hit_ratio(seen.sources), hit_ratio(outcome.settled)
    yield f"hit ratio   {whole:.1%} of all pictures, {settled:.1%} of those of the last two thirds"
    yield f"of Redis    {redis_hit_ratio(seen.sources):.1%} of the pictures that no worker had in memory"
    for source, count in seen.sources.most_common():
        yield f"            {count:9,}  {source}"
    for name, value in sorted(outcome.metrics.items()):
        yield f"            {value:9,.0f}  {name}"
    most = max((used for _, used in sampler.redis_used), default=0.0)
    bound, evicted = sampler.redis_bound, sampler.evicted
    yield f"Redis       {most:,.0f} bytes at most of {bound:,}, {evicted:,} keys evicted"
    yield f"memory      {'':16}{'middle third':>14}{'last third':>14}{'growth':>10}"
    for part, points in sampler.series.items():
        middle, last = memory.thirds(points)
        judged = "" if memory.is_judged(part) else "  (not judged)"
        yield f"            {part:16}{middle:10.1f} MiB{last:10.1f} MiB{last / middle - 1:+10.1%}{judged}"


def plot(outcome: Outcome) -> str:
    used = [(at, value / 2**20) for at, value in outcome.sampler.redis_used]
    return plots.lines("Resident memory", "MiB", {**outcome.sampler.series, "used by Redis": used})


def as_json(outcome: Outcome, plan: Plan) -> str:
    seen = outcome.seen
    content = {
        "plan": vars(plan),
        "requests": seen.requests,
        "statuses": seen.statuses,
        "sources": seen.sources,
        "hit_ratio": hit_ratio(seen.sources),
        "redis_hit_ratio": redis_hit_ratio(seen.sources),
        "settled_hit_ratio": hit_ratio(outcome.settled),
        "metrics": outcome.metrics,
        "memory": outcome.sampler.series,
        "breaches": outcome.breaches,
    }
    return json.dumps(content, indent=2) + "\n"
