"""One server with plain settings, shared by the tests that need no others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.edge.gunicorn_server import Server, serve


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("edge")) as running:
        yield running
