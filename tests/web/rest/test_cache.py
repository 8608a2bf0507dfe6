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


def test_renditions_are_warmed_instead(rest: httpx.Client, bucket: str, images: str) -> None:
    seed = int(bucket[2:], 16)
    for at in range(2):
        assert rest.put(f"{images}/{at}", content=pictures.jpeg(60, 40, seed=seed + at)).status_code == 201
    named = rest.put(f"/v1/buckets/{bucket}/transformations/small", json={"transformation": "c_scale,w_20"})
    assert named.status_code in (200, 201), named.text
    wanted = {
        "bucket": bucket,
        "keys": ["0", "1.png", "none", "../x"],
        "transformations": [
            "t_small",
            "c_fill,h_8,w_9/e_sepia",
            "c_scale,w_7/l_none/fl_layer_apply",
            "f_auto",
        ],
        "accept": "image/webp",
    }
    report = rest.post("/v1/cache/warm", json=wanted).json()
    assert (report["asked"], report["before"], report["after"], report["loaded"]) == (16, 0, 6, 6)
    assert {each.rpartition("/")[2] for each in report["missing"]} == {"none", "x"}
    assert len(report["missing"]) == 8
    assert set(report["refused"]) == {f"c_scale,w_7/l_none/fl_layer_apply/{key}" for key in ("0", "1.png")}
    assert all("none" in why for why in report["refused"].values())
    assert report["too_large"] == report["damaged"] == report["left"] == []
    sent = [
        rest.get(f"/{bucket}/image/upload/{text}/{key}", headers={"Accept": "image/webp"})
        for key in ("0", "1.png")
        for text in ("t_small", "c_fill,h_8,w_9/e_sepia", "f_auto")
    ]
    assert {each.headers["Cache-Status"] for each in sent} == {"imagestore; hit; detail=redis"}
    assert sent[2].headers["Content-Type"] == "image/webp"
    assert sum(len(each.content) for each in sent) == report["bytes"]
    again = rest.post("/v1/cache/warm", json=wanted).json()
    assert (again["before"], again["after"], again["loaded"], again["bytes"]) == (6, 6, 0, 0)


def test_what_is_no_transformation_is_refused(rest: httpx.Client, bucket: str) -> None:
    for text, status, code in (
        ("w_", 400, "invalid_transformation"),
        ("c_fill,w_1" + "0" * 20, 400, "invalid_transformation"),
        ("t_nobody", 404, "transformation_not_found"),
    ):
        wanted = {"bucket": bucket, "keys": ["x"], "transformations": ["w_9", text]}
        check_error(rest.post("/v1/cache/warm", json=wanted), status, code)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"bucket": "default", "keys": ["x"], "transformations": []},
        {"bucket": "default", "keys": ["x"], "transformations": [""]},
        {"bucket": "default", "keys": ["x"], "transformations": "w_9"},
        {"bucket": "default", "keys": ["x"], "transformations": ["w_9"] * 101},
        {"bucket": "default", "keys": ["x"] * 51, "transformations": ["w_8", "w_9"]},
        {"bucket": "default", "keys": ["x"], "transformations": ["w_9"], "accept": 1},
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
