"""A service behind nginx or Varnish with the files that are shipped, a line between them that can be cut, and
a clock of the cache's own, which only goes forward."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagestore.client import Client
from tests.docker.files import DOCKER
from tests.docker.test_containers import answers, free_port, running
from tests.faults.tcp_proxy import TcpProxy
from tests.service import Service, await_that, running_service

PATH = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
PROGRAMS = {"nginx": "nginx", "varnish": "varnishd"}
CLOCK = DOCKER.parent / "tests" / "faults" / "clock.c"


@dataclass
class Site:
    """`url` is the cache's. Requests by `get` are a stranger's, each on a connection of its own."""

    kind: str
    url: str
    service: Service
    client: Client
    line: TcpProxy
    offset: Path

    def path(self, rest: str, bucket: str = "default") -> str:
        return f"{self.url}/{bucket}/image/upload/{rest}"

    def get(self, rest: str, bucket: str = "default", **options: Any) -> httpx.Response:
        return httpx.get(self.path(rest, bucket), timeout=60, **options)

    def keeps(self, rest: str) -> bool:
        """Whether it answers without a request to the service."""
        return self.get(rest).headers["X-Cache"].lower() == "hit"

    def upload(self, key: str, picture: bytes) -> str:
        self.client.upload("default", picture, key)
        return key

    def advance(self, seconds: int) -> None:
        """Let the cache's clock go on by so much at once."""
        now = int.from_bytes(self.offset.read_bytes(), sys.byteorder, signed=True)
        with self.offset.open("r+b") as file:
            file.write((now + seconds).to_bytes(8, sys.byteorder, signed=True))

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Nothing of the service reaches the cache."""
        self.line.order(refuse=1, cut=0)
        try:
            yield
        finally:
            self.line.order()


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


def own_clock(folder: Path) -> tuple[dict[str, str], Path]:
    """The environment of a program with a clock that a file moves, and that file."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here: apt-get install gcc libc6-dev")
    library, offset = folder / "clock.so", folder / "offset"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, CLOCK], check=True)
    offset.write_bytes(bytes(8))
    return {**os.environ, "LD_PRELOAD": str(library), "CLOCK_OFFSET": str(offset)}, offset


@contextmanager
def cached_site(kind: str, folder: Path, *, told: bool = False, **settings: object) -> Iterator[Site]:
    """`told`: the service has the cache drop what changes."""
    program = shutil.which(PROGRAMS[kind], path=PATH)
    if program is None:
        pytest.skip(f"there is no {PROGRAMS[kind]} here: apt-get install nginx varnish varnish-modules")
    surroundings, offset = own_clock(folder)
    port = free_port()
    if told:
        settings |= {"purge_hook": f"http://127.0.0.1:{port}/", "purge_hook_form": "varnish"}
    settings |= {"trusted_proxies": "127.0.0.1", "surrogate_headers": "Surrogate-Key"}
    with running_service(folder, **settings) as service, service.client() as client:
        node = httpx.URL(service.url).port
        assert node
        with TcpProxy(node) as line:
            arguments = (nginx if kind == "nginx" else varnish)(folder, port, line.port)
            with running([program, *arguments], folder, surroundings) as log:
                await_that(lambda: answers(port), log.read_text)
                yield Site(kind, f"http://127.0.0.1:{port}", service, client, line, offset)
