"""`imagestore warm --log`: what a log of the service shows is planned, then loaded, and there afterwards."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from imagestore.cache.footprint import SERVER_BYTES
from tests import pictures
from tests.cli.conftest import run_alone
from tests.service import PATIENT_REDIS, Service, await_that, environment, running_service

KEYS = [f"p/ü {number}.png" for number in range(12)]
SHAPES = ["", "c_fill,w_20,h_20/", "w_30/f_webp/"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {"access_log": "on", "log_format": "json", "edge_bytes": 0, "workers": 1}
    settings |= {"redis_timeout": PATIENT_REDIS}
    with running_service(tmp_path_factory.mktemp("logged"), **settings) as running:
        with running.client() as client:
            for number, key in enumerate(KEYS):
                client.upload("default", pictures.png(60, 50, seed=number), key)
        yield running


@pytest.fixture(scope="module")
def log(service: Service) -> Path:
    """Originals and renditions, some of them often; and what is none."""
    randomly = random.Random(5)
    with httpx.Client(base_url=service.url, timeout=60) as http:
        for _ in range(300):
            key, shape = KEYS[int(randomly.paretovariate(0.7)) % len(KEYS)], randomly.choice(SHAPES)
            assert http.get(f"/default/image/upload/{shape}{key}").status_code == 200
        assert http.get("/default/image/upload/none.png").status_code == 404
        assert http.get("/v1/buckets").status_code == 401
    return service.log


def warm(service: Service, log: Path, *arguments: str) -> dict[str, object]:
    result = run_alone("warm", "--log", str(log), "--json", *arguments, data=service.data)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_plan_tells_what_to_expect_and_loads_nothing(service: Service, log: Path) -> None:
    with redis.Redis.from_url(service.redis_url) as server:
        server.flushall()
        told = warm(service, log, "--plan")
        assert server.dbsize() == 0
    assert told["requests"] == 300
    objects = told["objects"]
    assert told["before"] == pytest.approx(1 - objects / 300)
    assert told["after"] == 1.0
    assert warm(service, log, "--plan", "--top", "3")["objects"] == 3
    assert warm(service, log, "--plan", "--bytes", "20kB")["objects"] < objects
    small = warm(service, log, "--plan", "--redis-bytes", str(SERVER_BYTES + 60_000))
    assert small["objects"] < objects
    assert small["after"] < 1.0


def test_what_was_planned_is_loaded_and_found(service: Service, log: Path) -> None:
    with redis.Redis.from_url(service.redis_url) as server:
        server.flushall()
    told = warm(service, log)
    assert (told["loaded"], told["found"], told["refused"], told["busy"]) == (told["objects"], 0, 0, 0)
    again = warm(service, log)
    assert (again["loaded"], again["found"]) == (0, told["objects"])
    with httpx.Client(base_url=service.url, timeout=60) as http:
        answer = http.get(f"/default/image/upload/{SHAPES[1]}{KEYS[1]}")
    assert answer.headers["Cache-Status"] == "imagestore; hit; detail=redis"


def test_what_is_done_is_not_done_again(service: Service, log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = warm(service, log, "--top", "5", "--state", str(state))
    assert first["loaded"] + first["found"] == 5
    assert len(state.read_text().splitlines()) == 5
    rest = warm(service, log, "--state", str(state), "--concurrency", "8", "--rate", "500/s")
    assert rest["loaded"] + rest["found"] == rest["objects"] - 5


def test_what_is_done_is_noted_at_once(service: Service, log: Path, tmp_path: Path) -> None:
    """So that a slow warm-up that is broken off has not been for nothing."""
    state = tmp_path / "state"
    command = [sys.executable, "-m", "imagestore", "warm", "--log", str(log), "--rate", "4/s"]
    with subprocess.Popen([*command, "--state", str(state)], env=environment({"data": service.data})) as run:
        await_that(lambda: state.exists() and state.read_text().count("\n") >= 2)
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
    done = len(state.read_text().splitlines())
    rest = warm(service, log, "--state", str(state))
    assert 0 < done < rest["objects"]
    assert rest["loaded"] + rest["found"] == rest["objects"] - done


def test_what_was_refused_is_asked_for_the_next_time(service: Service, log: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with service.client() as client:
        client.set_access("default", "private")
        refused = warm(service, log, "--state", str(state))
        client.set_access("default", "public-read")
    assert refused["refused"] == refused["objects"]
    rest = warm(service, log, "--state", str(state))
    assert rest["loaded"] + rest["found"] == rest["objects"]


def test_wrong_use_is_said(service: Service, log: Path, tmp_path: Path) -> None:
    assert run_alone("warm", "key", "--log", str(log), data=service.data).exit_code == 2
    empty = tmp_path / "empty.log"
    empty.write_text("")
    assert run_alone("warm", "--log", str(empty), data=service.data).exit_code not in (0, 2)
    shown = run_alone("warm", "--log", str(log), "--plan", data=service.data).stdout
    assert "expected hit ratio" in shown
