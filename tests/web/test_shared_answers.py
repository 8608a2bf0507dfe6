"""What every answer of delivery tells the caches before the service, as the table in docs/cdn.md has it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient

from imagestore.client import Client
from imagestore.core.image import Bucket
from imagestore.web.permission import Permission
from tests import pictures
from tests.service import Service, await_that, running_service

PAGE = Path(__file__).parents[2] / "docs" / "cdn.md"
TOLD = re.compile(r"^\| (?P<what>[^|]+) \| (?P<statuses>[\d, ]+) \| `(?P<told>[^`|]+)` \|", re.MULTILINE)


@dataclass
class Site:
    """The service, a stranger, and somebody who may see everything."""

    service: Service
    client: Client
    stranger: httpx.Client
    reader: httpx.Client
    etag: str = ""

    def get(self, rest: str, bucket: str = "default", **fields: str) -> httpx.Response:
        return self.stranger.get(f"/{bucket}/image/upload/{rest}", headers=fields)

    def show(self, rest: str, bucket: str = "closed") -> httpx.Response:
        return self.reader.get(f"/{bucket}/image/upload/{rest}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = {"rendition_bytes": 4096, "alias_ttl": 1, "read_timeout": 2}
    with (
        running_service(
            tmp_path_factory.mktemp("shared"), surrogate_headers="Surrogate-Key", **settings
        ) as service,
        service.client() as client,
        httpx.Client(base_url=service.url, timeout=60) as stranger,
        httpx.Client(base_url=service.url, timeout=60, auth=(service.access_key, service.secret)) as reader,
    ):
        client.create_bucket("closed")
        client.create_bucket("strict", "public-read", strict=True)
        for bucket in ("default", "closed", "strict"):
            client.upload(bucket, pictures.jpeg(64, 48), key="ada.jpg", tags=["a"])
        client.upload("default", pictures.jpeg(400, 300, noise=True, quality=95), key="noise.jpg")
        made = Site(service, client, stranger, reader)
        made.etag = made.get("ada.jpg").headers["ETag"]
        yield made


Ask = Callable[[Site], list[httpx.Response]]


def by_name(site: Site) -> list[httpx.Response]:
    found = [site.get(rest) for rest in ("ada.jpg", "w_20/ada.jpg", "w_20/ada.jpg.webp", "ada.jpg?any=thing")]
    found.append(site.get("ada.jpg", Range="bytes=0-9"))
    found.append(site.get("v1999999999/ada.jpg"))
    found += [site.get("ada.jpg", **{"If-None-Match": site.etag}) for _ in range(2)]
    found.append(site.stranger.head("/default/image/upload/ada.jpg"))
    found.append(site.show("ada.jpg", "default"))
    return found


def by_version(site: Site) -> list[httpx.Response]:
    number = site.client.image("default", "ada.jpg")["version"]
    found = [site.get(f"v{number}/ada.jpg"), site.get(f"w_20/v{number}/ada.jpg")]
    found.append(site.get("fl_immutable_cache/ada.jpg"))
    found.append(site.get(f"v{number}/ada.jpg", Range="bytes=0-9"))
    found.append(site.get(f"v{number}/ada.jpg", **{"If-None-Match": site.etag}))
    return found


def by_signature_of_what_is_made(site: Site) -> list[httpx.Response]:
    return [site.stranger.get(site.client.delivery_url("strict", "ada.jpg", "c_scale,w_21", signed=True))]


def closed(site: Site) -> list[httpx.Response]:
    signed = [site.stranger.get(site.client.signed_url("closed", "ada.jpg")) for _ in range(2)]
    return [site.show("ada.jpg"), site.show("f_auto,w_20/ada.jpg"), *signed]


def labels(site: Site) -> list[httpx.Response]:
    return [site.show("if_!a!_in_tags/c_scale,w_20/if_end/ada.jpg", "default")]


def out_of_date(site: Site) -> list[httpx.Response]:
    """By credential first, which puts it into Redis and into no memory."""
    site.client.upload("default", pictures.jpeg(64, 48, seed=9), key="stale.jpg")
    number = site.client.image("default", "stale.jpg")["version"]
    paths = ("stale.jpg", f"v{number}/stale.jpg")
    for path in paths:
        assert site.show(path, "default").status_code == 200
    with MongoClient[dict[str, object]](site.service.mongo_url) as mongo:
        process = mongo.admin.command("serverStatus")["pid"]
    time.sleep(1.1)  # until Redis is not believed without a look
    os.kill(process, signal.SIGSTOP)
    try:
        return [site.get(path) for path in paths]
    finally:
        os.kill(process, signal.SIGCONT)
        await_that(lambda: site.get("none.jpg").status_code == 404)


def missing(site: Site) -> list[httpx.Response]:
    found = [site.get(rest) for rest in ("none.jpg", "w_20/none", "d_none.jpg/none.jpg", "t_none/ada.jpg")]
    found += [site.get("l_none/fl_layer_apply/ada.jpg"), site.show("none.jpg", "default")]
    assert [each.status_code for each in found] == [404] * 6
    assert all("image~default~" in each.headers["Surrogate-Key"] for each in found)
    assert "image~default~none.jpg image~default~none" in found[0].headers["Surrogate-Key"]
    assert "transformation~default~none" in found[3].headers["Surrogate-Key"]
    assert "image~default~none" in found[4].headers["Surrogate-Key"].split()
    return found


def impossible(site: Site) -> list[httpx.Response]:
    found = [site.get("w_390/noise.jpg.png") for _ in range(2)]
    assert "image~default~noise.jpg.png image~default~noise.jpg" in found[0].headers["Surrogate-Key"]
    return found


def refused(site: Site) -> list[httpx.Response]:
    signed = site.client.delivery_url("default", "none.jpg", "w_21", signed=True)
    wrong = site.client.signed_url("closed", "ada.jpg")[:-1] + "_"
    found = [site.get("w_x/ada.jpg"), site.get("ada.jpg", "closed"), site.stranger.get(wrong)]
    found += [site.get("w_21/ada.jpg", "strict"), site.get("ada.jpg", "nobucket"), site.show("none.jpg")]
    found += [site.stranger.get(signed), site.stranger.post("/default/image/upload/ada.jpg")]
    found.append(site.stranger.get(site.client.sign_url("closed", "none.jpg")))
    found.append(site.get("ada.jpg", **{"If-Match": '"other"'}))
    found.append(site.get("ada.jpg", Range="bytes=99999999-"))
    return found


CASES: dict[str, Ask] = {
    "an original or a rendition, by its name": by_name,
    "the same with the number of that version (`v<n>`), or with `fl_immutable_cache`": by_version,
    "what stands in for a missing image (`d_`)": lambda site: [
        site.get("d_ada.jpg/none.jpg"),
        site.get("d_ada.jpg,w_20/v1999999999/none.jpg"),
        site.get("d_ada.jpg,fl_immutable_cache/none.jpg"),
    ],
    "by a signed transformation (`s--…--`)": by_signature_of_what_is_made,
    "of a private bucket, by credential or signed URL": closed,
    "what tells tags or context at the asker's own word": labels,
    "from Redis alone, while MongoDB cannot be asked": out_of_date,
    "no such image, layer or named transformation, in a public bucket": missing,
    "what cannot be made, of a public bucket": impossible,
    "every other error": refused,
}


def rows() -> dict[str, re.Match[str]]:
    return {match["what"]: match for match in TOLD.finditer(PAGE.read_text())}


def test_every_row_of_the_table_is_asked_for() -> None:
    assert list(rows()) == list(CASES)


@pytest.mark.parametrize("what", CASES)
def test_a_row_of_the_table(site: Site, what: str) -> None:
    row = rows()[what]
    found = CASES[what](site)
    statuses = {each.status_code for each in found}
    assert statuses <= {int(status) for status in row["statuses"].split(",")}
    for answer in found:
        told = answer.headers["Cache-Control"]
        if "<" not in row["told"]:
            assert told == row["told"]
        kept = "public" in told
        assert ("Surrogate-Key" in answer.headers) == kept
        assert answer.headers.get("Vary", "Accept") == "Accept"
        assert "Cache-Status" in answer.headers or answer.status_code == 405


@pytest.mark.parametrize(
    "path", ["f_auto/ada.jpg", "f_auto,w_20/ada.jpg", "f_auto/none.jpg", "t_none,f_auto/ada.jpg"]
)
def test_what_depends_on_accept_says_so(site: Site, path: str) -> None:
    assert site.get(path).headers["Vary"] == "Accept"


def test_an_upload_is_seen_behind_what_was_missing(site: Site) -> None:
    """Nothing here goes on with an error that others may keep for a moment."""
    assert site.get("later.jpg").status_code == 404
    site.client.upload("default", pictures.jpeg(64, 48), key="later.jpg")
    assert site.get("later.jpg").status_code == 200


def test_where_a_policy_has_a_say_nobody_keeps_that_there_is_nothing() -> None:
    """Whether that may be known can hang on who asks."""
    made = datetime.now(UTC)
    for documents, kept in (({}, True), ({"policy": "{}"}, False)):
        bucket = Bucket("open", "public-read", made, documents=documents)
        permission = Permission(reveals=False)
        permission.admit(bucket)
        assert (permission.open_bucket == bucket) == kept
