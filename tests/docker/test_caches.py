"""nginx and Varnish as shared caches, with the files that are shipped, in front of a real service."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient
from redis import Redis

from tests import pictures
from tests.docker.cache_site import PROGRAMS, Site, cached_site
from tests.faults.metrics import Metrics
from tests.service import await_that

FRESH = 60
"""Seconds; see docs/cdn.md."""


@pytest.fixture(scope="module", params=list(PROGRAMS))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with cached_site(
        request.param, tmp_path_factory.mktemp(request.param), edge="off", metrics="public"
    ) as found:
        found.client.create_bucket("closed")
        yield found


def test_conditions_ranges_and_heads_are_answered_from_the_cache(site: Site) -> None:
    picture = pictures.jpeg(3000, 2000, noise=True, quality=95)
    assert len(picture) > 2 * 1024 * 1024
    key = site.upload("large.jpg", picture)
    assert site.get(key).content == picture
    again = site.get(key)
    assert (again.headers["X-Cache"].lower(), again.content) == ("hit", picture)
    with site.cut_off():
        part = site.get(key, headers={"Range": "bytes=1048000-1049000"})
        assert (part.status_code, part.content) == (206, picture[1048000:1049001])
        beyond = site.get(key, headers={"Range": f"bytes={len(picture)}-"})
        assert beyond.status_code == 416
        for name, value in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
            unchanged = site.get(key, headers={name: again.headers[value]})
            assert (unchanged.status_code, unchanged.content) == (304, b"")
        head = httpx.head(site.path(key), timeout=30)
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(picture)))


def test_formats_are_never_mixed(site: Site) -> None:
    site.upload("auto.jpg", pictures.jpeg(seed=1))
    for _ in range(2):
        for kind in ("image/webp", "image/avif"):
            found = site.get("f_auto,w_40/auto.jpg", headers={"Accept": f"{kind},*/*"})
            assert (found.status_code, found.headers["Content-Type"]) == (200, kind)
        plain = site.get("f_auto,w_40/auto.jpg", headers={"Accept": "*/*"})
        assert plain.headers["Content-Type"] == "image/jpeg"


def test_what_is_not_there_is_believed_for_a_moment(site: Site) -> None:
    for seconds in (0, 9):
        site.advance(seconds)
        assert site.get("later.jpg").status_code == 404
    assert site.keeps("later.jpg")
    site.upload("later.jpg", pictures.jpeg(seed=2))
    site.advance(2)
    assert site.get("later.jpg").status_code == 200


def test_what_was_replaced_or_deleted_goes_with_its_freshness(site: Site) -> None:
    small, large = (
        [pictures.jpeg(side, side, noise=True, seed=seed) for seed in (1, 2)] for side in (50, 2000)
    )
    assert len(large[0]) > 1024 * 1024
    for number in (0, 1):
        for key, bodies in (("small.jpg", small), ("big.jpg", large)):
            site.upload(key, bodies[number])
            site.advance(FRESH + 11)  # Varnish serves what is stale for ten seconds
            assert site.get(key).content == bodies[number]
            assert site.get(key).content == bodies[number]
            assert site.keeps(key)
    for key in ("small.jpg", "big.jpg"):
        site.client.delete("default", key)
        site.advance(FRESH + 11)
        assert [site.get(key).status_code for _ in range(2)] == [404, 404]


@pytest.mark.parametrize("made", ["", "w_300,e_sepia/"], ids=["original", "rendition"])
def test_a_crowd_at_a_cold_url_is_one_request_to_the_service(site: Site, made: str) -> None:
    site.upload("crowd.jpg", pictures.jpeg(800, 600, seed=3))
    with ThreadPoolExecutor(32) as threads:
        found = list(threads.map(lambda _: site.get(f"{made}crowd.jpg"), range(64)))
    assert {each.status_code for each in found} == {200}
    assert len({each.headers["X-Request-Id"] for each in found}) == 1


def test_what_a_credential_or_a_signature_shows_is_not_shared(site: Site) -> None:
    picture = pictures.jpeg(seed=4)
    site.client.upload("closed", picture, "own.jpg")
    who = (site.service.access_key, site.service.secret)
    signed = site.client.signed_url("closed", "own.jpg")
    rest = signed.partition("/image/upload/")[2]
    seen = [site.get("own.jpg", "closed", auth=who) for _ in range(2)]
    seen += [site.get(rest, "closed") for _ in range(2)]
    for answer in seen:
        assert (answer.status_code, answer.content) == (200, picture)
        assert answer.headers["X-Cache"].lower() != "hit"
    assert len({each.headers["X-Request-Id"] for each in seen}) == len(seen)
    for stranger in (site.get("own.jpg", "closed"), site.get(rest[:-1] + "_", "closed")):
        assert stranger.status_code in (401, 403)
        assert stranger.headers["X-Cache"].lower() != "hit"


def test_what_is_open_is_not_asked_for_with_a_credential_from_the_cache(site: Site) -> None:
    key = site.upload("open.jpg", pictures.jpeg(seed=5))
    await_that(lambda: site.keeps(key))
    kept = site.get(key).headers["X-Request-Id"]
    own = site.get(key, auth=(site.service.access_key, site.service.secret))
    assert (own.status_code, own.headers["X-Request-Id"] == kept) == (200, False)
    assert site.get(key, auth=("nobody", "wrong")).status_code in (200, 401)
    assert site.get(key).headers["X-Request-Id"] == kept


def test_what_is_out_of_date_is_served_while_the_service_is_down(site: Site) -> None:
    old, new = pictures.jpeg(seed=6), pictures.jpeg(seed=7)
    key = site.upload("kept.jpg", old)
    site.advance(86400)
    assert site.get(key).content == old
    with site.cut_off():
        site.advance(20 * 3600)
        for _ in range(3):
            kept = site.get(key)
            assert (kept.status_code, kept.content) == (200, old)
        assert site.get("nothing.jpg").status_code in (502, 503, 504)
        site.upload(key, new)
    await_that(lambda: site.get(key).content == new)
    assert site.keeps(key)
    site.client.delete("default", key)
    site.advance(FRESH + 11)
    assert site.get(key).status_code == 404


def test_what_is_out_of_date_is_served_while_the_service_has_no_database(site: Site) -> None:
    """It is well, as far as its health tells, and answers with errors."""
    picture = pictures.jpeg(seed=8)
    key = site.upload("errors.jpg", picture)
    assert site.get(key).content == picture
    with MongoClient[dict[str, object]](site.service.mongo_url) as mongo:
        process = mongo.admin.command("serverStatus")["pid"]
    site.advance(3600)
    os.kill(process, signal.SIGSTOP)
    try:
        with Redis.from_url(site.service.redis_url) as redis:
            redis.flushall()
        before = Metrics(site.service)
        with ThreadPoolExecutor(16) as threads:
            crowd = list(threads.map(lambda _: site.get(key), range(32)))
        assert {each.content for each in crowd} == {picture}
        if site.kind == "varnish":  # nginx asks for each beyond stale-while-revalidate
            asked = Metrics(site.service).since(before, "imagestore_http_requests_total", 'face="delivery"')
            assert asked <= 8  # one in five seconds
        kept = site.get(key)
        assert (kept.status_code, kept.content) == (200, picture)
        assert site.get("w_11/errors.jpg").status_code == 503
    finally:
        os.kill(process, signal.SIGCONT)
    await_that(lambda: site.get("w_11/errors.jpg").status_code == 200)
    await_that(lambda: site.keeps(key))


def test_a_purge_by_key_forgets(tmp_path: Path) -> None:
    with cached_site("varnish", tmp_path, workers=1) as site:
        key, other = (site.upload(key, pictures.jpeg(seed=5)) for key in ("purged.jpg", "left.jpg"))
        for each in (key, other):
            await_that(lambda each=each: site.keeps(each))
            assert "Surrogate-Key" not in site.get(each).headers
        assert httpx.request("PURGE", site.url, headers={"xkey": "another"}).status_code == 200
        assert site.keeps(key)
        assert httpx.request("PURGE", site.url, headers={"xkey": "image~default~purged.jpg"}).is_success
        assert [site.keeps(key), site.keeps(other)] == [False, True]


def test_varnish_is_told_of_purges_and_writes(tmp_path: Path) -> None:
    """What it keeps is good for a minute, and for longer while it is asked for again."""
    with cached_site("varnish", tmp_path, told=True, workers=1) as site:
        key, other = (site.upload(key, pictures.jpeg(seed=6)) for key in ("told.jpg", "left.jpg"))
        made = "w_40,l_told.jpg/left.jpg"

        def keep_all() -> None:
            time.sleep(3)  # until it was told of what was written before
            for each in (key, other, made):
                await_that(lambda each=each: site.keeps(each))

        keep_all()
        site.client.purge("default", keys=["told.jpg"])
        await_that(lambda: not site.keeps(key))
        assert [site.keeps(made), site.keeps(other)] == [False, True]
        keep_all()
        replaced = pictures.jpeg(seed=7)
        site.upload("told.jpg", replaced)
        await_that(lambda: site.get(key).content == replaced)
        assert site.keeps(other)
        site.client.delete("default", "told.jpg")
        await_that(lambda: site.get(key).status_code == 404)
        assert site.keeps(other)
        site.upload("told.jpg", replaced)
        await_that(lambda: site.get(key).content == replaced)
