"""Delivery over HTTP: names, versions, caching, private buckets, signed URLs, and where bytes come from."""

import hashlib
import re
import time
from collections.abc import Iterator
from urllib.parse import quote

import gridfs
import httpx
import pymongo
import pytest
import redis

from imagestore.core.urls import delivery_path, signed_query
from tests import pictures
from tests.service import Service

PRIVATE = "delivery-private"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def private(service: Service) -> str:
    with service.client() as client:
        client.create_bucket(PRIVATE, "private")
        client.upload(PRIVATE, pictures.jpeg(seed=11), key="secret.jpg")
    return f"{service.url}/{PRIVATE}/image/upload/secret.jpg"


def upload(service: Service, key: str, data: bytes, bucket: str = "default") -> dict:
    with service.client() as client:
        return vars_of(client.upload(bucket, data, key=key))


def vars_of(image: object) -> dict:
    return image if isinstance(image, dict) else {name: getattr(image, name) for name in image.__slots__}


def test_what_goes_up_comes_back(service: Service, http: httpx.Client) -> None:
    for name, data in {
        each: pictures.picture(each) for each in ("jpeg", "png", "gif", "webp", "avif", "tiff", "bmp")
    }.items():
        upload(service, f"whole/{name}", data)
        answer = http.get(f"{service.url}/default/image/upload/whole/{name}")
        assert answer.content == data
        assert answer.headers["Content-Type"] == f"image/{name}"
        assert answer.headers["ETag"] == f'"{hashlib.sha256(data).hexdigest()}"'


KEYS = [
    "a b.jpg",
    "ünï/çödé.jpg",
    "日本/写真.jpg",
    "50%.jpg",
    "q?x=1.jpg",
    "h#f.jpg",
    "a//b.jpg",
    "v12/own.jpg",
    "s--abcdefgh--/x",
    "semi;colon,comma",
    "tail/",
    "..dots..",
    "плюс+plus",
    "'\"<>&",
    "v1",
]


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_delivered_by_the_urls_that_the_facts_name(
    service: Service, http: httpx.Client, key: str
) -> None:
    data = pictures.jpeg(seed=KEYS.index(key) + 100)
    image = upload(service, key, data)
    assert image["key"] == key
    for url in (image["url"], image["version_url"], service.url + delivery_path("default", key)):
        answer = http.get(url)
        assert (answer.status_code, answer.content) == (200, data), url


def test_the_extension_may_be_added_or_left_to_the_format(service: Service, http: httpx.Client) -> None:
    image = upload(service, "people/ada", pictures.jpeg(seed=5))
    base = f"{service.url}/default/image/upload"
    assert http.get(f"{base}/people/ada.jpg").status_code == 200
    assert (
        http.get(f"{base}/v{image['version']}/people/ada.jpg").headers["Cache-Control"].endswith("immutable")
    )
    assert http.get(f"{base}/people/ada.png").headers["Content-Type"] == "image/png"
    assert http.get(f"{base}/people/ada.txt").status_code == 404


def test_a_versioned_url_is_immutable_and_any_other_number_is_passed_over(
    service: Service, http: httpx.Client
) -> None:
    first = upload(service, "versions.jpg", pictures.jpeg(seed=1))
    second = upload(service, "versions.jpg", pictures.jpeg(seed=2))
    base = f"{service.url}/default/image/upload"
    old = http.get(f"{base}/v{first['version']}/versions.jpg")
    assert old.headers["ETag"] == first["etag"]
    assert old.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for number in ("1", "1300000000", str(second["version"] + 5)):
        other = http.get(f"{base}/v{number}/versions.jpg")
        assert other.headers["ETag"] == second["etag"]
        assert (
            other.headers["Cache-Control"]
            == "public, max-age=60, stale-while-revalidate=300, stale-if-error=86400"
        )


