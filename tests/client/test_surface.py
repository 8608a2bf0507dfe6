"""The client is all of REST, typed, and streams in bounded memory both ways."""

from __future__ import annotations

import hashlib
import re
import textwrap
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mypy import api as mypy

from imagestore.client import Client
from tests.client.test_retries import FOUND, SAFE, UNSAFE
from tests.rules import tables

MiB = 1024 * 1024
SIZE = 64 * MiB
BOUND = 4 * MiB


def operations() -> set[str]:
    """What REST offers: `METHOD /path/{like}/{this}`."""
    return {
        f"{method.upper()} {path}"
        for path, methods in tables.make_app().api_doc["paths"].items()
        for method in methods
        if method in ("get", "put", "post", "patch", "delete")
    } | {"GET /v1/openapi.json", "GET /readyz", "GET /metrics"}


@pytest.mark.quick
def test_every_route_of_rest_has_its_method() -> None:
    asked: set[str] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.add(f"{request.method} {request.url.path}")
        return httpx.Response(200, json=FOUND | {"status": "ready"})

    with Client("http://service", "KEY", "secret", transport=httpx.MockTransport(answer)) as client:
        for call in (*SAFE.values(), *UNSAFE.values()):
            call(client)
        client.check_ready()
    unmatched = set()
    for operation in operations():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(operation))
        if not any(re.fullmatch(pattern, each) for each in asked):
            unmatched.add(operation)
    assert not unmatched


@pytest.mark.quick
def test_every_method_is_shown_to_be_safe_or_not() -> None:
    named = {name.split()[0] for name in (*SAFE, *UNSAFE)}
    public = {name for name, each in vars(Client).items() if callable(each) and not name.startswith("_")}
    assert public - named == {"close", "check_ready", "readiness", "get", "sign_url"}


def test_a_users_file_passes_the_strict_type_checker(tmp_path: Path) -> None:
    """With no stubs and no settings of theirs: `py.typed` is all that tells the checker to look."""
    program = """
        from pathlib import Path
        from typing import BinaryIO, assert_type

        from imagestore.client import Client, Download, ImageInfo, Readiness, Retries, VersionInfo
        from imagestore.core.errors import ImageNotFound, ImagestoreError, Unavailable
        from imagestore.core.image import Condition

        def work(client: Client, stream: BinaryIO) -> list[str]:
            image = client.upload("b", Path("beach.jpg"), "k", tags=("a",), condition=Condition(exists=False))
            assert_type(image, ImageInfo)
            assert_type(image["width"], int)
            assert_type(client.upload("b", stream)["context"], dict[str, str])
            assert_type(client.version("b", "k", 1), VersionInfo)
            assert_type(client.readiness(), Readiness)
            try:
                with client.get("b", "k") as download:
                    assert_type(download, Download)
                    download.save(Path("copy.jpg"))
            except ImageNotFound as error:
                print(error.code, error.message)
            except (Unavailable, ImagestoreError):
                pass
            return [version["digest"] for version in client.versions("b", "k")]

        with Client("http://127.0.0.1:8000", "KEY", "secret", retries=Retries(count=5)) as client:
            work(client, open("x", "rb"))
        client.upload("b", "not bytes")
        client.set_access("b", "public")
    """
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(program))
    options = ["--strict", "--config-file=", f"--cache-dir={tables.ROOT / '.mypy_cache'}"]
    told, failed, _ = mypy.run([*options, str(file)])
    complaints = re.findall(r"program\.py:(\d+): error: .*\[([\w-]+)\]", told)
    assert complaints == [("28", "arg-type"), ("29", "arg-type")], told + failed


class Draining(httpx.BaseTransport):
    """Takes bodies in and forgets them; sends `SIZE` bytes."""

    def __init__(self) -> None:
        self.taken = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        self.taken += sum(len(piece) for piece in request.stream)
        if request.method == "GET":
            digest = hashlib.sha256()
            for piece in pieces():
                digest.update(piece)
            return httpx.Response(200, content=pieces(), headers={"ETag": f'"{digest.hexdigest()}"'})
        return httpx.Response(200, json={})


def pieces() -> Iterator[bytes]:
    return (bytes([number % 256]) * (64 * 1024) for number in range(SIZE // (64 * 1024)))


@pytest.mark.quick
def test_bytes_stream_up_and_down_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(SIZE)
    transport = Draining()
    client = Client("http://service", "KEY", "secret", transport=transport)
    peaks: dict[str, Any] = {}
    tracemalloc.start()
    try:
        with client:
            client.upload("b", path, "k")
            with path.open("rb") as file:
                client.upload("b", file, "k")
            peaks["up"] = tracemalloc.get_traced_memory()[1]
            tracemalloc.reset_peak()
            with client.get("b", "k") as download:
                download.save(tmp_path / "copy")
            peaks["down"] = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert transport.taken == 2 * SIZE
    assert (tmp_path / "copy").stat().st_size == SIZE
    assert max(peaks.values()) < BOUND, peaks
