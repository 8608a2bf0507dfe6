"""Answers found in Redis again, and never one that is out of date."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from redis import Redis

from imagestore.cache import freshness
from imagestore.cache.answers import Answer, Answers
from imagestore.cache.names import redis_key
from imagestore.cache.tier import Tier
from imagestore.core.replay import Source
from imagestore.embedded import Server
from tests.cache.conftest import MakeTier
from tests.cache.redis_proxy import RedisProxy

TARGET = b"/open/image/upload/ada"
HEAD = b'content-type: image/jpeg\r\netag: "1"\r\n'
NAMES = ("bucket/open", "image/open/ada")
SOURCE = Source(NAMES, (3, 7), "blob")
WHOLE = Answer(HEAD, NAMES, b"the bytes")


@asynccontextmanager
async def opened(tier: Tier, url: str, stamp: str = "1") -> AsyncIterator[Answers]:
    answers = Answers(tier, url, timeout=5.0, stamp=stamp)
    try:
        yield answers
    finally:
        answers.close()


async def found(answers: Answers, target: bytes = TARGET, accept_class: str = "webp") -> Answer:
    """Asks until what is being written is there."""
    end = time.monotonic() + 20
    while (answer := await answers.read(target, accept_class)) is None:
        assert time.monotonic() < end
        await asyncio.sleep(0.01)
    return answer


def fill(tier: Tier) -> None:
    assert tier.write_alias("bucket/open", 3, b"bucket", 60)
    assert tier.write_alias("image/open/ada", 7, b"image", 60)
    assert tier.write_blob("blob", b"the bytes", 1)


def test_an_answer_is_found_by_the_writer_and_by_others(tier: Tier, redis_url: str) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url) as writer, opened(tier, redis_url) as reader:
            assert await reader.read(TARGET, "webp") is None
            writer.write(TARGET, None, HEAD, SOURCE)
            assert await found(writer) == await found(reader) == WHOLE
            assert await found(reader, accept_class="") == WHOLE
            assert await reader.read(TARGET + b"?x", "webp") is None

    asyncio.run(main())


def test_each_class_has_its_own(tier: Tier, redis_url: str) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url) as writer, opened(tier, redis_url) as reader:
            writer.write(TARGET, "webp", HEAD, SOURCE)
            writer.write(TARGET, "jpeg", b"other", SOURCE)
            assert (await found(reader, accept_class="webp")).head == HEAD
            assert (await found(reader, accept_class="jpeg")).head == b"other"
            assert await reader.read(TARGET, "avif") is None

    asyncio.run(main())


def test_one_round_trip_when_the_head_is_known_and_two_when_not(tier: Tier, redis_server: Server) -> None:
    async def main() -> None:
        fill(tier)
        with RedisProxy(redis_server.port) as proxy:
            async with opened(tier, proxy.url) as writer, opened(tier, proxy.url) as reader:
                writer.write(TARGET, None, HEAD, SOURCE)
                await found(writer)
                await reader.read(b"/other", "")
                await asyncio.sleep(0.1)
                for answers, expected in ((writer, 1), (reader, 2), (reader, 1)):
                    before = proxy.round_trips
                    assert await answers.read(TARGET, "webp") == WHOLE
                    assert proxy.round_trips == before + expected

    asyncio.run(main())


CHANGES: dict[str, Callable[[Tier, Redis], object]] = {
    "fenced": lambda tier, _: tier.forget("image/open/ada", 8),
    "written anew": lambda tier, _: tier.write_alias("image/open/ada", 8, b"image", 60),
    "out of date": lambda _, redis: redis.pexpire(redis_key("alias", "bucket/open"), 86_399_000),
    "gone": lambda _, redis: redis.delete(redis_key("alias", "bucket/open")),
    "another's": lambda _, redis: redis.set(
        redis_key("alias", "bucket/open"),
        redis.get(redis_key("alias", "image/open/ada")) or b"",
        keepttl=True,
    ),
    "no body": lambda _, redis: redis.delete(redis_key("blob", "blob")),
    "a body cut short": lambda _, redis: redis.set(redis_key("blob", "blob"), b"imgs", px=60_000),
    "all forgotten": lambda tier, _: tier.forget_all(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_not_surely_good_is_missed_by_all(
    tier: Tier, redis_url: str, redis: Redis, change: Callable[[Tier, Redis], object]
) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url) as writer, opened(tier, redis_url) as reader:
            writer.write(TARGET, None, HEAD, SOURCE)
            assert await found(reader) == WHOLE
            change(tier, redis)
            async with opened(tier, redis_url) as newcomer:
                for answers in (writer, reader, newcomer):
                    assert await answers.read(TARGET, "webp") is None

    asyncio.run(main())


@pytest.mark.parametrize(
    "source",
    [
        Source(),
        Source(NAMES, (3, 7), None),
        Source(NAMES, (3, None), "blob"),
        Source(NAMES * 100, (3, 7) * 100, "blob"),
    ],
)
def test_what_redis_cannot_answer_for_is_not_kept(
    tier: Tier, redis_url: str, redis: Redis, source: Source
) -> None:
    async def main() -> None:
        async with opened(tier, redis_url) as answers:
            answers.write(TARGET, None, HEAD, source)
            answers.write(TARGET, None, b"x" * 20_000, SOURCE)
            await asyncio.sleep(0.1)
            assert redis.keys("*answer*") == []

    asyncio.run(main())


def test_another_program_finds_nothing(tier: Tier, redis_url: str) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url, "1") as old, opened(tier, redis_url, "2") as new:
            old.write(TARGET, None, HEAD, SOURCE)
            await found(old)
            await asyncio.sleep(0.1)
            assert await new.read(TARGET, "webp") is None

    asyncio.run(main())


def test_an_answer_that_is_read_stays(tier: Tier, redis_url: str, redis: Redis) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url) as answers:
            answers.write(TARGET, None, HEAD, SOURCE)
            await found(answers)
            for name in ("blob", *redis.keys("*answer*")):
                redis.pexpire(redis_key("blob", "blob") if name == "blob" else name, 5000)
            async with opened(tier, redis_url) as reader:
                await found(reader)
            assert redis.pttl(redis_key("blob", "blob")) > 100_000
            assert all(redis.pttl(key) > 100_000 for key in redis.keys("*answer*"))

    asyncio.run(main())


def test_a_record_by_another_hand_is_none(tier: Tier, redis_url: str, redis: Redis) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url) as writer:
            writer.write(TARGET, None, HEAD, SOURCE)
            await found(writer)
            await asyncio.sleep(0.1)
            [key] = redis.keys("*answer*")
            held = redis.get(key)
            for forged in (held[:-1], held + b"x", b"", b"[[],[],1]\nhead"):
                redis.set(key, forged, px=60_000)
                async with opened(tier, redis_url) as reader:
                    assert await reader.read(TARGET, "webp") is None

    asyncio.run(main())


def test_what_ends_soon_is_looked_up_anew_by_one(
    tier: Tier, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        fill(tier)
        async with opened(tier, redis_url) as answers:
            answers.write(TARGET, None, HEAD, SOURCE)
            assert await found(answers) == WHOLE
            with monkeypatch.context() as patched:
                patched.setattr(freshness, "_is_due", lambda left: True)
                assert await answers.read(TARGET, "webp") is None
            assert tier.read_aliases(list(NAMES)) == [None, None]  # so it is read from the store
            assert None not in tier.read_aliases(list(NAMES))
            assert await answers.read(TARGET, "webp") == WHOLE

    asyncio.run(main())


def test_without_redis_nothing_is_found_and_nothing_fails(make_tier: MakeTier) -> None:
    async def main() -> None:
        async with opened(make_tier("none"), "none") as answers:
            answers.write(TARGET, None, HEAD, SOURCE)
            assert await answers.read(TARGET, "webp") is None

    asyncio.run(main())
