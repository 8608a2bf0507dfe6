"""What a service was asked for most is known after a restart, told by `stats`, and warmed: at start, too."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from imagestore.client import Client
from tests import pictures
from tests.cli.conftest import run_alone
from tests.service import PATIENT_REDIS, await_that, running_service

PATHS = ["/default/image/upload/often.png", "/default/image/upload/w_20/often.png"]


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """The folder of a service that was asked, and has ended."""
    with running_service(tmp_path, workers=1, redis_timeout=PATIENT_REDIS) as service:
        with service.client() as client:
            client.upload("default", pictures.png(60, 50), "often.png")
            client.create_bucket("hidden")
            client.upload("hidden", pictures.png(60, 50), "secret.png")
        auth = (service.access_key, service.secret)
        with httpx.Client(base_url=service.url, timeout=60) as http:
            for _ in range(3):
                assert http.get(PATHS[0]).is_success
                assert http.get(f"{PATHS[1]}?signature-or-so=1").is_success
            assert http.get(PATHS[0]).is_success
            assert http.get("/hidden/image/upload/secret.png", auth=auth).is_success
    return tmp_path


def test_what_was_asked_for_most_is_known_and_warmed(asked: Path) -> None:
    with (
        running_service(asked, workers=2, redis_timeout=PATIENT_REDIS) as service,
        service.client() as client,
    ):
        hottest = client.cache_stats(2)["hottest"]
        assert hottest == [{"path": PATHS[0], "answers": 4}, {"path": PATHS[1], "answers": 3}]
        assert len(client.cache_stats()["hottest"]) == 3
        told = run_alone("warm", "--hottest", "10", "--json", data=service.data)
        # Of a private bucket a stranger gets nothing.
        assert json.loads(told.stdout) == {"loaded": 2, "found": 0, "refused": 1, "busy": 0, "failed": 0}
        shown = run_alone("warm", "--hottest", "2", "--rate", "50/s", data=service.data).stdout
        assert "there already  2" in shown
        assert run_alone("warm", "--hottest", "2", "key", data=service.data).exit_code == 2
        assert run_alone("warm", "--hottest", "2", "--log", "x", data=service.data).exit_code == 2
        page = run_alone("stats", data=service.data).stdout
        assert PATHS[1] in page
        assert "that MongoDB was not read for" in page
        caches = json.loads(run_alone("stats", "--json", data=service.data).stdout)["caches"]
        assert caches["answers"]["miss"] == 2


def test_a_service_can_warm_itself_when_it_starts(asked: Path) -> None:
    def is_warm(client: Client) -> bool:
        return client.cache_stats()["answers"]["miss"] == 2

    settings = {"workers": 2, "warm_start": 10, "redis_timeout": PATIENT_REDIS}
    with running_service(asked, **settings) as service, service.client() as client:
        await_that(lambda: is_warm(client))
        for path in PATHS:
            assert "hit" in client.visit(path)
