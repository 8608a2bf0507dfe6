"""The log of a service that runs: one object a line, the request's id on each, every write, and no secret."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from pymongo import MongoClient

from tests import pictures
from tests.service import Service, await_that, running_service
from tests.web.watch import talk

SERVER_KEY = "server-key-that-nobody-may-see"
ADMIN_SECRET = "admin/secret+that=nobody may see"
REDIS_PASSWORD = "redis-password-that-nobody-may-see"


@pytest.fixture(scope="module", params=["json", "text"])
def noisy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mongo, redis_server
) -> Iterator[Service]:
    """A service that logs all it can, with a Redis that refuses its password."""
    named = {"secret_key": SERVER_KEY, "admin_key": "ADMIN", "admin_secret": ADMIN_SECRET}
    redis_url = redis_server.url.replace("redis://", f"redis://user:{REDIS_PASSWORD}@")
    logging = {"log_level": "debug", "log_format": request.param, "access_log": "on"}
    database = f"test_{secrets.token_hex(8)}"
    folder = tmp_path_factory.mktemp("noisy")
    settings = {"mongo_url": mongo.url, "mongo_database": database, "redis_url": redis_url, "send_timeout": 1}
    with running_service(folder, **named, **logging, **settings) as running:
        with running.client() as client:
            client.create_bucket("closed", "private")
        yield running
    with MongoClient(mongo.url) as client:
        client.drop_database(database)


def lines(service: Service, **fields: Any) -> list[dict[str, Any]]:
    """The lines of the log that have these values, each of which must be an object."""
    found = [json.loads(line) for line in service.log.read_text().splitlines()]
    return [line for line in found if fields.items() <= line.items()]


def ask(service: Service, method: str, path: str, **given: Any) -> str:
    """Send a request as the first credential, and return its id."""
    given = {"auth": ("ADMIN", ADMIN_SECRET)} | given
    with httpx.Client(base_url=service.url, timeout=60) as client:
        return client.request(method, path, **given).headers["X-Request-Id"]


def signed_url(service: Service, key: str) -> str:
    with httpx.Client(base_url=service.url, auth=("ADMIN", ADMIN_SECRET)) as client:
        answer = client.post("/v1/buckets/closed/signed-urls", json={"key": key, "expires_in": 600})
        return str(answer.json()["url"])


def test_no_secret_gets_into_the_log(noisy: Service) -> None:
    big = pictures.jpeg(3000, 2000, noise=True, quality=95)
    ask(noisy, "PUT", "/v1/buckets/closed/images/a.jpg", content=pictures.jpeg())
    ask(noisy, "PUT", "/v1/buckets/closed/images/big.jpg", content=big)
    with httpx.Client(base_url=noisy.url, auth=("ADMIN", ADMIN_SECRET)) as client:
        made = client.post("/v1/credentials", json={"scopes": ["read"]}).json()
    url = signed_url(noisy, "a.jpg")
    signature = url.rpartition("signature=")[2]
    secret, wrong = made["secret"], "a-wrong-secret-of-somebody"
    basic = base64.b64encode(f"{made['access_key']}:{secret}".encode()).decode()
    assert httpx.get(url).status_code == 200
    for target in (url, url + "x", url.replace("a.jpg", "b.jpg"), f"{noisy.url}/x?secret={secret}"):
        httpx.get(target)
        httpx.put(target, content=b"x")
        httpx.get(target, auth=(made["access_key"], wrong))
    for path in (
        f"/v1/credentials/{quote(secret)}",
        f"/v1/buckets?x={quote(secret)}",
        f"/?signature={wrong}",
    ):
        ask(noisy, "PATCH", path, json={"secret": secret, "password": wrong})
    ask(noisy, "POST", "/v1/credentials", content=json.dumps({"secret": wrong}))
    host, target = urlsplit(url).netloc, url.removeprefix(noisy.url)
    for request in (
        f"GET {target}\r\nAuthorization: Basic {basic}\r\n\r\n",
        f"GET {target} HTTP/9.9\r\nAuthorization: Basic {basic}\r\n\r\n",
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Basic {basic}\r\nAuth{basic}\r\n\r\n",
        f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: x\r\nAuthorization: Basic {basic}\r\n\r\n",
    ):
        talk(noisy, request.encode())
    cut_off(noisy, signed_url(noisy, "big.jpg"))
    seen = noisy.log.read_text()
    known = [SERVER_KEY, ADMIN_SECRET, quote(ADMIN_SECRET, safe=""), REDIS_PASSWORD, secret, wrong]
    for each in (*known, signature, basic, base64.b64encode(f"ADMIN:{ADMIN_SECRET}".encode()).decode()):
        assert each not in seen, each
    assert "signature=" not in seen.replace("signature=***", "")
    assert made["access_key"] in seen


def cut_off(service: Service, url: str) -> None:
    """Ask for a large image by a signed URL and read none of it, until the service gives up and says so."""
    parts = urlsplit(url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect((str(parts.hostname), int(parts.port or 80)))
        client.sendall(f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await_that(lambda: "stopped reading" in service.log.read_text())


def of_json(service: Service) -> None:
    """The rest looks at fields, which the form of text has inside its lines."""
    if not service.log.read_text().startswith("{"):
        pytest.skip("for the other form")


def test_every_request_has_its_line(noisy: Service) -> None:
    of_json(noisy)
    began = time.time()
    asked = ask(noisy, "GET", "/v1/buckets?x=1", headers={"X-Request-Id": "mine-0123456789"})
    assert asked == "mine-0123456789"
    (line,) = lines(noisy, logger="imagestore.access", request_id=asked)
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/buckets", 200)
    assert line["address"] == "127.0.0.1"
    assert 0 < line["duration_ms"] < (time.time() - began + 1) * 1000
    assert line["bytes"] > 0


def audited(service: Service, request_id: str) -> dict[str, Any]:
    (line,) = lines(service, logger="imagestore.audit", request_id=request_id)
    names = ("message", "who", "bucket", "key", "credential", "outcome", "status", "address")
    return {name: line[name] for name in names if name in line}


def test_every_write_has_its_line(noisy: Service) -> None:
    of_json(noisy)
    bucket = f"b-{secrets.token_hex(6)}"
    common = {"who": "ADMIN", "address": "127.0.0.1", "bucket": bucket}
    images = f"/v1/buckets/{bucket}/images"
    made = ask(noisy, "POST", "/v1/buckets", json={"name": bucket})
    assert audited(noisy, made) == {**common, "message": "create_bucket", "outcome": "ok", "status": 201}
    put = ask(noisy, "PUT", f"{images}/x/y.jpg", content=pictures.jpeg())
    expected = {"message": "put_image", "key": "x/y.jpg", "outcome": "ok", "status": 201}
    assert audited(noisy, put) == common | expected
    posted = ask(noisy, "POST", images, content=pictures.jpeg(), params={"key": "named"})
    assert audited(noisy, posted)["key"] == "named"
    refused = ask(noisy, "PUT", f"{images}/x/y.jpg", content=b"text")
    expected = {"message": "put_image", "key": "x/y.jpg", "outcome": "unsupported_format", "status": 415}
    assert audited(noisy, refused) == common | expected
    deleted = ask(noisy, "DELETE", f"{images}/x/y.jpg")
    expected = {"message": "delete_image", "key": "x/y.jpg", "outcome": "ok", "status": 204}
    assert audited(noisy, deleted) == common | expected
    strange = ask(noisy, "DELETE", f"{images}/named", auth=None)
    assert audited(noisy, strange)["outcome"] == "unauthenticated"
    assert "who" not in audited(noisy, strange)
    credential = ask(noisy, "POST", "/v1/credentials", json={"scopes": ["read"]})
    assert audited(noisy, credential)["credential"].startswith("IS")
    revoked = ask(noisy, "DELETE", "/v1/credentials/ISNOBODY")
    assert audited(noisy, revoked)["credential"] == "ISNOBODY"
    assert audited(noisy, revoked)["outcome"] == "credential_not_found"
    read = ask(noisy, "GET", images)
    assert not lines(noisy, logger="imagestore.audit", request_id=read)


def test_lines_of_lower_floors_carry_the_request_and_no_other_one(noisy: Service, mongo) -> None:
    """Damage in the last of many chunks is met by another thread than the one that began the answer."""
    of_json(noisy)
    picture = pictures.jpeg(3000, 2000, noise=True, quality=95, seed=5)
    ask(noisy, "PUT", "/v1/buckets/closed/images/cut.jpg", content=picture)
    with noisy.client() as client:
        digest = client.image("closed", "cut.jpg")["digest"]
    with MongoClient(mongo.url) as driver:
        (database,) = [
            driver[name]
            for name in driver.list_database_names()
            if name.startswith("test_") and driver[name]["claims"].find_one({"_id": digest})
        ]
        file = database["claims"].find_one({"_id": digest})
        assert file is not None
        last = database["blobs.chunks"].find_one({"files_id": file["file_id"]}, sort=[("n", -1)])
        assert last is not None
        assert last["n"] > 8
        database["blobs.chunks"].update_one({"_id": last["_id"]}, {"$set": {"data": b"x"}})
    asked = "damaged-0123456789"
    with pytest.raises(httpx.HTTPError):
        ask(noisy, "GET", "/closed/image/upload/cut.jpg", headers={"X-Request-Id": asked})
    await_that(lambda: bool(lines(noisy, logger="imagestore.edge.front", request_id=asked)))
    (damage,) = lines(noisy, logger="imagestore.store.blobs", request_id=asked)
    assert digest in damage["message"]
    assert damage["path"] == "/closed/image/upload/cut.jpg"
    (broken,) = lines(noisy, logger="imagestore.edge.front", request_id=asked)
    assert "BlobDamaged" in broken["exception"]


def test_the_audit_can_be_turned_off(tmp_path: Path, mongo, mongo_database: str) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    with running_service(tmp_path, audit_log="off", **settings) as service, service.client() as client:
        client.create_bucket("quiet")
        assert "imagestore.audit" not in service.log.read_text()
        assert "imagestore.access" not in service.log.read_text()
