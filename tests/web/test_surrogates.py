"""Surrogate keys on delivery's answers: all that a public answer depends on, and nothing on any other."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests import pictures
from tests.service import Service, running_service

IMAGES = "/v1/buckets/default/images"
PATH = "/default/image/upload"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("surrogates")
    with running_service(folder, workers=1, surrogate_headers="Surrogate-Key,Cache-Tag") as running:
        yield running


@pytest.fixture(scope="module")
def owner(service: Service) -> Iterator[httpx.Client]:
    auth = (service.access_key, service.secret)
    with httpx.Client(base_url=service.url, auth=auth, timeout=30) as client:
        for seed, key in enumerate(("one.png", "two/2.png", "three.png")):
            assert client.put(f"{IMAGES}/{key}", content=pictures.png(60, 40, seed=seed)).status_code == 201
        named = "/v1/buckets/default/transformations/small"
        assert client.put(named, json={"transformation": "w_20"}).is_success
        yield client


def keys(answer: httpx.Response) -> list[str]:
    found = answer.headers["Surrogate-Key"].split(" ")
    assert answer.headers["Cache-Tag"].split(",") == found
    return found


USUAL = {"imagestore", "bucket~default", "image~default~one.png"}


@pytest.mark.parametrize(
    ("target", "more"),
    [
        ("one.png", set()),
        ("w_30/one.png", set()),
        ("w_30/one.png.webp", {"image~default~one.png.webp"}),
        ("l_two:2.png,w_10/one.png", {"image~default~two%2F2.png"}),
        ("t_small/one.png", {"transformation~default~small"}),
        ("d_one.png/w_30/none.png", {"image~default~none.png", "image~default~none"}),
    ],
)
def test_an_answer_names_what_it_depends_on(
    service: Service, owner: httpx.Client, target: str, more: set[str]
) -> None:
    del owner
    with httpx.Client(base_url=service.url, timeout=30) as client:
        for _ in range(3):
            whole = client.get(f"{PATH}/{target}")
            assert whole.status_code == 200, whole.text
            found = set(keys(whole))
            assert found >= USUAL
            assert found - USUAL <= more
            assert bool(found - USUAL) == bool(more)
        head = client.head(f"{PATH}/{target}")
        part = client.get(f"{PATH}/{target}", headers={"Range": "bytes=0-9"})
        same = client.get(f"{PATH}/{target}", headers={"If-None-Match": whole.headers["ETag"]})
        assert (head.status_code, part.status_code, same.status_code) == (200, 206, 304)
        for answer in (head, part, same):
            assert set(keys(answer)) == found


def test_a_version_goes_with_its_image(owner: httpx.Client) -> None:
    version = owner.get(f"{IMAGES}/one.png").json()["version"]
    assert set(keys(owner.get(f"{PATH}/v{version}/one.png"))) == USUAL


def test_what_is_not_for_all_names_nothing(owner: httpx.Client) -> None:
    assert owner.post("/v1/buckets", json={"name": "closed", "access": "private"}).status_code == 201
    assert owner.put("/v1/buckets/closed/images/x.png", content=pictures.png()).status_code == 201
    for path in ("/closed/image/upload/x.png", f"{PATH}/w_x/one.png"):
        assert "Surrogate-Key" not in owner.get(path).headers
    assert "Surrogate-Key" not in owner.get(IMAGES).headers


def test_what_is_not_there_yet_is_named_so_that_it_can_be_dropped(owner: httpx.Client) -> None:
    answer = owner.get(f"{PATH}/not-there.png")
    assert answer.status_code == 404
    usual = {"imagestore", "bucket~default"}
    assert set(keys(answer)) == usual | {"image~default~not-there.png", "image~default~not-there"}


def test_signed_urls_of_public_images_are_in_shared_caches_too(owner: httpx.Client) -> None:
    signed = owner.post("/v1/buckets/default/signed-urls", json={"key": "one.png"})
    assert signed.status_code == 201
    answer = httpx.get(signed.json()["url"])
    assert (answer.status_code, set(keys(answer))) == (200, USUAL)


def test_layers_without_end_name_their_bucket(owner: httpx.Client) -> None:
    layers = [f"layer-{number}-{'x' * 90}" for number in range(20)]
    for number, key in enumerate(layers):
        assert owner.put(f"{IMAGES}/{key}", content=pictures.png(4, 4, seed=number)).status_code == 201
    answer = owner.get(f"{PATH}/{'/'.join(f'l_{key}/fl_layer_apply' for key in layers)}/one.png")
    assert answer.status_code == 200, answer.text
    assert keys(answer) == ["imagestore", "bucket~default", "any~default"]
