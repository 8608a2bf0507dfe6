"""The tier, the event loop and the bulletin on what real sentinels watch, while primaries die and return."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagestore.cache.checkup import CacheUnreached, look_at_cache
from imagestore.cache.loopwire import LoopWire
from imagestore.cache.sentinels import Sentinels
from imagestore.cache.stats import Tally
from imagestore.cache.tier import Tier
from imagestore.cache.values import Alias
from imagestore.core.clusters import SentinelUrl
from tests.cache.conftest import MakeTier
from tests.cache.test_bulletin import Node
from tests.cache.test_bulletin import until as until_then
from tests.cache.test_tier import until
from tests.redis_sentinel import NAME, OWN_PASSWORD, PASSWORD, Watched, running_watched
from tests.service import await_that

TIMEOUT = 0.2
UNHEARD = 1
"""A port where nobody listens."""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with running_watched(tmp_path / "watched") as running:
        yield running


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One server and three sentinels, for tests that leave them as they are."""
    with running_watched(tmp_path_factory.mktemp("lasting"), servers=1) as running:
        yield running


def test_the_primary_is_found_and_written_to(lasting: Watched, make_tier: MakeTier) -> None:
    tier = make_tier(lasting.url)
    assert tier.ping()
    assert tier.write_blob("blob", b"data", 1)
    assert tier.read_blob("blob", 1) == b"data"
    assert lasting.tell(lasting.servers[0], "DBSIZE") == 1
    assert tier.forget_all()
    assert tier.stats().breaker == "closed"


def test_one_sentinel_of_the_url_is_enough(lasting: Watched, make_tier: MakeTier) -> None:
    tier = make_tier(lasting.url_of(UNHEARD, lasting.sentinels[0].port, UNHEARD))
    assert until(lambda: tier.write_blob("blob", b"data", 1))


def test_a_primary_that_dies_under_load_is_replaced(watched: Watched, make_tier: MakeTier) -> None:
    tier = make_tier(watched.url, timeout=TIMEOUT)
    assert until(lambda: tier.write_blob("blob", b"data", 1))
    assert until(lambda: tier.forget("image", 7))
    watched.tell(watched.servers[0], "WAIT", 1, 10_000)
    done, wrong = threading.Event(), list[object]()

    def read() -> None:
        while not done.is_set():
            try:
                wrong.extend(each for each in [tier.read_blob("blob", 1)] if each not in (b"data", None))
                wrong.extend(each for each in [tier.write_alias("image", 6, b"old", 60)] if each)
                wrong.extend(each for each in tier.read_aliases(["image"]) if each)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    with ExitStack() as ending:
        for thread in threads:
            thread.start()
            ending.callback(thread.join)
        ending.callback(done.set)
        watched.kill(watched.servers[0])
        assert until(lambda: tier.write_blob("new", b"data", 1))
        assert until(lambda: tier.read_blob("blob", 1) == b"data")
    assert wrong == []
    assert watched.primary() is watched.servers[1]
    assert tier.read_aliases(["image"]) == [None]
    assert tier.write_alias("image", 7, b"facts", 60)
    assert tier.stats().breaker == "closed"


def test_a_primary_that_was_replaced_is_not_read_from_again(watched: Watched, make_tier: MakeTier) -> None:
    here, there = make_tier(watched.url), make_tier(watched.url)
    for tier in (here, there):
        assert until(lambda tier=tier: tier.write_alias("image", 1, b"old", 60))
    old = watched.servers[0]
    watched.tell(old, "WAIT", 1, 10_000)
    watched.fail_over()
    await_that(lambda: watched.info(old)["role"] == "slave")
    assert until(lambda: here.forget("image", 2))
    # Had `there` stayed with the old one, this could be found before it has caught up.
    assert until(lambda: there.write_alias("image", 2, b"new", 60))
    assert here.read_aliases(["image"]) == there.read_aliases(["image"]) == [Alias(2, b"new")]


