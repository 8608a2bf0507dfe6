"""REST over HTTP: buckets."""

import secrets

import httpx
import pytest

from tests import pictures
from tests.web.answers import check_error


def fresh() -> str:
    return f"b-{secrets.token_hex(6)}"


def test_a_bucket_is_made_shown_changed_and_deleted(rest: httpx.Client) -> None:
    name = fresh()
    made = rest.post("/v1/buckets", json={"name": name, "access": "public-read"})
    assert (made.status_code, made.json()["access"]) == (201, "public-read")
    assert rest.get(f"/v1/buckets/{name}").json() == made.json()
    changed = rest.patch(f"/v1/buckets/{name}", json={"access": "private"})
    assert (changed.status_code, changed.json()["access"]) == (200, "private")
    assert rest.get(f"/v1/buckets/{name}").json() == changed.json()
    gone = rest.delete(f"/v1/buckets/{name}")
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (
        rest.get(f"/v1/buckets/{name}"),
        rest.delete(f"/v1/buckets/{name}"),
        rest.patch(f"/v1/buckets/{name}", json={"access": "private"}),
        rest.get(f"/v1/buckets/{name}/images"),
        rest.put(f"/v1/buckets/{name}/images/x", content=pictures.gif()),
    ):
        check_error(answer, 404, "bucket_not_found")
    assert rest.post("/v1/buckets", json={"name": name}).status_code == 201


def test_a_bucket_is_private_unless_told(rest: httpx.Client) -> None:
    assert rest.post("/v1/buckets", json={"name": fresh()}).json()["access"] == "private"


def test_a_name_is_given_once(rest: httpx.Client, bucket: str) -> None:
    check_error(rest.post("/v1/buckets", json={"name": bucket}), 409, "bucket_exists")


@pytest.mark.parametrize(
    "name",
    [
        "v1",
        "v1_1",
        "v2",
        "console",
        "static",
        "healthz",
        "readyz",
        "metrics",
        "search",
        "",
        "ab",
        "a" * 64,
        "Upper",
        "under_score",
        "-a-b",
        "a-b-",
        ".abc",
        "a..b",
        "127.0.0.1",
        "a/b",
        "ünï",
        "abc\n",
        "a b",
        "\x00abc",
    ],
)
def test_a_bad_name_is_refused(rest: httpx.Client, name: str) -> None:
    check_error(rest.post("/v1/buckets", json={"name": name}), 400, "invalid_bucket_name")


@pytest.mark.parametrize("name", ["abc", "a" * 63, "1.2.3", "a.b-c.d"])
def test_a_good_name_at_the_bounds_is_taken(rest: httpx.Client, name: str) -> None:
    assert rest.post("/v1/buckets", json={"name": name}).status_code == 201
    assert rest.delete(f"/v1/buckets/{name}").status_code == 204


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"name"',
        b"{}",
        b'{"name": 5}',
        b'{"name": null}',
        b'{"name": ["abc"]}',
        b'{"name": "abc", "access": "public-write"}',
        b'{"name": "abc", "access": NaN}',
        b'{"name": "abc", "more": 1}',
        b'{"name": "abc"} {}',
        b'{"name": "\xff\xfe"}',
    ],
)
def test_a_body_that_does_not_fit_is_refused(rest: httpx.Client, body: bytes) -> None:
    answer = rest.post("/v1/buckets", content=body, headers={"Content-Type": "application/json"})
    check_error(answer, 400, "invalid_parameter")


def test_a_bucket_with_images_stays(rest: httpx.Client, bucket: str, images: str) -> None:
    url = rest.put(f"{images}/kept.gif", content=pictures.gif()).json()["url"]
    check_error(rest.delete(f"/v1/buckets/{bucket}"), 409, "bucket_not_empty")
    assert rest.get(url).content == pictures.gif()
    assert rest.delete(f"{images}/kept.gif").status_code == 204
    assert rest.delete(f"/v1/buckets/{bucket}").status_code == 204


def test_a_deleted_bucket_gives_its_images_to_nobody_of_that_name(
    rest: httpx.Client, bucket: str, images: str
) -> None:
    url = rest.put(f"{images}/old.gif", content=pictures.gif()).json()["url"]
    rest.delete(f"{images}/old.gif")
    rest.delete(f"/v1/buckets/{bucket}")
    rest.post("/v1/buckets", json={"name": bucket})
    assert rest.get(images).json()["images"] == []
    assert rest.get(url).status_code == 404


def test_the_list_shows_what_the_credential_reaches(
    rest: httpx.Client, stranger: httpx.Client, bucket: str
) -> None:
    other = fresh()
    rest.post("/v1/buckets", json={"name": other})
    names = [each["name"] for each in rest.get("/v1/buckets").json()["buckets"]]
    assert {bucket, other, "default"} <= set(names)
    assert names == sorted(names)
    issued = rest.post("/v1/credentials", json={"scopes": ["read"], "buckets": [bucket]}).json()
    bound = stranger.get("/v1/buckets", auth=(issued["access_key"], issued["secret"]))
    assert [each["name"] for each in bound.json()["buckets"]] == [bucket]
    check_error(stranger.get("/v1/buckets"), 401, "unauthenticated")
