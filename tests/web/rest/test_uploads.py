"""REST over HTTP: the ways in for a picture, and the conditions on them."""

import hashlib
import json
import re

import httpx
import pytest

from imagestore.core.urls import delivery_path
from tests import pictures
from tests.web.answers import check_error

DATA = pictures.jpeg(seed=900)
OTHER = pictures.jpeg(seed=901)
DIGEST = hashlib.sha256(DATA).hexdigest()
ETAG = f'"{DIGEST}"'


def check_created(
    rest: httpx.Client, answer: httpx.Response, bucket: str, key: str, data: bytes = DATA
) -> None:
    assert answer.status_code == 201, answer.text
    facts = answer.json()
    digest = hashlib.sha256(data).hexdigest()
    assert (facts["bucket"], facts["key"], facts["digest"]) == (bucket, key, digest)
    assert answer.headers["ETag"] == facts["etag"] == f'"{digest}"'
    assert answer.headers["Location"] == facts["url"]
    assert facts["url"].endswith(delivery_path(bucket, key))
    assert rest.get(facts["url"]).content == data
    assert rest.get(facts["version_url"]).content == data


def test_the_body_is_the_picture(rest: httpx.Client, bucket: str, images: str) -> None:
    query = {"key": "raw/ä b.jpg", "tags": "sea, sand,,sea", "context": json.dumps({"alt": "Ada & Bö"})}
    answer = rest.post(images, content=DATA, params=query, headers={"Content-Type": "text/plain"})
    check_created(rest, answer, bucket, "raw/ä b.jpg")
    facts = answer.json()
    assert (facts["tags"], facts["context"]) == (["sea", "sand"], {"alt": "Ada & Bö"})
    assert (facts["width"], facts["height"], facts["bytes"]) == (640, 480, len(DATA))
    assert (facts["format"], facts["media_type"]) == ("jpeg", "image/jpeg")


def test_a_body_in_chunks_is_taken(rest: httpx.Client, bucket: str, images: str) -> None:
    pieces = (DATA[at : at + 1000] for at in range(0, len(DATA), 1000))
    check_created(rest, rest.put(f"{images}/chunked.jpg", content=pieces), bucket, "chunked.jpg")


def test_a_key_is_made_when_none_is_given(rest: httpx.Client, bucket: str, images: str) -> None:
    keys = set()
    for _ in range(2):
        answer = rest.post(images, content=DATA)
        key = answer.json()["key"]
        assert re.fullmatch(r"[a-z0-9]{20}", key)
        check_created(rest, answer, bucket, key)
        keys.add(key)
    assert len(keys) == 2


def test_a_form_is_taken_with_its_fields(rest: httpx.Client, bucket: str, images: str) -> None:
    answer = rest.post(
        images,
        files={"file": ("any name.exe", DATA, "text/html")},
        data={"key": "form/a.jpg", "tags": "one,two", "context": '{"alt": "x"}'},
    )
    check_created(rest, answer, bucket, "form/a.jpg")
    assert (answer.json()["tags"], answer.json()["context"]) == (["one", "two"], {"alt": "x"})


def test_a_form_may_hold_any_bytes(rest: httpx.Client, bucket: str, images: str) -> None:
    """Line breaks make the parser look for a boundary across its reads of 64 KiB."""
    for filler in (b"\n", b"\r", b"\r\n", b"\r\n--", b"-"):
        comment = b"\xff\xfe" + (60_002).to_bytes(2, "big") + (filler * 60_000)[:60_000]
        data = DATA[:2] + comment * 9 + DATA[2:]
        for shift in range(3):
            answer = rest.post(
                images, files={"file": ("x", data)}, data={"key": "any", "tags": "t" * (1 + shift)}
            )
            check_created(rest, answer, bucket, "any", data)


def test_fields_of_the_form_count_before_the_query(rest: httpx.Client, bucket: str, images: str) -> None:
    answer = rest.post(
        images,
        params={"key": "query.jpg", "tags": "query"},
        files={"file": ("x", DATA)},
        data={"key": "form.jpg"},
    )
    check_created(rest, answer, bucket, "form.jpg")
    assert answer.json()["tags"] == ["query"]


def test_put_names_the_key_in_the_path(rest: httpx.Client, bucket: str, images: str) -> None:
    for key, path in (("a/b//c.jpg", "a/b//c.jpg"), ("50%/ü?#.jpg", "50%25/%C3%BC%3F%23.jpg")):
        answer = rest.put(f"{images}/{path}?tags=t", content=DATA)
        check_created(rest, answer, bucket, key)
        assert answer.json()["tags"] == ["t"]
        assert rest.get(f"{images}/{path}").json() == answer.json()


def test_put_takes_no_form_and_no_other_key(rest: httpx.Client, images: str) -> None:
    check_error(rest.put(f"{images}/x", files={"file": ("x", DATA)}), 400, "invalid_parameter")
    check_error(rest.put(f"{images}/x?key=y", content=DATA), 400, "invalid_parameter")
    check_error(rest.post(f"{images}?colour=red", content=DATA), 400, "invalid_parameter")


@pytest.mark.parametrize("format", pictures.FORMATS)
def test_every_format_is_known_by_its_bytes(rest: httpx.Client, images: str, format: str) -> None:
    facts = rest.put(f"{images}/x.bin", content=pictures.picture(format, 64, 48)).json()
    assert (facts["format"], facts["width"], facts["height"]) == (format, 64, 48)


