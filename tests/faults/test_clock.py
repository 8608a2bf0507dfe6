"""A clock that is ten minutes off, and one that steps while the service runs.

The service alone gets the wrong time, from a library that is loaded before the C library and is built here.
(libfaketime 0.9.10, the usual one for this, also changes how long Python sleeps, and fails at it.)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from imagestore.embedded import Server
from tests import pictures
from tests.faults.caller import Answer, Caller, delivery_path
from tests.faults.load import Load, fetch
from tests.faults.node import BUCKET, running_node
from tests.figures import Figures
from tests.service import Service

COMPILER = shutil.which("cc")
SOURCE = Path(__file__).with_name("clock.c")
MINUTES = 60

pytestmark = pytest.mark.skipif(not COMPILER, reason="no C compiler here: apt-get install gcc libc6-dev")

SetClock = Callable[[int], None]


@pytest.fixture(scope="module")
def offset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that moves the clock."""
    file = tmp_path_factory.mktemp("clock") / "offset"
    file.write_bytes(bytes(8))
    return file


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_server: Server, offset: Path
) -> Iterator[Service]:
    library = offset.with_name("clock.so")
    assert COMPILER
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("CLOCK_OFFSET", str(offset))
        folder = tmp_path_factory.mktemp("clock-node")
        with running_node(folder / "node", mongo, redis_server.url) as running:
            patch.undo()
            yield running


@pytest.fixture
def set_clock(offset: Path) -> Iterator[SetClock]:
    """Sets the service's clock, so many seconds from the right time, while it runs."""

    def change(seconds: int) -> None:
        with offset.open("r+b") as file:
            file.write(seconds.to_bytes(8, sys.byteorder, signed=True))

    yield change
    change(0)


@pytest.fixture
def caller(service: Service) -> Iterator[Caller]:
    made = Caller(service)
    yield made
    made.close()


def date_of(answer: Answer) -> float:
    return parsedate_to_datetime(answer.headers["date"]).timestamp()


def max_age(answer: Answer) -> int:
    fields = dict(field.strip().partition("=")[::2] for field in answer.headers["cache-control"].split(","))
    return int(fields["max-age"])


def test_numbers_grow_and_dates_tell_versions_apart_when_the_clock_steps_back(
    service: Service, caller: Caller, set_clock: SetClock, figures: Figures
) -> None:
    numbers, ids, stale = [], set(), 0
    for seed, offset in enumerate((0, 10 * MINUTES, -10 * MINUTES, -10 * MINUTES, 5 * MINUTES, 0)):
        set_clock(offset)
        data = pictures.png(seed=seed)
        before = caller.get(BUCKET, "a.png").headers.get("last-modified")
        told = caller.put(BUCKET, "a.png", data).json()
        numbers.append(told["version"])
        ids.add(told["version_id"])
        since = {"If-Modified-Since": before} if before else {}
        answer = caller.call("GET", delivery_path(BUCKET, "a.png"), headers=since, stranger=True)
        stale += (answer.status, answer.body) != (200, data)
        assert abs(date_of(answer) - time.time() - offset) < 5
        assert parsedate_to_datetime(answer.headers["last-modified"]).timestamp() <= date_of(answer)
        assert max_age(answer) >= 0
        exact = caller.get(BUCKET, "a.png", told["version"])
        assert (exact.body, max_age(exact)) == (data, 365 * 86400)
    figures(
        versions=len(numbers),
        ids=len(ids),
        stale_answers=stale,
        numbers_from_now=[n - int(time.time()) for n in numbers],
    )
    assert numbers == sorted(set(numbers))
    assert len(ids) == len(numbers)
    assert stale == 0


def test_a_signed_url_fails_with_403_whatever_the_clock(
    service: Service, caller: Caller, set_clock: SetClock, figures: Figures
) -> None:
    with service.client() as client:
        client.create_bucket("closed")
        client.upload("closed", pictures.png(), "a.png")
    seen: dict[str, list[tuple[int, int | str]]] = {}
    for signer in (-10 * MINUTES, 0, 10 * MINUTES):
        set_clock(signer)
        with service.client() as client:
            url = client.signed_url("closed", "a.png", 5 * MINUTES)
        target = url.removeprefix(service.url)
        expires = int(parse_qs(urlsplit(url).query)["expires"][0])
        for server in (-10 * MINUTES, 0, 10 * MINUTES):
            set_clock(server)
            answer = caller.call("GET", target, stranger=True)
            left = expires - time.time() - server
            if left > 0:
                assert answer.status == 200
                assert 0 <= max_age(answer) <= max(60, left)
                seen.setdefault(f"{signer:+d}", []).append((server, answer.status))
            else:
                assert (answer.status, answer.json()["error"]["code"]) == (403, "signature_expired")
                seen.setdefault(f"{signer:+d}", []).append((server, answer.status))
    figures(**{f"signed_at_{signer}": told for signer, told in seen.items()})


def test_steps_under_load_fail_nobody(
    service: Service, caller: Caller, set_clock: SetClock, figures: Figures
) -> None:
    data = pictures.jpeg(seed=7)
    answer = caller.put(BUCKET, "steady.jpg", data)
    ask = fetch(BUCKET, "steady.jpg", answer.json()["digest"])
    steps = 0
    with Load(service.url, [ask], clients=4, pause=0.005) as load:
        for offset in (10 * MINUTES, -10 * MINUTES, 86400, -86400, 0):
            set_clock(offset)
            steps += 1
            time.sleep(0.4)
            told = caller.call("GET", "/readyz", stranger=True)
            assert told.status == 200
    figures(
        steps=steps,
        answers=len(load.record.answers),
        failed=len(load.record.faults()),
        slowest_ms=1000 * max(load.record.seconds()),
    )
    assert load.record.faults() + load.record.retried == []
