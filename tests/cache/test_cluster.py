"""The tier on a real Redis Cluster: while slots move, and while a server of it hangs, dies or is replaced."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.crc import key_slot

from imagestore.cache.names import redis_key
from imagestore.cache.node import Node
from imagestore.cache.tier import FORGET_BATCH, Tier
from imagestore.cache.values import Alias
from tests.cache.conftest import MakeTier
from tests.cache.test_tier import until
from tests.redis_cluster import Member, RedisCluster, running_cluster

TIMEOUT = 0.2
NAMES = [f"name {number}" for number in range(60)]


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three servers that share the slots, and one that has none. A test leaves it whole.

    The fourth becomes a replica when its last slot is taken from it: one test alone gives it some.
    """
    with running_cluster(tmp_path_factory.mktemp("roomy")) as cluster:
        cluster.add()
        cluster.await_ok()
        yield cluster


@pytest.fixture
def cluster(roomy: RedisCluster) -> RedisCluster:
    roomy.flush()
    return roomy


@pytest.fixture
def tier(cluster: RedisCluster, make_tier: MakeTier) -> Tier:
    return make_tier(cluster.url)


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The commands of each exchange with a server."""
    seen: list[int] = []
    exchange = Node._exchange

    def counted(node: Node, commands: Any, *options: Any) -> list[object]:
        seen.append(len(commands))
        return exchange(node, commands, *options)

    monkeypatch.setattr(Node, "_exchange", counted)
    return seen


def fill(tier: Tier) -> None:
    for name in NAMES:
        assert tier.write_blob(name, name.encode(), 1)
        assert tier.write_alias(name, 1, name.encode(), 60)


def found(tier: Tier) -> set[str]:
    return {name for name in NAMES if tier.read_blob(name, 1) == name.encode()}


def those_of(cluster: RedisCluster, member: Member) -> set[str]:
    """The names whose blobs a server has."""
    return {name for name in NAMES if cluster.owner(slot_of(name)) is member}


def slot_of(name: str) -> int:
    return key_slot(redis_key("blob", name))


@contextmanager
def running(count: int, work: Callable[[], None]) -> Iterator[None]:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


def test_many_names_take_one_round_trip_to_each_server(tier: Tier, round_trips: list[int]) -> None:
    assert tier.forget_many([(name, 1) for name in NAMES])  # finds the servers, and teaches them the script
    round_trips.clear()
    assert tier.read_aliases(NAMES) == [None] * len(NAMES)
    assert len(round_trips) == 3
    assert sum(round_trips) == 2 * len(NAMES)
    round_trips.clear()
    assert tier.forget_many([(name, 2) for name in NAMES])
    assert len(round_trips) == 3
    round_trips.clear()
    tier.write_blob(NAMES[0], b"data", 1)
    tier.read_blob(NAMES[0], 1)
    assert round_trips == [1, 1]


def test_all_aliases_of_all_servers_are_forgotten_and_nothing_else(tier: Tier) -> None:
    fill(tier)
    assert tier.forget_all()
    assert not any(tier.read_aliases(NAMES))
    assert found(tier) == set(NAMES)


def test_many_are_forgotten_where_scripts_were_lost(cluster: RedisCluster, tier: Tier) -> None:
    many = [f"version {number}" for number in range(2 * FORGET_BATCH + 1)]
    fill(tier)
    for member in cluster.members:
        member.tell("SCRIPT", "FLUSH")
    assert tier.forget_many([(name, 2) for name in (*many, *NAMES)])
    assert not any(tier.read_aliases([*many, *NAMES]))
    assert not any(tier.write_alias(name, 1, b"old", 60) for name in NAMES)


def test_nothing_is_missed_while_slots_move_to_a_server_that_had_none(
    cluster: RedisCluster, tier: Tier, make_tier: MakeTier
) -> None:
    fill(tier)
    source, target = cluster.members[0], cluster.members[3]
    names = sorted(those_of(cluster, source))[:3]
    assert names
    missed: list[str] = []
    reader, done = make_tier(cluster.url), threading.Event()

    def read() -> None:
        while not done.is_set():
            missed.extend(name for name in names if reader.read_blob(name, 1) != name.encode())

    with running(3, read), ExitStack() as ending:
        ending.callback(done.set)
        for name in names:
            for _ in cluster.move_slot(slot_of(name), target):
                # Where the key is not any more, or not yet: one redirection (ASK, then MOVED).
                assert tier.read_blob(name, 1) == name.encode()
                assert tier.write_blob(name, name.encode(), 1)
    assert missed == []
    assert tier.stats().errors == 0
    assert make_tier(cluster.url).read_blob(names[0], 1) == names[0].encode()
    for name in names:
        for _ in cluster.move_slot(slot_of(name), source):
            pass


def test_an_alias_that_moves_is_forgotten_wherever_it_is(cluster: RedisCluster, tier: Tier) -> None:
    name = "moving"
    slot = key_slot(redis_key("alias", name))
    home, other = cluster.owner(slot), cluster.members[1]
    assert home is not other
    generation = 1
    for _ in cluster.move_slot(slot, other):
        assert tier.write_alias(name, generation, b"facts", 60)
        assert tier.read_aliases([name]) == [Alias(generation, b"facts")]
        generation += 1
        assert tier.forget(name, generation)
        assert tier.read_aliases([name]) == [None]
        assert not tier.write_alias(name, generation - 1, b"old", 60)
    for _ in cluster.move_slot(slot, home):
        pass


def test_a_moved_slot_is_asked_for_at_its_new_place_from_then_on(
    cluster: RedisCluster, tier: Tier, round_trips: list[int]
) -> None:
    fill(tier)
    name, home = NAMES[0], cluster.owner(slot_of(NAMES[0]))
    target = next(member for member in cluster.members[:3] if member is not home)
    for _ in cluster.move_slot(slot_of(name), target):
        pass
    round_trips.clear()
    assert tier.read_blob(name, 1) == name.encode()
    assert tier.read_blob(name, 1) == name.encode()
    # Moved, asked again; at the most once a second the slots are asked for; then at its place at once.
    assert len(round_trips) in (3, 4)
    for _ in cluster.move_slot(slot_of(name), home):
        pass


def test_a_server_that_hangs_costs_its_own_keys_and_a_few_timeouts(
    cluster: RedisCluster, make_tier: MakeTier
) -> None:
    fill(make_tier(cluster.url))
    tier = make_tier(cluster.url, timeout=TIMEOUT)
    assert until(lambda: found(tier) == set(NAMES))
    lost = those_of(cluster, cluster.members[1])
    with cluster.stopped(cluster.members[1]):
        began = time.monotonic()
        for _ in range(10):
            assert not found(tier) & lost
        taken = time.monotonic() - began
        stats = tier.stats()
        assert not tier.ping()
        assert until(lambda: set(NAMES) - lost <= found(tier))
    assert stats.breaker == "open"
    assert stats.shunned > stats.errors
    assert taken < 10 * len(lost) * TIMEOUT  # what it would take without a breaker
    cluster.await_ok()
    assert until(lambda: found(tier) == set(NAMES) and tier.ping())


def test_a_server_that_died_is_missed_until_it_is_back(cluster: RedisCluster, make_tier: MakeTier) -> None:
    tier = make_tier(cluster.url)
    fill(tier)
    victim = cluster.members[2]
    lost = those_of(cluster, victim)
    assert 0 < len(lost) < len(NAMES)
    cluster.kill(victim)
    assert found(tier) == set(NAMES) - lost
    assert not tier.ping()
    assert not tier.forget_many([(name, 2) for name in NAMES])
    assert not tier.forget_all()
    assert tier.stats().shunned > 0
    cluster.restart(victim)
    cluster.await_ok()
    # It came back empty: what it had is missing, and is taken again.
    assert until(lambda: all(tier.write_blob(name, name.encode(), 1) for name in lost))
    assert found(tier) == set(NAMES)
    assert until(tier.ping)
    assert tier.stats().breaker == "closed"


def test_a_replica_that_takes_over_is_found(make_tier: MakeTier, tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        victim, replica = cluster.members[0], cluster.add()
        cluster.replicate(victim, replica)
        tier = make_tier(cluster.url)
        fill(tier)
        lost = those_of(cluster, victim)
        victim.tell("WAIT", 1, 10_000)
        raised: list[Exception] = []

        def call() -> None:
            try:
                assert until(lambda: found(tier) == set(NAMES))
            except Exception as error:
                raised.append(error)

        cluster.kill(victim)
        with running(4, call):
            assert until(lambda: tier.forget(sorted(lost)[0], 2))
        assert raised == []
        assert until(lambda: tier.forget_many([(name, 3) for name in NAMES]))
        assert until(tier.ping)


def test_a_cluster_that_is_not_there_yet_is_found_later(make_tier: MakeTier, tmp_path: Path) -> None:
    with running_cluster(tmp_path) as cluster:
        tier = make_tier(cluster.url)
        for member in cluster.members:
            cluster.kill(member)
        assert [tier.read_blob("blob", 1) for _ in range(50)] == [None] * 50
        assert not tier.write_blob("blob", b"data", 1)
        assert tier.stats().errors <= 3  # one look for the slots
        for member in cluster.members:
            cluster.restart(member)
        cluster.await_ok()
        assert until(lambda: tier.write_blob("blob", b"data", 1))
        assert tier.read_blob("blob", 1) == b"data"


def test_one_server_of_the_url_is_enough_to_find_the_others(
    cluster: RedisCluster, make_tier: MakeTier
) -> None:
    tier = make_tier(f"redis+cluster://127.0.0.1:1,127.0.0.1:{cluster.members[0].server.port}")
    fill(tier)
    assert found(tier) == set(NAMES)


def test_a_server_that_is_no_cluster_is_missed(make_tier: MakeTier, redis_url: str) -> None:
    tier = make_tier(redis_url.replace("redis://", "redis+cluster://"))
    assert not tier.write_blob("blob", b"data", 1)
    assert not tier.ping()
    assert not tier.forget_all()
