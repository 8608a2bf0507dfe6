"""Which requests count for which limit, and how many wrong secrets several workers look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from imagestore.cache.ratelimit import RateLimiter
from imagestore.cache.tier import Tier
from imagestore.core.errors import RateLimited
from imagestore.core.rates import Rate
from imagestore.library.ratelimits import RateLimits, Rates

MakeLimits = Callable[..., RateLimits]


@pytest.fixture
def make_limits(redis_url: str) -> Iterator[MakeLimits]:
    """Makes the limits of one more worker; those that are not named are off."""
    with ExitStack() as closing:

        def make(**rates: str) -> RateLimits:
            tier = Tier(redis_url, timeout=5.0, value_bytes=1, integrity_key=b"secret")
            closing.callback(tier.close)
            off = dict.fromkeys(("address", "credential", "writes", "failures"), Rate())
            given = {name: Rate.parse(text) for name, text in rates.items()}
            return RateLimits(RateLimiter(tier), Rates(**off | given))

        yield make


def passes(meet: Callable[..., None], *arguments: str, **options: bool) -> bool:
    try:
        meet(*arguments, **options)
    except RateLimited as refused:
        assert 0 < refused.wait <= 60
        return False
    return True


def test_each_limit_counts_its_own(make_limits: MakeLimits) -> None:
    limits = make_limits(address="2/minute", credential="3/minute", writes="1/minute", failures="2/minute")
    assert [passes(limits.meet_address, "192.0.2.1") for _ in range(3)] == [True, True, False]
    assert passes(limits.meet_address, "192.0.2.2")
    assert [passes(limits.meet_credential, "one", writes=True) for _ in range(2)] == [True, False]
    assert [passes(limits.meet_credential, "one", writes=False) for _ in range(2)] == [True, False]
    assert passes(limits.meet_credential, "two", writes=False)
    assert [passes(limits.meet_wrong_secret, "192.0.2.1", "one") for _ in range(3)] == [True, True, False]
    assert not passes(limits.meet_secret, "192.0.2.1", "one")
    assert passes(limits.meet_secret, "192.0.2.1", "two")
    assert passes(limits.meet_secret, "192.0.2.2", "one")


def test_names_do_not_run_into_each_other(make_limits: MakeLimits) -> None:
    limits = make_limits(failures="1/minute")
    passes(limits.meet_wrong_secret, "192.0.2.1", "2 one")
    assert passes(limits.meet_wrong_secret, "192.0.2.12", "one")


def test_a_limit_that_is_off_counts_nothing(make_limits: MakeLimits) -> None:
    limits = make_limits()
    for _ in range(100):
        limits.meet_address("192.0.2.1")
        limits.meet_credential("one", writes=True)
        limits.meet_wrong_secret("192.0.2.1", "one")
        limits.meet_secret("192.0.2.1", "one")


def test_each_worker_looks_at_one_wrong_secret_more_at_most(make_limits: MakeLimits) -> None:
    workers = [make_limits(failures="5/minute") for _ in range(4)]
    looked = 0
    for number in range(400):
        worker = workers[number % 4]
        if passes(worker.meet_secret, "192.0.2.1", "one"):
            looked += 1
            passes(worker.meet_wrong_secret, "192.0.2.1", "one")
    assert 5 <= looked <= 5 + 4


@pytest.mark.parametrize("name", ["", "\ud800", "x" * 5000, "a\r\nb", "\x00"])
def test_any_text_may_be_an_access_key(make_limits: MakeLimits, name: str) -> None:
    limits = make_limits(failures="1/minute")
    assert [passes(limits.meet_wrong_secret, "192.0.2.1", name) for _ in range(2)] == [True, False]
