"""A short soak, and whether a soak would notice what it is there for."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.figures import Figures
from tests.service import Service
from tests.soak import memory
from tests.soak.clients import Answer, Clients, hit_ratio
from tests.soak.expectation import Expected, Renditions, State
from tests.soak.population import Population
from tests.soak.run import Plan, plot, soak

SHORT = Plan(seconds=20, images=200, rate=150, flat=False)


def test_a_short_soak_breaks_no_rule(tmp_path: Path, figures: Figures) -> None:
    outcome = soak(SHORT, tmp_path)
    seen = outcome.seen
    figures(
        requests=seen.requests.total(),
        hit_ratio=hit_ratio(seen.sources),
        slowest_seconds=seen.slowest,
        renditions=seen.requests["rendition"],
        deletions=seen.requests["deletion"],
    )
    assert not outcome.breaches, "\n".join(outcome.breaches)
    assert {"original", "rendition", "overwrite", "upload", "deletion"} <= seen.requests.keys()
    parts = {part.rpartition(" ")[0] for part in outcome.sampler.series}
    assert {"arbiter", "worker", "decoder", "redis", "mongod"} <= parts
    assert ElementTree.fromstring(plot(outcome)).tag.endswith("svg")


@pytest.mark.quick
def test_an_image_may_be_seen_as_it_was_until_the_next_write_is_acknowledged() -> None:
    expected = Expected("a")
    first = expected.begin("one", 1.0)
    first.acknowledged = 2.0
    second = expected.begin(None, 10.0)
    assert expected.possible(3.0, 4.0) == [first]
    assert expected.possible(3.0, 11.0) == [second, first]
    second.acknowledged = 12.0
    assert expected.possible(11.0, 13.0) == [second, first]
    assert expected.possible(12.5, 13.0) == [second]
    assert expected.newest is second


@pytest.mark.quick
def test_a_write_without_an_answer_may_or_may_not_have_happened() -> None:
    expected = Expected("a")
    first = expected.begin("one", 1.0)
    first.acknowledged = 2.0
    lost = expected.begin("two", 3.0)
    assert expected.possible(100.0, 101.0) == [lost, first]
    third = expected.begin("three", 200.0)
    third.acknowledged = 201.0
    assert expected.possible(202.0, 203.0) == [third]


@pytest.mark.quick
def test_a_rendition_is_held_against_the_first_answer_for_its_version() -> None:
    known = Renditions()
    old, new = State(1, "x", 0.0), State(2, "y", 0.0)
    assert known.agree("a", [old], "w_10/", b"small")
    assert known.agree("a", [old], "w_10/", b"small")
    assert not known.agree("a", [old], "w_10/", b"other")
    assert known.agree("a", [new, old], "w_10/", b"not seen yet")
    assert known.agree("a", [new], "w_10/", b"new")
    assert not known.agree("a", [new, old], "w_10/", b"neither")


@pytest.fixture
def clients() -> Clients:
    service = Service(None, Path(), "", Path(), "http://127.0.0.1:1", "key", "secret")  # type: ignore[arg-type]
    return Clients(service, Population(1, 1.0, 1), 1, 1.0)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("status", "body", "wrong", "failed"),
    [
        (200, b"right", 0, 0),
        (200, b"stale", 1, 0),
        (404, b"", 1, 0),
        (503, b"", 0, 1),
    ],
)
def test_a_client_notices_other_bytes_and_errors(
    clients: Clients, status: int, body: bytes, wrong: int, failed: int
) -> None:
    expected = clients.expected[0]
    expected.begin(hashlib.sha256(b"stale").hexdigest(), 0.0).acknowledged = 1.0
    expected.begin(hashlib.sha256(b"right").hexdigest(), 2.0).acknowledged = 3.0
    clients._check(Answer(status, b"HTTP/1.1", body, 4.0, 5.0), "/a", expected, "")
    assert (len(clients.seen.wrong), len(clients.seen.failed)) == (wrong, failed)


@pytest.mark.quick
@pytest.mark.parametrize(("last", "flat"), [(100.0, True), (104.0, True), (106.0, False), (94.0, False)])
def test_memory_that_moves_by_more_than_a_twentieth_breaks_the_rule(last: float, flat: bool) -> None:
    points = [(float(at), 50.0 if at < 30 else 100.0 if at < 60 else last) for at in range(90)]
    assert memory.is_flat("worker 1", points) is flat
    assert memory.is_flat("decoder 1", points) is (last < 105)


@pytest.mark.quick
def test_the_first_of_a_population_are_asked_for_most_and_no_picture_comes_twice() -> None:
    population = Population(50, 1.0, 7)
    asked = Counter(population.popular_key() for _ in range(20_000))
    tens = [sum(asked[rank] for rank in range(at, at + 10)) for at in range(0, 50, 10)]
    assert all(more > fewer for more, fewer in pairwise(tens))
    made = [population.picture() for _ in range(20)]
    assert len(set(made)) == len(made)


@pytest.mark.quick
def test_hits_are_what_no_database_was_asked_for() -> None:
    said = {
        "imagestore; hit; detail=memory": 2,
        "imagestore; hit; detail=redis": 1,
        "imagestore; fwd=uri-miss": 1,
    }
    assert hit_ratio(Counter(said)) == 0.75