def test_a_primary_that_hangs_is_replaced_and_not_asked_when_it_wakes(
    watched: Watched, make_tier: MakeTier
) -> None:
    tier = make_tier(watched.url, timeout=TIMEOUT)
    assert until(lambda: tier.write_alias("image", 1, b"old", 60))
    watched.tell(watched.servers[0], "WAIT", 1, 10_000)
    with watched.stopped(watched.servers[0]):
        assert until(lambda: tier.forget("image", 2))
        assert tier.read_aliases(["image"]) == [None]
    asked = [tier.read_aliases(["image"]) for _ in range(200)]
    assert asked == [[None]] * 200
    assert until(lambda: tier.write_alias("image", 2, b"new", 60))
    assert watched.tell(watched.servers[1], "DBSIZE") > 0


def test_a_server_that_takes_no_writes_any_more_is_left(watched: Watched, make_tier: MakeTier) -> None:
    """As one that an operator made a replica, whose connections last: until the sentinels mend it."""
    tier = make_tier(watched.url)
    assert until(lambda: tier.write_blob("blob", b"data", 1))
    for sentinel in watched.sentinels:
        watched.kill(sentinel)
    first, second = watched.servers
    watched.tell(first, "REPLICAOF", "127.0.0.1", second.port)
    assert not tier.write_blob("other", b"data", 1)
    assert tier.read_blob("blob", 1) is None
    watched.tell(first, "REPLICAOF", "NO", "ONE")
    assert until(lambda: tier.write_blob("other", b"data", 1))


def test_sentinels_that_are_away_at_start_are_found_later(tmp_path: Path, make_tier: MakeTier) -> None:
    with running_watched(tmp_path, servers=1, sentinels=1) as watched:
        port = watched.sentinels[0].port
        tier = make_tier(watched.url, timeout=TIMEOUT)
        watched.kill(watched.sentinels.pop())
        assert [tier.read_blob("blob", 1) for _ in range(50)] == [None] * 50
        assert not tier.ping()
        assert not tier.forget("image", 1)
        assert not tier.forget_all()
        watched.add_sentinel(port)
        assert until(lambda: tier.write_blob("blob", b"data", 1))
        watched.kill(watched.sentinels[0])
        time.sleep(1.5)  # a look that nobody answers
        assert tier.read_blob("blob", 1) == b"data"


def test_hung_sentinels_hold_up_no_request(lasting: Watched, make_tier: MakeTier) -> None:
    tier = make_tier(lasting.url, timeout=TIMEOUT)
    assert until(lambda: tier.write_blob("blob", b"data", 1))
    with ExitStack() as going_on:
        for sentinel in lasting.sentinels:
            going_on.enter_context(lasting.stopped(sentinel))
        fresh = make_tier(lasting.url, timeout=TIMEOUT)
        began = time.monotonic()
        assert [fresh.read_blob("blob", 1) for _ in range(50)] == [None] * 50
        # The first look ends after half a second for each: only those before that wait, each its timeout.
        assert time.monotonic() - began < 50 * TIMEOUT
        assert tier.read_blob("blob", 1) == b"data"
    assert until(lambda: fresh.read_blob("blob", 1) == b"data")


def test_the_newest_word_holds(watched: Watched) -> None:
    watched.fail_over()
    await_that(lambda: len({watched.state(each)["config-epoch"] for each in watched.sentinels}) == 1)
    stray = watched.add_sentinel()  # told of the first primary, and alone with that until it hears of others
    sentinels = Sentinels(SentinelUrl.parse(watched.url_of(stray.port, watched.sentinels[0].port)))
    look = sentinels.look()
    sentinels.close()
    assert look.primary is not None
    assert look.primary.port == watched.servers[1].port
    assert (look.answered, look.silent) == (2, ())


