"""Redis killed, hung, flushed, full, slow, lying and crowded, under load: a cache is never a dependency.

The same load goes to a service whose Redis is broken and, at the same time, to one that has none: what a
fault may cost is measured by what it costs to have no Redis at all. FAULT_SECONDS is how long each one lasts.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis

from imagestore.cache.breaker import FIRST_SECONDS, JITTER
from imagestore.embedded import Server, start_redis
from tests import pictures
from tests.faults.caller import Caller
from tests.faults.load import Ask, Load, Record, fetch, upload
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, WORKERS, running_node
from tests.faults.tcp_proxy import TcpProxy
from tests.figures import Figures
from tests.service import Service, await_that

SECONDS = float(os.environ.get("FAULT_SECONDS", "1"))
LONG = SECONDS >= 30
CLIENTS = 4
PICTURES = 24
HIT = "imagestore; hit; detail=redis"
BREAKERS = 2
"""Of each worker: its event loop asks Redis by itself, and its threads do."""

ROOM = 0.1 if LONG else 1.0
"""Seconds that a loaded machine may add to a bound on time: of few answers, the 99th percentile is one."""

pytestmark = [pytest.mark.timed, pytest.mark.timeout(180 + 4 * SECONDS)]


@dataclass
class Rig:
    """A service on a Redis behind a proxy, a service without one, and the same pictures in both."""

    service: Service
    without: Service
    proxy: TcpProxy
    folder: Path
    server: Server
    asks: list[Ask]
    writes: list[Ask]

    def redis(self) -> Redis:
        """Past the proxy."""
        return Redis.from_url(self.server.url, single_connection_client=True)

    def restart(self) -> None:
        self.server.stop()
        self.server = start_redis(self.folder, port=self.server.port, max_bytes=64 << 20)

    def mend(self) -> None:
        self.proxy.order()
        os.kill(self.server.pid, signal.SIGCONT)
        self.await_hits()

    def await_hits(self) -> float:
        """Seconds until every worker answers from Redis again, under a little load."""
        began = time.monotonic()
        with Load(self.service.url, self.asks, clients=2):
            await_that(lambda: all(self.hits() for _ in range(4)))
        return time.monotonic() - began

    def hits(self) -> bool:
        """As a new connection finds it, which any worker may take."""
        caller = Caller(self.service)
        answer = caller.call("GET", self.asks[0].path, stranger=True)
        caller.close()
        assert answer.status == 200
        return answer.headers.get("cache-status") == HIT


@pytest.fixture(scope="module")
def started_rig(tmp_path_factory: pytest.TempPathFactory, mongo: Server) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    same = {"mongo_database": f"test_{secrets.token_hex(8)}", "secret_key": secrets.token_hex(16)}
    with ExitStack() as stack:
        server = start_redis(folder / "redis", max_bytes=64 << 20)
        proxy = stack.enter_context(TcpProxy(server.port))
        url = f"redis://127.0.0.1:{proxy.port}/0"
        service = stack.enter_context(running_node(folder / "with", mongo, url, **same))
        without = stack.enter_context(running_node(folder / "without", mongo, "none", **same))
        rig = Rig(service, without, proxy, folder / "redis", server, [], [])
        stack.callback(lambda: rig.server.stop())
        fill(rig)
        yield rig


def fill(rig: Rig) -> None:
    with rig.service.client() as client:
        for number in range(PICTURES):
            data = pictures.jpeg(60 + 12 * number, 80, seed=number, noise=True)
            client.upload(BUCKET, data, f"{number}.jpg")
            rig.asks.append(fetch(BUCKET, f"{number}.jpg", hashlib.sha256(data).hexdigest()))
    for number in range(8):
        data = pictures.png(16, 16, seed=number)
        rig.writes.append(upload(rig.service, "PUT", f"/v1/buckets/{BUCKET}/images/w{number}.png", data))


@pytest.fixture
def rig(started_rig: Rig) -> Iterator[Rig]:
    """Whole: with everything in Redis that will be asked for."""
    started_rig.mend()
    yield started_rig


@dataclass
class Outcome:
    """What the load on the broken Redis saw, what that without one did, and what was counted meanwhile."""

    broken: Record
    without: Record
    before: Metrics
    after: Metrics

    def events(self, event: str) -> int:
        return self.after.since(self.before, "imagestore_redis_events_total", f'event="{event}"')

    def told(self) -> dict[str, object]:
        """The figures of every fault."""
        return {
            "answers": len(self.broken.answers),
            "errors": self.broken.errors,
            "p50_ms": 1000 * self.broken.percentile(0.5),
            "p99_ms": 1000 * self.broken.percentile(0.99),
            "p50_without_ms": 1000 * self.without.percentile(0.5),
            "p99_without_ms": 1000 * self.without.percentile(0.99),
            "throughput_to_that_without": len(self.broken.answers) / len(self.without.answers),
        }


@contextmanager
def under_load(rig: Rig) -> Iterator[Outcome]:
    """The block breaks Redis under load; the load then goes on for SECONDS, and its verdict is taken."""
    outcome = Outcome(Record(), Record(), Metrics(rig.service), Metrics(rig.service))
    urls = rig.service.url, rig.without.url
    with ExitStack() as stack:
        readers = [stack.enter_context(Load(url, rig.asks, clients=CLIENTS)) for url in urls]
        writers = [stack.enter_context(Load(url, rig.writes, clients=1, pause=0.3)) for url in urls]
        began = time.monotonic()
        yield outcome
        time.sleep(max(0.0, began + SECONDS - time.monotonic()))
    outcome.after = Metrics(rig.service)
    for load, record in zip(readers, (outcome.broken, outcome.without), strict=True):
        record.add(load.record)
        record.answers = [each for each in record.answers if each[0] >= began]
    for load in (*readers, *writers):
        assert load.record.faults() == []
        assert (load.record.refused, load.record.retried) == (0, [])


def assert_no_slower(outcome: Outcome) -> None:
    assert outcome.broken.percentile(0.99) <= 2 * outcome.without.percentile(0.99) + ROOM


def first_answers(rig: Rig) -> list[float]:
    """The seconds of the first answers on new connections, one after the other."""
    taken = []
    for ask in rig.asks[:10]:
        caller = Caller(rig.service)
        answer = caller.call("GET", ask.path, stranger=True)
        caller.close()
        assert (answer.status, answer.digest) == (200, ask.digest)
        taken.append(answer.seconds)
    return taken


def test_nothing_is_broken(rig: Rig, figures: Figures) -> None:
    """What the others are to be compared with."""
    with under_load(rig) as outcome:
        pass
    figures(**outcome.told(), hits=outcome.events("hits"), misses=outcome.events("misses"))
    assert outcome.events("errors") < 0.1 * outcome.events("hits")


def test_killed(rig: Rig, figures: Figures) -> None:
    with under_load(rig) as outcome:
        os.kill(rig.server.pid, signal.SIGKILL)
    rig.restart()
    back = rig.await_hits()
    figures(**outcome.told(), seconds_to_reconnect=back)
    assert_no_slower(outcome)
    assert outcome.events("shunned") > outcome.events("errors")
    assert back <= 5 + ROOM


def test_hung(rig: Rig, figures: Figures) -> None:
    usual, before = max(first_answers(rig)), Metrics(rig.service)
    os.kill(rig.server.pid, signal.SIGSTOP)
    began = time.monotonic()
    hung = first_answers(rig)
    probes = (time.monotonic() - began) / (FIRST_SECONDS * (1 - JITTER))
    waited = Metrics(rig.service).since(before, "imagestore_redis_events_total", 'event="errors"')
    os.kill(rig.server.pid, signal.SIGCONT)
    rig.await_hits()
    with under_load(rig) as outcome:
        os.kill(rig.server.pid, signal.SIGSTOP)
    os.kill(rig.server.pid, signal.SIGCONT)
    back = rig.await_hits()
    figures(
        usual_ms=1000 * usual,
        first_ms=[round(1000 * seconds) for seconds in hung],
        timeouts_among_them=waited,
        **outcome.told(),
        seconds_to_reconnect=back,
    )
    assert 1 <= waited <= WORKERS * BREAKERS * (1 + probes)
    assert max(hung) <= usual + 0.06 + ROOM
    assert_no_slower(outcome)
    assert outcome.events("shunned") > outcome.events("errors")


def test_flushed(rig: Rig, figures: Figures) -> None:
    flushes = 0
    with under_load(rig) as outcome, rig.redis() as redis:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            redis.flushall()
            flushes += 1
            time.sleep(0.5)
    reads = outcome.after.since(outcome.before, "imagestore_gridfs_reads_total")
    figures(**outcome.told(), flushes=flushes, keys=PICTURES, reads_for_each_key=reads / PICTURES / flushes)
    # Once for each worker, and where a busy machine was late enough for Redis to be done without.
    assert reads <= WORKERS * PICTURES * flushes + outcome.events("errors") + outcome.events("shunned")
    assert_no_slower(outcome)


def test_full(rig: Rig, figures: Figures) -> None:
    with rig.redis() as redis:
        try:
            with under_load(rig) as outcome:
                redis.config_set("maxmemory-policy", "noeviction")
                redis.config_set("maxmemory", "1mb")
                redis.flushall()
                fresh = overwrite_and_delete(rig)
        finally:
            redis.config_set("maxmemory", str(64 << 20))
            redis.config_set("maxmemory-policy", "volatile-ttl")
    figures(**outcome.told(), skipped_writes=outcome.events("skipped"), seen_at_once=fresh)
    assert_no_slower(outcome)
    assert outcome.events("skipped") > 0


def overwrite_and_delete(rig: Rig) -> int:
    """What every connection sees right after a write, though Redis takes no fence."""
    seen = 0
    with rig.service.client() as client:
        for number in range(5):
            data = pictures.png(20, 20, seed=number)
            client.upload(BUCKET, data, "changing.png")
            for caller in (Caller(rig.service) for _ in range(4)):
                answer = caller.get(BUCKET, "changing.png")
                caller.close()
                assert answer.digest == hashlib.sha256(data).hexdigest()
                seen += 1
        client.delete(BUCKET, "changing.png")
    caller = Caller(rig.service)
    assert caller.get(BUCKET, "changing.png").status == 404
    caller.close()
    return seen


def test_slow(rig: Rig, figures: Figures) -> None:
    with under_load(rig) as outcome:
        rig.proxy.order(delay=0.05)
    rig.proxy.order()
    figures(**outcome.told())
    assert_no_slower(outcome)
    assert outcome.events("shunned") > outcome.events("errors")
    assert len(outcome.broken.answers) >= (0.8 if LONG else 0.3) * len(outcome.without.answers)


def test_values_that_lie(rig: Rig, figures: Figures) -> None:
    """Truncated, changed in one bit, and another key's, again and again."""
    with under_load(rig) as outcome, rig.redis() as redis:
        spoiled = repeat_for(SECONDS, lambda number: spoil(redis, number))
    figures(**outcome.told(), values_spoiled=spoiled, found_out=outcome.events("corrupt"))
    assert outcome.events("corrupt") > 0