def test_the_headers_that_keep_a_browser_safe_and_other_origins_in(
    service: Service, http: httpx.Client
) -> None:
    upload(service, "headers.png", pictures.png())
    url = f"{service.url}/default/image/upload/headers.png"
    answer = http.get(url, headers={"Origin": "https://elsewhere.example"})
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert re.fullmatch(r"(\w+;dur=[\d.]+)(, \w+;dur=[\d.]+)*", answer.headers["Server-Timing"])
    preflight = http.options(
        url,
        headers={
            "Origin": "https://elsewhere.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        },
    )
    assert preflight.status_code == 204
    assert "GET" in preflight.headers["Access-Control-Allow-Methods"]
    assert "Range" in preflight.headers["Access-Control-Allow-Headers"]


def check_readable(answer: httpx.Response, status: int, source: str) -> None:
    """An error that any page may read, and that says where it came from."""
    assert (answer.status_code, answer.headers["Cache-Status"]) == (status, f"imagestore; {source}")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Access-Control-Expose-Headers"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert ("Server-Timing" in answer.headers) == ("bypass" not in source)


def test_errors_say_where_they_came_from_and_are_for_any_page(
    service: Service, http: httpx.Client, private: str
) -> None:
    image = upload(service, "errors.png", pictures.png(seed=31))
    known = "hit; detail=alias"
    assert http.get(image["url"]).status_code == 200
    check_readable(http.get(image["url"], headers={"If-Match": '"other"'}), 412, known)
    check_readable(http.get(image["url"], headers={"Range": "bytes=99999999-"}), 416, known)
    check_readable(http.get(f"{service.url}/default/image/upload/none.png"), 404, "fwd=miss")
    check_readable(http.get(f"{service.url}/no-such-bucket/image/upload/none.png"), 404, "fwd=miss")
    check_readable(http.get(private), 401, "fwd=bypass")
    check_readable(http.get(f"{private}?signature=x&expires=1"), 403, "fwd=bypass")
    check_readable(http.get(f"{private}?signature=x&expires=x"), 400, "fwd=bypass")
    check_readable(http.get(f"{service.url}/default/image/upload/%ff"), 400, "fwd=bypass")


@pytest.mark.parametrize(
    "name", ['evil".jpg', "evil;filename=x.exe", "naïve.jpg", "back\\slash.jpg", "%0d%0aSet-Cookie: x.jpg"]
)
def test_a_key_cannot_write_into_the_disposition(service: Service, http: httpx.Client, name: str) -> None:
    image = upload(service, f"disposition/{name}", pictures.gif())
    answer = http.get(image["url"])
    plain, extended = re.fullmatch(
        r"inline; filename=\"([^\"]*)\"; filename\*=UTF-8''(\S*)", answer.headers["Content-Disposition"]
    ).groups()
    assert re.fullmatch(r"[A-Za-z0-9._ -]+", plain)
    assert extended == quote(name, safe="")
    assert "Set-Cookie" not in answer.headers


def test_a_stranger_learns_nothing_of_a_private_bucket(
    service: Service, http: httpx.Client, private: str
) -> None:
    there, not_there = http.get(private), http.get(private + "x")
    assert there.status_code == not_there.status_code == 401
    assert there.json() == not_there.json()
    assert there.headers["WWW-Authenticate"].startswith("Basic ")
    assert "ETag" not in there.headers


def test_credentials_open_a_private_bucket_by_their_scope_and_reach(
    service: Service, http: httpx.Client, private: str
) -> None:
    with service.client() as client:
        reader = vars_of(client.create_credential(["read"], [PRIVATE]))
        writer = vars_of(client.create_credential(["write"], [PRIVATE]))
        elsewhere = vars_of(client.create_credential(["read"], ["default"]))
        for who, status in ((reader, 200), (writer, 403), (elsewhere, 403)):
            assert http.get(private, auth=(who["access_key"], who["secret"])).status_code == status
        good = http.get(private, auth=(reader["access_key"], reader["secret"]))
        assert good.headers["Cache-Control"] == "private, max-age=60"
        assert http.get(private, auth=(reader["access_key"], "wrong")).status_code == 401
        client.revoke_credential(reader["access_key"])
    for _ in range(8):
        assert http.get(private, auth=(reader["access_key"], reader["secret"])).status_code == 401


def test_a_signed_url_opens_until_it_expires(service: Service, http: httpx.Client, private: str) -> None:
    path = f"/{PRIVATE}/image/upload/secret.jpg"
    now = int(time.time())

    def get(query: str, at: str = path) -> httpx.Response:
        return http.get(f"{service.url}{at}?{query}")

    good = get(signed_query(service.access_key, service.secret, path, now + 30))
    assert good.status_code == 200
    assert re.fullmatch(r"private, max-age=(2\d|30)", good.headers["Cache-Control"])
    assert (
        get(signed_query(service.access_key, service.secret, path, now - 1)).json()["error"]["code"]
        == "signature_expired"
    )
    assert (
        get(signed_query(service.access_key, "other", path, now + 30)).json()["error"]["code"]
        == "signature_invalid"
    )
    assert (
        get(signed_query(service.access_key, service.secret, path, now + 30), path + "x").status_code == 403
    )
    assert (
        get(
            signed_query(service.access_key, service.secret, path, now + 30).replace("expires=", "expires=1")
        ).status_code
        == 403
    )
    assert get(signed_query(service.access_key, service.secret, path, now + 10**7)).status_code == 403
    for query in ("signature=x", "signature=x&expires=abc", "signature=x&expires=1&access_key=" + "K" * 500):
        assert get(query).status_code in (400, 403)


def test_the_service_signs_urls_that_work(service: Service, http: httpx.Client, private: str) -> None:
    with service.client() as client:
        answer = client.signed_url(PRIVATE, "secret.jpg", expires_in=60)
    url = answer if isinstance(answer, str) else vars_of(answer)["url"]
    assert http.get(url).status_code == 200


def test_a_change_is_seen_by_every_worker_at_once(service: Service, http: httpx.Client) -> None:
    url = f"{service.url}/default/image/upload/changes.jpg"

    def answers() -> set[tuple[int, str | None]]:
        """From connections of their own, so that all workers are asked."""
        found = [httpx.get(url) for _ in range(12)]
        return {(each.status_code, each.headers.get("ETag")) for each in found}

    with service.client() as client:
        for seed in range(3):
            image = vars_of(client.upload("default", pictures.jpeg(seed=seed + 40), key="changes.jpg"))
            assert answers() == {(200, image["etag"])}
        client.delete("default", "changes.jpg")
        assert answers() == {(404, None)}
        client.set_access("default", "private")
        assert answers() == {(401, None)}
        client.set_access("default", "public-read")
        assert answers() == {(404, None)}


def test_a_hot_image_comes_from_redis_and_mongodb_is_spared(service: Service, http: httpx.Client) -> None:
    image = upload(service, "hot.jpg", pictures.jpeg(width=800, height=600, seed=77))
    for _ in range(3):
        http.get(image["url"])
    mongo = pymongo.MongoClient(service.mongo_url)
    before = mongo.admin.command("serverStatus")["opcounters"]
    answers = [http.get(image["url"]) for _ in range(50)]
    after = mongo.admin.command("serverStatus")["opcounters"]
    mongo.close()
    assert all(answer.headers["Cache-Status"].startswith("imagestore; hit") for answer in answers)
    assert {answer.status_code for answer in answers} == {200}
    assert after["query"] == before["query"]
    assert after["getmore"] - before["getmore"] <= 5  # the tailing of the oplog within the server itself


def test_warming_makes_the_first_get_after_a_flush_a_hit(service: Service, http: httpx.Client) -> None:
    image = upload(service, "warm.jpg", pictures.jpeg(seed=78))
    with redis.Redis.from_url(service.redis_url) as server:
        server.flushall()
        with service.client() as client:
            report = vars_of(client.warm("default", ["warm.jpg"]))
        assert (report["before"], report["after"], report["loaded"]) == (0, 1, 1)
        first = http.get(image["url"])
        assert first.headers["Cache-Status"].startswith("imagestore; hit")
        server.flushall()
        anew = http.get(image["url"], headers={"Cache-Control": "no-cache"})
        assert anew.headers["Cache-Status"] == "imagestore; fwd=uri-miss"


def test_the_same_bytes_under_two_keys_are_one_gridfs_file(service: Service) -> None:
    data = pictures.png(seed=9)
    image = upload(service, "twice/one.png", data)
    upload(service, "twice/two.png", data)
    client = pymongo.MongoClient(service.mongo_url)
    database = client.get_database("imagestore")
    assert database["blobs.files"].count_documents({"filename": image["digest"]}) == 1
    assert gridfs.GridFS(database, "blobs").find_one({"filename": image["digest"]}).read() == data
    client.close()
