"""One maker per key: in one process, across processes, and when makers fail or die."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from redis import Redis

from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.cache.values import Lease
from imagestore.core.errors import ImageNotFound, ImagestoreError, StoreUnavailable, UnsupportedFormat
from tests.cache.conftest import MakeTier
from tests.cache.test_tier import until

THREADS = 50
WAIT = 60.0


class Workshop:
    """Makes one blob, slowly, and knows how often and how many at once."""

    def __init__(self, tier: Tier, flights: Flights, failures: list[BaseException] | None = None) -> None:
        self.makes = 0
        self.at_once = 0
        self.most_at_once = 0
        self.outcomes: list[object] = []
        self._tier = tier
        self._flights = flights
        self._failures = failures or []
        self._lock = threading.Lock()

    def make(self) -> bytes:
        with self._lock:
            self.makes += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            failure = self._failures.pop(0) if self._failures else None
        time.sleep(0.5)
        with self._lock:
            self.at_once -= 1
        if failure is not None:
            raise failure
        self._tier.write_blob("blob", b"made", 1)
        return b"made"

    def ask(self, wait: float = WAIT) -> None:
        try:
            outcome: object = self._flights.once(
                "blob", self.make, find=lambda: self._tier.read_blob("blob", 1), wait=wait
            )
        except BaseException as error:
            outcome = error
        with self._lock:
            self.outcomes.append(outcome)

    def ask_at_once(self, threads: int = THREADS, wait: float = WAIT) -> None:
        asking = [threading.Thread(target=self.ask, args=(wait,)) for _ in range(threads)]
        for thread in asking:
            thread.start()
        for thread in asking:
            thread.join(WAIT)
        assert len(self.outcomes) == threads
        assert self._flights._flights == {}


def test_fifty_threads_make_once(tier: Tier) -> None:
    shop = Workshop(tier, Flights(tier))
    shop.ask_at_once()
    assert shop.makes == 1
    assert sorted(map(str, shop.outcomes)) == sorted(
        ["(b'made', 'make')"] + ["(b'made', 'wait')"] * (THREADS - 1)
    )


def test_what_is_there_already_is_not_made(tier: Tier) -> None:
    tier.write_blob("blob", b"found", 1)
    shop = Workshop(tier, Flights(tier))
    shop.ask_at_once(3)
    assert shop.makes == 0
    assert shop.outcomes == [(b"found", "wait")] * 3


@pytest.mark.quick
def test_without_redis_a_process_still_makes_once() -> None:
    tier = Tier("none", timeout=1, value_bytes=1000, integrity_key=b"k")
    shop = Workshop(tier, Flights(tier))
    shop.ask_at_once(10)
    assert shop.makes == 1


def test_names_do_not_wait_for_each_other(tier: Tier) -> None:
    flights = Flights(tier)
    inner = flights.once(
        "outer",
        lambda: flights.once("inner", lambda: b"in", find=lambda: None, wait=WAIT)[0] + b" out",
        find=lambda: None,
        wait=WAIT,
    )
    assert inner == (b"in out", "make")


# Makers that fail


@pytest.mark.parametrize("error", [ImageNotFound("no"), UnsupportedFormat("no")])
def test_an_error_of_the_request_is_everybodys(tier: Tier, error: ImagestoreError) -> None:
    shop = Workshop(tier, Flights(tier), [error])
    shop.ask_at_once(10)
    assert shop.makes == 1
    assert shop.outcomes == [error] * 10


@pytest.mark.parametrize("error", [RuntimeError("bug"), StoreUnavailable("away"), SystemExit(1)])
def test_after_any_other_one_follower_takes_over(tier: Tier, error: BaseException) -> None:
    shop = Workshop(tier, Flights(tier), [error])
    shop.ask_at_once(10)
    assert (shop.makes, shop.most_at_once) == (2, 1)
    assert shop.outcomes.count(error) == 1
    assert shop.outcomes.count((b"made", "wait")) == 8


def test_makers_that_all_fail_do_not_go_on_for_ever(tier: Tier) -> None:
    shop = Workshop(tier, Flights(tier), [StoreUnavailable(str(number)) for number in range(30)])
    shop.ask_at_once(30)
    assert shop.makes < 10
    assert shop.most_at_once == 1
    assert all(isinstance(outcome, StoreUnavailable) for outcome in shop.outcomes)


def test_a_failed_maker_gives_its_lease_back(tier: Tier) -> None:
    shop = Workshop(tier, Flights(tier), [RuntimeError("bug")])
    shop.ask()
    assert tier.try_lease("blob", 1).state == "held"


# Waiting ends


def test_who_has_waited_long_enough_makes_it_itself(make_tier: MakeTier) -> None:
    tier = make_tier()
    assert make_tier().try_lease("blob", 600).state == "held"  # by somebody who never makes it
    shop = Workshop(tier, Flights(tier))
    shop.ask(wait=0.2)
    assert shop.outcomes == [(b"made", "make")]


def test_a_follower_in_the_process_does_not_wait_for_ever_either(tier: Tier) -> None:
    flights = Flights(tier)
    release, begun = threading.Event(), threading.Event()

    def make_slowly() -> bytes:
        begun.set()
        release.wait(WAIT)
        return b"slow"

    def ask() -> None:
        flights.once("blob", make_slowly, find=lambda: None, wait=WAIT)

    leader = threading.Thread(target=ask)
    leader.start()
    assert begun.wait(WAIT)
    assert flights.once("blob", lambda: b"own", find=lambda: None, wait=0.1) == (b"own", "make")
    release.set()
    leader.join(WAIT)
    assert flights._flights == {}


# Across processes

PROGRAM = r"""
import sys, threading, time
from redis import Redis
from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.cache.values import Lease