def spoil(redis: Redis, number: int) -> int:
    """Spoil every value once; how many there were."""
    keys = [key for key in redis.scan_iter(count=1000) if b"lease" not in key]
    values = dict(zip(keys, redis.mget(keys), strict=True))
    shifted = itertools.cycle(keys)
    next(shifted, None)
    dice = random.Random(number)
    spoiled = 0
    for key, other in zip(keys, shifted, strict=False):
        value = values[key]
        if not value:
            continue
        place = dice.randrange(len(value))
        changed = (
            value[:place],
            value[:place] + bytes([value[place] ^ 1 << dice.randrange(8)]) + value[place + 1 :],
            values[other] or b"",
        )[(number + spoiled) % 3]
        spoiled += bool(redis.set(key, changed, keepttl=True, xx=True))
    return spoiled


def repeat_for(seconds: float, work: Callable[[int], int]) -> int:
    done, end = 0, time.monotonic() + seconds
    for number in itertools.count():
        if time.monotonic() > end:
            return done
        done += work(number)
        time.sleep(0.1)
    raise AssertionError


def test_a_wire_that_lies(rig: Rig, figures: Figures) -> None:
    """One bit is changed in every third piece of what Redis says, lengths and kinds of answers included."""
    with under_load(rig) as outcome:
        rig.proxy.order(spoil=0.3)
    rig.proxy.order()
    figures(**outcome.told(), errors_counted=outcome.events("errors"), found_out=outcome.events("corrupt"))


def test_out_of_connections(rig: Rig, figures: Figures) -> None:
    with rig.redis() as redis, ExitStack() as stack:
        try:
            with under_load(rig) as outcome:
                occupy(redis, rig.server.url, stack)
        finally:
            redis.config_set("maxclients", 10_000)
    figures(**outcome.told(), errors_counted=outcome.events("errors"), shunned=outcome.events("shunned"))
    assert_no_slower(outcome)
    assert outcome.events("shunned") > outcome.events("errors") > 0


def occupy(redis: Redis, url: str, stack: ExitStack) -> None:
    """Hold the only two connections that Redis has to give."""
    other = stack.enter_context(Redis.from_url(url, single_connection_client=True))
    held = {redis.client_id(), other.client_id()}
    redis.config_set("maxclients", len(held))
    for client in redis.client_list():
        if int(client["id"]) not in held:
            redis.client_kill_filter(_id=client["id"])