def test_facts_are_as_a_viewer_sees_the_picture(rest: httpx.Client, images: str) -> None:
    turned = rest.put(f"{images}/turned", content=pictures.jpeg(64, 48, orientation=6, gps=True)).json()
    assert (turned["width"], turned["height"], turned["orientation"]) == (48, 64, 6)
    assert turned["has_gps"]
    moving = rest.put(f"{images}/moving", content=pictures.webp(frames=3, alpha=True)).json()
    assert (moving["frames"], moving["has_alpha"], moving["has_gps"]) == (3, True, False)


def test_the_same_bytes_again_are_the_same_version(rest: httpx.Client, images: str) -> None:
    first = rest.put(f"{images}/again?tags=a", content=DATA)
    again = rest.put(f"{images}/again", content=DATA)
    assert (again.status_code, again.json()) == (201, first.json())
    labelled = rest.put(f"{images}/again?tags=b", content=DATA).json()
    assert (labelled["version"], labelled["tags"]) == (first.json()["version"], ["b"])
    other = rest.put(f"{images}/again", content=OTHER).json()
    assert other["version"] > labelled["version"]
    assert other["tags"] == ["b"]
    assert len(rest.get(f"{images}/again/versions").json()["versions"]) == 2


CONDITIONS = [
    ({"If-None-Match": "*"}, False, None),
    ({"If-Match": "*"}, True, None),
    ({"If-Match": ETAG}, True, None),
    ({"If-Match": f'"x", {ETAG}'}, True, None),
    ({"If-Match": f'"x",{ETAG} , "y"'}, True, None),
    ({"If-None-Match": "*"}, True, "precondition_failed"),
    ({"If-Match": "*"}, False, "precondition_failed"),
    ({"If-Match": ETAG}, False, "precondition_failed"),
    ({"If-Match": '"x"'}, True, "precondition_failed"),
    ({"If-Match": f"W/{ETAG}"}, True, "precondition_failed"),
    ({"If-Match": '""'}, True, "precondition_failed"),
    ({"If-Match": ""}, True, "precondition_failed"),
    ({"If-Match": ETAG, "If-None-Match": "*"}, True, "invalid_parameter"),
    ({"If-None-Match": ETAG}, True, "invalid_parameter"),
    ({"If-None-Match": '"x"'}, False, "invalid_parameter"),
    ({"If-None-Match": ""}, False, "invalid_parameter"),
]


@pytest.mark.parametrize(("fields", "exists", "code"), CONDITIONS)
def test_an_upload_keeps_its_condition(
    rest: httpx.Client, images: str, fields: dict[str, str], exists: bool, code: str | None
) -> None:
    if exists:
        rest.put(f"{images}/it", content=DATA)
    put = rest.put(f"{images}/it", content=OTHER, headers=fields)
    if code is None:
        assert put.status_code == 201
    else:
        raw = rest.post(images, params={"key": "it"}, content=OTHER, headers=fields)
        form = rest.post(images, files={"file": ("x", OTHER)}, data={"key": "it"}, headers=fields)
        for answer in (put, raw, form):
            check_error(answer, 412 if code == "precondition_failed" else 400, code)
    found = rest.get(f"{images}/it")
    kept = OTHER if code is None else DATA
    assert found.status_code == (200 if exists or code is None else 404)
    if found.status_code == 200:
        assert found.json()["digest"] == hashlib.sha256(kept).hexdigest()


def test_of_writers_with_the_same_condition_one_wins(rest: httpx.Client, images: str) -> None:
    assert rest.put(f"{images}/it", content=DATA, headers={"If-None-Match": "*"}).status_code == 201
    lost = rest.put(f"{images}/it", content=DATA, headers={"If-None-Match": "*"})
    check_error(lost, 412, "precondition_failed")


@pytest.mark.parametrize(
    "ending", ["versions", "versions/{}", "versions/{}/restore", "versions/٣", "versions/0"]
)
def test_a_key_whose_path_is_a_route_of_versions_is_refused(
    rest: httpx.Client, images: str, ending: str
) -> None:
    number = rest.put(f"{images}/a/q", content=DATA).json()["version"]
    key = f"a/q/{ending.format(number)}"
    for answer in (
        rest.put(f"{images}/{key}", content=DATA),
        rest.post(images, content=DATA, params={"key": key}),
        rest.post(images, data={"key": key}, files={"file": ("a.jpg", DATA)}),
    ):
        check_error(answer, 400, "invalid_key")
        assert "choose another ending" in answer.json()["error"]["message"]
    assert [each["key"] for each in rest.get(images).json()["images"]] == ["a/q"]


@pytest.mark.parametrize("key", ["versions", "versions/5", "q/versions/x", "q/versions/5x", "q/versions/5/6"])
def test_a_key_like_a_route_of_versions_names_itself_alone(
    rest: httpx.Client, bucket: str, images: str, key: str
) -> None:
    check_created(rest, rest.put(f"{images}/q", content=OTHER), bucket, "q", OTHER)
    check_created(rest, rest.put(f"{images}/{key}", content=DATA), bucket, key)
    assert rest.get(f"{images}/{key}").json()["key"] == key
    assert rest.delete(f"{images}/{key}").status_code == 204
    assert [each["key"] for each in rest.get(images).json()["images"]] == ["q"]