url, lease, slowness = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
tier = Tier(url, timeout=5, value_bytes=1000, integrity_key=b"secret")
flights = Flights(tier, lease_seconds=lease)
counter = Redis.from_url(url)

def make():
    counter.incr("makes")
    print("making", flush=True)
    time.sleep(slowness)
    tier.write_blob("blob", b"made", 1)
    return b"made"

def ask():
    data, role = flights.once("blob", make, find=lambda: tier.read_blob("blob", 1), wait=60)
    sys.stdout.write(f"{data.decode()} {role}\n")

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@contextmanager
def process(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PROGRAM, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert _line(running) == "ready"
            yield running
        finally:
            running.kill()


def _line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def _go(running: subprocess.Popen[str]) -> None:
    assert running.stdin is not None
    running.stdin.write("\n")
    running.stdin.flush()


def test_two_processes_make_once(redis_url: str, redis: Redis) -> None:
    with process(redis_url, 30, 0.5) as one, process(redis_url, 30, 0.5) as other:
        _go(one)
        _go(other)
        said = one.communicate(timeout=WAIT)[0] + other.communicate(timeout=WAIT)[0]
    assert redis.get("makes") == b"1"
    assert (said.count("made make"), said.count("made wait")) == (1, 15)


def test_a_maker_that_is_killed_is_followed_by_another(tier: Tier, redis_url: str, redis: Redis) -> None:
    with process(redis_url, 1, 600) as maker:
        _go(maker)
        assert _line(maker) == "making"
        assert tier.try_lease("blob", 1).state == "busy"
        maker.kill()
        maker.wait(WAIT)
        shop = Workshop(tier, Flights(tier, lease_seconds=1))
        shop.ask_at_once(10)
    assert shop.makes == 1
    assert shop.outcomes.count((b"made", "make")) == 1
    assert redis.get("makes") == b"1"


def test_a_process_finds_what_another_makes_meanwhile(make_tier: MakeTier) -> None:
    tier, other = make_tier(), make_tier()
    lease = other.try_lease("blob", 600)
    shop = Workshop(tier, Flights(tier))
    asking = threading.Thread(target=shop.ask)
    asking.start()
    before = other.stats()
    assert before.stored == 0
    time.sleep(0.1)
    other.write_blob("blob", b"theirs", 1)  # the lease is still held: the blob alone is enough
    asking.join(WAIT)
    assert shop.outcomes == [(b"theirs", "wait")]
    other.release_lease(lease)
    assert until(lambda: tier.try_lease("blob", 1).state == "held")


def test_a_lease_whose_word_was_late_is_given_back(
    tier: Tier, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tier.try_lease

    def late(name: str, seconds: float) -> Lease:
        return replace(taken(name, seconds), state="unavailable")

    monkeypatch.setattr(tier, "try_lease", late)
    assert Flights(tier).once("blob", lambda: b"made", find=lambda: None) == (b"made", "make")
    assert redis.keys() == []


def test_a_lease_that_another_took_over_is_not_given_back(
    make_tier: MakeTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is with one whose renewals did not reach Redis."""
    tier, other = make_tier(), make_tier()
    monkeypatch.setattr(tier, "renew_lease", lambda *_: None)
    flights = Flights(tier, lease_seconds=0.05)

    def make() -> bytes:
        assert until(lambda: other.try_lease("blob", 600).state == "held")
        return b"late"

    find: Callable[[], bytes | None] = lambda: None  # noqa: E731
    assert flights.once("blob", make, find=find, wait=WAIT) == (b"late", "make")
    assert tier.try_lease("blob", 1).state == "busy"


def test_a_lease_lasts_as_long_as_its_maker_is_at_work(make_tier: MakeTier) -> None:
    tier, other = make_tier(), make_tier()
    flights = Flights(tier, lease_seconds=0.2)
    states: list[str] = []

    def make() -> bytes:
        for _ in range(10):
            time.sleep(0.1)
            states.append(other.try_lease("blob", 600).state)
        return b"made"

    assert flights.once("blob", make, find=lambda: None, wait=WAIT) == (b"made", "make")
    assert states == ["busy"] * 10
    assert until(lambda: other.try_lease("blob", 1).state == "held")


def test_the_patient_ask_again_until_redis_is_less_busy(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tier.try_lease
    answers = iter([False] * 5)

    def busy(name: str, seconds: float) -> Lease:
        return taken(name, seconds) if next(answers, True) else Lease(name, "unavailable", "x")

    monkeypatch.setattr(tier, "try_lease", busy)
    shop = Workshop(tier, Flights(tier, patience=WAIT))
    shop.ask_at_once(10)
    assert shop.makes == 1
    assert next(answers, None) is None


def test_patience_ends_and_is_not_had_again_soon(tier: Tier, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def away(name: str, seconds: float) -> Lease:
        asked.append(name)
        return Lease(name, "unavailable", "x")

    monkeypatch.setattr(tier, "try_lease", away)
    flights = Flights(tier, patience=0.3)
    assert flights.once("a", lambda: b"made", find=lambda: None) == (b"made", "make")
    assert asked.count("a") > 1
    assert flights.once("b", lambda: b"made", find=lambda: None) == (b"made", "make")
    assert asked.count("b") == 1
