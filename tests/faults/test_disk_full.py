"""The disk under everything fills up: uploads are refused, nothing is lost, and room alone mends it."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure

from tests.faults import motifs
from tests.faults.caller import Caller
from tests.faults.ledger import Ledger
from tests.figures import Figures
from tests.service import PATIENCE, running_service

DISK = "600m"
UPLOADS = 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", folder],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(file: Path) -> None:
    """Write until there is no room left."""
    with file.open("wb", buffering=0) as filling:
        for size in (1024 * 1024, 4096, 1):
            try:
                while True:
                    filling.write(bytes(size))
            except OSError:
                continue


def checkpoint(url: str) -> bool:
    """Have mongod write its data files now, as it does each minute; whether it lived through that."""
    with MongoClient(url, socketTimeoutMS=20_000) as client:
        try:
            client.admin.command("fsync")
        except ConnectionFailure:
            return False
    return True


def test_a_full_disk_refuses_uploads_and_loses_none(disk: Path, ledger: Ledger, figures: Figures) -> None:
    seen: dict[str, Counter[int]] = {"tiny": Counter(), "spooled": Counter()}
    with running_service(disk, workers=1) as service, closing(Caller(service)) as caller:

        def upload(key: str, data: bytes) -> int:
            answer = caller.put("full", key, data)
            assert ledger.note("full", key, data, answer) or answer.status in (503, 507), str(answer)
            return answer.status

        caller.create_bucket("full")
        assert {upload(f"before-{number}", motifs.tiny()) for number in range(UPLOADS)} == {201}
        fill(disk / "filler")
        seen["spooled"][upload("spooled", motifs.large(1000))] += 1
        # What is acknowledged now has its room in the journal; the data files have none.
        assert {upload(f"full-{number}", motifs.tiny()) for number in range(UPLOADS)} == {201}
        assert not checkpoint(service.mongo_url), "the disk was not full"
        seen["tiny"][upload("gone", motifs.tiny())] += 1
        (disk / "filler").unlink()
        freed = time.monotonic()
        while upload("after", motifs.tiny()) != 201:
            assert time.monotonic() < freed + PATIENCE, "it did not recover"
            time.sleep(0.2)
        recovered = time.monotonic() - freed
        verdict = ledger.judge(service, service.redis_url)
    figures(
        statuses={size: dict(counts) for size, counts in seen.items()},
        recovered_after=recovered,
        acknowledged=verdict.checked,
        lost=len(verdict.lost),
    )
    assert seen["tiny"].keys() | seen["spooled"].keys() <= {503, 507}
    assert verdict.clean, verdict
