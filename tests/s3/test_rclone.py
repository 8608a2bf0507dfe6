"""rclone, as Debian has it, over http and https: folders copied, synchronised, and checked byte by byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.s3.conftest import REGION, Endpoint, files_of, over

RCLONE = shutil.which("rclone")
pytestmark = pytest.mark.skipif(RCLONE is None, reason="needs rclone (Debian: apt-get install rclone)")
Rclone = Callable[..., str]


@pytest.fixture
def rclone(endpoint: Endpoint, tmp_path: Path) -> Rclone:
    """Runs it, the door being `door:`; returns what it prints."""
    config = {
        "TYPE": "s3",
        "PROVIDER": "Other",
        "ENDPOINT": endpoint.url,
        "ACCESS_KEY_ID": endpoint.access_key,
        "SECRET_ACCESS_KEY": endpoint.secret,
        "REGION": REGION,
    }
    (tmp_path / "rclone.conf").touch()

    def run(*arguments: str) -> str:
        return endpoint.run(
            RCLONE or "", "--config", str(tmp_path / "rclone.conf"), "--ca-cert", str(endpoint.authority),
            "--s3-upload-cutoff", "16M", *arguments,
            **{f"RCLONE_CONFIG_DOOR_{name}": value for name, value in config.items()},
        )  # fmt: skip

    return run


@over("http", "https")
def test_a_folder_is_copied_checked_and_synchronised(
    rclone: Rclone, bucket: str, tree: Path, tmp_path: Path
) -> None:
    there = f"door:{bucket}/t"
    rclone("copy", str(tree), there)
    assert "0 differences found" in rclone("check", str(tree), there)
    assert "3 matching files" in rclone("check", str(tree), there, "--download")
    assert len(rclone("lsf", there, "-R", "--files-only").splitlines()) == 3
    rclone("sync", there, str(tmp_path / "back"))
    assert files_of(tmp_path / "back") == files_of(tree)
    (tree / "empty").unlink()
    (tree / "one.txt").write_text("another")
    rclone("sync", str(tree), there)
    rclone("copy", there, f"door:{bucket}/copied")
    assert "0 differences found" in rclone("check", str(tree), f"door:{bucket}/copied")
    assert rclone("cat", f"{there}/one.txt", "--offset", "3") == "ther"
    rclone("purge", f"door:{bucket}")
    assert bucket not in rclone("lsd", "door:")


@over("https", "http")
def test_a_large_file_goes_in_parts(rclone: Rclone, bucket: str, big: Path) -> None:
    rclone("copy", str(big), f"door:{bucket}")
    assert "0 differences found" in rclone("check", str(big.parent), f"door:{bucket}", "--download")
    assert "1 matching files" in rclone("check", str(big.parent), f"door:{bucket}")
