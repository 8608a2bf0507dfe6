"""nginx and Varnish as shared caches, with the files that are shipped, in front of a real service."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.docker.files import DOCKER
from tests.docker.test_containers import answers, free_port, running
from tests.service import Service, await_that, running_service

PATH = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
PROGRAMS = {"nginx": "nginx", "varnish": "varnishd"}


def nginx(folder: Path, port: int, node: int) -> list[str]:
    text = (DOCKER / "nginx.cache.conf").read_text()
    text = text.replace("server imagestore:8000", f"server 127.0.0.1:{node}")
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    file = folder / "nginx.conf"
    file.write_text(text.replace(" /tmp/", f" {folder}/").replace("/dev/stdout", f"{folder}/access"))
    # As root it would change to a user who cannot read a test's folder.
    more = "daemon off;" + (" user root;" if os.getuid() == 0 else "")
    return ["-e", "stderr", "-c", str(file), "-p", str(folder), "-g", more]


def varnish(folder: Path, port: int, node: int) -> list[str]:
    text = (DOCKER / "varnish.vcl").read_text()
    text = text.replace('"imagestore"', '"127.0.0.1"').replace('"8000"', f'"{node}"')
    file = folder / "varnish.vcl"
    file.write_text(text)
    # Without its jail, in which it could not read a test's folder.
    return ["-j", "none", "-F", "-f", str(file), "-a", f"127.0.0.1:{port}", "-n", str(folder / "v")]


@contextmanager
def cached_site(kind: str, folder: Path, *, told: bool = False) -> Iterator[tuple[str, Service]]:
    """The URL of a cache of this kind, and the service behind it. `told`: that has it drop what changes."""
    program = shutil.which(PROGRAMS[kind], path=PATH)
    if program is None:
        pytest.skip(f"there is no {PROGRAMS[kind]} here: apt-get install nginx varnish varnish-modules")
    port = free_port()
    settings = {"trusted_proxies": "127.0.0.1", "surrogate_headers": "Surrogate-Key"}
    if told:
        settings |= {"purge_hook": f"http://127.0.0.1:{port}/", "purge_hook_form": "varnish"}
    with running_service(folder, **settings) as service:
        node = httpx.URL(service.url).port
        assert node
        arguments = nginx(folder, port, node) if kind == "nginx" else varnish(folder, port, node)
        with running([program, *arguments], folder) as log:
            await_that(lambda: answers(port), log.read_text)
            yield f"http://127.0.0.1:{port}", service


@pytest.fixture(scope="module", params=list(PROGRAMS))
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Service]]:
    with cached_site(request.param, tmp_path_factory.mktemp(request.param)) as found:
        yield found


def upload(site: tuple[str, Service], key: str, picture: bytes) -> str:
    url, service = site
    with service.client() as client:
        client.upload("default", picture, key)
    return f"{url}/default/image/upload/{key}"


def test_conditions_ranges_and_heads_are_answered_from_the_cache(site: tuple[str, Service]) -> None:
    picture = pictures.jpeg(3000, 2000, noise=True, quality=95)
    assert len(picture) > 2 * 1024 * 1024
    url = upload(site, "large.jpg", picture)
    assert httpx.get(url, timeout=30).content == picture
    again = httpx.get(url, timeout=30)
    assert (again.headers["X-Cache"].lower(), again.content) == ("hit", picture)
    part = httpx.get(url, headers={"Range": "bytes=1048000-1049000"}, timeout=30)
    assert (part.status_code, part.content) == (206, picture[1048000:1049001])
    unchanged = httpx.get(url, headers={"If-None-Match": again.headers["ETag"]}, timeout=30)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = httpx.head(url, timeout=30)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(picture)))


def test_formats_are_never_mixed(site: tuple[str, Service]) -> None:
    upload(site, "auto.jpg", pictures.jpeg(seed=1))
    url = f"{site[0]}/default/image/upload/f_auto,w_40/auto.jpg"
    for _ in range(2):
        for kind in ("image/webp", "image/avif"):
            found = httpx.get(url, headers={"Accept": f"{kind},*/*"}, timeout=30)
            assert (found.status_code, found.headers["Content-Type"]) == (200, kind)
        assert httpx.get(url, headers={"Accept": "*/*"}, timeout=30).headers["Content-Type"] == "image/jpeg"


def test_an_error_is_not_kept(site: tuple[str, Service]) -> None:
    assert httpx.get(f"{site[0]}/default/image/upload/later.jpg", timeout=30).status_code == 404
    url = upload(site, "later.jpg", pictures.jpeg(seed=2))
    assert httpx.get(url, timeout=30).status_code == 200


def test_a_crowd_is_one_request_to_the_service(site: tuple[str, Service]) -> None:
    url = upload(site, "crowd.jpg", pictures.jpeg(seed=3))
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda _: httpx.get(url, timeout=30), range(32)))
    assert {each.status_code for each in found} == {200}
    assert len({each.headers["X-Request-Id"] for each in found}) == 1


@pytest.mark.parametrize("kind", list(PROGRAMS))
def test_what_is_kept_outlives_the_service(kind: str, tmp_path: Path) -> None:
    with cached_site(kind, tmp_path) as site:
        picture = pictures.jpeg(seed=4)
        url = upload(site, "kept.jpg", picture)
        assert httpx.get(url, timeout=30).content == picture
        site[1].stop(signal.SIGKILL)
        kept = httpx.get(url, timeout=30)
        assert (kept.status_code, kept.content) == (200, picture)
        assert httpx.get(f"{url}.none", timeout=30).status_code in (502, 503)


def test_a_purge_by_key_forgets(tmp_path: Path) -> None:
    with cached_site("varnish", tmp_path) as site:
        url, other = (upload(site, key, pictures.jpeg(seed=5)) for key in ("purged.jpg", "left.jpg"))
        for each in (url, other):
            await_that(lambda each=each: is_kept(each))
            assert "Surrogate-Key" not in httpx.get(each).headers
        assert httpx.request("PURGE", site[0], headers={"xkey": "another"}).status_code == 200
        assert is_kept(url)
        key = {"xkey": "image~default~purged.jpg"}
        assert httpx.request("PURGE", site[0], headers=key).status_code == 200
        assert [is_kept(url), is_kept(other)] == [False, True]


def test_varnish_is_told_of_purges_and_writes(tmp_path: Path) -> None:
    """What it keeps is good for a minute, and for five more while it is asked for again."""
    with cached_site("varnish", tmp_path, told=True) as site, site[1].client() as client:
        url, other = (upload(site, key, pictures.jpeg(seed=6)) for key in ("told.jpg", "left.jpg"))
        made = f"{site[0]}/default/image/upload/w_40,l_told.jpg/left.jpg"

        def keep_all() -> None:
            time.sleep(3)  # until it was told of what was written before
            for each in (url, other, made):
                await_that(lambda each=each: is_kept(each))

        keep_all()
        client.purge("default", keys=["told.jpg"])
        await_that(lambda: not is_kept(url))
        assert [is_kept(made), is_kept(other)] == [False, True]
        keep_all()
        replaced = pictures.jpeg(seed=7)
        client.upload("default", replaced, "told.jpg")
        await_that(lambda: httpx.get(url).content == replaced)
        assert is_kept(other)
        client.delete("default", "told.jpg")
        await_that(lambda: httpx.get(url).status_code == 404)
        assert is_kept(other)


def is_kept(url: str) -> bool:
    return httpx.get(url, timeout=30).headers["X-Cache"] == "hit"
