"""Parts of forms: larger ones lie in files of the spool folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from flask import Flask, request

from imagestore.app import create_app
from imagestore.services import Services
from imagestore.settings import Settings
from imagestore.web.forms import PART_MEMORY_BYTES

pytestmark = pytest.mark.quick


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    """The application, with a view that tells where the part `file` lies and what is in it."""
    services = Services(
        Settings(
            mongo_url="mongodb://127.0.0.1:1/?connect=false",
            redis_url="none",
            secret_key="k" * 32,
            data=tmp_path / "data",
        )
    )
    app = create_app(services)

    @app.post("/part")
    def show_part() -> dict[str, object]:
        stream = request.files["file"].stream
        return {"path": os.readlink(f"/proc/self/fd/{stream.fileno()}"), "size": len(stream.read())}

    yield app
    services.close()


def test_a_large_part_lies_in_the_spool_folder_without_a_name(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(system))
    data = b"x" * (2 * PART_MEMORY_BYTES)
    form = httpx.Request("POST", "http://here", files={"file": ("a.jpg", data)})
    with app.test_client() as client:
        found = client.post("/part", data=form.read(), content_type=form.headers["Content-Type"]).get_json()
    spool = tmp_path / "data" / "spool"
    assert found["path"].startswith(f"{spool}{os.sep}")
    assert found["size"] == len(data)
    assert list(spool.iterdir()) == []
