"""The running service held against its own OpenAPI document by schemathesis, requests good and bad.

It runs as a program, with all its checks but those that schemathesis.toml turns off and says why: no 5xx; no
status, header, media type or body that is not in the document; nothing refused that the document allows, and
nothing taken that it does not; no operation without its credential; methods and `Allow` as they are told.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import pictures
from tests.service import REPOSITORY, Service, running_service

HERE = Path(__file__).parent
CONFIG = (HERE / "schemathesis.toml").read_text()
QUICKLY = """
# The form has the strings of all others: to make up its longest ones takes half of the time of the phase.
[[operations]]
include-name = "POST /v1/buckets/{bucket}/images"
phases.coverage.enabled = false
"""
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Service]:
    """A service whose store may be made a mess of. Wrong secrets are tried often there."""
    with running_service(tmp_path, rate_limit_failures="off") as running:
        yield running


def fuzz(service: Service, examples: int, seed: int, folder: Path, config: str = CONFIG) -> str:
    """Ask `examples` times or more for each operation, and return what is said about it."""
    with service.client() as client:
        client.create_bucket("known")
        number = client.upload("known", pictures.jpeg(), "there")["version"]
    (folder / "schemathesis.toml").write_text(config)
    known = {"bucket": "known", "key": "there", "number": number}
    done = subprocess.run(
        [
            *(SCHEMATHESIS, "--no-color", "--config-file", folder / "schemathesis.toml"),
            *("run", f"{service.url}/v1/openapi.json", "--auth", f"{service.access_key}:{service.secret}"),
            *("--max-examples", str(examples), "--seed", str(seed), "--continue-on-failure"),
        ],
        env=os.environ
        | {
            "PYTHONPATH": str(REPOSITORY),
            "SCHEMATHESIS_HOOKS": "tests.web.rest.schemathesis_hooks",
            "SCHEMATHESIS_KNOWN": json.dumps(known),
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_told(told: str, at_least: int) -> None:
    counts = re.search(r"(\d+) generated, (\d+) passed", told)
    assert counts, told
    print(counts[0])
    assert int(counts[1]) >= at_least
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in " ".join(told.split()), phase
    operations = re.search(r"Operations: +(\d+) selected / (\d+) total", told)
    assert operations
    assert operations[1] == operations[2]


def test_rest_is_as_its_document_says(alone: Service, tmp_path: Path) -> None:
    check_told(fuzz(alone, 2, 1, tmp_path, CONFIG + QUICKLY), 500)
    assert "Traceback" not in alone.log.read_text()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_rest_is_as_its_document_says_at_length(alone: Service, tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    check_told(fuzz(alone, 150, seed, tmp_path), 2500)
    assert "Traceback" not in alone.log.read_text()
