"""`?explain` says of a delivery URL what then happens, for a credential alone, and makes nothing for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from redis import Redis

from imagestore.core.urls import sign_delivery
from tests import pictures
from tests.service import Service, await_that, running_service
from tests.web.answers import check_error

IMAGES = "/v1/buckets/default/images"
PATH = "/default/image/upload"
SHOWN = ("Cache-Control", "Content-Type", "Content-Disposition", "ETag", "Vary", "Surrogate-Key")
DEAR = "c_scale,w_4000,h_3000/e_blur:2000/w_60"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One worker, so that it is known whose memory is looked into."""
    folder = tmp_path_factory.mktemp("explain")
    with running_service(folder, workers=1, surrogate_headers="Surrogate-Key") as running:
        yield running


@pytest.fixture(scope="module")
def owner(service: Service) -> Iterator[httpx.Client]:
    auth = (service.access_key, service.secret)
    with httpx.Client(base_url=service.url, auth=auth, timeout=60) as client:
        for bucket in ("hidden", "strict"):
            assert client.post("/v1/buckets", json={"name": bucket}).is_success
        access = {"access": "public-read", "strict": True}
        assert client.patch("/v1/buckets/strict", json=access).is_success
        for bucket in ("default", "hidden", "strict"):
            named = f"/v1/buckets/{bucket}/transformations/small"
            assert client.put(named, json={"transformation": "w_20/e_sepia"}).is_success
            for seed, key in enumerate(("one.png", "two.png")):
                data = pictures.png(60, 40, seed=seed)
                assert client.put(f"/v1/buckets/{bucket}/images/{key}", content=data).is_success
        yield client


def explain(owner: httpx.Client, path: str, accept: str = "*/*") -> dict[str, Any]:
    answer = owner.get(f"{path}{'&' if '?' in path else '?'}explain", headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"
    return answer.json()


def fetch(service: Service, path: str, accept: str = "*/*") -> httpx.Response:
    answer = httpx.get(service.url + path, headers={"Accept": accept}, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer


@pytest.mark.parametrize(
    ("target", "accept"),
    [
        ("one.png", "*/*"),
        ("w_30/one.png", "*/*"),
        ("w_30/one.png.webp", "*/*"),
        ("w_30,f_auto/one.png", "image/webp"),
        ("l_two.png,w_10/one.png", "*/*"),
        ("t_small,fl_attachment/one.png", "*/*"),
        ("d_one.png/w_30/none.png", "*/*"),
        ("fl_immutable_cache,w_31/one.png", "*/*"),
        ("w_30,fl_getinfo/one.png", "*/*"),
    ],
)
def test_what_is_told_of_the_answer_is_what_it_has(
    service: Service, owner: httpx.Client, target: str, accept: str
) -> None:
    told = explain(owner, f"{PATH}/{target}", accept)
    found = fetch(service, f"{PATH}/{target}", accept)
    assert told["headers"] == {name: found.headers[name] for name in SHOWN if name in found.headers}
    assert " ".join(told["surrogate_keys"]) == found.headers["Surrogate-Key"]
    assert (told["key"], told["default_image"]) == ("one.png", target.startswith("d_"))
    assert told["format"] == told["headers"]["Content-Type"].partition("/")[2] or "getinfo" in target
    if "immutable" in found.headers["Cache-Control"]:
        assert any("never changes" in each for each in told["meaning"])
    else:
        assert "A shared cache, as a CDN or proxy, keeps it for 1 minute too." in told["meaning"]


def test_a_level_after_the_other(service: Service, owner: httpx.Client) -> None:
    path = f"{PATH}/{DEAR}/one.png"
    assert [explain(owner, path)["level"] for _ in range(2)] == ["render", "render"]
    fetch(service, path)
    assert explain(owner, path)["level"] == "memory"
    assert explain(owner, f"{path}?a=b")["level"] == "memory"
    assert owner.patch(f"{IMAGES}/one.png", json={"tags": ["changed"]}).is_success
    assert explain(owner, path)["level"] == "redis"
    with Redis.from_url(service.redis_url) as redis:
        redis.flushall()

        def is_kept() -> bool:  # which is done behind the answer's back
            return explain(owner, path)["level"] == "gridfs"

        await_that(is_kept)
        assert explain(owner, f"{PATH}/two.png")["level"] == "gridfs"
        assert owner.get(f"{PATH}/two.png").is_success  # with a credential, for which no memory is filled
        assert explain(owner, f"{PATH}/two.png")["level"] == "redis"
        fetch(service, f"{PATH}/two.png")
        assert explain(owner, f"{PATH}/two.png")["level"] == "memory"


def test_the_grammar_is_told_as_it_was_read(owner: httpx.Client) -> None:
    told = explain(owner, f"{PATH}/h_9,c_fill,w_9/t_small/one.png")
    assert told["transformation"] == {
        "asked": "c_fill,h_9,w_9/t_small",
        "canonical": "c_fill,h_9,w_9/w_20/e_sepia",
        "components": ["c_fill,h_9,w_9", "w_20", "e_sepia"],
    }
    assert told["depends_on"] == ["bucket/default", "image/default/one.png", "transformation/default/small"]
    assert set(told["milliseconds"]) >= {"alias", "redis", "gridfs"}


def test_the_rule_that_decided_is_told(service: Service, owner: httpx.Client) -> None:
    assert explain(owner, f"{PATH}/one.png")["rule"] == ["Everybody may have it: the bucket is public-read."]
    hidden = explain(owner, "/hidden/image/upload/w_9/one.png")
    assert "A stranger may not have it: nothing allows it." in hidden["rule"][0]
    assert "No shared cache, as a CDN or proxy, may keep it." in hidden["meaning"]
    assert "Surrogate-Key" not in hidden["headers"]
    assert "strict" in explain(owner, "/strict/image/upload/t_small/one.png")["rule"][1]
    signature = sign_delivery(service.secret, "w_9", "one.png")
    signed = explain(owner, f"/strict/image/upload/s--{signature}--/w_9/one.png")
    assert "signed" in signed["rule"][1]
    check_error(owner.get("/strict/image/upload/w_9/one.png?explain"), 403, "forbidden")


def test_it_is_for_those_who_may_look(service: Service, owner: httpx.Client) -> None:
    assert fetch(service, f"{PATH}/one.png?explain").headers["Content-Type"] == "image/png"
    wrong = httpx.get(f"{service.url}{PATH}/one.png?explain", auth=("NOBODY", "wrong"))
    check_error(wrong, 401, "unauthenticated")
    with service.client() as client:
        other = client.create_credential(["read"], ["hidden"])
    limited = (other["access_key"], other["secret"])
    refused = httpx.get(f"{service.url}{PATH}/one.png?explain", auth=limited)
    check_error(refused, 403, "forbidden")
    check_error(owner.get(f"{PATH}/none.png?explain"), 404, "image_not_found")
    assert httpx.get(f"{service.url}/hidden/image/upload/one.png?explain", auth=limited).is_success
