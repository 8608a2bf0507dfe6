"""REST over HTTP: purge. What was made of the images that are meant, and of no others, is made anew."""

from __future__ import annotations

import httpx
import pytest

from imagestore.library import purge
from tests import pictures
from tests.web.answers import check_error

MADE = "imagestore; fwd=uri-miss"


@pytest.fixture
def keys(rest: httpx.Client, images: str, bucket: str) -> list[str]:
    """Images with a rendition each, which Redis, MongoDB and a worker's memory have."""
    named = ["a/1.png", "a/2.png", "b.png"]
    assert rest.patch(f"/v1/buckets/{bucket}", json={"access": "public-read"}).status_code == 200
    for number, key in enumerate(named):
        data = pictures.png(60, 40, seed=int(bucket[2:], 16) + number)
        assert rest.put(f"{images}/{key}?tags=n{number},all", content=data).status_code == 201
        ask(rest, bucket, key)
    assert not any(is_made(rest, bucket, key) for key in named)
    return named


def ask(rest: httpx.Client, bucket: str, key: str) -> str:
    answer = rest.get(f"/{bucket}/image/upload/c_fill,w_20,h_20/e_blur:300/{key}", auth=None)
    assert answer.status_code == 200
    return answer.headers["Cache-Status"]


def is_made(rest: httpx.Client, bucket: str, key: str) -> bool:
    return ask(rest, bucket, key) == MADE


def send(rest: httpx.Client, bucket: str, **chosen: object) -> dict[str, object]:
    answer = rest.post("/v1/cache/purge", json={"bucket": bucket, **chosen})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        ({"keys": ["a/1.png", "not-there"]}, [0]),
        ({"prefix": "a/"}, [0, 1]),
        ({"tag": "n1"}, [1]),
        ({"tag": "all"}, [0, 1, 2]),
        ({"everything": True}, [0, 1, 2]),
        ({"everything": True, "after": "a/1.png"}, [1, 2]),
        ({"prefix": "c"}, []),
    ],
    ids=str,
)
def test_only_what_is_meant_is_made_anew(
    rest: httpx.Client, bucket: str, keys: list[str], chosen: dict[str, object], meant: list[int]
) -> None:
    report = send(rest, bucket, **chosen)
    assert report["images"] == len(meant) + ("keys" in chosen)
    assert report["renditions"] >= len(meant)
    assert report["next"] is None
    assert [number for number, key in enumerate(keys) if is_made(rest, bucket, key)] == meant
    assert not any(is_made(rest, bucket, key) for key in keys)


def test_the_original_is_read_anew_and_is_what_it_was(
    rest: httpx.Client, bucket: str, keys: list[str]
) -> None:
    url = f"/{bucket}/image/upload/{keys[0]}"
    data = [rest.get(url, auth=None) for _ in range(2)][1]
    assert data.headers["Cache-Status"].startswith("imagestore; hit")
    send(rest, bucket, keys=[keys[0]])
    again = rest.get(url, auth=None)
    assert (again.content, again.headers["ETag"]) == (data.content, data.headers["ETag"])
    assert again.headers["Cache-Status"] == MADE


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"bucket": "default"},
        {"bucket": "default", "everything": False},
        {"bucket": "default", "keys": []},
        {"bucket": "default", "keys": ["x"], "tag": "y"},
        {"bucket": "default", "everything": True, "prefix": "y"},
        {"bucket": "default", "prefix": ""},
        {"bucket": "default", "keys": ["x"] * 101},
        {"bucket": "default", "keys": [{"$ne": 1}]},
        {"bucket": {"$ne": 1}, "everything": True},
    ],
    ids=str,
)
def test_a_bad_wish_is_refused(rest: httpx.Client, wanted: dict[str, object]) -> None:
    check_error(rest.post("/v1/cache/purge", json=wanted), 400, "invalid_parameter")


@pytest.mark.parametrize("key", ["\x00", "x" * 2000, "../x", ""])
def test_no_key_breaks_it(rest: httpx.Client, bucket: str, key: str) -> None:
    send(rest, bucket, keys=[key])


def test_who_may_not_write_may_not_purge(rest: httpx.Client, bucket: str) -> None:
    wanted = {"bucket": bucket, "everything": True}
    check_error(rest.post("/v1/cache/purge", json=wanted, auth=None), 401, "unauthenticated")
    check_error(rest.post("/v1/cache/purge", json=wanted | {"bucket": "not-there"}), 404, "bucket_not_found")


def test_many_images_take_several_calls(
    rest: httpx.Client, images: str, bucket: str, keys: list[str]
) -> None:
    assert purge.MOST_IMAGES % purge.PAGE == 0
    for number in range(purge.PAGE):
        data = pictures.png(8, 8, seed=int(bucket[2:], 16) + number)
        assert rest.put(f"{images}/many/{number}", content=data).status_code == 201
    report = send(rest, bucket, prefix="many/")
    assert (report["images"], report["next"]) == (purge.PAGE, "many/99")
    report = send(rest, bucket, prefix="many/", after=report["next"])
    assert (report["images"], report["next"]) == (0, None)