def test_a_loop_follows_too(watched: Watched) -> None:
    sentinels = Sentinels(SentinelUrl.parse(watched.url))

    async def write(wire: LoopWire) -> None:
        await until_async(lambda: wire.converse([("SET", b"key", b"value")]), [b"OK"])

    async def main() -> None:
        wire = LoopWire(watched.url, 1.0, Tally(), sentinels)
        await write(wire)
        assert await wire.tell(("PUBLISH", "channel", b"message")) == 0
        watched.tell(watched.servers[0], "WAIT", 1, 10_000)
        await asyncio.to_thread(watched.fail_over)
        await write(wire)
        assert watched.info(watched.servers[1])["role"] == "master"
        wire.close()

    asyncio.run(main())
    sentinels.close()


async def until_async(ask: Callable[[], Awaitable[object]], wanted: object) -> None:
    end = time.monotonic() + 60
    while await ask() != wanted:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_the_bulletin_moves_to_the_new_primary(watched: Watched, make_tier: MakeTier, tmp_path: Path) -> None:
    here, there = (Node(tmp_path / name, make_tier(watched.url), watched.url) for name in ("here", "there"))

    async def heard(name: str) -> None:
        end = time.monotonic() + 60
        while not there.doubts(name):
            assert time.monotonic() < end
            here.bulletin.touch([name])
            await asyncio.sleep(0.05)

    async def main() -> None:
        async with there.listening():
            await heard("before")
            assert not there.doubts_everything()
            watched.kill(watched.servers[0])
            await until_then(there.doubts_everything)  # once it listens again: something may have been missed
            there.began = time.monotonic_ns()
            await heard("after")
            assert not there.doubts_everything()

    asyncio.run(main())


def test_a_wrong_name_is_told_of(
    lasting: Watched, make_tier: MakeTier, caplog: pytest.LogCaptureFixture
) -> None:
    url = lasting.url_of(lasting.sentinels[0].port, name="nobody")
    with caplog.at_level(logging.INFO):
        assert make_tier(url).read_blob("blob", 1) is None
        assert until(lambda: "knows a primary of the name nobody" in caplog.text)
    with pytest.raises(CacheUnreached, match="No sentinel that answers knows a primary of the name nobody"):
        look_at_cache(url)
    with pytest.raises(CacheUnreached, match=r"No sentinel answers. 127.0.0.1:1: ConnectionError: "):
        look_at_cache(lasting.url_of(UNHEARD))


def test_what_is_no_sentinel_is_told_of(make_tier: MakeTier, redis_url: str) -> None:
    url = f"{redis_url.replace('redis://', 'redis+sentinel://').removesuffix('/0')}/{NAME}"
    assert not make_tier(url).write_blob("blob", b"data", 1)
    with pytest.raises(CacheUnreached, match="unknown command"):
        look_at_cache(url)


def test_passwords_of_both_are_used_and_told_to_nobody(
    tmp_path: Path, make_tier: MakeTier, caplog: pytest.LogCaptureFixture
) -> None:
    with running_watched(tmp_path, servers=1, sentinels=1) as watched, caplog.at_level(logging.DEBUG):
        watched.lock()
        tier = make_tier(watched.url)
        assert until(lambda: tier.write_blob("blob", b"data", 1))
        [state] = look_at_cache(watched.url)
        assert state.sentinels is not None
        told = [state.server, state.sentinels.told]
        for wrong in (PASSWORD, OWN_PASSWORD):
            url = watched.url.replace(wrong, wrong + "-not")
            assert not make_tier(url).write_blob("blob", b"data", 1)
            with pytest.raises(CacheUnreached) as refused:
                look_at_cache(url)
            told.append(str(refused.value))
    assert "hush" not in "\n".join((*told, caplog.text))


def test_options_that_cannot_be_used_are_refused_at_once(lasting: Watched) -> None:
    with pytest.raises(ValueError, match="socket_timeout"):
        Tier(f"{lasting.url}?socket_timeout=soon", timeout=TIMEOUT, value_bytes=1000, integrity_key=b"secret")
