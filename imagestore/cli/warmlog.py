"""`imagestore warm --log`: ask for what an access log shows to be worth it, the dearest first."""

from __future__ import annotations

import sys
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from imagestore.cache.footprint import SERVER_BYTES
from imagestore.cli.pacing import paced
from imagestore.cli.plan import STANDARD_INPUT, report_unread, watched
from imagestore.cli.progress import progress_bar
from imagestore.cli.statuses import FAILED
from imagestore.cli.terminal import Failure, connect, print_json, print_table, printable, size_text
from imagestore.client import Client
from imagestore.core.errors import (
    ImagestoreError,
    Overloaded,
    RateLimited,
    ServiceUnreachable,
    StoreUnavailable,
)
from imagestore.library.accesslog import open_log
from imagestore.library.warmplan import Target, Wanted, WarmPlan

_HIT = "; hit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Options of the command. `rate` is objects a second, None for no bound; sizes are bytes."""

    log: str
    top: int | None
    most_bytes: int | None
    redis_bytes: int
    rate: float | None
    concurrency: int
    state: Path | None
    plan_only: bool
    as_json: bool


def warm_by_log(wishes: Wishes) -> None:
    """Read the log, then load what it shows, or only tell what that would be."""
    wanted = Wanted()
    with (
        open_log(sys.stdin.buffer if wishes.log == STANDARD_INPUT else Path(wishes.log)) as log,
        progress_bar("reading", wanted=not wishes.as_json) as bar,
    ):
        bar.start(log.total)
        wanted.add(watched(log, bar))
    report_unread(log)
    # More than Redis holds would only push out what was loaded before.
    most = min(wishes.most_bytes or wishes.redis_bytes, max(0, wishes.redis_bytes - SERVER_BYTES))
    targets = wanted.targets(top=wishes.top, most_bytes=most)
    if not targets:
        raise Failure(f"{printable(wishes.log)} has no GET of an image that Redis could keep.")
    plan = wanted.plan(targets, wishes.redis_bytes)
    if wishes.plan_only:
        _tell(asdict(plan), _plan_rows(plan), as_json=wishes.as_json)
        return
    done = _Done(wishes.state)
    counts = _load([each for each in targets if each.path not in done], wishes, done)
    told = {**asdict(plan), **counts}
    _tell(told, [*_plan_rows(plan), *outcome_rows(counts)], as_json=wishes.as_json)
    if counts["busy"] or counts["failed"]:
        raise click.exceptions.Exit(FAILED)


class _Done:
    """The paths that are done, one a line in a file, so that a warm-up that was broken off goes on there."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._paths = set(file.read_text().splitlines()) if file is not None and file.exists() else set()

    def __contains__(self, path: str) -> bool:
        return path in self._paths

    def add(self, path: str) -> None:
        if self._file is None:
            return
        with self._file.open("a") as opened:
            opened.write(path + "\n")


def _load(targets: list[Target], wishes: Wishes, done: _Done) -> Counter[str]:
    counts = Counter(loaded=0, found=0, refused=0, busy=0, failed=0)
    with ExitStack() as stack:
        client = stack.enter_context(connect())
        bar = stack.enter_context(progress_bar("warming", wanted=not wishes.as_json))
        threads = stack.enter_context(ThreadPoolExecutor(wishes.concurrency))
        bar.start(len(targets))
        waiting: deque[tuple[Target, Future[str]]] = deque()

        def take() -> None:
            each, asked = waiting.popleft()
            outcome = asked.result()
            counts[outcome] += 1
            if outcome in ("loaded", "found"):
                done.add(each.path)
            bar.advance(1, each.path)
            bar.advance_bytes(each.size)

        # No more are on their way than there are threads: what is done is noted as it is done.
        for [each] in paced(targets, 1, wishes.rate):
            waiting.append((each, threads.submit(ask, client, each.path)))
            while waiting and (len(waiting) >= wishes.concurrency or waiting[0][1].done()):
                take()
        while waiting:
            take()
    return counts


def ask(client: Client, path: str) -> str:
    """Have the service put it into Redis, as a browser's request would; what came of it."""
    try:
        told = client.visit(path)
    except (Overloaded, RateLimited, StoreUnavailable):
        return "busy"
    except ServiceUnreachable:
        return "failed"
    except ImagestoreError:
        return "refused"
    return "found" if _HIT in told else "loaded"


def outcome_rows(counts: Counter[str]) -> list[tuple[str, str]]:
    return [
        ("loaded", str(counts["loaded"])),
        ("there already", str(counts["found"])),
        ("refused", str(counts["refused"])),
        ("too busy", str(counts["busy"])),
    ]


def _plan_rows(plan: WarmPlan) -> list[tuple[str, str]]:
    return [
        ("objects", str(plan.objects)),
        ("bytes", size_text(plan.bytes)),
        ("requests in the log", str(plan.requests)),
        ("Redis", size_text(plan.redis_bytes)),
        ("expected hit ratio", f"{plan.before:.1%} from nothing, {plan.after:.1%} after warming"),
    ]


def _tell(told: dict[str, object], rows: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        print_json(told)
    else:
        print_table(rows)
