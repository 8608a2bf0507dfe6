"""REST over HTTP: warm-up and counts."""

from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.service import PATIENT_REDIS, await_that, running_service
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


def test_the_counts_add_up_over_all_workers(tmp_path: Path) -> None:
    settings = {"workers": 2, "edge_bytes": 10_000_000, "redis_timeout": PATIENT_REDIS}
    with running_service(tmp_path, **settings) as service:
        auth = (service.access_key, service.secret)
        with service.client() as client:
            client.upload("default", pictures.gif(), "a.gif")
        url = f"{service.url}/default/image/upload/"
        for _ in range(40):
            assert httpx.get(url + "a.gif").status_code == 200
            assert httpx.get(url + "c_fill,w_8/a.gif").status_code == 200
        assert httpx.head(url + "a.gif").status_code == 200
        assert httpx.get(url + "none.gif").status_code == 404

        def stats() -> dict:
            return httpx.get(f"{service.url}/v1/cache/stats", auth=auth).json()

        await_that(
            lambda: sum(stats()["answers"].values()) == 81
        )  # workers tell of their memory every second
        told = stats()
        assert told["answers"]["memory"] > 40
        assert told["answers"]["miss"] == 2
        assert sum(told["answers"].values()) == 81
        assert told["hit_ratio"] == pytest.approx(79 / 81)
        assert sum(told["bytes"].values()) > told["saved_bytes"] > 40 * len(pictures.gif())
        assert 2 <= told["memory_entries"] <= 4
        assert told["memory_bytes"] > 0
        assert (told["enabled"], told["breaker"], told["memory_evictions"]) == (True, "closed", 0)
        assert set(told["counts"]) >= {"hits", "misses", "errors", "corrupt", "stored", "skipped"}
