"""REST over HTTP: images listed, shown, labelled, deleted and signed for."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests import pictures
from tests.service import Service
from tests.web.answers import check_error

DATA = pictures.gif()


def put(rest: httpx.Client, images: str, key: str, **query: str) -> dict:
    answer = rest.put(f"{images}/{key}", content=DATA, params=query)
    assert answer.status_code == 201, answer.text
    return answer.json()


def pages(rest: httpx.Client, images: str, **query: str | int) -> Iterator[list[str]]:
    while True:
        page = rest.get(images, params=query).json()
        yield [each["key"] for each in page["images"]]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


def keys(rest: httpx.Client, images: str, **query: str | int) -> list[str]:
    return [key for page in pages(rest, images, **query) for key in page]


def test_pages_hold_every_image_once_in_byte_order(rest: httpx.Client, images: str) -> None:
    names = [f"{number:02}/ä%.jpg" for number in range(22)] + ["Z", "a", "é"]
    for name in reversed(names):
        put(rest, images, name.replace("%", "%25"))
    found = list(pages(rest, images, limit=7))
    assert [len(page) for page in found] == [7, 7, 7, 4]
    assert [key for page in found for key in page] == sorted(names, key=str.encode)
    assert [len(page) for page in pages(rest, images, limit=25)] == [25]
    assert len(keys(rest, images)) == 25


def test_a_page_goes_on_where_the_last_one_ended_though_images_come_and_go(
    rest: httpx.Client, images: str
) -> None:
    for name in "bdfh":
        put(rest, images, name)
    first = rest.get(images, params={"limit": 2}).json()
    rest.delete(f"{images}/d")
    put(rest, images, "a")
    put(rest, images, "e")
    rest_of = rest.get(images, params={"limit": 9, "cursor": first["next"]}).json()
    assert [each["key"] for each in rest_of["images"]] == ["e", "f", "h"]


def test_the_list_narrows_to_a_prefix_and_a_tag(rest: httpx.Client, images: str) -> None:
    put(rest, images, "a/1", tags="red,big")
    put(rest, images, "a/2", tags="blue")
    put(rest, images, "a.3", tags="red")
    put(rest, images, "b/1", tags="red")
    assert keys(rest, images, prefix="a/") == ["a/1", "a/2"]
    assert keys(rest, images, prefix="a.") == ["a.3"]
    assert keys(rest, images, tag="red") == ["a.3", "a/1", "b/1"]
    assert keys(rest, images, tag="red", prefix="a", limit=1) == ["a.3", "a/1"]
    assert keys(rest, images, prefix="A") == keys(rest, images, tag="re") == []
    for odd in (".*", "^a", "\\", "$", "\x00", "a" * 2000, "\U0010ffff"):
        assert keys(rest, images, prefix=odd) == keys(rest, images, tag=odd) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("limit", "-1"),
        ("limit", "many"),
        ("limit", "1.5"),
        ("limit", ""),
        ("cursor", "!"),
        ("cursor", "a"),
        ("cursor", "gICA"),
        ("cursor", "é"),
        ("page", "2"),
    ],
)
def test_a_bad_query_is_refused(rest: httpx.Client, images: str, name: str, value: str) -> None:
    check_error(rest.get(images, params={name: value}), 400, "invalid_parameter")


def test_facts_say_where_the_image_is(rest: httpx.Client, images: str, bucket: str) -> None:
    made = put(rest, images, "f", tags="t", context='{"alt": "x"}')
    shown = rest.get(f"{images}/f")
    assert (shown.status_code, shown.json()) == (200, made)
    assert urlsplit(made["url"]).path == f"/{bucket}/image/upload/f"
    assert urlsplit(made["version_url"]).path == f"/{bucket}/image/upload/v{made['version']}/f"
    assert datetime.fromisoformat(made["created"]).timestamp() == pytest.approx(time.time(), abs=3600)
    check_error(rest.get(f"{images}/g"), 404, "image_not_found")


def test_labels_are_replaced_one_by_one(rest: httpx.Client, images: str) -> None:
    made = put(rest, images, "x", tags="a,b", context='{"alt": "x", "by": "y"}')

    def label(change: dict) -> dict:
        answer = rest.patch(f"{images}/x", json=change)
        assert answer.status_code == 200, answer.text
        assert rest.get(f"{images}/x").json() == answer.json()
        assert answer.json()["version"] == made["version"]
        return {name: answer.json()[name] for name in ("tags", "context")}

    assert label({"tags": ["c"]}) == {"tags": ["c"], "context": {"alt": "x", "by": "y"}}
    assert label({"context": {"$where": "1.2"}}) == {"tags": ["c"], "context": {"$where": "1.2"}}
    assert label({"tags": [], "context": {}}) == {"tags": [], "context": {}}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tags": None},
        {"tags": "a"},
        {"tags": [1]},
        {"tags": [""]},
        {"tags": ["a,b"]},
        {"tags": ["a\x00"]},
        {"tags": ["x" * 256]},
        {"tags": ["\ud800"]},
        {"tags": [str(number) for number in range(101)]},
        {"context": []},
        {"context": {"a": 1}},
        {"context": {"a": None}},
        {"context": {"a": {"b": "c"}}},
        {"context": {"": "x"}},
        {"context": {"a\x00": "x"}},
        {"context": {"a": "\x1b"}},
        {"context": {"a": "x" * 8192}},
        {"context": {str(number): "" for number in range(101)}},
        {"key": "y"},
    ],
    ids=lambda change: str(change)[:40],
)
def test_bad_labels_are_refused(rest: httpx.Client, images: str, change: dict) -> None:
    made = put(rest, images, "x", tags="t")
    text = json.dumps(change)  # what is no Unicode text is escaped here
    answer = rest.patch(f"{images}/x", content=text, headers={"Content-Type": "application/json"})
    check_error(answer, 400, "invalid_parameter")
    assert rest.get(f"{images}/x").json() == made


def test_labels_and_deletion_keep_conditions(rest: httpx.Client, images: str) -> None:
    etag = put(rest, images, "x", tags="old")["etag"]
    for fields in ({"If-Match": '"x"'}, {"If-Match": f"W/{etag}"}, {"If-None-Match": "*"}):
        refused = rest.patch(f"{images}/x", json={"tags": ["new"]}, headers=fields)
        check_error(refused, 412, "precondition_failed")
        check_error(rest.delete(f"{images}/x", headers=fields), 412, "precondition_failed")
    assert rest.get(f"{images}/x").json()["tags"] == ["old"]
    held = rest.patch(f"{images}/x", json={"tags": ["new"]}, headers={"If-Match": etag})
    assert held.json()["tags"] == ["new"]
    assert rest.delete(f"{images}/x", headers={"If-Match": etag}).status_code == 204


def test_a_deleted_image_is_gone_with_its_versions(rest: httpx.Client, images: str) -> None:
    made = put(rest, images, "x")
    assert rest.get(made["version_url"]).status_code == 200
    assert rest.delete(f"{images}/x").status_code == 204
    for answer in (
        rest.get(made["url"]),
        rest.get(made["version_url"]),
        rest.get(f"{images}/x"),
        rest.delete(f"{images}/x"),
        rest.patch(f"{images}/x", json={"tags": []}),
        rest.get(f"{images}/x/versions"),
    ):
        check_error(answer, 404, "image_not_found")
    assert keys(rest, images) == []


def test_a_signed_url_opens_the_image_to_whoever_has_it(
    rest: httpx.Client, stranger: httpx.Client, bucket: str, images: str
) -> None:
    version = put(rest, images, "a b%25")["version"]
    path = f"/v1/buckets/{bucket}/signed-urls"
    for wanted in ({"key": "a b%"}, {"key": "a b%", "version": version, "expires_in": 60}):
        answer = rest.post(path, json=wanted)
        assert answer.status_code == 201
        url, expires = answer.json()["url"], datetime.fromisoformat(answer.json()["expires"])
        assert stranger.get(url).content == DATA
        assert parse_qs(urlsplit(url).query)["expires"] == [str(int(expires.timestamp()))]
        lifetime = expires.timestamp() - time.time()
        assert lifetime == pytest.approx(wanted.get("expires_in", 3600), abs=50)
    assert stranger.get(url.replace("a%20b", "a%20c")).status_code == 403
    assert stranger.get(url.partition("?")[0]).status_code == 401


def test_a_signed_url_ends_with_the_credential_that_signed_it(
    rest: httpx.Client, stranger: httpx.Client, bucket: str, images: str
) -> None:
    put(rest, images, "x")
    issued = rest.post("/v1/credentials", json={"scopes": ["read"], "buckets": [bucket]}).json()
    signed = stranger.post(
        f"/v1/buckets/{bucket}/signed-urls",
        json={"key": "x"},
        auth=(issued["access_key"], issued["secret"]),
    )
    assert stranger.get(signed.json()["url"]).status_code == 200
    rest.delete(f"/v1/credentials/{issued['access_key']}")
    check_error(stranger.get(signed.json()["url"]), 403, "signature_invalid")


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "invalid_parameter"),
        ({"key": "../x"}, "invalid_key"),
        ({"key": "x", "expires_in": 0}, "invalid_parameter"),
        ({"key": "x", "expires_in": 604_801}, "invalid_parameter"),
        ({"key": "x", "expires_in": "soon"}, "invalid_parameter"),
        ({"key": "x", "version": -1}, "invalid_parameter"),
        ({"key": "x", "version": 10**15}, "invalid_parameter"),
    ],
)
def test_a_bad_wish_for_a_signature_is_refused(
    rest: httpx.Client, bucket: str, asked: dict, code: str
) -> None:
    check_error(rest.post(f"/v1/buckets/{bucket}/signed-urls", json=asked), 400, code)


def test_urls_are_made_from_the_name_that_the_client_used(service: Service, rest: httpx.Client) -> None:
    answer = rest.get("/v1/buckets/default/images", headers={"Host": "img.example:81"})
    assert answer.status_code == 200
    made = rest.put(
        "/v1/buckets/default/images/host.gif", content=DATA, headers={"Host": "img.example:81"}
    ).json()
    assert made["url"] == "http://img.example:81/default/image/upload/host.gif"
