"""REST over HTTP: warm-up and counts."""

import httpx
import pytest

from tests import pictures
from tests.web.answers import check_error


def test_warming_says_what_it_found(rest: httpx.Client, bucket: str, images: str) -> None:
    large = pictures.png(800, 600, noise=True, seed=int(bucket[2:], 16))
    assert len(large) > 1024 * 1024
    urls = [
        rest.put(f"{images}/{at}", content=pictures.gif(seed=int(bucket[2:], 16) + at)).json()["url"]
        for at in range(3)
    ]
    assert rest.put(f"{images}/large", content=large).status_code == 201
    wanted = {"bucket": bucket, "keys": ["0", "1", "2", "large", "none", "../x"]}
    first = rest.post("/v1/cache/warm", json=wanted)
    assert first.status_code == 200
    report = first.json()
    assert (report["asked"], report["before"], report["after"], report["loaded"]) == (6, 0, 3, 3)
    assert (report["too_large"], report["missing"], report["damaged"]) == (["large"], ["none", "../x"], [])
    assert report["bytes"] == sum(len(rest.get(url).content) for url in urls)
    assert {rest.get(url).headers["Cache-Status"] for url in urls} == {"imagestore; hit; detail=redis"}
    again = rest.post("/v1/cache/warm", json=wanted).json()
    assert (again["before"], again["after"], again["loaded"], again["bytes"]) == (3, 3, 0, 0)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"bucket": "default"},
        {"bucket": "default", "keys": []},
        {"bucket": "default", "keys": ["x"] * 101},
        {"bucket": "default", "keys": [1]},
        {"bucket": 1, "keys": ["x"]},
    ],
    ids=lambda wanted: str(wanted)[:40],
)
def test_a_bad_wish_is_refused(rest: httpx.Client, wanted: dict) -> None:
    check_error(rest.post("/v1/cache/warm", json=wanted), 400, "invalid_parameter")


def test_a_bucket_that_is_not_there_cannot_be_warmed(rest: httpx.Client) -> None:
    answer = rest.post("/v1/cache/warm", json={"bucket": "not-there", "keys": ["x"]})
    check_error(answer, 404, "bucket_not_found")


def test_the_counts_are_those_of_the_worker_that_answers(rest: httpx.Client) -> None:
    """One connection stays with one worker, so what is asked over it counts there."""
    url = rest.put("/v1/buckets/default/images/counted.gif", content=pictures.gif(seed=31337)).json()["url"]
    rest.post("/v1/cache/warm", json={"bucket": "default", "keys": ["counted.gif"]})
    with httpx.Client(auth=rest.auth, base_url=rest.base_url, timeout=60) as client:
        before = client.get("/v1/cache/stats").json()
        assert (before["enabled"], before["breaker"]) == (True, "closed")
        for _ in range(5):
            client.get(url)
        after = client.get("/v1/cache/stats").json()
    assert after["counts"]["hits"] - before["counts"]["hits"] >= 5
    assert set(before["counts"]) >= {"hits", "misses", "errors", "corrupt", "stored", "skipped"}
